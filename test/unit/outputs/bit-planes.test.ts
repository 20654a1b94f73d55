import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emptyBits, packBits } from '../../../src/base/index.ts';
import { firstSet, overlap } from '../../../src/outputs/bit-planes.ts';

/** Mostly empty planes of any length, some of them at an address that is no multiple of four. */
const plane = fc
  .tuple(fc.array(fc.nat({ max: 299 }), { maxLength: 4 }), fc.boolean())
  .map(([set, odd]) => ({ set: new Set(set), bits: shifted(packBits(flags(new Set(set))), odd) }));

describe('planes of bits', () => {
  it('nothing is set before the first set byte, and something is in the four from there', () => {
    fc.assert(
      fc.property(plane, ({ bits }) => {
        const first = bits.findIndex((b) => b !== 0);
        const said = firstSet(bits);
        expect(said).toBe(first < 0 ? undefined : first - (first % 4));
      }),
    );
  });

  it('planes of one place meet where a pixel is in two of them, planes of different places never', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat({ max: 2 }), plane), { maxLength: 6 }), (given) => {
        const pixels = given.flatMap(([place, { set }]) => [...set].map((i) => `${place} ${i}`));
        const planes = given.map(([place, { bits }]) => ({ place, bits }));
        expect(overlap(planes)).toBe(new Set(pixels).size < pixels.length);
        const known = planes.map((p) => ({ ...p, first: firstSet(p.bits) ?? 0 }));
        expect(overlap(known)).toBe(overlap(planes));
      }),
    );
  });

  it('an empty plane has no first bit and meets nothing', () => {
    const empty = { place: 0, bits: emptyBits(64) };
    expect(firstSet(empty.bits)).toBeUndefined();
    expect(overlap([empty, empty, { place: 0, bits: Uint8Array.of(255) }])).toBe(false);
  });
});

function flags(set: ReadonlySet<number>): Uint8Array {
  return Uint8Array.from({ length: 300 }, (_, i) => (set.has(i) ? 1 : 0));
}

function shifted(bits: Uint8Array, odd: boolean): Uint8Array {
  if (!odd) return bits;
  const moved = new Uint8Array(bits.length + 1);
  moved.set(bits, 1);
  return moved.subarray(1);
}
