import { PlumblineError, type DicomJson } from '../base/index.ts';
import { number, numbers, text, texts } from './attributes.ts';
import { imagePixelJson } from './json.ts';
import { pixelLocation, type PixelLocation } from './inspect.ts';
import { parsePart10, type Fragment, type ParsedPart10 } from './parse.ts';

/** The frames of one file, still encoded. */
export interface EncodedFrames {
  readonly transferSyntax: string;
  /** Image Pixel module. */
  readonly description: DicomJson;
  readonly keyword: PixelLocation['keyword'];
  readonly frames: number;
  /**
   * A copy of one frame's bytes, `index` 0-based. Encapsulated: its fragments joined. Native: its bytes; where frames do
   * not begin at whole bytes (Bits Allocated 1), the bytes that hold it, and the first bit in them.
   * @throws PlumblineError `pixel-description` for an index outside
   */
  readonly frame: (index: number) => { readonly bytes: Uint8Array<ArrayBuffer>; readonly firstBit: number };
}

/**
 * Find the frames of a Part 10 file: by the offset table or by the fragments themselves, never by looking for markers
 * inside of them (a delimiter's bytes may occur in a codestream).
 * @throws PlumblineError as `inspectPart10` for a file that is no DICOM or damaged; here or by `frame`, `pixel-description` where
 * the frame count or the size of a native frame contradicts the pixels, `pixel-decode` for an offset table that points nowhere
 */
export function readFrames(file: Uint8Array): EncodedFrames {
  const parsed = parsePart10(file);
  const description = imagePixelJson(parsed);
  const pixel = pixelLocation(parsed);
  if (pixel === undefined || pixel.length === 0) throw contradiction('there is no pixel data');
  if (pixel.fragments && !parsed.transferSyntax.encapsulated)
    throw new PlumblineError('pixel-decode', 'pixel fragments under a native transfer syntax');
  const frames = frameCount(description);
  const frame = pixel.fragments
    ? encapsulatedFrames(parsed, pixel, pixel.fragments, frames)
    : nativeFrames(parsed, pixel, description, frames);
  const checked = (index: number): ReturnType<typeof frame> => {
    if (!Number.isInteger(index) || index < 0 || index >= frames)
      throw contradiction(`there is no frame ${index + 1}, only ${frames}`);
    return frame(index);
  };
  return { transferSyntax: parsed.transferSyntaxUid, description, keyword: pixel.keyword, frames, frame: checked };
}

/** Number of Frames, 1 where absent. */
function frameCount(description: DicomJson): number {
  const [written] = texts(description, 'NumberOfFrames');
  if (written === undefined || written === '') return 1;
  const frames = number(description, 'NumberOfFrames');
  if (frames === undefined || !Number.isInteger(frames) || frames < 1)
    throw contradiction('Number of Frames is not a positive number');
  return frames;
}

type FrameReader = EncodedFrames['frame'];

function nativeFrames(
  { bytes, transferSyntax }: ParsedPart10,
  pixel: PixelLocation,
  description: DicomJson,
  frames: number,
): FrameReader {
  if (transferSyntax.encapsulated)
    throw new PlumblineError('pixel-decode', 'native pixels under an encapsulated transfer syntax');
  const bits = frameBits(description);
  if (Math.ceil((bits * frames) / 8) > pixel.length) {
    throw contradiction(`${frames} frames of ${bits / 8} bytes are described, ${pixel.length} bytes are there`);
  }
  return (index) => {
    const start = bits * index;
    const from = pixel.offset + Math.floor(start / 8);
    const to = pixel.offset + Math.ceil((start + bits) / 8);
    // A Buffer's own slice() would share memory, and a Buffer's memory may be everybody's.
    return { bytes: new Uint8Array(bytes.subarray(from, to)), firstBit: start % 8 };
  };
}

/** Bits of one native frame (PS3.5 8.1, 8.2): YBR_FULL_422 has two samples a pixel (PS3.3 C.7.6.3.1.2). */
function frameBits(description: DicomJson): number {
  const [rows, columns, allocated] = ['Rows', 'Columns', 'BitsAllocated'].map(
    (k) => numbers(description, k)[0] ?? 0,
  ) as [number, number, number];
  const samples = number(description, 'SamplesPerPixel') ?? 1;
  const perPixel = text(description, 'PhotometricInterpretation').endsWith('_422') ? 2 : samples;
  const bits = rows * columns * perPixel * allocated;
  if (!Number.isSafeInteger(bits) || bits <= 0)
    throw contradiction('Rows, Columns, Samples per Pixel or Bits Allocated is missing or zero');
  return bits;
}

function encapsulatedFrames(
  { bytes }: ParsedPart10,
  pixel: PixelLocation,
  fragments: readonly Fragment[],
  frames: number,
): FrameReader {
  let found: readonly number[] | undefined;
  return (index) => {
    const starts = (found ??= frameStarts(bytes, fragments, pixel.offsetTable ?? [], frames));
    const own = fragments.slice(starts[index], starts[index + 1]);
    const joined = new Uint8Array(own.reduce((n, f) => n + f.length, 0));
    let at = 0;
    for (const { offset, length } of own) {
      joined.set(bytes.subarray(offset, offset + length), at);
      at += length;
    }
    return { bytes: joined, firstBit: 0 };
  };
}

/** Index of the first fragment of each frame. */
function frameStarts(
  bytes: Uint8Array,
  fragments: readonly Fragment[],
  table: readonly number[],
  frames: number,
): readonly number[] {
  if (fragments.length === 0) throw contradiction('there is no pixel fragment');
  if (fragments.length < frames)
    throw contradiction(`${frames} frames are described, ${fragments.length} fragments are there`);
  if (table.length === frames) return startsByTable(fragments, table);
  if (frames === 1) return [0];
  if (fragments.length === frames) return fragments.map((_, i) => i);
  const starts = fragments.flatMap((f, i) => (isCodestreamStart(bytes.subarray(f.offset, f.offset + 12)) ? [i] : []));
  if (starts.length !== frames || starts[0] !== 0) {
    throw contradiction(
      `${frames} frames are described, ${starts.length} codestreams begin in ${fragments.length} fragments`,
    );
  }
  return starts;
}

/** PS3.5 A.4: an offset counts from the item tag of the first fragment, and names the item tag of a frame's first fragment. */
function startsByTable(fragments: readonly Fragment[], table: readonly number[]): readonly number[] {
  const base = fragments[0]!.offset;
  const byOffset = new Map(fragments.map((f, i) => [f.offset - base, i]));
  const starts = table.map((offset) => byOffset.get(offset));
  const wrong = starts.findIndex((s, i) => s === undefined || (i === 0 ? s !== 0 : s <= starts[i - 1]!));
  if (wrong >= 0)
    throw new PlumblineError('pixel-decode', `the offset table places frame ${wrong + 1} where no frame begins`);
  return starts as number[];
}

/** JPEG and JPEG-LS (SOI), JPEG 2000 (SOC, or a JP2 signature box), JPEG XL (codestream or container). */
function isCodestreamStart(head: Uint8Array): boolean {
  const hex = Buffer.from(head).toString('hex');
  return ['ffd8ff', 'ff4fff51', 'ff0a', '0000000c6a502020', '0000000c4a584c20'].some((s) => hex.startsWith(s));
}

function contradiction(message: string): PlumblineError {
  return new PlumblineError('pixel-description', message);
}
