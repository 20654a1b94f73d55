/** Studies of CT slices made while they are sent, and a client that copies none of them. */
import { request, type Agent, type IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { derivedUid } from '../src/base/index.ts';
import { dataset, writePart10 } from '../src/dicom/index.ts';

export const boundary = 'plumbline-bench';
const contentType = `multipart/related; type="application/dicom"; boundary=${boundary}`;

/** One slice of seeded noise, 16 bits a pixel; every slice that is sent is this one under other UIDs. */
export interface Slices {
  /** What stands before the pixels, with UIDs of its own; the same length for every slice. */
  readonly head: (study: number, index: number) => Buffer;
  readonly pixels: Buffer;
  /** Bytes of one whole file. */
  readonly bytes: number;
}

/** @param side rows and columns */
export function makeSlices(seed = 1, side = 512): Slices {
  const file = Buffer.from(sliceFile(seed, side));
  const pixelBytes = side * side * 2;
  const pixels = file.subarray(file.length - pixelBytes);
  const head = file.subarray(0, file.length - pixelBytes);
  const places = kinds.map((kind) => allPlaces(head, placeholder(kind)));
  return {
    head: (study, index) => {
      const own = Buffer.from(head);
      for (const [i, kind] of kinds.entries())
        for (const place of places[i]!) own.write(uidOf(kind, study, index), place, 'latin1');
      return own;
    },
    pixels,
    bytes: file.length,
  };
}

/** Bytes of one slice as a file of its own. */
export function sliceOf(slices: Slices, study: number, index: number): Buffer {
  return Buffer.concat([slices.head(study, index), slices.pixels]);
}

export const studyUid = (study: number): string => uidOf('study', study, 0).replaceAll('\0', '');
export const seriesUid = (study: number): string => uidOf('series', study, 0).replaceAll('\0', '');
export const instanceUid = (study: number, index: number): string =>
  uidOf('instance', study, index).replaceAll('\0', '');

/**
 * POST slices `from` up to `to` of a study in one request; resolves when the answer is read.
 * The bytes are made as the socket takes them, so that the sender's memory and copies do not stand in the figures.
 */
export async function postSlices(
  url: string,
  slices: Slices,
  study: number,
  [from, to]: readonly [number, number],
  agent?: Agent,
): Promise<void> {
  const length = (to - from) * (partHead.length + slices.bytes) + tail.length;
  const headers = { 'Content-Type': contentType, 'Content-Length': String(length) };
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  // Without an agent a connection of its own: a kept one may have been closed by a peer that waits less long.
  const sent = request(url, { method: 'POST', headers, agent: agent ?? false }, resolve).on('error', reject);
  const body = Readable.from(bodyOf(slices, study, from, to), { objectMode: false, highWaterMark: 1 << 20 });
  const [response] = await Promise.all([promise, pipeline(body, sent)]).catch((cause: unknown) => {
    throw new Error(`no answer of ${url}`, { cause });
  });
  const text = (await response.toArray()).join('');
  if (response.statusCode !== 200) throw new Error(`${url} answered ${response.statusCode}: ${text.slice(0, 300)}`);
}

const partHead = Buffer.from(`\r\n--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`);
const tail = Buffer.from(`\r\n--${boundary}--\r\n`);

function* bodyOf(slices: Slices, study: number, from: number, to: number): Generator<Buffer> {
  for (let index = from; index < to; index++) {
    yield Buffer.concat([partHead, slices.head(study, index)]);
    yield slices.pixels;
  }
  yield tail;
}

// — the slice —

type Kind = 'study' | 'series' | 'instance';
const kinds: readonly Kind[] = ['study', 'series', 'instance'];

function placeholder(kind: Kind): string {
  return derivedUid('bench', 'placeholder', kind).padEnd(44, '1').slice(0, 44);
}

/** 44 characters: 2.25, then a number of 39 digits that begins with 1, which is under 2^128. */
function uidOf(kind: Kind, study: number, index: number): string {
  const number = 10n ** 38n + BigInt(kinds.indexOf(kind)) * 10n ** 20n + BigInt(study) * 100_000n + BigInt(index);
  return `2.25.${(kind === 'instance' ? number : number - BigInt(index)).toString()}`;
}

function allPlaces(bytes: Buffer, text: string): number[] {
  const places: number[] = [];
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) places.push(at);
  return places;
}

function sliceFile(seed: number, side: number): Uint8Array {
  const image = dataset({
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
    SOPInstanceUID: placeholder('instance'),
    StudyInstanceUID: placeholder('study'),
    SeriesInstanceUID: placeholder('series'),
    Modality: 'CT',
    PatientName: 'Bench^Stow',
    PatientID: 'BENCH',
    StudyDate: '20260101',
    StudyTime: '101112',
    AccessionNumber: 'BENCH1',
    StudyDescription: 'A study of noise',
    SeriesNumber: '1',
    InstanceNumber: '1',
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    Rows: side,
    Columns: side,
    BitsAllocated: 16,
    BitsStored: 16,
    HighBit: 15,
    PixelRepresentation: 0,
    WindowCenter: '32768',
    WindowWidth: '65536',
  });
  return writePart10(image, { pixelData: { vr: 'OW', bytes: noise(seed, side * side * 2) } });
}

/** xorshift32. */
function noise(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state & 0xff;
  }
  return bytes;
}
