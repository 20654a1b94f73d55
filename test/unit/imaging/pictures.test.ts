import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createDecoder,
  loadPictures,
  readStudy,
  type Decoder,
  type PictureOptions,
} from '../../../src/imaging/index.ts';
import { eachPixel } from '../../../src/imaging/display.ts';
import type { Picture, SourceInstance } from '../../../src/base/index.ts';
import { byInstance, filesUnder, sourceOf, temporaryFolder } from '../../builders/series.ts';
import { missing, peers, root, sharedPath } from '../../peers/index.ts';

let decoder: Decoder;
beforeAll(() => {
  decoder = createDecoder({ seconds: 20, maxPixels: 1 << 26 });
});
afterAll(() => decoder.close());

async function pictures(sources: readonly SourceInstance[], options: PictureOptions = {}): Promise<Picture[]> {
  const { stacks, passedOver } = readStudy(sources, { burnedIn: 'allow' });
  expect(passedOver).toEqual([]);
  const all: Picture[] = [];
  for (const stack of stacks)
    for await (const picture of loadPictures(stack, byInstance(sources), decoder, undefined, {
      window: 'image',
      ...options,
    }))
      all.push(picture);
  return all;
}

/** The picture's pixels in source order. */
function inSourceOrder(picture: Picture): Uint8Array {
  const rgb = new Uint8Array(picture.rgb.length);
  eachPixel(picture, (s, p) => rgb.set(picture.rgb.subarray(3 * p, 3 * p + 3), 3 * s));
  return rgb;
}

function largestDifference(a: Uint8Array, b: Uint8Array): number {
  expect(a.length).toBe(b.length);
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]! - b[i]!));
  return most;
}

const script = join(root, 'test/peers/pydicom_pictures.py');

/** One frame after the other, in source order, of the files that pydicom rendered. */
async function compare(sources: readonly SourceInstance[], expected: Uint8Array): Promise<number> {
  const frames = await pictures(sources);
  const most: number[] = [];
  let at = 0;
  for (const picture of frames) {
    most.push(largestDifference(inSourceOrder(picture), expected.subarray(at, at + picture.rgb.length)));
    at += picture.rgb.length;
  }
  expect(at).toBe(expected.length);
  return Math.max(...most);
}

const made = [
  ...['u12', 's12'].flatMap((kind) => ['LINEAR', 'LINEAR_EXACT', 'SIGMOID'].map((shape) => `${kind}-${shape}`)),
  ...[
    'no-function',
    'width-one',
    'two-windows',
    'mono1',
    'u8-plain',
    'u6-in-8',
    'voi-lut',
    'voi-lut-signed',
    'modality-lut',
  ],
  ...['rgb', 'rgb-planar', 'ybr-full', 'rgb-16', 'palette-8', 'palette-16', 'palette-16-filled-8', 'palette-segmented'],
];

describe.skipIf(missing('python'))('display values are those of pydicom', () => {
  const folder = temporaryFolder();
  beforeAll(() => {
    const names = execFileSync(peers.python!, [script, folder, '--make'], { encoding: 'utf8' }).trim().split('\n');
    expect(names.sort()).toEqual([...made].sort());
  }, 60_000);

  test.each(made)('for %s', async (name) => {
    const sources = [sourceOf(new Uint8Array(readFileSync(join(folder, `${name}.dcm`))))];
    const expected = new Uint8Array(readFileSync(join(folder, `${name}.rgb`)));
    // Where a value falls between two greys, ours and theirs may round the last bit of a double apart.
    expect(await compare(sources, expected)).toBeLessThanOrEqual(1);
  });
});

/** Real files with a window, a LUT, 8 bits or colour; how far a lossy codec may be off. */
const real: readonly (readonly [string, number])[] = [
  ['CT/j2k-pixelrep-mismatch.dcm', 0],
  ['CT/philips-head-crop/001.dcm', 0],
  ['CT/ge-tilt-crop/001.dcm', 0],
  ['CT/body-j2k-repaired/001.dcm', 0],
  ['CT/tiny-24x38x3/001.dcm', 0],
  ['CR/mono1-10bit-j2k.dcm', 1],
  ['DX/dog-mono1-8bit.dcm', 0],
  ['DX/mono1-12bit-quarter.dcm', 0],
  ['MG/mammo-third-jpegll.dcm', 0],
  ['PT/pet-168.dcm', 0],
  ['NM/heart-13f.dcm', 0],
  ['MR/jpegll-sagittal/001.dcm', 0],
  ['MR/prone-HFP/001.dcm', 0],
  ['OP/fundus-grey.dcm', 0],
  ['OPT/oct-synthetic-8f.dcm', 0],
  ['US/palette.dcm', 0],
  ['US/palette-rle-2f.dcm', 0],
  ['US/echo-palette-rle-10f.dcm', 0],
  ['US/rgb.dcm', 0],
  ['US/j2k-ybr-rct.dcm', 0],
  ['US/retired-class-pixel.dcm', 0],
  ['MR/rgb-colour-map/001.dcm', 0],
  ['SC/rgb-16bit.dcm', 0],
  ['SC/ybr422-native.dcm', 1],
  ['ES/endoscopy-2-native.dcm', 0],
  ['ES/endoscopy-1.dcm', 8],
  ['XC/dermoscopy-1.dcm', 8],
  ['OP/fundus-colour.dcm', 8],
  ['XA/run-32f.dcm', 3],
];

describe.skipIf(missing('python', 'shared', 'dcmdump'))('display values of real files are those of pydicom', () => {
  const folder = temporaryFolder();
  beforeAll(() => {
    const files = real.map(([path]) => sharedPath('data/dicom', path));
    execFileSync(peers.python!, [script, folder, ...files]);
  }, 60_000);

  test.each(real.map(([path, tolerance], n) => ({ path, tolerance, n })))('$path', async ({ path, tolerance, n }) => {
    const sources = filesUnder(sharedPath('data/dicom', path)).map((f) => sourceOf(new Uint8Array(readFileSync(f))));
    const expected = new Uint8Array(readFileSync(join(folder, `${n}.rgb`)));
    expect(await compare(sources, expected)).toBeLessThanOrEqual(Math.max(1, tolerance));
  });
});
