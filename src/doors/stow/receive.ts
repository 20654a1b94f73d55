import dicomParser from 'dicom-parser';
import { MIMEType } from 'node:util';
import { asPlumblineError, isUid, PlumblineError } from '../../base/index.ts';
import { inspectPart10 } from '../../dicom/index.ts';
import type { Blobs, StagedBlob } from '../../store/index.ts';
import type { Admission } from '../../studies/index.ts';
import type { MultipartPart } from './multipart.ts';

/** One part of a request, on disk and understood, or refused. */
export type Received =
  | { readonly kind: 'admission'; readonly admission: Admission }
  | {
      readonly kind: 'refused';
      readonly sopClass: string | undefined;
      readonly instanceUid: string | undefined;
      readonly error: PlumblineError;
    };

/**
 * Stream one part to disk, then read it back and see what it is. Parts are taken one at a time, so that a request
 * never holds more than one file in memory. A part that is refused leaves no staged bytes.
 *
 * @param studyUid of the URL, if it names one; an instance of another study is refused
 * @throws PlumblineError what ends the whole request: multipart-invalid, body-too-large, sender-…, disk-full
 */
export async function receivePart(part: MultipartPart, studyUid: string | undefined, blobs: Blobs): Promise<Received> {
  const unsupported = unsupportedPart(part);
  if (unsupported) return refuse(unsupported);
  const blob = await blobs.stage();
  try {
    for await (const chunk of part.body) await blob.write(chunk);
    const { digest, bytes } = await blob.finish();
    const received = inspect(await blob.read(0, bytes), { digest, bytes }, blob, studyUid, part.index);
    if (received.kind === 'refused') await blob.discard();
    return received;
  } catch (thrown) {
    await blob.discard();
    throw thrown;
  }
}

function inspect(
  file: Uint8Array,
  stored: { readonly digest: string; readonly bytes: number },
  blob: StagedBlob,
  studyUid: string | undefined,
  index: number,
): Received {
  try {
    const {
      attributes,
      studyUid: study,
      seriesUid,
      instanceUid,
      sopClass,
      transferSyntax,
      dataDigest,
    } = inspectPart10(file, { undecodable: 'mark' });
    if (studyUid !== undefined && study !== studyUid) {
      const error = new PlumblineError(
        'study-mismatch',
        `the instance is of study ${study}, the URL names ${studyUid}`,
        { where: instanceUid },
      );
      return refuse(error, sopClass, instanceUid);
    }
    const ref = { studyUid: study, seriesUid, instanceUid, sopClass, transferSyntax, dataDigest, ...stored };
    return { kind: 'admission', admission: { ref, attributes, blob } };
  } catch (thrown) {
    // A defect of ours that one file brings to light (0110 processing failure) must not stop the others.
    const error = asPlumblineError(thrown);
    const said = new PlumblineError(error.code, error.message, { where: error.where ?? `part ${index}`, cause: error });
    const named = namesOf(file);
    return refuse(said, named.sopClass, named.instanceUid);
  }
}

function refuse(error: PlumblineError, sopClass?: string, instanceUid?: string): Received {
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
