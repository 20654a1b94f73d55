import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { emptyBits, setBit, type Affine, type Grid, type Picture, type Vec3 } from '../../../src/base/index.ts';
import { pictureSides, pixelAspect, renderKeyPicture, type OutlinedMask } from '../../../src/outputs/index.ts';
import { maskOnPicture } from '../../../src/outputs/key-picture.ts';
import { identity, rampPicture } from '../../builders/encodings.ts';
import { missing, python } from '../../peers/index.ts';

const columns = 64;
const rows = 48;

/** The 8 exact ways from a picture to a source of 48 x 64. */
const ways: Record<string, Affine> = {
  identity,
  'flip x': { ...identity, a: -1, e: columns - 1 },
  'flip y': { ...identity, d: -1, f: rows - 1 },
  'turn 180': { a: -1, b: 0, c: 0, d: -1, e: columns - 1, f: rows - 1 },
  transpose: { a: 0, b: 1, c: 1, d: 0, e: 0, f: 0 },
  'turn 90': { a: 0, b: -1, c: 1, d: 0, e: 0, f: rows - 1 },
  'turn 270': { a: 0, b: 1, c: -1, d: 0, e: columns - 1, f: 0 },
  transverse: { a: 0, b: -1, c: -1, d: 0, e: columns - 1, f: rows - 1 },
};

function pictureOf(toSource: Affine, grey?: number): Picture {
  const picture = rampPicture('k1', 0, { rows, columns }, toSource);
  if (grey !== undefined) picture.rgb.fill(grey);
  return picture;
}
function maskOf(...boxes: [r0: number, r1: number, c0: number, c1: number][]): OutlinedMask {
  const bits = emptyBits(rows * columns);
  for (const [r0, r1, c0, c1] of boxes)
    for (let r = r0; r < r1; r++) for (let c = c0; c < c1; c++) setBit(bits, r * columns + c);
  return { bits, rows, columns, rgb: [0x99, 0xcc, 0xff] };
}
function patientGrid(rowCosines: Vec3, columnCosines: Vec3): Grid {
  const positions: Vec3[] = [[0, 0, 0]];
  return {
    rows,
    columns,
    planes: 1,
    placement: { kind: 'patient', frameOfReferenceUid: '1.2', rowCosines, columnCosines, normal: [0, 0, 1], positions },
    spacing: { kind: 'physical', rowMm: 0.8, columnMm: 0.5, source: 'PixelSpacing' },
  };
}
/** RGB at (x, y), whatever the PNG's colour type. */
function pixels(png: Uint8Array): { width: number; height: number; at: (x: number, y: number) => number[] } {
  const { width, height, data, channels, palette } = decode(png);
  return {
    width,
    height,
    at: (x, y) =>
      palette
        ? [...palette[data[y * width + x]!]!]
        : Array.from({ length: channels }, (_, k) => data[(y * width + x) * channels + k]!),
  };
}

describe('side letters', () => {
  const orientations: Record<string, [Vec3, Vec3]> = {
    axial: [
      [1, 0, 0],
      [0, 1, 0],
    ],
    'axial, feet first': [
      [-1, 0, 0],
      [0, 1, 0],
    ],
    coronal: [
      [1, 0, 0],
      [0, 0, -1],
    ],
    sagittal: [
      [0, 1, 0],
      [0, 0, -1],
    ],
    oblique: [
      [0.8, 0.6, 0],
      [-0.6, 0.8, 0],
    ],
    'steep oblique': [
      [0.5, 0.1, 0.86],
      [0, 0.99, -0.12],
    ],
  };
  for (const [name, [r, c]] of Object.entries(orientations)) {
    for (const [way, t] of Object.entries(ways)) {
      it(`name the patient directions at the edges: ${name}, ${way}`, () => {
        const picture = pictureOf(t);
        // Where the left and right edge lie in the patient, by PS3.3 C.7.6.2.1.1.
        const patient = (x: number, y: number) => {
          const [column, row] = [t.a * x + t.c * y + t.e, t.b * x + t.d * y + t.f];
          return [0, 1, 2].map((i) => r[i]! * column + c[i]! * row);
        };
        const [left, right] = [patient(0, 3), patient(picture.width - 1, 3)];
        const step = [0, 1, 2].map((i) => right[i]! - left[i]!);
        const axis = step.findIndex((v) => Math.abs(v) === Math.max(...step.map(Math.abs)));
        const [less, more] = [
          ['R', 'L'],
          ['A', 'P'],
          ['F', 'H'],
        ][axis]!;
        expect(pictureSides(picture, patientGrid(r, c))).toEqual(
          step[axis]! > 0 ? { left: less, right: more } : { left: more, right: less },
        );
      });
    }
  }

  it.each([
    ['identity', 'R', 'L'],
    ['flip x', 'L', 'R'],
    ['flip y', 'R', 'L'],
    ['turn 180', 'L', 'R'],
    ['transpose', 'H', 'F'],
    ['turn 90', 'F', 'H'],
    ['turn 270', 'H', 'F'],
    ['transverse', 'F', 'H'],
  ])('follow Patient Orientation L\\F of a radiograph: %s', (way, left, right) => {
    const grid: Grid = {
      rows,
      columns,
      planes: 1,
      placement: { kind: 'none', patientOrientation: ['L', 'F'] },
      spacing: { kind: 'none', why: '' },
    };
    expect(pictureSides(pictureOf(ways[way]!), grid)).toEqual({ left, right });
  });

  it('are absent where nobody knows them', () => {
    const grid: Grid = { rows, columns, planes: 1, placement: { kind: 'none' }, spacing: { kind: 'none', why: '' } };
    expect(pictureSides(pictureOf(identity), grid)).toBeUndefined();
    expect(
      pictureSides(pictureOf(identity), { ...grid, placement: { kind: 'none', patientOrientation: ['', ''] } }),
    ).toBeUndefined();
  });
});

describe('a mask on its picture', () => {
  it.each(Object.entries(ways))('covers the pixels whose source is set, and no other: %s', (_way, t) => {
    const mask = maskOf([5, 20, 10, 14], [16, 20, 10, 30]);
    const picture = pictureOf(t);
    const flags = maskOnPicture(picture, mask).set;
    const found = new Set<number>();
    flags.forEach((set, i) => {
      if (!set) return;
      const [x, y] = [i % picture.width, Math.floor(i / picture.width)];
      found.add((t.b * x + t.d * y + t.f) * columns + t.a * x + t.c * y + t.e);
    });
    const wanted = new Set<number>();
    for (let r = 5; r < 20; r++) for (let c = 10; c < 30; c++) if (c < 14 || r >= 16) wanted.add(r * columns + c);
    expect(found).toEqual(wanted);
  });
});

describe('the outline', () => {
  it('runs on the edges between pixels, and leaves every other pixel as it was', () => {
    const options = { width: 4 * columns, height: 4 * rows, show: 'whole', levels: 128 } as const;
    const bare = pixels(renderKeyPicture(pictureOf(identity), [], options));
    const drawn = pixels(renderKeyPicture(pictureOf(identity), [maskOf([5, 10, 10, 20])], options));
    // Columns 10..19 and rows 5..9 at 4 times the size: edges at x = 40 and 80, y = 20 and 40.
    const near = (v: number, lines: number[], d: number) => lines.some((l) => Math.abs(v - l) <= d);
    const wrong: string[] = [];
    for (let y = 0; y < drawn.height; y++) {
      for (let x = 0; x < drawn.width; x++) {
        const onLine = (d: number) =>
          (near(x, [40, 80], d) && y >= 20 - d && y <= 40 + d) || (near(y, [20, 40], d) && x >= 40 - d && x <= 80 + d);
        const value = drawn.at(x, y);
        // One colour of the palette goes to the outline, so that greys may differ by one level of 128.
        const unchanged = value.every((v, k) => Math.abs(v - bare.at(x, y)[k]!) <= 3);
        const right = onLine(1) ? value.join() === '153,204,255' : onLine(3) || unchanged;
        if (!right) wrong.push(`${x},${y}: ${value.join()}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it.each([255, 128, 0])('has a dark halo on both sides on grey %i', (grey) => {
    const png = pixels(
      renderKeyPicture(pictureOf(identity, grey), [{ ...maskOf([5, 30, 10, 40]), rgb: [255, 255, 255] }], {
        width: 256,
        height: 192,
        show: 'whole',
      }),
    );
    for (const y of [60, 80, 100]) {
      expect(png.at(40, y)).toEqual([255, 255, 255]);
      // 80 % black over the grey.
      for (const x of [38, 42]) expect(Math.abs(png.at(x, y)[0]! - grey * 0.2)).toBeLessThan(3);
      expect(Math.abs(png.at(50, y)[0]! - grey)).toBeLessThan(3);
    }
  });

  it('of a mask at the border of the picture stays visible', () => {
    const png = pixels(
      renderKeyPicture(pictureOf(identity, 100), [maskOf([0, rows, 0, columns])], {
        width: 128,
        height: 96,
        show: 'whole',
      }),
    );
    for (const [x, y] of [
      [1, 50],
      [126, 50],
      [60, 1],
      [60, 94],
    ] as const)
      expect(png.at(x, y)).toEqual([0x99, 0xcc, 0xff]);
  });

  it('keeps its colour on a colour picture', () => {
    const picture = pictureOf(identity);
    for (let i = 0; i < picture.rgb.length; i += 3) picture.rgb.set([200, 90, 120], i);
    const png = pixels(
      renderKeyPicture(picture, [maskOf([5, 10, 10, 20])], { width: 256, height: 192, show: 'whole' }),
    );
    expect(png.at(40, 30)).toEqual([0x99, 0xcc, 0xff]);
    expect(png.at(200, 150).map((v, k) => Math.abs(v - [200, 90, 120][k]!) <= 1)).toEqual([true, true, true]);
  });
});

describe('the window of a key picture', () => {
  it('holds the whole mask and as much around it', () => {
    const bits = emptyBits(512 * 512);
    for (let r = 300; r < 400; r++) for (let c = 60; c < 200; c++) setBit(bits, r * 512 + c);
    const picture = rampPicture('k1', 0, { rows: 512, columns: 512 });
    const png = pixels(
      renderKeyPicture(picture, [{ bits, rows: 512, columns: 512, rgb: [255, 64, 64] }], { width: 296, height: 222 }),
    );
    let [x0, x1, y0, y1] = [png.width, 0, png.height, 0];
    for (let y = 0; y < png.height; y++) {
      for (let x = 0; x < png.width; x++) {
        if (png.at(x, y).join() !== '255,64,64') continue;
        [x0, x1, y0, y1] = [Math.min(x0, x), Math.max(x1, x), Math.min(y0, y), Math.max(y1, y)];
      }
    }
    // 140 x 100 pixels in a window of 280 x 210: half of it, in the middle, but for its place at the left border.
    expect((x1 - x0) / png.width).toBeCloseTo(0.5, 1);
    expect((y1 - y0) / png.height).toBeCloseTo(0.48, 1);
    expect([x0 > 0, y0 > 0, x1 < png.width - 1, y1 < png.height - 1]).toEqual([true, true, true, true]);
  });

  it('draws pixels that are higher than wide higher than wide', () => {
    const grid = patientGrid([1, 0, 0], [0, 1, 0]);
    expect(pixelAspect(pictureOf(identity), grid)).toBeCloseTo(0.8 / 0.5);
    expect(pixelAspect(pictureOf(ways['transpose']!), grid)).toBeCloseTo(0.5 / 0.8);
    const png = pixels(
      renderKeyPicture(pictureOf(identity, 200), [], { width: 128, height: 128, show: 'whole', aspect: 1.6 }),
    );
    // 64 x 48 pixels of 1 x 1.6 are 64 x 76.8: the full height is used, and black stands left and right.
    expect(png.at(2, 64)).toEqual([0, 0, 0]);
    expect(png.at(64, 1)[0]).toBeGreaterThan(190);
  });
});

it.skipIf(missing('python'))('Pillow reads the same picture', async () => {
  const png = renderKeyPicture(pictureOf(identity), [maskOf([5, 10, 10, 20])], { width: 296, height: 222 });
  const path = join(mkdtempSync(join(tmpdir(), 'key-picture-')), 'a.png');
  writeFileSync(path, png);
  const { stdout } = await python(
    'import sys\nfrom PIL import Image\nim = Image.open(sys.argv[1]); im.load(); rgb = im.convert("RGB")\nprint(im.size, sum(1 for p in rgb.getdata() if p == (0x99, 0xCC, 0xFF)))\n',
    [path],
  );
  const ours = pixels(png);
  let count = 0;
  for (let y = 0; y < 222; y++) for (let x = 0; x < 296; x++) if (ours.at(x, y).join() === '153,204,255') count++;
  expect(stdout.trim()).toBe(`(296, 222) ${count}`);
  expect(count).toBeGreaterThan(100);
});
