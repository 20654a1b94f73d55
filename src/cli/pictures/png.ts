import { convertIndexedToRgb, decode, type DecodedPng } from 'fast-png';
import { PlumblineError } from '../../base/index.ts';
import { exifOrientation, oriented, type Raster } from './raster.ts';

export const pngSignature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/**
 * A PNG file (ISO/IEC 15948) as grey or RGB: palettes looked up, grey of less than 8 bits spread over 8, what is
 * transparent laid over black, an Exif orientation applied. Gamma and colour profiles are passed over.
 * @param maxPixels nothing larger is decoded
 * @throws PlumblineError picture-invalid
 */
export function decodePng(bytes: Uint8Array, maxPixels: number): Raster {
  const chunks = chunksOf(bytes);
  const [width, height] = sizeOf(bytes);
  if (width * height > maxPixels) throw invalid(`${width} x ${height} pixels are more than the allowed ${maxPixels}`);
  let png: DecodedPng;
  try {
    png = decode(bytes, { checkCrc: true });
  } catch (cause) {
    throw new PlumblineError('picture-invalid', `the PNG does not decode: ${(cause as Error).message}`, { cause });
  }
  const samples = width * height * png.channels;
  const whole = png.depth < 8 ? Math.ceil((width * png.depth) / 8) * height : samples;
  if (png.data.length !== whole) throw invalid(`the PNG is cut: ${png.data.length} of ${whole} samples`);
  const exif = chunks.get('eXIf');
  return oriented(overBlack(png), exif ? exifOrientation(exif) : 1);
}

/** Chunks by name, the last of each; enough for those that may stand once. */
function chunksOf(bytes: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks = new Map<string, Uint8Array>();
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    chunks.set(name, bytes.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  return chunks;
}

/** Width and height of the header chunk, which comes first (11.2.2). */
function sizeOf(bytes: Uint8Array): [number, number] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 33 || view.getUint32(12) !== 0x49484452) throw invalid('the PNG has no header');
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  if (width === 0 || height === 0) throw invalid(`the PNG has ${width} x ${height} pixels`);
  return [width, height];
}

/** Grey or RGB, each sample times its alpha. */
function overBlack(png: DecodedPng): Raster {
  const { width, height } = png;
  const pixels = width * height;
  const { data, channels, alpha, bits, most } = flat(png);
  const colours = channels >= 3 ? 3 : 1;
  const out = bits > 8 ? new Uint16Array(pixels * colours) : new Uint8Array(pixels * colours);
  for (let i = 0; i < pixels; i++) {
    const share = alpha(i);
    for (let c = 0; c < colours; c++) out[i * colours + c] = Math.round((data[i * channels + c]! * share) / most);
  }
  return { width, height, channels: colours, bits, data: out };
}

interface Flat {
  readonly data: ArrayLike<number>;
  readonly channels: number;
  readonly bits: 8 | 16;
  /** Greatest value of a sample, and of `alpha`. */
  readonly most: number;
  /** Of the i-th pixel. */
  readonly alpha: (i: number) => number;
}

/** One sample an array element, whatever the file packs. */
function flat(png: DecodedPng): Flat {
  const { depth, channels, transparency } = png;
  if (png.palette) {
    const data = looked(png);
    const entries = png.palette[0]?.length ?? 3;
    return { data, channels: entries, bits: 8, most: 255, alpha: (i) => (entries === 4 ? data[4 * i + 3]! : 255) };
  }
  const bits = depth === 16 ? 16 : 8;
  const most = 2 ** bits - 1;
  const data = depth < 8 ? spread(png) : png.data;
  if (channels === 2 || channels === 4)
    return { data, channels, bits, most, alpha: (i) => data[i * channels + channels - 1]! };
  if (!transparency) return { data, channels, bits, most, alpha: () => most };
  // One colour is transparent (11.3.2.1); it is given in the file's own depth.
  const key = [...transparency].map((v) => (depth < 8 ? (v * 255) / (2 ** depth - 1) : v));
  const isKey = (i: number): boolean => key.every((v, c) => data[i * channels + c] === v);
  return { data, channels, bits, most, alpha: (i) => (isKey(i) ? 0 : most) };
}

function looked(png: DecodedPng): Uint8Array {
  try {
    return convertIndexedToRgb(png);
  } catch (cause) {
    throw new PlumblineError('picture-invalid', `the PNG's palette does not fit: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** Grey of 1, 2 or 4 bits, rows beginning at whole bytes, as 8 bits: 13.12, sample depth rescaling. */
function spread({ width, height, depth, data }: DecodedPng): Uint8Array {
  const row = Math.ceil((width * depth) / 8);
  const most = 2 ** depth - 1;
  const grey = new Uint8Array(width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      const value = (data[y * row + (bit >> 3)]! >> (8 - depth - (bit & 7))) & most;
      grey[y * width + x] = (value * 255) / most;
    }
  return grey;
}

function invalid(message: string): PlumblineError {
  return new PlumblineError('picture-invalid', message);
}
