import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/base/index.ts';
import { loadBundle, type Manifest } from '../../../src/inference/index.ts';
import { normalise, samPixels, tileGrid, tiles, visionPixels } from '../../../src/inference/preprocess.ts';
import { drawBox, type RegionRule } from '../../../src/inference/region.ts';
import { goldensOf, noise, readRgb, tinyDir } from '../../builders/bundle.ts';
import expected from './expected/tiles.json' with { type: 'json' };

let manifest: Manifest;
beforeAll(async () => {
  ({ manifest } = await loadBundle(tinyDir));
});

function tiling(max: number, size = 448): Manifest['preprocess']['vision'] {
  const { vision } = manifest.preprocess;
  const cut = { min: 1, max, thumbnail: true, tokens_per_tile: 256 };
  return { ...vision, width: size, height: size, resample: 'bicubic-antialias', tiling: cut };
}

describe('what the encoders see', () => {
  it('is bit for bit what the reference made of every golden picture, drawn box included', async () => {
    for (const g of goldensOf(manifest)) {
      const picture = await readRgb(join(tinyDir, g.image));
      const box = g.box ?? undefined;
      const vision = await readRgb(join(tinyDir, g.vision_image));
      const sam = await readRgb(join(tinyDir, g.sam_image));
      expect(visionPixels(picture, manifest, box).data, `${g.id} vision`).toEqual(
        normalise([vision], manifest.preprocess.vision).data,
      );
      expect(samPixels(picture, manifest, box).data, `${g.id} sam`).toEqual(
        normalise([sam], manifest.preprocess.sam).data,
      );
    }
  });

  it('is (x / 255 - mean) / std in float32, channel by channel', () => {
    const rgb = Uint8Array.from({ length: 256 * 3 }, (_, i) => Math.floor(i / 3));
    const { data } = normalise([{ width: 256, height: 1, rgb }], { ...manifest.preprocess.sam, width: 256, height: 1 });
    const [mean, std] = [
      [0.485, 0.456, 0.406],
      [0.229, 0.224, 0.225],
    ];
    for (let c = 0; c < 3; c++)
      for (let v = 0; v < 256; v++) expect(data[c * 256 + v]).toBeCloseTo((v / 255 - mean[c]!) / std[c]!, 6);
  });
});

describe('tiles', () => {
  it.each(expected)('of $size, at most $max, are $grid', ({ size, max, grid }) => {
    expect(tileGrid(size[0]!, size[1]!, tiling(max))).toEqual({ columns: grid[0], rows: grid[1] });
  });

  it('are cut row by row, with the whole picture last', () => {
    const p = noise(5, 64, 32);
    const cut = tiles(p, tiling(12, 32), (v) => v);
    expect(cut).toHaveLength(3);
    const left = new Uint8Array(32 * 32 * 3);
    for (let y = 0; y < 32; y++) left.set(p.rgb.subarray(y * 192, y * 192 + 96), y * 96);
    expect(cut[0]!.rgb).toEqual(left);
    expect(sha256(cut[2]!.rgb)).not.toBe(sha256(cut[0]!.rgb));
    expect(cut[2]).toMatchObject({ width: 32, height: 32 });
  });

  it('are without a whole picture where one tile is enough', () => {
    expect(tiles(noise(5, 32, 32), tiling(12, 32), (v) => v)).toHaveLength(1);
  });
});

describe('a drawn box', () => {
  const black = { width: 24, height: 24, rgb: new Uint8Array(24 * 24 * 3) };
  const rule = { kind: 'drawn_box', branch: 'both', color: [0, 255, 0] as number[], width_px: 2 } as const;
  const lines = (p: { width: number; rgb: Uint8Array }, rows: readonly number[]): string[] =>
    rows.map((y) => Array.from({ length: 24 }, (_, x) => (p.rgb[(y * 24 + x) * 3 + 1] ? '#' : '.')).join(''));

  it('on the source is the line that OpenCV draws for rectangle((6, 7), (15, 14), thickness 2)', () => {
    const drawn = drawBox(black, [6 / 24, 7 / 24, 15 / 24, 14 / 24], { ...rule, stage: 'source' } as RegionRule);
    expect(lines(drawn, [5, 6, 7, 8, 9, 12, 13, 14, 15, 16])).toEqual([
      '........................',
      '......##########........',
      '.....############.......',
      '.....############.......',
      '.....###......###.......',
      '.....###......###.......',
      '.....############.......',
      '.....############.......',
      '......##########........',
      '........................',
    ]);
  });

  it('leaves the picture it was given alone, and stays inside it at the rim', () => {
    const drawn = drawBox(black, [0, 0, 1, 1], { ...rule, stage: 'source' } as RegionRule);
    expect(black.rgb.every((v) => v === 0)).toBe(true);
    expect(drawn.rgb).toHaveLength(black.rgb.length);
    expect(lines(drawn, [0, 1, 2])).toEqual(['#'.repeat(24), '#'.repeat(24), `##${'.'.repeat(21)}#`]);
  });
});
