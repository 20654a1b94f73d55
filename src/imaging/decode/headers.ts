import { DecodeProblem } from './problem.ts';

/** What a codestream says of itself before it is decoded. */
export interface StreamHeader {
  readonly rows: number;
  readonly columns: number;
  readonly components: number;
  /** Bits of a sample. */
  readonly precision: number;
  /** JPEG 2000 only. */
  readonly signed?: boolean;
  /** JPEG 2000 only: a component transform to RGB is undone by the decoder (T.800 A.6.1). */
  readonly transformed?: boolean;
  /** JPEG only: what the stream's own markers say of its colours. */
  readonly colour?: 'RGB' | 'YBR_FULL';
}

/**
 * JPEG (ITU-T T.81) and JPEG-LS (T.87): the frame header, and whether the stream ends with its end marker. Decoders fill
 * up a cut stream with grey without a word.
 * @throws DecodeProblem `pixel-decode`
 */
export function jpegHeader(bytes: Uint8Array): StreamHeader {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) throw broken('a JPEG stream does not begin with SOI');
  const view = viewOf(bytes);
  let colour: StreamHeader['colour'];
  for (let at = 2; at + 4 <= bytes.length;) {
    if (bytes[at] !== 0xff) throw broken('a JPEG marker is missing');
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at++; // fill byte
      continue;
    }
    const length = view.getUint16(at + 2);
    if (length < 2 || at + 2 + length > bytes.length) break;
    const segment = bytes.subarray(at + 4, at + 2 + length);
    colour = markerColour(marker, segment) ?? colour;
    if (isFrameHeader(marker) && segment.length >= 6)
      return checkedEnd(bytes, at + 2 + length, frameHeader(segment, colour));
    at += 2 + length;
  }
  throw broken('a JPEG stream without a frame header');
}

/** SOF0 to SOF15 but for DHT, JPG and DAC; SOF55 of JPEG-LS. */
function isFrameHeader(marker: number): boolean {
  return (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) || marker === 0xf7;
}

function frameHeader(segment: Uint8Array, colour: StreamHeader['colour']): StreamHeader {
  const view = viewOf(segment);
  return {
    precision: segment[0]!,
    rows: view.getUint16(1),
    columns: view.getUint16(3),
    components: segment[5]!,
    ...(colour && { colour }),
  };
}

/** Adobe APP14 names the transform (T.872 6.5.3); JFIF is YCbCr (T.871). */
function markerColour(marker: number, segment: Uint8Array): StreamHeader['colour'] {
  const name = Buffer.from(segment.subarray(0, 5)).toString('latin1');
  if (marker === 0xee && name === 'Adobe' && segment.length >= 12) return segment[11] === 0 ? 'RGB' : 'YBR_FULL';
  return marker === 0xe0 && name === 'JFIF\0' ? 'YBR_FULL' : undefined;
}

/**
 * Walk the scans to EOI. In entropy-coded data FF is followed by 00 (T.81 B.1.1.5), in JPEG-LS by a byte under 80 (T.87
 * A.1), so that any other pair is a marker. What follows EOI is padding of the fragment; some writers leave rubbish there.
 */
function checkedEnd(bytes: Uint8Array, from: number, header: StreamHeader): StreamHeader {
  for (let at = bytes.indexOf(0xff, from); at >= 0 && at + 1 < bytes.length; at = bytes.indexOf(0xff, at)) {
    const marker = bytes[at + 1]!;
    if (marker === 0xd9) return header;
    if (marker === 0xff) at += 1;
    else if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd7)) at += 2;
    else at += 2 + ((bytes[at + 2] ?? 0) << 8) + (bytes[at + 3] ?? 0);
  }
  throw broken('a JPEG stream is cut: it has no end');
}

/**
 * JPEG 2000 (ITU-T T.800) and HTJ2K (T.814), bare or in a JP2 file: SIZ, and whether all tile-parts are there. Decoders
 * answer a cut stream with fewer details and no error.
 * @throws DecodeProblem `pixel-decode`
 */
export function j2kHeader(file: Uint8Array): StreamHeader {
  const bytes = codestream(file);
  const view = viewOf(bytes);
  if (bytes.length < 45 || view.getUint32(0) !== 0xff4fff51)
    throw broken('a JPEG 2000 stream does not begin with SOC and SIZ');
  const [right, bottom, left, top, tileWidth, tileHeight] = [8, 12, 16, 20, 24, 28].map((at) => view.getUint32(at)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const components = view.getUint16(40);
  const size = bytes[42]!;
  if (tileWidth === 0 || tileHeight === 0 || Math.ceil(right / tileWidth) * Math.ceil(bottom / tileHeight) > 65535)
    throw broken('a JPEG 2000 stream with too many tiles');
  const transformed = checkTileParts(bytes);
  return {
    rows: bottom - top,
    columns: right - left,
    components,
    precision: (size & 0x7f) + 1,
    signed: size >= 0x80,
    transformed,
  };
}

/** The contiguous codestream box of a JP2 file (T.800 annex I), or the bytes themselves. */
function codestream(file: Uint8Array): Uint8Array {
  const view = viewOf(file);
  if (file.length < 12 || view.getUint32(4) !== 0x6a502020) return file;
  for (let at = 0; at + 8 <= file.length;) {
    const length = view.getUint32(at);
    if (view.getUint32(at + 4) === 0x6a703263) return file.subarray(at + 8, length === 0 ? file.length : at + length);
    if (length < 8) break;
    at += length;
  }
  throw broken('a JP2 file without a codestream');
}

/** @returns whether COD names a component transform */
function checkTileParts(bytes: Uint8Array): boolean {
  const view = viewOf(bytes);
  let at = 2;
  let transformed = false;
  while (at + 4 <= bytes.length && view.getUint16(at) !== 0xff90) {
    if (bytes[at] !== 0xff) throw broken('a JPEG 2000 marker is missing');
    if (bytes[at + 1] === 0x52) transformed = bytes[at + 8] === 1;
    at += 2 + view.getUint16(at + 2);
  }
  while (at + 12 <= bytes.length && view.getUint16(at) === 0xff90) {
    const length = view.getUint32(at + 6);
    if (length === 0) return transformed; // the last tile-part runs to EOC
    if (length < 14) throw broken('a JPEG 2000 tile-part without length');
    at += length;
  }
  if (at + 2 > bytes.length || view.getUint16(at) !== 0xffd9) {
    throw broken('a JPEG 2000 stream is cut: a tile-part or EOC is missing');
  }
  return transformed;
}

/**
 * JPEG XL (ISO/IEC 18181-1): the size header, bare or in its container.
 * @throws DecodeProblem `pixel-decode`
 */
export function jxlSize(file: Uint8Array): { readonly rows: number; readonly columns: number } {
  const bytes = jxlCodestream(file);
  if (bytes[0] !== 0xff || bytes[1] !== 0x0a) throw broken('a JPEG XL stream does not begin with its signature');
  let bit = 16;
  const read = (n: number): number => {
    let value = 0;
    for (let i = 0; i < n; i++, bit++) value += (((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1) * 2 ** i;
    return value;
  };
  const small = read(1) === 1;
  const size = (): number => (small ? (read(5) + 1) * 8 : read([9, 13, 18, 30][read(2)]!) + 1);
  const rows = size();
  const ratio = read(3);
  const columns = ratio === 0 ? size() : Math.floor(rows * [1, 1, 12 / 10, 4 / 3, 3 / 2, 16 / 9, 5 / 4, 2][ratio]!);
  return { rows, columns };
}

function jxlCodestream(file: Uint8Array): Uint8Array {
  const view = viewOf(file);
  if (file.length < 12 || view.getUint32(4) !== 0x4a584c20) return file;
  for (let at = 0; at + 8 <= file.length;) {
    const length = view.getUint32(at);
    const type = view.getUint32(at + 4);
    if (type === 0x6a786c63) return file.subarray(at + 8); // jxlc
    if (type === 0x6a786c70) return file.subarray(at + 12); // jxlp: a sequence number first
    if (length < 8) break;
    at += length;
  }
  throw broken('a JPEG XL container without a codestream');
}

/**
 * RLE (PS3.5 annex G): one segment for each byte of a sample, each giving rows x columns bytes.
 * @throws DecodeProblem `pixel-decode`
 */
export function checkRle(bytes: Uint8Array, segments: number, pixels: number): void {
  if (bytes.length < 64) throw broken('an RLE frame is shorter than its header');
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== segments)
    throw broken(`an RLE frame has ${view.getUint32(0, true)} segments in place of ${segments}`);
  const offsets = Array.from({ length: segments }, (_, i) => view.getUint32(4 + i * 4, true));
  offsets.forEach((offset, i) => {
    if (offset < 64 || offset > bytes.length || (i > 0 && offset <= offsets[i - 1]!))
      throw broken(`RLE segment ${i + 1} lies outside of the frame`);
    checkSegment(bytes.subarray(offset, offsets[i + 1] ?? bytes.length), i, pixels);
  });
}

function checkSegment(bytes: Uint8Array, index: number, pixels: number): void {
  let made = 0;
  for (let at = 0; made < pixels;) {
    if (at >= bytes.length) throw broken(`RLE segment ${index + 1} gives ${made} of ${pixels} bytes`);
    const control = bytes[at]!;
    const literal = control < 128;
    const count = literal ? control + 1 : control > 128 ? 257 - control : 0;
    at += literal ? 1 + count : control > 128 ? 2 : 1;
    made += count;
    if (at > bytes.length || made > pixels)
      throw broken(`RLE segment ${index + 1} is cut, or runs over its ${pixels} bytes`);
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function broken(message: string): DecodeProblem {
  return new DecodeProblem('pixel-decode', message);
}
