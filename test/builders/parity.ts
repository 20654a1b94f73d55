import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { createRuntime, loadBundle, type Box } from '../../src/inference/index.ts';
import { countBits } from '../../src/base/index.ts';
import { overlap, pictureOf, readRgb } from './bundle.ts';
import { childMemory } from './child-memory.ts';

/** What `python -m grounded.parity BUNDLE` writes: answers of another implementation on many pictures. */
export interface ParityFile {
  readonly bundle: string;
  readonly made_with: string;
  readonly cases: readonly ParityCase[];
}

interface ParityCase {
  readonly image: string;
  /** Of the variation of the image. */
  readonly seed: number;
  readonly task: string;
  readonly prompt: string;
  readonly box?: Box;
  readonly token_ids: readonly number[];
  /** One bit a pixel, deflated, base64. */
  readonly masks: readonly string[];
}

/** How far a bundle's answers are from those of the file. */
export interface Parity {
  readonly prompts: number;
  readonly masks: number;
  readonly leastIou: number;
  /** One line for each answer with other tokens, another number of masks, or a mask under 0.999. */
  readonly differences: readonly string[];
  /** Resident memory of the model's process after each prompt, MiB; empty where the system does not say. */
  readonly memory: readonly number[];
}

const wanted = 0.999;

/** Ask a bundle every question of the file, all in one process that keeps nothing of the pictures before. */
export async function parityOf(dir: string, file: ParityFile): Promise<Parity> {
  const runtime = await createRuntime(await loadBundle(dir), { threads: 1, imageMemoryMb: 0, recycleAfter: Infinity });
  const differences: string[] = [];
  const ious: number[] = [];
  const memory: number[] = [];
  for (const c of file.cases) {
    const picture = pictureOf(variation(await readRgb(join(dir, c.image)), c.seed));
    const [answer] = await runtime.ask(picture, [{ task: c.task, prompt: c.prompt, ...(c.box ? { box: c.box } : {}) }]);
    const here = `${c.image} seed ${c.seed} ${c.task} "${c.prompt}"`;
    if (String(answer!.tokenIds) !== String(c.token_ids)) differences.push(`${here}: ${answer!.tokenIds}`);
    if (answer!.masks.length !== c.masks.length) differences.push(`${here}: ${answer!.masks.length} masks`);
    for (const [k, packed] of c.masks.entries()) {
      const theirs = new Uint8Array(inflateSync(Buffer.from(packed, 'base64')));
      const ours = answer!.masks[k]?.bits ?? new Uint8Array(theirs.length);
      const iou = countBits(theirs) + countBits(ours) === 0 ? 1 : overlap(ours, theirs).iou;
      ious.push(iou);
      if (iou < wanted) differences.push(`${here}: mask ${k} has IoU ${iou}`);
    }
    memory.push(...(await childMemory()));
  }
  await runtime.close();
  return { prompts: file.cases.length, masks: ious.length, leastIou: Math.min(1, ...ious), differences, memory };
}

export async function readParity(file: string): Promise<ParityFile> {
  return JSON.parse(await readFile(file, 'utf8')) as ParityFile;
}

type Rgb = Parameters<typeof pictureOf>[0];

/**
 * Cut off up to an eighth at each edge, mirrored or not, made lighter or darker by up to 20 levels. Numbers are the top
 * bytes of xorshift32 states from `seed`, in this order: left, right, top, bottom, mirror, light.
 */
export function variation({ width, height, rgb }: Rgb, seed: number): Rgb {
  const numbers = bytes(seed, 6);
  const [left, right] = [numbers[0]!, numbers[1]!].map((n) => n % (Math.floor(width / 8) + 1)) as [number, number];
  const [top, bottom] = [numbers[2]!, numbers[3]!].map((n) => n % (Math.floor(height / 8) + 1)) as [number, number];
  const [w, h] = [width - left - right, height - top - bottom];
  const light = (numbers[5]! % 41) - 20;
  const out = new Uint8ClampedArray(w * h * 3);
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++) {
      const from = 3 * ((top + y) * width + left + (numbers[4]! % 2 ? w - 1 - x : x));
      for (let c = 0; c < 3; c++) out[3 * (y * w + x) + c] = rgb[from + c]! + light;
    }
  return { width: w, height: h, rgb: new Uint8Array(out.buffer) };
}

function bytes(seed: number, n: number): number[] {
  let x = seed;
  return Array.from({ length: n }, () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 24;
  });
}
