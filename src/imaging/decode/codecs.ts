import { inflateRawSync } from 'node:zlib';
import type { Context, log, NativeCodecs } from 'dcmjs-codecs';
import { checkRle, j2kHeader, jpegHeader, jxlSize, type StreamHeader } from './headers.ts';
import { decodeNative } from './native.ts';
import { DecodeProblem } from './problem.ts';
import {
  decodedBytes,
  storedValues,
  widened,
  type DecodedFrame,
  type FrameJob,
  type PixelDescription,
} from './pixels.ts';

/**
 * Decode one frame of any transfer syntax that is readable.
 * @throws DecodeProblem `pixel-description` where the codestream contradicts the data set, `pixel-decode`
 */
export async function decodeFrame(job: FrameJob): Promise<DecodedFrame> {
  const suffix = job.transferSyntax.replace('1.2.840.10008.1.2', '');
  if (['', '.1', '.1.98', '.1.99', '.2'].includes(suffix)) return decodeNative(job);
  if (suffix === '.8.1') return decodeNative({ ...job, bytes: inflated(job) });
  const codec = codecs.find((c) => c.syntaxes.includes(suffix));
  if (codec === undefined)
    throw new DecodeProblem('pixel-decode', `frames of transfer syntax ${job.transferSyntax} can not be decoded`);
  return codec.decode(job);
}

interface Codec {
  readonly syntaxes: readonly string[];
  readonly decode: (job: FrameJob) => Promise<DecodedFrame>;
}

const codecs: readonly Codec[] = [
  { syntaxes: ['.4.50', '.4.51', '.4.53', '.4.55'], decode: (job) => decodeJpeg(job, true) },
  { syntaxes: ['.4.57', '.4.70'], decode: (job) => decodeJpeg(job, false) },
  { syntaxes: ['.4.80', '.4.81'], decode: decodeJpegLs },
  { syntaxes: ['.4.90', '.4.91'], decode: (job) => decodeJ2k(job, 'decodeJpeg2000') },
  { syntaxes: ['.4.201', '.4.202', '.4.203'], decode: (job) => decodeJ2k(job, 'decodeHtJpeg2000') },
  { syntaxes: ['.4.110', '.4.111', '.4.112'], decode: decodeJxl },
  { syntaxes: ['.5'], decode: decodeRle },
];

async function decodeJpeg(job: FrameJob, lossy: boolean): Promise<DecodedFrame> {
  const header = jpegHeader(job.bytes);
  checkHeader(header, job.description);
  const { photometric, samples } = job.description;
  // The stream's own markers win over a data set that says RGB of a YCbCr stream, or the reverse.
  const marked = lossy && samples === 3 ? header.colour : undefined;
  return runCodec('decodeJpeg', job, { ...plain(job, header), photometric: marked ?? spread(photometric) });
}

async function decodeJpegLs(job: FrameJob): Promise<DecodedFrame> {
  const header = jpegHeader(job.bytes);
  checkHeader(header, job.description);
  return runCodec('decodeJpegLs', job, plain(job, header));
}

async function decodeJ2k(job: FrameJob, codec: 'decodeJpeg2000' | 'decodeHtJpeg2000'): Promise<DecodedFrame> {
  const header = j2kHeader(job.bytes);
  checkHeader(header, job.description);
  const { photometric, signed } = job.description;
  // Where stream and data set differ on the sign, the stream's bits in its own precision are meant as the data set says.
  // Otherwise all bits count: lossy streams may lie a little beyond Bits Stored, and must not wrap around.
  const bits = header.signed === signed ? 32 : header.precision;
  // The decoder undoes the component transform.
  const undone = header.transformed || photometric === 'YBR_RCT' || photometric === 'YBR_ICT';
  return runCodec(codec, job, { precision: header.precision, bits, photometric: undone ? 'RGB' : spread(photometric) });
}

async function decodeJxl(job: FrameJob): Promise<DecodedFrame> {
  checkSize(jxlSize(job.bytes), job.description);
  const { samples, photometric, bitsStored } = job.description;
  return runCodec('decodeJpegXl', job, {
    precision: bitsStored,
    bits: 32,
    photometric: samples === 3 ? 'RGB' : photometric,
  });
}

async function decodeRle(job: FrameJob): Promise<DecodedFrame> {
  const { samples, bitsAllocated, bitsStored, rows, columns, photometric } = job.description;
  checkRle(job.bytes, (samples * bitsAllocated) >> 3, rows * columns);
  return runCodec('decodeRle', job, { precision: bitsAllocated, bits: bitsStored, photometric });
}

/** How the words of a codec are to be understood. */
interface Reading {
  /** Bits of a sample in the stream. */
  readonly precision: number;
  /** How many low bits of a word count, the highest being the sign. */
  readonly bits: number;
  readonly photometric: string;
}

/** JPEG and JPEG-LS know no sign: signed values are their two's complement in the stream's precision. */
function plain({ description }: FrameJob, { precision }: StreamHeader): Reading {
  return { precision, bits: precision, photometric: spread(description.photometric) };
}

/** Codecs give chroma for every pixel. */
function spread(photometric: string): string {
  return photometric.replace('_422', '');
}

function checkHeader(header: StreamHeader, description: PixelDescription): void {
  checkSize(header, description);
  const { samples, bitsAllocated } = description;
  if (header.components !== samples) throw contradiction(`${header.components} components in place of ${samples}`);
  if (header.precision > bitsAllocated) throw contradiction(`${header.precision} bits in place of ${bitsAllocated}`);
}

function checkSize(
  header: { readonly rows: number; readonly columns: number },
  { rows, columns }: PixelDescription,
): void {
  if (header.rows !== rows || header.columns !== columns) {
    throw contradiction(`${header.columns} x ${header.rows} pixels in place of ${columns} x ${rows}`);
  }
}

type CodecName = 'decodeJpeg' | 'decodeJpegLs' | 'decodeJpeg2000' | 'decodeHtJpeg2000' | 'decodeJpegXl' | 'decodeRle';

async function runCodec(name: CodecName, job: FrameJob, reading: Reading): Promise<DecodedFrame> {
  const { rows, columns, samples, bitsAllocated, bitsStored, signed } = job.description;
  // A codec fills bytes for streams of up to 8 bits, whatever Bits Allocated says.
  const word = reading.precision <= 8 ? 8 : reading.precision <= 16 ? 16 : 32;
  const description: PixelDescription = {
    ...job.description,
    bitsAllocated: word,
    bitsStored: Math.min(bitsStored, word),
  };
  const bytes = callCodec(await nativeCodecs(), name, job.bytes, description);
  const expected = decodedBytes(description);
  if (bytes.length !== expected) throw contradiction(`${bytes.length} decoded bytes in place of ${expected}`);
  const values = widened(storedValues(bytes, description, reading.bits), bitsAllocated);
  return { rows, columns, samples, bitsStored, signed, photometric: reading.photometric, values };
}

function callCodec(
  { NativeCodecs, Context }: Module,
  name: CodecName,
  bytes: Uint8Array,
  description: PixelDescription,
): Uint8Array<ArrayBuffer> {
  const context = new Context({
    width: description.columns,
    height: description.rows,
    bitsAllocated: description.bitsAllocated,
    bitsStored: description.bitsStored,
    samplesPerPixel: description.samples,
    pixelRepresentation: description.signed ? 1 : 0,
    planarConfiguration: 0,
    photometricInterpretation: description.photometric,
    encodedBuffer: bytes,
  });
  try {
    const decoded = NativeCodecs[name](context, { convertColorspaceToRgb: false }).getDecodedBuffer();
    return decoded as Uint8Array<ArrayBuffer>;
  } catch (e) {
    const why = e instanceof Error ? e.message : String(e);
    throw new DecodeProblem('pixel-decode', `the codestream does not decode: ${why}`, { cause: e, codecFailed: true });
  }
}

interface Module {
  readonly NativeCodecs: typeof NativeCodecs;
  readonly Context: typeof Context;
  readonly log: typeof log;
}
let loaded: Promise<Module> | undefined;

/** Loaded with the first frame that needs it: most frames are not compressed. */
function nativeCodecs(): Promise<Module> {
  loaded ??= import('dcmjs-codecs').then(async (imported: unknown) => {
    const found = (imported as { default?: Module }).default ?? (imported as Module);
    // Codecs write their warnings to the console; what matters of them is checked here.
    found.log.setLevel('silent');
    await found.NativeCodecs.initializeAsync();
    return found;
  });
  return loaded;
}

function inflated({ bytes, description }: FrameJob): Uint8Array<ArrayBuffer> {
  const { rows, columns, samples, bitsAllocated } = description;
  const expected = Math.ceil((rows * columns * samples * bitsAllocated) / 8);
  try {
    return new Uint8Array(inflateRawSync(bytes, { maxOutputLength: expected + 1 }));
  } catch (e) {
    throw new DecodeProblem('pixel-decode', `a deflated frame does not give ${expected} bytes`, { cause: e });
  }
}

function contradiction(message: string): DecodeProblem {
  return new DecodeProblem('pixel-description', `the codestream has ${message}`);
}
