import { cp, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { countBits, sha256, type Picture, type PictureMask } from '../../src/base/index.ts';
import type { Manifest } from '../../src/inference/index.ts';
import { root } from '../peers/index.ts';

/** The committed bundle. */
export const tinyDir = join(root, 'models/plumbline-tiny');

/** One golden of a bundle's manifest: what the graphs were seen to say. */
export interface Golden {
  readonly id: string;
  readonly task: string;
  readonly image: string;
  readonly vision_image: string;
  readonly sam_image: string;
  readonly box: readonly [number, number, number, number] | null;
  readonly prompt: string;
  readonly text: string;
  readonly token_ids: readonly number[];
  readonly prompt_tokens: number;
  readonly masks: readonly { readonly file: string; readonly score: number }[];
}

export function goldensOf(m: Manifest): Golden[] {
  return m.golden as unknown as Golden[];
}

/** A PNG as 8-bit RGB; grey is repeated. */
export async function readRgb(file: string): Promise<{ width: number; height: number; rgb: Uint8Array }> {
  const { width, height, channels, data } = decode(await readFile(file));
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++)
    for (let c = 0; c < 3; c++) rgb[3 * i + c] = data[channels * i + (channels >= 3 ? c : 0)]!;
  return { width, height, rgb };
}

/** A model picture that is its own source. */
export function pictureOf(p: { readonly width: number; readonly height: number; readonly rgb: Uint8Array }): Picture {
  const { width, height, rgb } = p;
  return {
    stack: 'k1',
    plane: 0,
    width,
    height,
    rgb,
    toSource: { a: 1, b: 0, c: 0, d: 1, e: 0, f: 0 },
    window: 'none',
  };
}

/** One byte per pixel to packed bits. */
export function packed(flags: ArrayLike<number>): Uint8Array {
  const bits = new Uint8Array((flags.length + 7) >> 3);
  for (let i = 0; i < flags.length; i++) if (flags[i]) bits[i >> 3]! |= 1 << (i & 7);
  return bits;
}

/** Intersection over union and Dice of two packed masks. */
export function overlap(a: Uint8Array, b: Uint8Array): { readonly iou: number; readonly dice: number } {
  const shared = countBits(a.map((v, i) => v & b[i]!));
  const [na, nb] = [countBits(a), countBits(b)];
  return { iou: shared / (na + nb - shared), dice: (2 * shared) / (na + nb) };
}

/** A mask PNG (0 or 255) as packed bits. */
export async function readMask(file: string): Promise<PictureMask> {
  const { width, height, channels, data } = decode(await readFile(file));
  return {
    width,
    height,
    bits: packed(Array.from({ length: width * height }, (_, i) => (data[i * channels]! > 127 ? 1 : 0))),
  };
}

type Editable = Record<string, unknown>;

/**
 * A copy of the committed bundle in a new folder.
 * @param edit changes its manifest.json
 */
export async function copyBundle(edit: (m: Editable) => void = () => {}): Promise<string> {
  const dir = join(await mkdtemp(join(tmpdir(), 'bundle-')), 'copy');
  await cp(tinyDir, dir, { recursive: true });
  const manifest = JSON.parse(await readFile(join(dir, 'manifest.json'), 'utf8')) as Editable;
  edit(manifest);
  await writeFile(join(dir, 'manifest.json'), JSON.stringify(manifest));
  return dir;
}

/** Put a file into a copied bundle and give it a true entry under `files`. */
export async function replaceFile(dir: string, name: string, bytes: Uint8Array): Promise<void> {
  await writeFile(join(dir, name), bytes);
  const file = join(dir, 'manifest.json');
  const m = JSON.parse(await readFile(file, 'utf8')) as { files: Record<string, object> };
  m.files[name] = { sha256: sha256(bytes), bytes: bytes.length };
  await writeFile(file, JSON.stringify(m));
}

/** Pictures by the generator that the expected digests were made with: xorshift32, the top byte of each state. */
export function noise(seed: number, width: number, height: number): { width: number; height: number; rgb: Uint8Array } {
  const rgb = new Uint8Array(width * height * 3);
  let x = seed;
  for (let i = 0; i < rgb.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    rgb[i] = x >>> 24;
  }
  return { width, height, rgb };
}

/** Red rises from left to right, green from top to bottom, blue along the diagonal and over again. */
export function ramp(width: number, height: number): { width: number; height: number; rgb: Uint8Array } {
  const rgb = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      rgb.set(
        [
          Math.floor((x * 255) / Math.max(1, width - 1)),
          Math.floor((y * 255) / Math.max(1, height - 1)),
          (x + y) % 256,
        ],
        3 * (y * width + x),
      );
  return { width, height, rgb };
}
