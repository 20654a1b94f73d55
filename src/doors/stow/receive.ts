import { createHash, type Hash } from 'node:crypto';
import dicomParser from 'dicom-parser';
import { MIMEType } from 'node:util';
import { asPlumblineError, isUid, PlumblineError, type DicomJson, type InstanceRef } from '../../base/index.ts';
import { dataHashFrom, inspectPart10, sparseBytes, type Inspector, type SeenFile } from '../../dicom/index.ts';
import type { Blobs, StagedBlob } from '../../store/index.ts';
import type { Admission } from '../../studies/index.ts';
import type { MultipartPart } from './multipart.ts';
import type { Scratch } from './scratch.ts';

/** One part of a request, on disk and understood, or refused. */
export type Received =
  | { readonly kind: 'admission'; readonly admission: Admission }
  | {
      readonly kind: 'refused';
      readonly sopClass: string | undefined;
      readonly instanceUid: string | undefined;
      readonly error: PlumblineError;
    };

/** Where parts go. */
export interface Intake {
  readonly blobs: Blobs;
  readonly inspector: Pick<Inspector, 'inspect'>;
  readonly scratch: Scratch;
}

/**
 * Take one part: what is refused leaves nothing behind, what is admitted is on its way to the disk. Parts are taken
 * one at a time, so that a request never holds more files in memory than its scratch has places, and small refused ones
 * never reach the disk. Resolves when the part has been read, `done` when its file is written and its digest known.
 *
 * @param studyUid of the URL, if it names one; an instance of another study is refused
 * @throws PlumblineError what ends the whole request: multipart-invalid, body-too-large, sender-…; of this part by
 * `done`, of one before it also by this: disk-full
 */
export async function receivePart(
  part: MultipartPart,
  studyUid: string | undefined,
  { blobs, inspector, scratch }: Intake,
): Promise<{ readonly done: Promise<Received> }> {
  const unsupported = unsupportedPart(part);
  if (unsupported) return { done: Promise.resolve(refuse(unsupported)) };
  const place = scratch.next();
  await place.used;
  const chunks = part.body[Symbol.asyncIterator]();
  const { held, beyond } = await hold(chunks, place.bytes);
  const about: About = { held, study: studyUid, index: part.index };
  const done = beyond ? keepLarge(about, beyond, chunks, blobs) : keep(about, inspector, blobs);
  // Who waits for `done` is told of a failure; until then it must not pass for one that nobody looks after.
  done.catch(() => {});
  place.used = done;
  if (beyond) await done;
  return { done };
}

/** What a part is judged by. */
interface About {
  /** The part, or its beginning where it is larger than its place. */
  readonly held: Uint8Array;
  /** Of the URL. */
  readonly study: string | undefined;
  readonly index: number;
}

async function keep(about: About, inspector: Intake['inspector'], blobs: Blobs): Promise<Received> {
  const seen = await inspect(() => inspector.inspect(about.held), about);
  if (seen.kind === 'refused') return seen;
  const blob = await blobs.stage({ hashed: true });
  return orDiscarded(blob, async () => {
    await blob.write(about.held);
    return admission(seen, await blob.finish(seen.digest), blob);
  });
}

/**
 * Hashed while it is written; then headers and small values are read back and pixels are not, so that memory does not
 * grow with the part. Where not even group 2 can be read in what is held nothing reaches the disk.
 * @param beyond the first chunk that had no room; `chunks` are still to come
 */
async function keepLarge(
  about: About,
  beyond: Uint8Array,
  chunks: AsyncIterator<Uint8Array>,
  blobs: Blobs,
): Promise<Received> {
  const { held } = about;
  const ofFile = createHash('sha256');
  const ofData = startedHash(about);
  if ('kind' in ofData) return ofData;
  const blob = await blobs.stage({ hashed: true });
  return orDiscarded(blob, async () => {
    let bytes = held.length;
    await blob.write(held);
    ofFile.update(held);
    for (let chunk: Uint8Array | undefined = beyond; chunk; chunk = await nextOf(chunks)) {
      // Hashed while the write goes on in another thread.
      const written = blob.write(chunk);
      ofFile.update(chunk);
      ofData.update(chunk);
      bytes += chunk.length;
      await written;
    }
    const digests = { digest: ofFile.digest('hex'), dataDigest: ofData.digest('hex') };
    const seen = await inspect(async () => lookAtStaged(blob, bytes, digests), about);
    if (seen.kind === 'readable') return admission(seen, await blob.finish(seen.digest), blob);
    await blob.discard();
    return seen;
  });
}

function startedHash(about: About): Hash | Refused {
  try {
    return dataHashFrom(about.held);
  } catch (thrown) {
    return refusalOf(thrown, about);
  }
}

/** @throws PlumblineError those of `inspectPart10` */
function lookAtStaged(
  blob: StagedBlob,
  size: number,
  { digest, dataDigest }: Pick<SeenFile, 'digest' | 'dataDigest'>,
): SeenFile {
  const { bytes, need } = sparseBytes(size, (start, into) => blob.readInto(into, start));
  return { ...inspectPart10(bytes, { need, dataDigest, undecodable: 'mark' }), digest };
}

async function orDiscarded(blob: StagedBlob, work: () => Promise<Received>): Promise<Received> {
  try {
    return await work();
  } catch (thrown) {
    await blob.discard();
    throw thrown;
  }
}

function admission(
  { identity, attributes }: Extract<Inspected, { kind: 'readable' }>,
  { digest, bytes }: { readonly digest: string; readonly bytes: number },
  blob: StagedBlob,
): Received {
  return { kind: 'admission', admission: { ref: { ...identity, digest, bytes }, attributes, blob } };
}

/** The beginning of a part, whole where it fits; else `beyond` is the first chunk that does not. */
async function hold(
  chunks: AsyncIterator<Uint8Array>,
  scratch: Uint8Array,
): Promise<{ readonly held: Uint8Array; readonly beyond: Uint8Array | undefined }> {
  let bytes = 0;
  for (;;) {
    const chunk = await nextOf(chunks);
    if (!chunk || bytes + chunk.length > scratch.length) return { held: scratch.subarray(0, bytes), beyond: chunk };
    scratch.set(chunk, bytes);
    bytes += chunk.length;
  }
}

async function nextOf(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
  const { done, value } = await chunks.next();
  return done ? undefined : value;
}

type Refused = Extract<Received, { kind: 'refused' }>;
type Inspected =
  | { readonly kind: 'readable'; readonly identity: Identity; readonly digest: string; readonly attributes: DicomJson }
  | Refused;
type Identity = Omit<InstanceRef, 'digest' | 'bytes'>;

async function inspect(look: () => Promise<SeenFile>, about: About): Promise<Inspected> {
  try {
    return readable(await look(), about.study);
  } catch (thrown) {
    return refusalOf(thrown, about);
  }
}

/** A defect of ours that one file brings to light (0110 processing failure) must not stop the others. */
function refusalOf(thrown: unknown, { held, index }: About): Refused {
  const error = asPlumblineError(thrown);
  const said = new PlumblineError(error.code, error.message, { where: error.where ?? `part ${index}`, cause: error });
  const named = namesOf(held);
  return refuse(said, named.sopClass, named.instanceUid);
}

function readable(seen: SeenFile, study: string | undefined): Inspected {
  const { attributes, digest, studyUid, seriesUid, instanceUid, sopClass, transferSyntax, dataDigest } = seen;
  if (study !== undefined && study !== studyUid) {
    const message = `the instance is of study ${studyUid}, the URL names ${study}`;
    return refuse(new PlumblineError('study-mismatch', message, { where: instanceUid }), sopClass, instanceUid);
  }
  const identity = { studyUid, seriesUid, instanceUid, sopClass, transferSyntax, dataDigest };
  return { kind: 'readable', identity, digest, attributes };
}

function refuse(error: PlumblineError, sopClass?: string, instanceUid?: string): Refused {
  return { kind: 'refused', sopClass, instanceUid, error };
}

/** PS3.18 8.6.1.2: each part says its media type, and its content is binary. */
function unsupportedPart(part: MultipartPart): PlumblineError | undefined {
  const [type, encoding] = [
    part.headers.get('content-type'),
    part.headers.get('content-transfer-encoding') ?? 'binary',
  ];
  const where = `part ${part.index}`;
  if (essenceOf(type) !== 'application/dicom') {
    return new PlumblineError('media-type-unsupported', 'the part is not application/dicom', { where });
  }
  if (!/^(binary|8bit)$/i.test(encoding)) {
    return new PlumblineError('media-type-unsupported', 'the part is encoded for transfer; only binary is taken', {
      where,
    });
  }
  return undefined;
}

/** `type/subtype` of a Content-Type, lower case; '' where it is none. */
export function essenceOf(contentType: string | undefined): string {
  return parseMediaType(contentType)?.essence ?? '';
}

export function parseMediaType(contentType: string | undefined): MIMEType | undefined {
  try {
    return contentType === undefined ? undefined : new MIMEType(contentType);
  } catch {
    return undefined; // no media type at all: the caller refuses it with its own code
  }
}

/** The names that a refused object carries, so that its sender can find it; the refusal itself says what is wrong. */
function namesOf(file: Uint8Array): {
  readonly sopClass: string | undefined;
  readonly instanceUid: string | undefined;
} {
  try {
    const head = dicomParser.parseDicom(file, { untilTag: 'x0020000d' });
    const uid = (...tags: string[]): string | undefined => tags.map((t) => head.string(t)).find(isUid);
    return { sopClass: uid('x00080016', 'x00020002'), instanceUid: uid('x00080018', 'x00020003') };
  } catch {
    return { sopClass: undefined, instanceUid: undefined };
  }
}
