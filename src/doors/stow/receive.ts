import dicomParser from 'dicom-parser';
import { MIMEType } from 'node:util';
import { asPlumblineError, isUid, PlumblineError, type DicomJson, type InstanceRef } from '../../base/index.ts';
import type { Inspector, SeenFile } from '../../dicom/index.ts';
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
  const look = (file: Uint8Array): Promise<Inspected> => inspect(inspector, file, studyUid, part.index);
  const done = beyond ? keepLarge({ held, beyond, chunks }, look, blobs) : keep(held, look, blobs);
  // Who waits for `done` is told of a failure; until then it must not pass for one that nobody looks after.
  done.catch(() => {});
  place.used = done;
  if (beyond) await done;
  return { done };
}

type Look = (file: Uint8Array) => Promise<Inspected>;

async function keep(held: Uint8Array, look: Look, blobs: Blobs): Promise<Received> {
  const seen = await look(held);
  if (seen.kind === 'refused') return seen;
  const blob = await blobs.stage({ hashed: true });
  return orDiscarded(blob, async () => {
    await blob.write(held);
    return admission(seen, await blob.finish(seen.digest), blob);
  });
}

/** A part of which only the beginning had room: `beyond` is the first chunk that had none, the rest is still to come. */
interface Large {
  readonly held: Uint8Array;
  readonly beyond: Uint8Array;
  readonly chunks: AsyncIterator<Uint8Array>;
}

async function keepLarge({ held, beyond, chunks }: Large, look: Look, blobs: Blobs): Promise<Received> {
  const blob = await blobs.stage();
  return orDiscarded(blob, async () => {
    await blob.write(held);
    for (let chunk: Uint8Array | undefined = beyond; chunk; chunk = await nextOf(chunks)) await blob.write(chunk);
    const written = await blob.finish();
    const seen = await look(await blob.read(0, written.bytes));
    if (seen.kind === 'readable') return admission(seen, written, blob);
    await blob.discard();
    return seen;
  });
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

type Inspected =
  | { readonly kind: 'readable'; readonly identity: Identity; readonly digest: string; readonly attributes: DicomJson }
  | Extract<Received, { kind: 'refused' }>;
type Identity = Omit<InstanceRef, 'digest' | 'bytes'>;

async function inspect(
  inspector: Pick<Inspector, 'inspect'>,
  file: Uint8Array,
  study: string | undefined,
  index: number,
): Promise<Inspected> {
  try {
    return readable(await inspector.inspect(file), study);
  } catch (thrown) {
    // A defect of ours that one file brings to light (0110 processing failure) must not stop the others.
    const error = asPlumblineError(thrown);
    const said = new PlumblineError(error.code, error.message, { where: error.where ?? `part ${index}`, cause: error });
    const named = namesOf(file);
    return refuse(said, named.sopClass, named.instanceUid);
  }
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

function refuse(
  error: PlumblineError,
  sopClass?: string,
  instanceUid?: string,
): Extract<Received, { kind: 'refused' }> {
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
