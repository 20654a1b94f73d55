import type { Request, Response } from 'express';
import { PlumblineError } from '../../base/index.ts';
import { number, readFrames, transferSyntax, type EncodedFrames } from '../../dicom/index.ts';
import type { DecodedFrame, Decoder } from '../../imaging/index.ts';
import type { Blobs } from '../../store/index.ts';
import type { StoredInstance } from '../../studies/index.ts';
import { acceptedOf, chooseOffer, type Accepted, type Offer } from './accept.ts';
import type { Cache } from './cache.ts';
import { sendMultipart, sendStream } from './multipart.ts';
import { pathOf } from './resources.ts';

/** A file whose frames were found, so that a viewer that asks frame by frame does not make us read it each time. */
export interface OpenFile {
  readonly bytes: Uint8Array;
  readonly frames: EncodedFrames;
}

export interface FrameSource {
  readonly blobs: Blobs;
  readonly files: Cache<OpenFile>;
  /** Without one, compressed frames are given only as they are stored. */
  readonly decoder: Pick<Decoder, 'decode'> | undefined;
}

/**
 * Frames of one instance (PS3.18 10.4.1.1.6). Native pixels as little-endian octets, each frame beginning at a whole
 * byte; compressed ones as stored in the media type of their transfer syntax (Table 8.7.3-5), or decoded where octets
 * are asked for without `transfer-syntax=*`.
 * @throws PlumblineError query-invalid, not-found (no such frame), not-acceptable, pixel-…
 */
export async function sendFrames(
  source: FrameSource,
  instance: StoredInstance,
  req: Request,
  res: Response,
  root: string,
): Promise<void> {
  const numbers = frameNumbers(String(req.params['frames']));
  const file = await openFile(source, instance);
  const beyond = numbers.find((n) => n > file.frames.frames);
  if (beyond !== undefined)
    throw new PlumblineError('not-found', `there is no frame ${beyond}`, { where: instance.ref.instanceUid });
  const chosen = chooseOffer(acceptedOf(req).map(withDefaultSyntax), offers(file.frames, source, numbers.length === 1));
  const contents = chosen.decoded
    ? (
        await source.decoder!.decode(
          file.bytes,
          numbers.map((n) => n - 1),
        )
      ).map((f) => octets(f, file.frames))
    : numbers.map((n) => storedFrame(file.frames, n - 1));
  const type = `${chosen.essence}; transfer-syntax=${chosen.transferSyntax}`;
  if (!chosen.multipart) return void res.set('Content-Type', type).send(Buffer.from(contents[0]!));
  const url = `${root}${pathOf(instance)}/frames/`;
  await sendMultipart(
    res,
    chosen.essence,
    contents.map((bytes, i) => ({
      type,
      location: `${url}${numbers[i]}`,
      bytes: bytes.length,
      content: async () => bytes,
    })),
  );
}

/**
 * The pixels of one instance, whole: native ones as one value, compressed ones a part a frame.
 * @throws PlumblineError not-found for any other element, not-acceptable
 */
export async function sendPixels(
  source: FrameSource,
  instance: StoredInstance,
  req: Request,
  res: Response,
  root: string,
): Promise<void> {
  const file = await openFile(source, instance);
  const { frames } = file;
  const all = Array.from({ length: frames.frames }, (_, i) => i);
  const native = !isEncapsulated(frames.transferSyntax);
  const own = native ? nativeOffers(all.length > 0) : storedOffers(frames.transferSyntax, false);
  const chosen = chooseOffer(acceptedOf(req), own);
  const contents = native ? [joinFrames(frames)] : all.map((i) => storedFrame(frames, i));
  const type = `${chosen.essence}; transfer-syntax=${chosen.transferSyntax}`;
  if (!chosen.multipart) {
    res.set('Content-Type', type).set('Content-Length', String(contents[0]!.length));
    return sendStream(res, (async function* () { yield contents[0]!; })()); // prettier-ignore
  }
  const location = `${root}${pathOf(instance)}/bulkdata/7FE00010`;
  await sendMultipart(
    res,
    chosen.essence,
    contents.map((bytes) => ({ type, location, bytes: bytes.length, content: async () => bytes })),
  );
}

export async function openFile({ blobs, files }: FrameSource, { ref }: StoredInstance): Promise<OpenFile> {
  const kept = files.get(ref.digest);
  if (kept) return kept;
  const bytes = await blobs.read(ref.digest);
  return files.set(ref.digest, { bytes, frames: readFrames(bytes) });
}

const explicitLittle = '1.2.840.10008.1.2.1';
const explicitBig = '1.2.840.10008.1.2.2';

interface FrameOffer extends Offer {
  readonly transferSyntax: string;
  readonly decoded: boolean;
}

/** PS3.18 8.7.3.4: octets without a transfer syntax are Explicit VR Little Endian, that is: decoded. */
function withDefaultSyntax(range: Accepted): Accepted {
  return range.essence === 'application/octet-stream' && range.transferSyntax === undefined
    ? { ...range, transferSyntax: explicitLittle }
    : range;
}

function offers(frames: EncodedFrames, { decoder }: FrameSource, single: boolean): FrameOffer[] {
  const syntax = frames.transferSyntax;
  if (!isEncapsulated(syntax)) return nativeOffers(single).map((o) => ({ ...o, decoded: false }));
  const decoded = decoder && transferSyntax(syntax)?.readable ? nativeOffers(single) : [];
  return [
    ...storedOffers(syntax, single).map((o) => ({ ...o, decoded: false })),
    ...decoded.map((o) => ({ ...o, decoded: true })),
  ];
}

function nativeOffers(single: boolean): { essence: string; multipart: boolean; transferSyntax: string }[] {
  return both('application/octet-stream', explicitLittle, single);
}

/** In its own media type; and as octets for viewers that take any transfer syntax so. */
function storedOffers(
  syntax: string,
  single: boolean,
): { essence: string; multipart: boolean; transferSyntax: string }[] {
  const essence = frameMediaTypes[syntax.replace('1.2.840.10008.1.2.', '')];
  return [...(essence ? both(essence, syntax, single) : []), ...both('application/octet-stream', syntax, single)];
}

function both(
  essence: string,
  transferSyntax: string,
  single: boolean,
): { essence: string; multipart: boolean; transferSyntax: string }[] {
  return [true, ...(single ? [false] : [])].map((multipart) => ({ essence, multipart, transferSyntax }));
}

function isEncapsulated(syntax: string): boolean {
  return transferSyntax(syntax)?.encapsulated ?? false;
}

/** PS3.18 Table 8.7.3-5, by what follows 1.2.840.10008.1.2. */
const frameMediaTypes: Readonly<Record<string, string>> = {
  '4.50': 'image/jpeg', '4.51': 'image/jpeg', '4.57': 'image/jpeg', '4.70': 'image/jpeg',
  '4.80': 'image/jls', '4.81': 'image/jls', '4.90': 'image/jp2', '4.91': 'image/jp2', '4.92': 'image/jpx', '4.93': 'image/jpx',
  '4.201': 'image/jphc', '4.202': 'image/jphc', '4.203': 'image/jphc',
  '4.110': 'image/jxl', '4.111': 'image/jxl', '4.112': 'image/jxl', '5': 'image/dicom-rle',
  '4.100': 'video/mpeg2', '4.101': 'video/mpeg2',
  '4.102': 'video/mp4', '4.103': 'video/mp4', '4.104': 'video/mp4', '4.105': 'video/mp4', '4.106': 'video/mp4',
}; // prettier-ignore

/** `1,3,5`, 1-based. @throws PlumblineError query-invalid */
function frameNumbers(list: string): number[] {
  if (!/^[1-9]\d{0,8}(,[1-9]\d{0,8}){0,999}$/.test(list)) {
    throw new PlumblineError('query-invalid', 'a frame list is up to 1000 numbers from 1 on, with commas between');
  }
  return list.split(',').map(Number);
}

/** One frame as octets that begin with its first pixel, little endian. */
function storedFrame(frames: EncodedFrames, index: number): Uint8Array {
  const { bytes, firstBit } = frames.frame(index);
  if (isEncapsulated(frames.transferSyntax)) return bytes;
  const allocated = number(frames.description, 'BitsAllocated');
  if (allocated === 1) return alignBits(bytes, firstBit, pixelsOf(frames));
  return frames.transferSyntax === explicitBig ? littleEndian(bytes, (allocated ?? 8) / 8) : bytes;
}

function pixelsOf({ description }: EncodedFrames): number {
  return (
    (number(description, 'Rows') ?? 0) *
    (number(description, 'Columns') ?? 0) *
    (number(description, 'SamplesPerPixel') ?? 1)
  );
}

/** Frames of 1-bit pixels lie bit after bit (PS3.5 8.1.1): shift one so that it begins at bit 0, and clear what follows it. */
function alignBits(bytes: Uint8Array, firstBit: number, pixels: number): Uint8Array {
  const aligned = new Uint8Array(Math.ceil(pixels / 8));
  for (let i = 0; i < aligned.length; i++)
    aligned[i] = (bytes[i]! >> firstBit) | ((bytes[i + 1] ?? 0) << (8 - firstBit));
  const beyond = aligned.length * 8 - pixels;
  if (beyond > 0) aligned[aligned.length - 1]! &= 0xff >> beyond;
  return aligned;
}

function littleEndian(bytes: Uint8Array, word: number): Uint8Array {
  const swapped = Buffer.from(bytes);
  if (word === 2) swapped.swap16();
  if (word === 4) swapped.swap32();
  if (word === 8) swapped.swap64();
  return swapped;
}

/** The value of Pixel Data: frames one after the other, without gaps even between bits. */
function joinFrames(frames: EncodedFrames): Uint8Array {
  const parts = Array.from({ length: frames.frames }, (_, i) => frames.frame(i));
  if (number(frames.description, 'BitsAllocated') !== 1)
    return Buffer.concat(parts.map((_, i) => storedFrame(frames, i)));
  const joined = new Uint8Array(Math.ceil((pixelsOf(frames) * frames.frames) / 8));
  // Neighbours share the byte in which one ends and the next begins.
  parts.forEach(({ bytes }, i) => joined.set(bytes, Math.floor((pixelsOf(frames) * i) / 8)));
  return joined;
}

/** A decoded frame as words of Bits Allocated, little endian. */
function octets(frame: DecodedFrame, frames: EncodedFrames): Uint8Array {
  const { values } = frame;
  const word = Math.max(1, (number(frames.description, 'BitsAllocated') ?? 8) / 8);
  const wide =
    values.BYTES_PER_ELEMENT === word
      ? values
      : word === 2
        ? Uint16Array.from(values, (v) => v & 0xffff)
        : Uint32Array.from(values, (v) => v >>> 0);
  return new Uint8Array(wide.buffer, wide.byteOffset, wide.byteLength);
}
