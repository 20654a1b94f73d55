import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Grid, Picture, SourceInstance } from '../../../src/base/index.ts';
import { dataset, type DatasetInput } from '../../../src/dicom/index.ts';
import { createDecoder, loadPictures, readStudy, type Decoder } from '../../../src/imaging/index.ts';
import {
  byInstance,
  collect,
  classes,
  instance,
  sourceOf,
  sourcesUnder,
  temporaryFolder,
} from '../../builders/series.ts';
import { missing, peers, root, sharedPath } from '../../peers/index.ts';

function level(name: string, rows: number, columns: number, more: DatasetInput = {}): SourceInstance {
  const tiles = Math.ceil(rows / 100) * Math.ceil(columns / 100);
  return instance(
    'slide',
    name,
    {
      Modality: 'SM',
      ImageType: ['DERIVED', 'PRIMARY', 'VOLUME', 'RESAMPLED'],
      Rows: 100,
      Columns: 100,
      NumberOfFrames: tiles,
      PhotometricInterpretation: 'RGB',
      SamplesPerPixel: 3,
      FrameOfReferenceUID: '1.2.3',
      ContainerIdentifier: 'A',
      TotalPixelMatrixRows: rows,
      TotalPixelMatrixColumns: columns,
      DimensionOrganizationType: 'TILED_FULL',
      ImageOrientationSlide: [0, -1, 0, -1, 0, 0],
      TotalPixelMatrixOriginSequence: [
        dataset({ XOffsetInSlideCoordinateSystem: 20, YOffsetInSlideCoordinateSystem: 40 }),
      ],
      SharedFunctionalGroupsSequence: [dataset({ PixelMeasuresSequence: [dataset({ PixelSpacing: [0.01, 0.02] })] })],
      ...more,
    },
    classes.slide,
  );
}

describe('the level of a slide that is read', () => {
  const pyramid = [level('base', 4000, 4800), level('middle', 1000, 1200), level('low', 250, 300)];
  const sizeRead = (modelSide: number, matrixPixels?: number): number | undefined =>
    readStudy(pyramid, { burnedIn: 'hold', modelSide, ...(matrixPixels === undefined ? {} : { matrixPixels }) })
      .stacks[0]?.grid.rows;

  test.each([
    [224, 250],
    [250, 250],
    [256, 1000],
    [1024, 4000],
    [9999, 4000],
  ])('for a model of %d pixels has %d rows', (side, rows) => expect(sizeRead(side)).toBe(rows));

  test('is never larger than the limit', () => {
    expect(sizeRead(9999, 2_000_000)).toBe(1000);
    expect(sizeRead(224, 100)).toBeUndefined();
  });

  test('leaves the others passed over, and two slides are two stacks', () => {
    const reading = readStudy([...pyramid, level('other', 400, 400, { ContainerIdentifier: 'B' })], {
      burnedIn: 'hold',
    });
    expect(reading.stacks).toHaveLength(2);
    expect(reading.passedOver.map((p) => p.code)).toEqual(['pyramid-level', 'pyramid-level']);
  });

  test('is never the label, the overview or a thumbnail', () => {
    const others = ['LABEL', 'OVERVIEW', 'THUMBNAIL'].map((value) =>
      level(value, 500, 500, { ImageType: ['ORIGINAL', 'PRIMARY', value, 'NONE'] }),
    );
    const reading = readStudy(others, { burnedIn: 'hold' });
    expect(reading.stacks).toEqual([]);
    expect(reading.passedOver.map((p) => p.code).sort()).toEqual(['slide-label', 'slide-overview', 'thumbnail']);
  });
});

describe('the grid of a slide', () => {
  test('is the total pixel matrix with tiles left to right, top to bottom', () => {
    const [stack] = readStudy([level('a', 150, 250)], { burnedIn: 'hold' }).stacks;
    expect(stack!.grid).toEqual({
      rows: 150,
      columns: 250,
      planes: 1,
      placement: {
        kind: 'slide',
        frameOfReferenceUid: '1.2.3',
        rowCosines: [0, -1, 0],
        columnCosines: [-1, 0, 0],
        origin: [20, 40, 0],
        tileRows: 100,
        tileColumns: 100,
        tiles: [
          { frame: 1, row: 0, column: 0 },
          { frame: 2, row: 0, column: 100 },
          { frame: 3, row: 0, column: 200 },
          { frame: 4, row: 100, column: 0 },
          { frame: 5, row: 100, column: 100 },
          { frame: 6, row: 100, column: 200 },
        ],
      },
      spacing: { kind: 'physical', rowMm: 0.01, columnMm: 0.02, source: 'PixelMeasures' },
    } satisfies Grid);
    expect(stack!.planes).toEqual([{ instanceUid: expect.any(String) as string, sopClass: classes.slide }]);
  });

  test.each([
    ['too few frames', { NumberOfFrames: 5 }],
    [
      'a matrix and a number of frames beyond belief',
      { TotalPixelMatrixRows: 4e9, TotalPixelMatrixColumns: 4e9, NumberOfFrames: 2147483647 },
    ],
    ['no orientation', { ImageOrientationSlide: [] }],
    ['a sparse frame without position', { DimensionOrganizationType: 'TILED_SPARSE' }],
    ['a part of a concatenation', { InConcatenationTotalNumber: 3 }],
  ])('with %s is passed over', (_, more) => {
    const reading = readStudy([level('a', 150, 250, more)], { burnedIn: 'hold' });
    expect(reading.passedOver.map((p) => p.code)).toEqual(['geometry']);
  });
});

describe.skipIf(missing('python', 'shared'))('the matrix that is put together is that of highdicom', () => {
  const script = join(root, 'test/peers/highdicom_slide.py');
  const folder = temporaryFolder();
  const slide = (name: string): string => sharedPath('data/dicom/SM', name);
  let decoder: Decoder;
  beforeAll(() => {
    decoder = createDecoder({ seconds: 20, maxPixels: 1 << 26 });
    execFileSync(peers.python!, [
      script,
      folder,
      slide('sm-rgb.dcm'),
      slide('sm-dots.dcm'),
      slide('sm-grey16.dcm'),
      slide('ihc/l0.dcm'),
    ]);
    execFileSync(peers.python!, [script, '--sparse', join(folder, 'sparse.dcm'), slide('sm-rgb.dcm')]);
  }, 60_000);
  afterAll(() => decoder.close());

  async function only(sources: readonly SourceInstance[]): Promise<Picture> {
    const { stacks } = readStudy(sources, { burnedIn: 'hold' });
    expect(stacks).toHaveLength(1);
    const window = { centre: 32768, width: 65536 };
    const all = await collect(loadPictures(stacks[0]!, byInstance(sources), decoder, undefined, { window }));
    expect(all).toHaveLength(1);
    return all[0]!;
  }

  test.each([
    ['sm-rgb.dcm', 0, 50, 50],
    ['sm-dots.dcm', 1, 50, 50],
  ])('%s', async (name, n, width, height) => {
    const picture = await only(sourcesUnder(slide(name)));
    expect([picture.width, picture.height]).toEqual([width, height]);
    expect(Buffer.compare(picture.rgb, readFileSync(join(folder, `${n}.rgb`)))).toBe(0);
  });

  test('16 bit grey, with one window over all tiles', async () => {
    const picture = await only(sourcesUnder(slide('sm-grey16.dcm')));
    const stored = readFileSync(join(folder, '2.u16'));
    const padding = 255;
    for (let i = 0; i < 2500; i++) {
      const v = stored.readUInt16LE(2 * i);
      expect(picture.rgb[3 * i]).toBe(v === padding ? 0 : Math.round((v * 255) / 65535));
    }
  });

  test('lossy tiles whose edges reach over the matrix', async () => {
    const picture = await only(sourcesUnder(slide('ihc')));
    const expected = readFileSync(join(folder, '3.rgb'));
    expect([picture.width, picture.height]).toEqual([480, 500]);
    // Pillow and libjpeg differ in chroma upsampling; a tile out of place would differ in most pixels.
    const off = picture.rgb.reduce((n, v, i) => n + (Math.abs(v - expected[i]!) > 8 ? 1 : 0), 0);
    expect(off / picture.rgb.length).toBeLessThan(0.02);
  });

  test('sparse tiles in any order, white where there is none', async () => {
    const sources = [sourceOf(new Uint8Array(readFileSync(join(folder, 'sparse.dcm'))))];
    const picture = await only(sources);
    const expected = readFileSync(join(folder, '0.rgb'));
    for (let row = 0; row < 10; row++) expected.fill(255, (row * 50 + 30) * 3, (row * 50 + 40) * 3);
    expect(Buffer.compare(picture.rgb, expected)).toBe(0);
  });
});
