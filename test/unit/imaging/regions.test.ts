import { describe, expect, it } from 'vitest';
import { countBits, getBit, joined } from '../../../src/base/index.ts';
import { items, text } from '../../../src/dicom/index.ts';
import { readRegion } from '../../../src/imaging/index.ts';
import { shapeBits, type Point } from '../../../src/imaging/shapes.ts';
import { encodeSeg, encodeSr, readBack } from '../../../src/outputs/index.ts';
import { sampleInput } from '../../builders/encodings.ts';

/** The set pixels as rows of a picture. */
function drawn(bits: Uint8Array, rows: number, columns: number): string[] {
  return Array.from({ length: rows }, (_, y) =>
    Array.from({ length: columns }, (_, x) => (getBit(bits, y * columns + x) ? '#' : '.')).join(''),
  );
}

describe('the pixels of a drawn shape are those whose centre it holds', () => {
  it.each<[string, string, Point[], string[]]>([
    [
      'a square along pixel edges',
      'POLYLINE',
      [
        [1, 1],
        [4, 1],
        [4, 3],
        [1, 3],
        [1, 1],
      ],
      ['.....', '.###.', '.###.', '.....'],
    ],
    [
      'a triangle',
      'POLYLINE',
      [
        [0, 0],
        [4, 0],
        [0, 4],
      ],
      ['####.', '###..', '##...', '#....'].map((r, i) => ['###..', '##...', '#....', '.....'][i] ?? r),
    ],
    [
      'a circle of radius 1.5 about a pixel centre',
      'CIRCLE',
      [
        [2.5, 1.5],
        [4, 1.5],
      ],
      ['.###.', '.###.', '.###.', '.....'],
    ],
    [
      'an ellipse, major axis across',
      'ELLIPSE',
      [
        [0, 1.5],
        [5, 1.5],
        [2.5, 1],
        [2.5, 2],
      ],
      ['.....', '#####', '.....', '.....'],
    ],
    ['a point', 'POINT', [[3.2, 2.9]], ['.....', '.....', '...#.', '.....']],
    [
      'a shape smaller than a pixel',
      'POLYLINE',
      [
        [2.6, 2.6],
        [2.8, 2.6],
        [2.8, 2.8],
      ],
      ['.....', '.....', '..#..', '.....'],
    ],
    [
      'what lies outside is left out',
      'POLYLINE',
      [
        [3, 2],
        [9, 2],
        [9, 9],
        [3, 9],
      ],
      ['.....', '.....', '...##', '...##'],
    ],
  ])('%s', (_, kind, points, rows) => {
    expect(drawn(shapeBits(kind, points, 4, 5), 4, 5)).toEqual(rows);
  });

  it.each([
    ['SPLINE', [[0, 0]] as Point[], 'a shape of type SPLINE is not read'],
    [
      'POLYLINE',
      [
        [0, 0],
        [1, 1],
      ] as Point[],
      'POLYLINE of 2 points, at least 3 are needed',
    ],
  ])('%s is refused', (kind, points, message) => {
    expect(() => shapeBits(kind, points, 4, 5)).toThrowError(
      expect.objectContaining({ code: 'region-invalid', message }),
    );
  });
});

describe('a region that an object of the study holds', () => {
  const input = sampleInput();
  const segs = encodeSeg(input);
  const sr = encodeSr(input, segs);
  const [seg, report] = [joined(segs[0]!.parts), joined(sr.parts)];
  const segUid = readBack(segs[0]!).instanceUid;
  const none = { load: async () => undefined, sizeOf: async () => undefined };
  const beside = { ...none, load: async (uid: string) => (uid === segUid ? seg : undefined) };

  it('is a segment of a SEG, on the plane where it is largest', async () => {
    for (const mask of input.draft.masks) {
      const region = await readRegion(seg, `${mask.segment}`, none);
      const stack = input.draft.stacks.find((s) => s.id === mask.stack)!;
      const plane = stack.planes.findIndex((p) => p.instanceUid === region.instanceUid);
      const planes = input.masks.get(mask.id)!;
      const bits = planes.find((p) => p.plane === plane)!.bits;
      expect(countBits(bits)).toBe(Math.max(...planes.map((p) => countBits(p.bits))));
      const { columns, rows } = stack.grid;
      const set = Array.from({ length: rows * columns }, (_, i) => i).filter((i) => getBit(bits, i));
      const xs = set.map((i) => i % columns);
      const ys = set.map((i) => Math.floor(i / columns));
      expect(region.box).toEqual([Math.min(...xs), Math.min(...ys), Math.max(...xs) + 1, Math.max(...ys) + 1]);
      expect(region.from).toEqual({ instanceUid: segUid, segment: mask.segment });
    }
  });

  it('is a group of an SR, by its Tracking UID or its place, through the SEG that it names', async () => {
    const [first] = input.draft.findings.filter((f) => f.mask !== undefined);
    const byUid = await readRegion(report, first!.trackingUid, beside);
    const byPlace = await readRegion(report, '1', beside);
    expect(byPlace.box).toEqual(byUid.box);
    expect(byUid.from).toEqual({ instanceUid: readBack(sr).instanceUid, item: first!.trackingUid });
    expect(items(readBack(sr).attributes, 'ContentSequence').length).toBeGreaterThan(0);
    expect(text(readBack(sr).attributes, 'Modality')).toBe('SR');
  });

  it.each([
    ['a segment that is not there', seg, '99', none, /^it has the segments 1, .* not 99$/],
    ['a place that is not there', report, '99', beside, /^it has \d+ regions, none is "99"$/],
    [
      'a SEG that is not beside its SR',
      report,
      '1',
      none,
      /^the region lies in the segmentation 2\.25\.\d+, which is not there$/,
    ],
  ])('is refused for %s', async (_, file, pick, sources, message) => {
    await expect(readRegion(file, pick, sources)).rejects.toMatchObject({
      code: 'region-invalid',
      message: expect.stringMatching(message) as string,
    });
  });
});
