import { createHash } from 'node:crypto';
import { asPlumblineError, PlumblineError, type DicomJson, type InstanceRef } from '../../base/index.ts';
import { dataHash, inspectPart10, part10Head, sparseBytes, type InspectOptions } from '../../dicom/index.ts';
import type { StoreRequest } from '../../dimse/index.ts';
import type { Blobs, StagedBlob } from '../../store/index.ts';
import type { Admission } from '../../studies/index.ts';

export interface ReceiveOptions {
  readonly blobs: Blobs;
  readonly maxObjectBytes: number;
  /** Goes into group 2 as Source Application Entity Title (PS3.10 7.1). */
  readonly sourceAeTitle: string;
  /** A place of one association for all of its objects, one after the other. */
  readonly scratch: Scratch;
}

/** One object that is being received. Nothing throws but `end`; what goes wrong on the way is told there. */
export interface Receiving {
  write(fragment: Uint8Array): Promise<void>;
  /** @throws PlumblineError why it cannot be kept; then nothing is left of it */
  end(): Promise<Admission>;
  discard(): Promise<void>;
}

/** Memory that grows to the size of the objects that come, as far as `most`, and is used again for each. */
export interface Scratch {
  bytes: Uint8Array;
}
const [least, most] = [1 << 20, 8 << 20];

export function createScratch(): Scratch {
  return { bytes: Buffer.allocUnsafeSlow(least) };
}

/**
 * A Part 10 file from the data set of a C-STORE: preamble and group 2 of ours before the bytes as they come, which are
 * hashed while more of them are on their way. An object that fits the scratch is looked at before it is written, so
 * nothing of a refused one is; of a larger one, written in pieces of the scratch's size, what is looked at is read back. After trouble the
 * rest of the object is thrown away as it comes, because a status can only be given at its end (PS3.7 9.1.1).
 * @throws never
 */
export function receiveObject(request: StoreRequest, options: ReceiveOptions): Receiving {
  const { blobs, scratch, maxObjectBytes } = options;
  const ofFile = createHash('sha256');
  const ofData = dataHash(request.transferSyntax);
  let trouble: PlumblineError | undefined;
  let held = 0;
  let total = 0;
  /** Made while the bytes come: a new file may have to wait for the disk. */
  let place: Promise<StagedBlob> | undefined;
  let written = false;
  let begun = false;
  let anyData = false;

  const flush = async (): Promise<StagedBlob> => {
    const blob = await place!;
    written = true;
    await blob.write(scratch.bytes.subarray(0, held));
    held = 0;
    return blob;
  };
  const keep = async (bytes: Uint8Array): Promise<void> => {
    total += bytes.length;
    if (total > maxObjectBytes)
      throw new PlumblineError('body-too-large', `the object is larger than ${maxObjectBytes} bytes`);
    ofFile.update(bytes);
    for (let at = 0; at < bytes.length;) {
      if (held === scratch.bytes.length && !grown(scratch)) await flush();
      const part = bytes.subarray(at, at + scratch.bytes.length - held);
      scratch.bytes.set(part, held);
      held += part.length;
      at += part.length;
    }
  };
  const stop = async (thrown: unknown): Promise<void> => {
    trouble ??= asPlumblineError(thrown);
    // What is told is the trouble that came first, also where there was no place to be given back.
    await place?.then((blob) => blob.discard()).catch(() => undefined);
    place = undefined;
  };
  const begin = async (): Promise<void> => {
    if (begun) return;
    begun = true;
    try {
      const head = headOf(request, options.sourceAeTitle);
      place = blobs.stage({ hashed: true });
      place.catch(() => undefined); // told when it is waited for
      await keep(head);
    } catch (e) {
      await stop(e);
    }
  };

  return {
    write: async (fragment) => {
      await begin();
      if (trouble) return;
      anyData ||= fragment.length > 0;
      ofData.update(fragment);
      await keep(fragment).catch(stop);
    },
    end: async () => {
      await begin();
      if (!trouble && !anyData) await stop(new PlumblineError('dicom-damaged', 'the data set has no byte'));
      if (trouble) throw trouble;
      const dataDigest = ofData.digest('hex');
      try {
        const whole = written ? undefined : scratch.bytes.subarray(0, held);
        const seen = whole && inspect(whole, request, { dataDigest });
        const blob = await flush();
        const { identity, attributes } = seen ?? inspectStaged(blob, total, request, dataDigest);
        const { digest, bytes } = await blob.finish(ofFile.digest('hex'));
        return { ref: { ...identity, digest, bytes }, attributes, blob };
      } catch (e) {
        await stop(e);
        throw trouble!;
      }
    },
    discard: () => stop(new PlumblineError('sender-gone', 'the association ended in the middle of the object')),
  };
}

/** @returns false where it is as large as it may be */
function grown(scratch: Scratch): boolean {
  const { bytes } = scratch;
  if (bytes.length >= most) return false;
  scratch.bytes = Buffer.allocUnsafeSlow(bytes.length * 2);
  scratch.bytes.set(bytes);
  return true;
}

/** @throws PlumblineError uid-missing */
function headOf({ sopClass, instanceUid, transferSyntax }: StoreRequest, sourceAeTitle: string): Uint8Array {
  try {
    return part10Head({ sopClass, instanceUid, transferSyntax, sourceAeTitle });
  } catch (cause) {
    throw new PlumblineError('uid-missing', 'the command has no legal Affected SOP Class or Instance UID', { cause });
  }
}

interface Inspected {
  readonly identity: Omit<InstanceRef, 'digest' | 'bytes'>;
  readonly attributes: DicomJson;
}

/** What was too large for the scratch: headers and small values are read back, pixels are not. */
function inspectStaged(blob: StagedBlob, size: number, request: StoreRequest, dataDigest: string): Inspected {
  const { bytes, need } = sparseBytes(size, (start, into) => blob.readInto(into, start));
  return inspect(bytes, request, { dataDigest, need });
}

/** @throws PlumblineError those of `inspectPart10`, and instance-mismatch */
function inspect(
  file: Uint8Array,
  request: StoreRequest,
  options: Pick<InspectOptions, 'dataDigest' | 'need'>,
): Inspected {
  const { attributes, studyUid, seriesUid, instanceUid, sopClass, transferSyntax, dataDigest } = inspectPart10(file, {
    ...options,
    undecodable: 'mark',
  });
  // What is acknowledged is the instance of the command: another one must not be kept in its place.
  if (instanceUid !== request.instanceUid)
    throw new PlumblineError(
      'instance-mismatch',
      `the command names ${request.instanceUid}, the data set ${instanceUid}`,
      {
        where: request.instanceUid,
      },
    );
  return { identity: { studyUid, seriesUid, instanceUid, sopClass, transferSyntax, dataDigest }, attributes };
}
