import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chunksOf, joined, lengthOf, partsReader, sha256OfParts } from '../../../src/base/index.ts';

const partsOf = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 });

describe('a file in parts', () => {
  it('has the length, the bytes and the digest of its parts in a row', () => {
    fc.assert(
      fc.property(partsOf, (parts) => {
        const whole = Buffer.concat(parts);
        expect(lengthOf(parts)).toBe(whole.length);
        expect(Buffer.compare(joined(parts), whole)).toBe(0);
        expect(sha256OfParts(parts)).toBe(createHash('sha256').update(whole).digest('hex'));
      }),
    );
  });

  it('is the same in chunks of any size, of which none is longer than asked for', () => {
    fc.assert(
      fc.property(partsOf, fc.integer({ min: 1, max: 64 }), (parts, size) => {
        // A chunk is good until the next is asked for: it is copied here.
        const chunks = [...mapped(chunksOf(parts, size), (c) => Uint8Array.from(c))];
        expect(Buffer.compare(Buffer.concat(chunks), Buffer.concat(parts))).toBe(0);
        expect(chunks.every((c) => c.length > 0 && c.length <= size)).toBe(true);
      }),
    );
  });

  it('gathers small parts: ten thousand frames of 32 KiB are some three hundred writes of a MiB', () => {
    const frame = new Uint8Array(32 << 10);
    const chunks = [...mapped(chunksOf(Array.from({ length: 10_000 }, () => frame)), (c) => c.length)];
    expect(chunks.length).toBeLessThanOrEqual(313);
  });

  it('reads any range, backwards too, and past its end as far as there is something', () => {
    fc.assert(
      fc.property(partsOf, fc.array(fc.tuple(fc.nat(500), fc.nat(60))), (parts, ranges) => {
        const whole = Buffer.concat(parts);
        const read = partsReader(parts);
        for (const [start, length] of ranges)
          expect([...read(start, start + length)]).toEqual([...whole.subarray(start, start + length)]);
      }),
    );
  });

  it('copies nothing where there is one part, or where a range lies in one', () => {
    const [a, b] = [Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5)];
    expect(joined([a])).toBe(a);
    expect(partsReader([a, b])(3, 5).buffer).toBe(b.buffer);
  });
});

function* mapped<A, B>(from: Iterable<A>, f: (a: A) => B): Generator<B> {
  for (const a of from) yield f(a);
}
