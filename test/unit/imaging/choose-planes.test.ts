import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Stack } from '../../../src/base/index.ts';
import { choosePlanes } from '../../../src/imaging/choose-planes.ts';

const stackOf = (planes: number): Stack => ({ planes: Array(planes).fill({}) }) as unknown as Stack;

describe('choosePlanes', () => {
  test('reads all planes where nothing limits it', () => expect(choosePlanes(stackOf(4))).toEqual([0, 1, 2, 3]));
  test('takes every third from the middle of each step', () =>
    expect(choosePlanes(stackOf(10), { every: 3 })).toEqual([1, 4, 7, 9]));
  test('spreads the most that are allowed evenly', () =>
    expect(choosePlanes(stackOf(100), { max: 4 })).toEqual([12, 37, 62, 87]));

  test('always names different planes of the stack, growing, and no more than the most', () => {
    const size = fc.integer({ min: 1, max: 300 });
    fc.assert(
      fc.property(size, size, size, (planes, every, max) => {
        const chosen = choosePlanes(stackOf(planes), { every, max });
        expect(chosen.length).toBeGreaterThan(0);
        expect(chosen.length).toBeLessThanOrEqual(Math.min(max, Math.ceil(planes / every)));
        expect(new Set(chosen).size).toBe(chosen.length);
        expect([...chosen].sort((a, b) => a - b)).toEqual(chosen);
        expect(chosen.every((p) => p >= 0 && p < planes)).toBe(true);
      }),
    );
  });
});
