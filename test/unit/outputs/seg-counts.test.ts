import { createHash, type Hash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { chunksOf, joined, lengthOf, setBit, type MaskPlane } from '../../../src/base/index.ts';
import { inspectPart10 } from '../../../src/dicom/index.ts';
import { encodeSeg, type EncodingInput } from '../../../src/outputs/index.ts';
import { readBack } from '../../../src/outputs/read-back.ts';
import { sampleInput } from '../../builders/encodings.ts';
import { testStore, type TestStore } from '../../builders/store.ts';

/** A volume of `planes` slices with n masks, each with a pixel in every slice. */
function withMasks(n: number, size: { readonly rows: number; readonly columns: number }, planes = 6): EncodingInput {
  const input = sampleInput({ ...size, planes, profile: { strictBinary: true } });
  const [mask, finding] = [input.draft.masks[0]!, input.draft.findings.find((f) => f.presence === 'present')!];
  const bytes = Math.ceil((size.rows * size.columns) / 8);
  const numbers = Array.from({ length: n }, (_, i) => i + 1);
  const masks = numbers.map((i): [string, MaskPlane[]] => [
    `m${i}`,
    Array.from({ length: planes }, (_, plane) => {
      const bits = new Uint8Array(bytes);
      setBit(bits, i + plane);
      return { plane, bits };
    }),
  ]);
  return {
    ...input,
    masks: new Map(masks),
    draft: {
      ...input.draft,
      findings: numbers.map((i) => ({ ...finding, id: `f${i}`, mask: `m${i}` })),
      masks: numbers.map((i) => ({ ...mask, id: `m${i}`, finding: `f${i}`, segment: i })),
    },
  };
}

/** Bytes that are taken from one array into another from now on, and bytes that are hashed. */
let cost: { copied: number; hashed: number };
beforeEach(() => {
  cost = { copied: 0, hashed: 0 };
  const { concat } = Buffer;
  vi.spyOn(Buffer, 'concat').mockImplementation((list, length) => {
    const made = concat(list, length);
    cost.copied += made.length;
    return made;
  });
  const bytes = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array;
  const { set, slice } = bytes;
  vi.spyOn(bytes, 'set').mockImplementation(function (this: Uint8Array, from, at) {
    cost.copied += from.length;
    return set.call(this, from, at);
  });
  vi.spyOn(bytes, 'slice').mockImplementation(function (this: Uint8Array<ArrayBuffer>, from, to) {
    const made = slice.call(this, from, to) as Uint8Array<ArrayBuffer>;
    cost.copied += made.length;
    return made;
  });
  const hashes = Object.getPrototypeOf(createHash('sha256')) as Hash;
  const { update } = hashes;
  vi.spyOn(hashes, 'update').mockImplementation(function (this: Hash, ...args: Parameters<Hash['update']>) {
    cost.hashed += args[0].length;
    return update.apply(this, args);
  });
});
afterEach(() => vi.restoreAllMocks());

/** What it costs to make the object, without what its headers cost: those of the same masks in a smaller size. */
function costOfPixels(n: number): { readonly copied: number; readonly hashed: number; readonly pixels: number } {
  const [small, large] = [
    { rows: 64, columns: 64 },
    { rows: 512, columns: 512 },
  ].map((size) => {
    const input = withMasks(n, size);
    Object.assign(cost, { copied: 0, hashed: 0 });
    const parts = encodeSeg(input)[0]!.parts;
    return { ...cost, pixels: lengthOf(parts.slice(1)) };
  });
  const difference = (key: 'copied' | 'hashed' | 'pixels'): number => large![key] - small![key];
  return { copied: difference('copied'), hashed: difference('hashed'), pixels: difference('pixels') };
}

describe('what a SEG costs in bytes of its masks', () => {
  it.each([1, 20])('is, to encode %i masks, not one that is copied or hashed: its pixels are the masks', (n) => {
    const { copied, hashed, pixels } = costOfPixels(n);
    expect(pixels).toBe(n * 6 * ((512 * 512 - 64 * 64) / 8));
    // Headers name the size: a digit more or less.
    expect(copied).toBeLessThan(1000);
    expect(hashed).toBeLessThan(1000);

    const input = withMasks(n, { rows: 512, columns: 512 });
    const bits = [...input.masks.values()].flatMap((planes) => planes.map((p) => p.bits));
    const parts = encodeSeg(input)[0]!.parts.slice(1);
    expect(parts.length).toBe(bits.length);
    expect(parts.every((part, i) => part === bits[i])).toBe(true);
  });

  it('is one new array where frames do not end on a byte (PS3.5 8.1.1), as long as the pixels', () => {
    const parts = encodeSeg(withMasks(20, { rows: 511, columns: 511 }))[0]!.parts.slice(1);
    expect(parts.map((p) => p.length)).toEqual([Math.ceil((20 * 6 * 511 * 511) / 8), 1]);
  });

  it('is one hash to look at it, and one copy and one hash to write it into the store, in pieces', async () => {
    const store: TestStore = await testStore();
    try {
      const object = encodeSeg(withMasks(20, { rows: 512, columns: 512 }))[0]!;
      const whole = lengthOf(object.parts);
      const times = (bytes: number): number => Math.round((100 * bytes) / whole) / 100;

      Object.assign(cost, { copied: 0, hashed: 0 });
      readBack(object);
      readBack(object);
      expect({ copied: times(cost.copied), hashed: times(cost.hashed) }).toEqual({ copied: 0, hashed: 1 });

      Object.assign(cost, { copied: 0, hashed: 0 });
      const blob = await store.blobs.stage();
      for (const chunk of chunksOf(object.parts)) await blob.write(chunk);
      const { digest } = await blob.finish();
      expect({ copied: times(cost.copied), hashed: times(cost.hashed) }).toEqual({ copied: 1, hashed: 1 });
      await store.blobs.commit([blob]);
      const file = await store.blobs.read(digest);
      expect(Buffer.from(file).equals(joined(object.parts))).toBe(true);
      expect(inspectPart10(file).dataDigest).toBe(readBack(object).dataDigest);
    } finally {
      await store.remove();
    }
  });
});
