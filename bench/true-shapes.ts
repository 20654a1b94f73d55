// The gateway's own loop over a bundle against what PyTorch answered, at any size; slow sizes are not for `npm test`.
//
//   node bench/true-shapes.ts BUNDLE PICTURES ANSWERS.json
//
// PICTURES and ANSWERS.json are those of proof/pictures.py and proof/answers.py. One line a question, then a summary.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { countBits, type Picture } from '../src/base/index.ts';
import { createRuntime, loadBundle, type Request } from '../src/inference/index.ts';

interface Theirs {
  readonly image: string;
  readonly task: string;
  readonly prompt: string;
  readonly box: readonly [number, number, number, number] | null;
  readonly token_ids: readonly number[];
  readonly text: string;
  readonly margin: number;
  readonly masks: readonly { readonly bits: string; readonly score: number }[];
}

const [dir, pictures, answers] = process.argv.slice(2);
if (!dir || !pictures || !answers) {
  process.stderr.write('usage: node bench/true-shapes.ts BUNDLE PICTURES ANSWERS.json\n');
  process.exit(2);
}
const bundle = await loadBundle(dir);
const runtime = await createRuntime(bundle, { seconds: 3600, startSeconds: 3600, memoryMb: 16_384 });
let same = 0;
let tokens = 0;
let equal = 0;
const ious: number[] = [];
const asked = JSON.parse(await readFile(answers, 'utf8')) as readonly Theirs[];
for (const q of asked) {
  const request: Request = { task: q.task, prompt: q.prompt, ...(q.box ? { box: q.box } : {}) };
  const [answer] = await runtime.answer([await pictureOf(join(pictures, q.image))], request);
  const until = q.token_ids.findIndex((id, i) => answer!.tokenIds[i] !== id);
  const agree = until < 0 && answer!.tokenIds.length === q.token_ids.length;
  tokens += q.token_ids.length;
  equal += until < 0 ? q.token_ids.length : until;
  if (agree) same++;
  const pairs = agree ? q.masks.map((m, k) => iou(answer!.masks[k]!.bits, Buffer.from(m.bits, 'base64'))) : [];
  ious.push(...pairs);
  const stages = Object.entries(answer!.timingsMs).map(([stage, ms]) => `${stage} ${(ms / 1000).toFixed(2)} s`);
  process.stdout.write(
    `${q.image} ${q.task}: ${agree ? 'same' : `differs at ${until}`} of ${q.token_ids.length} tokens (nearest choice ${q.margin.toFixed(4)}), IoU ${pairs.map((v) => v.toFixed(5)).join(' ') || '-'}; ${stages.join(', ')}\n`,
  );
}
await runtime.close();
process.stdout.write(
  `${same} of ${asked.length} answers with the same token ids (${equal} of ${tokens} tokens before a first difference); ` +
    `${ious.length} masks, least IoU ${ious.length > 0 ? Math.min(...ious).toFixed(5) : '-'}\n`,
);

/** A PNG of RGB as a picture that is its own source. */
async function pictureOf(file: string): Promise<Picture> {
  const { width, height, channels, data } = decode(await readFile(file));
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++)
    for (let c = 0; c < 3; c++) rgb[3 * i + c] = data[channels * i + (channels >= 3 ? c : 0)]!;
  const toSource = { a: 1, b: 0, c: 0, d: 1, e: 0, f: 0 };
  return { stack: 'k1', plane: 0, width, height, rgb, toSource, window: 'none' };
}

/** Intersection over union; two empty masks agree. */
function iou(a: Uint8Array, b: Uint8Array): number {
  const shared = countBits(a.map((v, i) => v & b[i]!));
  const either = countBits(a) + countBits(b) - shared;
  return either === 0 ? 1 : shared / either;
}
