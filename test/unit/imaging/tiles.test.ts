import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planTiles, tissueShare } from '../../../src/imaging/index.ts';

describe('tiles of a matrix', () => {
  test('lie inside it, are all of one size, and each pixel is the affair of exactly one', () => {
    const length = fc.integer({ min: 1, max: 120 });
    const shares = fc.constantFrom(0, 0.125, 0.25, 0.5);
    fc.assert(
      fc.property(length, length, fc.integer({ min: 4, max: 60 }), shares, (rows, columns, side, overlap) => {
        const spokenFor = new Uint8Array(rows * columns);
        for (const { row, column, rows: h, columns: w, core } of planTiles(rows, columns, side, overlap)) {
          expect([h, w]).toEqual([Math.min(side, rows), Math.min(side, columns)]);
          expect(row >= 0 && column >= 0 && row + h <= rows && column + w <= columns).toBe(true);
          expect(core.x0 >= 0 && core.y0 >= 0 && core.x1 <= w && core.y1 <= h).toBe(true);
          for (let y = core.y0; y < core.y1; y++)
            for (let x = core.x0; x < core.x1; x++) spokenFor[(row + y) * columns + column + x]!++;
        }
        expect(spokenFor.every((n) => n === 1)).toBe(true);
      }),
    );
  });

  test('share at least the overlap that is asked for', () => {
    const across = planTiles(100, 1000, 100, 0.25);
    expect(across.map((t) => t.row)).toEqual(across.map(() => 0));
    for (const [i, t] of across.slice(1).entries())
      expect(across[i]!.column + 100 - t.column).toBeGreaterThanOrEqual(25);
    expect(across.at(-1)!.column).toBe(900);
  });
});

describe('the share of tissue', () => {
  const tone = (r: number, g: number, b: number) => ({
    width: 2,
    height: 1,
    rgb: Uint8Array.of(r, g, b, 250, 250, 250),
  });

  test.each([
    ['haematoxylin', [90, 60, 140], 0.5],
    ['eosin', [230, 160, 200], 0.5],
    ['clear glass', [238, 236, 240], 0],
    ['black outside the scanned field', [3, 2, 4], 0],
    ['a grey shadow', [120, 120, 120], 0.5],
  ])('of %s', (_name, [r, g, b], share) => expect(tissueShare(tone(r!, g!, b!))).toBe(share));
});
