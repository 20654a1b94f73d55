import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { describe, expect, test } from 'vitest';
import type { Picture } from '../../../src/base/index.ts';
import { suitability } from '../../../src/imaging/suitability.ts';
import { root } from '../../peers/index.ts';

function picture(width: number, height: number, valueAt: (i: number) => readonly [number, number, number]): Picture {
  const rgb = Uint8Array.from({ length: width * height * 3 }, (_, k) => valueAt(Math.floor(k / 3))[k % 3]!);
  return {
    stack: 'k1',
    plane: 0,
    width,
    height,
    rgb,
    toSource: { a: 1, b: 0, c: 0, d: 1, e: 0, f: 0 },
    window: 'test',
  };
}

/** Uniform numbers in [0, 1), the same each time (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function grey(v: number): readonly [number, number, number] {
  return [v, v, v];
}

function normal(random: () => number, mean: number, deviation: number): number {
  const v = mean + deviation * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.min(255, Math.max(0, Math.round(v)));
}

/** One value a pixel, asked for three times. */
function once(
  size: number,
  make: () => readonly [number, number, number],
): (i: number) => readonly [number, number, number] {
  const values = Array.from({ length: size }, make);
  return (i) => values[i]!;
}

const sides = [
  [32, 32],
  [64, 48],
  [224, 224],
  [512, 512],
] as const;

describe.each(sides)('at %d x %d pixels', (width, height) => {
  const code = (valueAt: (i: number) => readonly [number, number, number]): string | undefined =>
    suitability(picture(width, height, valueAt))?.code;
  const size = width * height;

  test.each([
    ['black', () => grey(0)],
    ['white', () => grey(255)],
    ['one colour', () => [200, 30, 90] as const],
    ['black with one hot pixel in ten thousand', (i: number) => grey(i % 10_007 === 5 && i > 5 ? 90 : 0)],
  ])('a picture of %s is refused as blank', (_, valueAt) => {
    expect(code(valueAt)).toBe('unsuitable-blank');
  });

  test.each([1, 2, 3, 4, 5])(
    'gaussian, uniform, coloured and salt-and-pepper noise are refused as noise (seed %d)',
    (seed) => {
      const random = randomNumbers(seed);
      expect(code(once(size, () => grey(normal(random, 128, 40))))).toBe('unsuitable-noise');
      expect(code(once(size, () => grey(Math.floor(256 * random()))))).toBe('unsuitable-noise');
      expect(
        code(once(size, () => [Math.floor(256 * random()), Math.floor(256 * random()), Math.floor(256 * random())])),
      ).toBe('unsuitable-noise');
      expect(code(once(size, () => grey(random() < 0.5 ? 0 : 255)))).toBe('unsuitable-noise');
    },
  );

  test('a bright disc on black, and the same under noise, may be read', () => {
    const random = randomNumbers(9);
    const inside = (i: number): boolean =>
      Math.hypot((i % width) - width / 2, Math.floor(i / width) - height / 2) < height / 4;
    expect(code((i) => grey(inside(i) ? 200 : 0))).toBeUndefined();
    const noisy = Array.from({ length: size }, (_, i) => normal(random, inside(i) ? 170 : 90, 25));
    expect(code((i) => grey(noisy[i]!))).toBeUndefined();
  });
});

describe('shape', () => {
  const ramp = (i: number): readonly [number, number, number] => grey(i % 256);
  test('a picture of fewer than 16 pixels one way is refused', () => {
    expect(suitability(picture(15, 40, ramp))?.code).toBe('unsuitable-tiny');
    expect(suitability(picture(16, 40, ramp))?.code).toBeUndefined();
  });
  test('a strip more than ten times as long as wide is refused', () => {
    expect(suitability(picture(16, 161, ramp))?.code).toBe('unsuitable-aspect');
  });
});

describe('pictures that the tiny bundle was made for', () => {
  const golden = join(root, 'models/plumbline-tiny/golden');
  const files = readdirSync(golden).filter((name) => /^\d\d(\.llm|\.sam)?\.png$/.test(name));

  test('there are at least six', () => expect(files.length).toBeGreaterThanOrEqual(6));

  test.each(files)('%s may be read', (name) => {
    const { width, height, data, channels } = decode(readFileSync(join(golden, name)));
    const shown = picture(
      width,
      height,
      (i) => [0, 1, 2].map((c) => data[i * channels + (channels < 3 ? 0 : c)]!) as never,
    );
    expect(suitability(shown)).toBeUndefined();
  });
});
