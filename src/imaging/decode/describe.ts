import { PlumblineError, type DicomJson } from '../../base/index.ts';
import { number, text } from '../../dicom/index.ts';
import type { PixelDescription } from './pixels.ts';

/**
 * Read and check the Image Pixel module. Nothing is allocated from its numbers before this.
 * @param maxPixels largest rows x columns
 * @throws PlumblineError `pixel-description`
 */
export function describePixels(dataset: DicomJson, keyword: string, maxPixels: number): PixelDescription {
  const float = keyword !== 'PixelData';
  const description = {
    rows: whole(dataset, 'Rows'),
    columns: whole(dataset, 'Columns'),
    samples: whole(dataset, 'SamplesPerPixel', 1),
    bitsAllocated: whole(dataset, 'BitsAllocated'),
    bitsStored: float ? whole(dataset, 'BitsAllocated') : whole(dataset, 'BitsStored'),
    signed: number(dataset, 'PixelRepresentation') === 1,
    float,
    planar: number(dataset, 'PlanarConfiguration') === 1,
    photometric: text(dataset, 'PhotometricInterpretation'),
  };
  const { rows, columns, samples, bitsAllocated, bitsStored, photometric } = description;
  if (rows > 0xffff || columns > 0xffff || rows * columns > maxPixels)
    throw wrong(`${columns} x ${rows} pixels are more than the allowed ${maxPixels}`);
  const sizes = float ? [keyword === 'FloatPixelData' ? 32 : 64] : [1, 8, 16, 32];
  if (!sizes.includes(bitsAllocated)) throw wrong(`Bits Allocated ${bitsAllocated} is none of ${sizes.join(', ')}`);
  if (bitsStored > bitsAllocated) throw wrong(`Bits Stored ${bitsStored} is more than Bits Allocated ${bitsAllocated}`);
  const highBit = number(dataset, 'HighBit');
  if (!float && highBit !== undefined && highBit !== bitsStored - 1)
    throw wrong(`High Bit ${highBit} does not fit Bits Stored ${bitsStored}`);
  const expected = samplesOf[photometric];
  if (expected === undefined)
    throw wrong(`Photometric Interpretation ${JSON.stringify(photometric.slice(0, 20))} is not known`);
  if (samples !== expected) throw wrong(`Samples per Pixel ${samples} does not fit ${photometric}`);
  return description as PixelDescription;
}

/** Samples per Pixel by Photometric Interpretation (PS3.3 C.7.6.3.1.2). */
const samplesOf: Readonly<Record<string, 1 | 3>> = {
  MONOCHROME1: 1,
  MONOCHROME2: 1,
  'PALETTE COLOR': 1,
  RGB: 3,
  YBR_FULL: 3,
  YBR_FULL_422: 3,
  YBR_PARTIAL_420: 3,
  YBR_PARTIAL_422: 3,
  YBR_ICT: 3,
  YBR_RCT: 3,
  XYB: 3,
};

function whole(dataset: DicomJson, keyword: string, absent?: number): number {
  const value = number(dataset, keyword) ?? absent;
  if (value === undefined || !Number.isInteger(value) || value < 1)
    throw wrong(`${keyword} is missing or no positive number`);
  return value;
}

function wrong(message: string): PlumblineError {
  return new PlumblineError('pixel-description', message);
}
