import { DecodeProblem } from './problem.ts';
import { decodedBytes, storedValues, type DecodedFrame, type FrameJob, type PixelDescription } from './pixels.ts';

/**
 * An uncompressed frame: bits unpacked, words swapped from big endian, colour planes interleaved, 4:2:2 chroma spread.
 * @throws DecodeProblem `pixel-description` where bytes are missing
 */
export function decodeNative({ bytes, firstBit, description, transferSyntax }: FrameJob): DecodedFrame {
  const { rows, columns, samples, bitsAllocated, bitsStored, signed } = description;
  const as = (photometric: string, values: DecodedFrame['values']): DecodedFrame => ({
    rows,
    columns,
    samples,
    bitsStored,
    signed,
    photometric,
    values,
  });
  if (bitsAllocated === 1) return as(description.photometric, unpack(bytes, firstBit, rows * columns * samples));
  const chroma = description.photometric.endsWith('_422');
  const expected = chroma ? (decodedBytes(description) / 3) * 2 : decodedBytes(description);
  if (bytes.length < expected)
    throw new DecodeProblem('pixel-description', `a frame needs ${expected} bytes, ${bytes.length} are there`);
  const whole = bytes.subarray(0, expected);
  const little = transferSyntax === bigEndian ? swapped(whole, bitsAllocated >> 3) : whole;
  if (chroma) return as(description.photometric.replace('_422', ''), spreadChroma(little, description));
  return as(
    description.photometric,
    storedValues(
      description.planar && samples === 3 ? interleaved(little, description) : little,
      description,
      bitsStored,
    ),
  );
}

const bigEndian = '1.2.840.10008.1.2.2';

/** PS3.5 8.1.1: the first pixel is the lowest bit of the first byte. */
function unpack(bytes: Uint8Array, firstBit: number, pixels: number): Uint8Array {
  if (bytes.length * 8 < firstBit + pixels)
    throw new DecodeProblem(
      'pixel-description',
      `a frame needs ${pixels} bits, ${bytes.length * 8 - firstBit} are there`,
    );
  const values = new Uint8Array(pixels);
  for (let i = 0, bit = firstBit; i < pixels; i++, bit++) values[i] = (bytes[bit >> 3]! >> (bit & 7)) & 1;
  return values;
}

function swapped(bytes: Uint8Array<ArrayBuffer>, word: number): Uint8Array<ArrayBuffer> {
  const copy = Buffer.from(bytes);
  if (word === 2) copy.swap16();
  else if (word === 4) copy.swap32();
  else if (word === 8) copy.swap64();
  return new Uint8Array(copy);
}

function interleaved(bytes: Uint8Array, { rows, columns, bitsAllocated }: PixelDescription): Uint8Array<ArrayBuffer> {
  const size = bitsAllocated >> 3;
  const pixels = rows * columns;
  const out = new Uint8Array(pixels * 3 * size);
  for (let sample = 0; sample < 3; sample++) {
    for (let i = 0; i < pixels; i++) {
      for (let b = 0; b < size; b++) out[(i * 3 + sample) * size + b] = bytes[(sample * pixels + i) * size + b]!;
    }
  }
  return out;
}

/** Y1 Y2 Cb Cr for two pixels side by side (PS3.3 C.7.6.3.1.2); both get the chroma of the pair. */
function spreadChroma(bytes: Uint8Array, { rows, columns, bitsAllocated }: PixelDescription): Uint8Array {
  if (bitsAllocated !== 8)
    throw new DecodeProblem('pixel-description', `4:2:2 chroma with Bits Allocated ${bitsAllocated}`);
  if (columns % 2 === 1) throw new DecodeProblem('pixel-description', '4:2:2 chroma with an odd number of columns');
  const out = new Uint8Array(rows * columns * 3);
  for (let from = 0, to = 0; to < out.length; from += 4, to += 6) {
    const [y1, y2, cb, cr] = [bytes[from]!, bytes[from + 1]!, bytes[from + 2]!, bytes[from + 3]!];
    out.set([y1, cb, cr, y2, cb, cr], to);
  }
  return out;
}
