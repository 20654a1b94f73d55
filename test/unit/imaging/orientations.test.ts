import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Picture, Stack, Vec3 } from '../../../src/base/index.ts';
import {
  createDecoder,
  loadPictures,
  patientPoint,
  patientSide,
  readStudy,
  type Decoder,
} from '../../../src/imaging/index.ts';
import { byInstance, collect, sourcesUnder, temporaryFolder } from '../../builders/series.ts';
import { missing, sharedPath } from '../../peers/index.ts';

interface Expected {
  readonly blocks: Readonly<
    Record<string, { readonly voxels: number; readonly volumeMm3: number; readonly centroidMm: Vec3 }>
  >;
}

/** Maps -1000..1600 of the phantom to greys that keep its six values apart. */
const window = { centre: 300.5, width: 2601 };
const greyOf = (value: number): number => Math.round(((value + 1000) * 255) / 2600);

let decoder: Decoder;
beforeAll(() => {
  decoder = createDecoder({ seconds: 20, maxPixels: 1 << 20 });
});
afterAll(() => decoder.close());

/** Runs the phantom's own writer, which states where every block lies. */
function phantom(...options: string[]): { folder: string; series: string[]; expected: Expected } {
  const folder = temporaryFolder();
  execFileSync('python3', [sharedPath('data/make-orientations.py'), folder, ...options]);
  const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Expected;
  return {
    folder,
    series: readdirSync(folder)
      .filter((name) => name !== 'expected.json')
      .sort(),
    expected,
  };
}

interface Block {
  readonly voxels: number;
  readonly volumeMm3: number;
  readonly centroidMm: readonly number[];
  readonly sides: ReadonlySet<string | undefined>;
}

/** Where the pixels of one grey lie in the patient, through picture, affine and grid. */
function blockOf(stack: Stack, pictures: readonly Picture[], value: number): Block {
  const { spacing, depth } = stack.grid;
  if (spacing.kind !== 'physical' || !depth) throw new Error('no volume');
  const sum = [0, 0, 0];
  const sides = new Set<string | undefined>();
  let [voxels, volumeMm3] = [0, 0];
  for (const {
    plane,
    width,
    rgb,
    toSource: { a, b, c, d, e, f },
  } of pictures)
    // prettier-ignore
    for (let i = 0; i < rgb.length / 3; i++) {
      if (rgb[3 * i] !== greyOf(value)) continue;
      const [x, y] = [i % width, Math.floor(i / width)];
      const [column, row] = [a * x + c * y + e, b * x + d * y + f];
      patientPoint(stack, plane, column, row)!.forEach((mm, axis) => (sum[axis]! += mm));
      sides.add(patientSide(stack, plane, column, row));
      voxels++;
      volumeMm3 += spacing.rowMm * spacing.columnMm * depth.thicknessMm[plane]!;
    }
  return { voxels, volumeMm3, centroidMm: sum.map((v) => v / voxels), sides };
}

async function readSeries(folder: string): Promise<{ stack: Stack; pictures: Picture[] }> {
  const sources = sourcesUnder(folder);
  const { stacks, passedOver, notices } = readStudy(sources, { burnedIn: 'hold' });
  expect([stacks.length, passedOver, notices]).toEqual([1, [], []]);
  const pictures = await collect(loadPictures(stacks[0]!, byInstance(sources), decoder, undefined, { window }));
  return { stack: stacks[0]!, pictures };
}

async function expectBlocks(folder: string, { blocks }: Expected): Promise<{ stack: Stack; pictures: Picture[] }> {
  const { stack, pictures } = await readSeries(folder);
  for (const [value, { voxels, volumeMm3, centroidMm }] of Object.entries(blocks)) {
    const found = blockOf(stack, pictures, Number(value));
    expect(found.voxels).toBe(voxels);
    expect(found.volumeMm3).toBeCloseTo(volumeMm3, 3);
    centroidMm.forEach((mm, axis) => expect(found.centroidMm[axis]).toBeCloseTo(mm, 3));
  }
  return { stack, pictures };
}

describe.skipIf(missing('shared'))('the phantom in all 48 axis orders', () => {
  const { folder, series, expected } = missing('shared')
    ? { folder: '', series: [], expected: { blocks: {} } }
    : phantom();

  test('there are 48 of them', () => expect(series).toHaveLength(48));

  test.each(series)('%s: every block lies where it is, with its volume and side', async (name) => {
    const { stack, pictures } = await expectBlocks(join(folder, name), expected);
    const left = blockOf(stack, pictures, 400).sides;
    const { placement } = stack.grid;
    const fromTheSide = placement.kind === 'patient' && Math.abs(placement.normal[0]) > 0.9;
    expect([...left]).toEqual(fromTheSide ? [undefined] : ['left']);
  });

  test('in display the left block lies right of the middle, the back block below, and all 16 axial orders show one picture', async () => {
    const axial = series.filter((name) => /^\d\d-[RLAP][RLAP]/.test(name));
    expect(axial).toHaveLength(16);
    const shown = new Set<string>();
    for (const name of axial) {
      const { pictures } = await readSeries(join(folder, name));
      shown.add(
        pictures
          .map((p) => `${p.width}x${p.height} ${Buffer.from(p.rgb).toString('base64')}`)
          .sort()
          .join(),
      );
      for (const { width, height, rgb } of pictures)
        for (let i = 0; i < width * height; i++) {
          if (rgb[3 * i] === greyOf(400)) expect(i % width).toBeGreaterThan(width / 2);
          if (rgb[3 * i] === greyOf(700)) expect(Math.floor(i / width)).toBeGreaterThan(height / 2);
        }
    }
    expect(shown.size).toBe(1);
  });
});

describe.skipIf(missing('shared'))('variants of the phantom', () => {
  test('oblique and shuffled: blocks lie where they are', async () => {
    const { folder, series, expected } = phantom('--oblique', '--shuffle', '--only', '0,7,13,22,31,40,47');
    expect(series).toHaveLength(7);
    for (const name of series) await expectBlocks(join(folder, name), expected);
  });

  test('a dropped slice is named as missing', () => {
    const { folder, series } = phantom('--drop', '5', '--only', '0,9,20');
    for (const name of series) {
      const { stacks, notices } = readStudy(sourcesUnder(join(folder, name)), { burnedIn: 'hold' });
      expect(stacks[0]!.grid.depth!.missing).toBe(true);
      expect(notices.map((n) => n.code)).toEqual(['missing-slices']);
      expect(notices[0]!.about).toHaveLength(2);
    }
  });

  test('a slice that is there twice holds the series, naming both', () => {
    const { folder, series } = phantom('--duplicate', '3', '--only', '0,9,20');
    for (const name of series) {
      const sources = sourcesUnder(join(folder, name));
      const { stacks, passedOver } = readStudy(sources, { burnedIn: 'hold' });
      expect(stacks).toEqual([]);
      expect(passedOver.map((p) => p.code)).toEqual(sources.map(() => 'geometry'));
      const byNumber = (n: number): string =>
        sources.find((s) => s.attributes['00200013']!.Value![0] === n)!.ref.instanceUid;
      for (const n of [4, sources.length]) expect(passedOver[0]!.reason).toContain(byNumber(n));
    }
  });

  test('uneven slices are irregular and their volume is still right', async () => {
    const { folder, series, expected } = phantom('--jitter', '0.1', '--only', '0,9,20');
    for (const name of series) {
      const sources = sourcesUnder(join(folder, name));
      const { stacks, notices } = readStudy(sources, { burnedIn: 'hold' });
      expect(notices.map((n) => n.code)).toEqual(['irregular-slices']);
      const pictures = await collect(loadPictures(stacks[0]!, byInstance(sources), decoder, undefined, { window }));
      const { voxels, volumeMm3 } = expected.blocks['400']!;
      const found = blockOf(stacks[0]!, pictures, 400);
      expect(found.voxels).toBe(voxels);
      // Steps alternate by 0.2 mm either way; the midpoint rule keeps the sum of inner planes.
      expect(found.volumeMm3 / volumeMm3).toBeCloseTo(1, 6);
    }
  });
});
