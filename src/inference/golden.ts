import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { packBits, PlumblineError, schemaProblems, type Picture, type PictureMask } from '../base/index.ts';
import type { Bundle } from './bundle.ts';
import type { Box } from './region.ts';
import type { Rgb } from './resize.ts';

/** What a bundle's maker saw it say about a picture: by another program, where it can be. */
export interface Golden {
  readonly id: string;
  /** Key of an entry of `modalities`. */
  readonly modality?: string;
  readonly task: string;
  /** PNG in the bundle. */
  readonly image: string;
  /** The picture as the two encoders see it, before it is normalised; of one tile. */
  readonly vision_image?: string;
  readonly sam_image?: string;
  readonly box?: Box | null;
  readonly prompt: string;
  readonly text: string;
  readonly token_ids: readonly number[];
  readonly masks: readonly { readonly file: string; readonly score?: number }[];
}

const text = { type: 'string', minLength: 1 } as const;
const goldenSchema = {
  type: 'object',
  required: ['id', 'task', 'image', 'prompt', 'text', 'token_ids', 'masks'],
  properties: {
    id: text,
    modality: text,
    task: text,
    image: text,
    vision_image: text,
    sam_image: text,
    box: { type: ['array', 'null'], items: { type: 'number' }, minItems: 4, maxItems: 4 },
    prompt: text,
    text: { type: 'string' },
    token_ids: { type: 'array', items: { type: 'integer', minimum: 0 } },
    masks: {
      type: 'array',
      items: { type: 'object', required: ['file'], properties: { file: text, score: { type: 'number' } } },
    },
  },
} as const;

/**
 * The goldens of a bundle, checked. Other keys are the maker's own.
 * @throws PlumblineError bundle-invalid
 */
export function goldensOf({ manifest, dir }: Pick<Bundle, 'manifest' | 'dir'>): Golden[] {
  const goldens = manifest.golden ?? [];
  const problems = goldens.flatMap((g, i) => [
    ...schemaProblems(goldenSchema, g).map((p) => `golden ${i + 1}${p.path}: ${p.message}`),
    ...filesOf(g as Partial<Golden>)
      .filter((file) => !(file in manifest.files))
      .map((file) => `golden ${i + 1}: ${file} has no entry under files`),
  ]);
  if (problems.length > 0) throw new PlumblineError('bundle-invalid', problems.join('; '), { where: dir });
  return goldens as unknown as Golden[];
}

function filesOf({ image, vision_image: vision, sam_image: sam, masks }: Partial<Golden>): string[] {
  const named = [image, vision, sam, ...(Array.isArray(masks) ? masks.map((m) => m?.file) : [])];
  return named.filter((file) => typeof file === 'string');
}

/** A PNG of the bundle as 8-bit RGB; grey is repeated. */
export async function readRgb(file: string): Promise<Rgb> {
  const { width, height, channels, data } = decode(await readFile(file));
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++)
    for (let c = 0; c < 3; c++) rgb[3 * i + c] = data[channels * i + (channels >= 3 ? c : 0)]!;
  return { width, height, rgb };
}

/** The picture of a golden, its own source. */
export async function goldenPicture(dir: string, { image }: Golden): Promise<Picture> {
  const toSource = { a: 1, b: 0, c: 0, d: 1, e: 0, f: 0 };
  return { stack: 'k1', plane: 0, ...(await readRgb(join(dir, image))), toSource, window: 'none' };
}

/** A mask PNG: set where it is bright. */
export async function readMask(file: string): Promise<PictureMask> {
  const { width, height, rgb } = await readRgb(file);
  return { width, height, bits: packBits(Uint8Array.from({ length: width * height }, (_, i) => rgb[3 * i]! >> 7)) };
}
