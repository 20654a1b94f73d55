import { describe, expect, it } from 'vitest';
import { readFrames } from '../../../src/dicom/index.ts';
import { makeImage, rawImagePixel, rawPart10, type RawSpec } from '../../builders/dicom.ts';

const jpeg = { transferSyntax: '1.2.840.10008.1.2.4.50' };
const words = (...values: number[]): Uint8Array => new Uint8Array(new Uint32Array(values).buffer);
const start = (n: number): Uint8Array => Buffer.from([0xff, 0xd8, 0xff, n]);
const rest = (n: number): Uint8Array => Buffer.from([n, n, n, n]);

function frames(
  count: number,
  table: Uint8Array,
  fragments: readonly Uint8Array[],
  more: readonly RawSpec[] = [],
): string[] {
  const pixels: RawSpec = { tag: '7FE00010', vr: 'OB', value: '', fragments: [table, ...fragments] };
  const read = readFrames(rawPart10([...rawImagePixel(2, 2, { frames: count }), ...more, pixels], jpeg));
  return Array.from({ length: count }, (_, i) => Buffer.from(read.frame(i).bytes).toString('hex'));
}
const description = expect.objectContaining({ code: 'pixel-description' });
const decode = expect.objectContaining({ code: 'pixel-decode' });

describe('encapsulated frames', () => {
  it('one fragment a frame without a table', () => {
    expect(frames(2, words(), [rest(1), rest(2)])).toEqual(['01010101', '02020202']);
  });
  it('all fragments where there is one frame', () => {
    expect(frames(1, words(), [rest(1), rest(2)])).toEqual(['0101010102020202']);
  });
  it('by the Basic Offset Table', () => {
    expect(frames(2, words(0, 24), [rest(1), rest(2), rest(3)])).toEqual(['0101010102020202', '03030303']);
  });
  it('by the Extended Offset Table', () => {
    const table: RawSpec = { tag: '7FE00001', vr: 'OV', value: new Uint8Array(new BigUint64Array([0n, 12n]).buffer) };
    expect(frames(2, words(), [rest(1), rest(2), rest(3)], [table])).toEqual(['01010101', '0202020203030303']);
  });
  it('by the codestreams that begin in fragments, where no table says it', () => {
    expect(frames(2, words(), [start(1), rest(2), start(3)])).toEqual(['ffd8ff0102020202', 'ffd8ff03']);
  });
  it.each([
    ['beyond the end', words(0, 4000)],
    ['backward', words(12, 0)],
    ['into a fragment', words(0, 14)],
    ['twice to the same place', words(0, 0)],
  ])('an offset table that points %s is refused', (_how, table) => {
    expect(() => frames(2, table, [rest(1), rest(2)])).toThrow(decode);
  });
  it('more frames than fragments, or than codestreams, are refused', () => {
    expect(() => frames(3, words(), [rest(1)])).toThrow(description);
    expect(() => frames(2, words(), [start(1), rest(2), rest(3)])).toThrow(description);
  });
  it('no fragment, and fragments under a native transfer syntax, are refused', () => {
    expect(() => frames(1, words(), [])).toThrow(description);
    const pixels: RawSpec = { tag: '7FE00010', vr: 'OB', value: '', fragments: [words(), rest(1)] };
    expect(() => readFrames(rawPart10([...rawImagePixel(2, 2), pixels]))).toThrow(decode);
  });
});

describe('native frames', () => {
  it('are cut by their size', () => {
    const read = readFrames(
      makeImage({ rows: 2, columns: 2, frames: 3, bitsAllocated: 8, pixel: (_x, _y, frame) => frame + 1 }),
    );
    expect(read.frames).toBe(3);
    expect(Buffer.from(read.frame(2).bytes).toString('hex')).toBe('03030303');
  });
  it('of one bit begin inside of a byte', () => {
    const read = readFrames(makeImage({ rows: 3, columns: 3, frames: 2, bitsAllocated: 1 }));
    expect(read.frame(1)).toMatchObject({ firstBit: 1 });
    expect(read.frame(1).bytes).toHaveLength(2);
  });
  it('are copies: writing to one leaves the file', () => {
    const file = Buffer.from(makeImage({ rows: 2, columns: 2, bitsAllocated: 8 }));
    const before = Buffer.from(file);
    readFrames(file).frame(0).bytes.fill(99);
    expect(file.equals(before)).toBe(true);
  });
  it.each([
    ['more frames than pixels', { NumberOfFrames: 5 }],
    ['two thousand million frames', { NumberOfFrames: 2147483647 }],
    ['no frame', { NumberOfFrames: 0 }],
    ['a negative number of frames', { NumberOfFrames: -3 }],
    ['no rows', { Rows: undefined }],
    ['zero rows', { Rows: 0 }],
    ['8.6 GB of pixels', { Rows: 65535, Columns: 65535 }],
  ])('%s are refused without allocation', (_what, attributes) => {
    expect(() => readFrames(makeImage({ attributes }))).toThrow(description);
  });
  it('a frame that is not there is refused', () => {
    expect(() => readFrames(makeImage()).frame(1)).toThrow(description);
    expect(() => readFrames(makeImage()).frame(-1)).toThrow(description);
  });
});
