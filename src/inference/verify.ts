import { join } from 'node:path';
import { asPlumblineError, countBits, type Answer, type PictureMask } from '../base/index.ts';
import type { Bundle } from './bundle.ts';
import { goldenPicture, goldensOf, readMask, readRgb, type Golden } from './golden.ts';
import { normalise, samPixels, visionPixels } from './preprocess.ts';
import type { Runtime } from './runtime.ts';

/** What came of one golden. */
export interface GoldenCheck {
  readonly id: string;
  readonly task: string;
  readonly passed: boolean;
  /** In words; empty where it passed. */
  readonly problems: readonly string[];
  readonly tokens: { readonly equal: boolean; readonly expected: number; readonly found: number };
  /** Only where the texts differ; `at` is the first character that does. */
  readonly text?: { readonly expected: string; readonly found: string; readonly at: number };
  readonly masks: readonly { readonly iou: number; readonly score?: number; readonly expectedScore?: number }[];
  /** Of the pictures that the encoders see: the greatest difference in levels of 255. */
  readonly pictures: readonly { readonly name: 'vision' | 'sam'; readonly difference: number }[];
}

export interface Verified {
  /** False too where there is no golden: then nothing was proved. */
  readonly passed: boolean;
  readonly goldens: readonly GoldenCheck[];
}

/**
 * Golden input to golden output: the pictures that the encoders see are equal, the token ids are equal, and each mask has
 * at least `minIou` with its golden.
 * @param onProgress called after each golden
 * @throws PlumblineError bundle-invalid where a golden is not as it should be; those of the runtime
 */
export async function verifyBundle(
  bundle: Bundle,
  runtime: Pick<Runtime, 'answer'>,
  {
    minIou = 0.999,
    onProgress,
  }: { readonly minIou?: number; readonly onProgress?: (done: number, of: number) => void } = {},
): Promise<Verified> {
  const goldens = goldensOf(bundle);
  const checks: GoldenCheck[] = [];
  for (const golden of goldens) {
    checks.push(await checkGolden(bundle, runtime, golden, minIou));
    onProgress?.(checks.length, goldens.length);
  }
  return { passed: checks.length > 0 && checks.every((c) => c.passed), goldens: checks };
}

async function checkGolden(
  { manifest, dir }: Bundle,
  runtime: Pick<Runtime, 'answer'>,
  golden: Golden,
  minIou: number,
): Promise<GoldenCheck> {
  const { id, task, prompt, box, token_ids: expected } = golden;
  const picture = await goldenPicture(dir, golden);
  const pictures = await comparePictures(manifest, dir, golden, picture);
  let answer: Answer;
  try {
    answer = (await runtime.answer([picture], { task, prompt, ...(box ? { box } : {}) }))[0]!;
  } catch (thrown) {
    const { code, message } = asPlumblineError(thrown);
    const tokens = { equal: false, expected: expected.length, found: 0 };
    return { id, task, passed: false, problems: [`${code}: ${message}`], tokens, masks: [], pictures };
  }
  const first = firstDifference(expected, answer.tokenIds);
  const at = firstDifference([...golden.text], [...answer.text]);
  const masks = await compareMasks(dir, golden, answer);
  const problems = [
    ...pictures
      .filter((p) => p.difference > 0)
      .map((p) => `the picture of the ${p.name} encoder differs by up to ${p.difference} levels`),
    ...(first === undefined
      ? []
      : [
          `token ${first + 1} differs: expected ${expected[first] ?? 'the end'}, found ${answer.tokenIds[first] ?? 'the end'}`,
        ]),
    ...(at === undefined ? [] : [`the text differs from character ${at + 1} on`]),
    ...(answer.masks.length === golden.masks.length
      ? []
      : [`expected ${golden.masks.length} masks, found ${answer.masks.length}`]),
    ...masks.flatMap((m, k) =>
      m.iou >= minIou ? [] : [`mask ${k + 1}: IoU ${m.iou.toFixed(4)}, at least ${minIou} wanted`],
    ),
  ];
  return {
    id,
    task,
    passed: problems.length === 0,
    problems,
    tokens: { equal: first === undefined, expected: expected.length, found: answer.tokenIds.length },
    ...(at === undefined ? {} : { text: { expected: golden.text, found: answer.text, at } }),
    masks,
    pictures,
  };
}

/** Index of the first that differs, where one does. */
function firstDifference<T>(a: readonly T[], b: readonly T[]): number | undefined {
  const at = Array.from({ length: Math.max(a.length, b.length) }, (_, i) => i).find((i) => a[i] !== b[i]);
  return at;
}

async function compareMasks(dir: string, golden: Golden, answer: Answer): Promise<GoldenCheck['masks']> {
  return Promise.all(
    golden.masks.slice(0, answer.masks.length).map(async ({ file, score: expectedScore }, k) => {
      const found = answer.masks[k];
      return {
        iou: found ? iouOf(await readMask(join(dir, file)), found) : 0,
        ...(found?.score === undefined ? {} : { score: found.score }),
        ...(expectedScore === undefined ? {} : { expectedScore }),
      };
    }),
  );
}

/** Intersection over union; two empty masks are the same, masks of different sizes have nothing in common. */
export function iouOf(a: PictureMask, b: PictureMask): number {
  if (a.width !== b.width || a.height !== b.height) return 0;
  const both = countBits(a.bits.map((v, i) => v & b.bits[i]!));
  const either = countBits(a.bits.map((v, i) => v | b.bits[i]!));
  return either === 0 ? 1 : both / either;
}

/** The pictures that the encoders see, against those of the golden; normalising is exact, so equal floats are equal levels. */
async function comparePictures(
  m: Bundle['manifest'],
  dir: string,
  golden: Golden,
  picture: Awaited<ReturnType<typeof goldenPicture>>,
): Promise<GoldenCheck['pictures']> {
  const box = golden.box ?? undefined;
  const ours = { vision: visionPixels(picture, m, box), sam: samPixels(picture, m, box) };
  const compared: { name: 'vision' | 'sam'; difference: number }[] = [];
  for (const name of ['vision', 'sam'] as const) {
    const file = golden[`${name}_image`];
    if (file === undefined) continue;
    const branch = m.preprocess[name];
    const theirs = await readRgb(join(dir, file));
    const same = theirs.width === branch.width && theirs.height === branch.height && ours[name].tiles === 1;
    const { data } = same ? normalise([theirs], branch) : ours[name];
    const level = branch.scale / Math.max(...branch.std);
    const difference = same ? Math.round(greatest(data, ours[name].data) / level) : 255;
    compared.push({ name, difference });
  }
  return compared;
}

function greatest(a: Float32Array, b: Float32Array): number {
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]! - b[i]!));
  return most;
}
