import { asPlumblineError, PlumblineError } from '../../base/index.ts';
import { dataset, writePart10 } from '../../dicom/index.ts';
import { renderColour, type DecodedFrame, type Decoder } from '../../imaging/index.ts';
import { exifOrientation, oriented, type Orientation, type Raster } from './raster.ts';

export const jpegSignature = [0xff, 0xd8, 0xff];

/**
 * A JPEG file (ITU-T T.81: baseline, extended, progressive) as grey or RGB, its Exif orientation applied. It is decoded
 * as a frame of a DICOM file is, in the worker with its deadline.
 * @param maxPixels nothing larger is decoded
 * @throws PlumblineError picture-invalid
 */
export async function decodeJpeg(
  bytes: Uint8Array,
  decoder: Pick<Decoder, 'decode'>,
  maxPixels: number,
): Promise<Raster> {
  const header = headerOf(bytes);
  const { rows, columns, components, precision } = header;
  if (components === 4) throw invalid('a JPEG of four colours (CMYK) is not read: save it as RGB');
  if (components !== 1 && components !== 3) throw invalid(`a JPEG of ${components} colours is not read`);
  if (rows * columns > maxPixels) throw invalid(`${columns} x ${rows} pixels are more than the allowed ${maxPixels}`);
  const frame = await decoded(bytes, header, decoder);
  const lossyRatio = (rows * columns * components * Math.ceil(precision / 8)) / bytes.length;
  const raster = { width: columns, height: rows, channels: components, bits: precision, lossyRatio } as const;
  const data = components === 3 ? renderColour(dataset({}), frame, 'JPEG') : (frame.values as Raster['data']);
  return oriented({ ...raster, data }, header.orientation);
}

interface Header {
  readonly rows: number;
  readonly columns: number;
  readonly components: number;
  readonly precision: number;
  readonly orientation: Orientation;
}

/** Baseline, extended sequential and progressive, each with Huffman codes (T.81 table B.1). */
const read = new Set([0xc0, 0xc1, 0xc2]);

/** The frame header, and the orientation of an Exif block before it. */
function headerOf(bytes: Uint8Array): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let orientation: Orientation = 1;
  for (let at = 2; at + 4 <= bytes.length;) {
    if (bytes[at] !== 0xff) break;
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at++; // fill byte (B.1.1.2)
      continue;
    }
    const length = view.getUint16(at + 2);
    const segment = bytes.subarray(at + 4, at + 2 + length);
    if (marker === 0xe1 && Buffer.from(segment.subarray(0, 6)).toString('latin1') === 'Exif\0\0')
      orientation = exifOrientation(segment.subarray(6));
    if (isFrame(marker) && segment.length >= 6) {
      if (!read.has(marker)) throw invalid(`a JPEG of process SOF${marker - 0xc0} is not read: save it as baseline`);
      return {
        precision: segment[0]!,
        rows: view.getUint16(at + 5),
        columns: view.getUint16(at + 7),
        components: segment[5]!,
        orientation,
      };
    }
    at += 2 + length;
  }
  throw invalid('the JPEG has no frame header');
}

/** SOF0 to SOF15, without DHT, JPG and DAC, which share their range. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}

async function decoded(bytes: Uint8Array, header: Header, decoder: Pick<Decoder, 'decode'>): Promise<DecodedFrame> {
  const { rows, columns, components, precision } = header;
  const file = writePart10(
    dataset({
      SOPClassUID: '1.2.840.10008.5.1.4.1.1.7',
      SOPInstanceUID: '2.25.1',
      SamplesPerPixel: components,
      PhotometricInterpretation: components === 3 ? 'YBR_FULL_422' : 'MONOCHROME2',
      ...(components === 3 ? { PlanarConfiguration: 0 } : {}),
      Rows: rows,
      Columns: columns,
      BitsAllocated: precision > 8 ? 16 : 8,
      BitsStored: precision,
      HighBit: precision - 1,
      PixelRepresentation: 0,
    }),
    { transferSyntax: extended, pixelData: { vr: 'OB', bytes: encapsulated(bytes) } },
  );
  try {
    return (await decoder.decode(file, [0]))[0]!;
  } catch (thrown) {
    const { message } = asPlumblineError(thrown);
    throw new PlumblineError('picture-invalid', `the JPEG does not decode: ${message}`, { cause: thrown });
  }
}

/** JPEG Extended (Process 2 & 4), the syntax of 8 and 12 bits; the stream itself says which process it is. */
const extended = '1.2.840.10008.1.2.4.51';

/** One frame as one fragment: an empty offset table, the stream, the delimiter (PS3.5 A.4). */
function encapsulated(stream: Uint8Array): Uint8Array[] {
  const odd = stream.length & 1;
  return [item(0xe000, 0), item(0xe000, stream.length + odd), stream, new Uint8Array(odd), item(0xe0dd, 0)];
}

function item(element: number, length: number): Uint8Array {
  const head = Buffer.alloc(8);
  head.writeUInt16LE(0xfffe, 0);
  head.writeUInt16LE(element, 2);
  head.writeUInt32LE(length, 4);
  return head;
}

function invalid(message: string): PlumblineError {
  return new PlumblineError('picture-invalid', message);
}
