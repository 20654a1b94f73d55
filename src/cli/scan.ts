import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PlumblineError, type SourceInstance } from '../base/index.ts';
import { inspectPart10 } from '../dicom/index.ts';

/** What a folder holds. */
export interface Scan {
  /** By Study Instance UID, in order of appearance. */
  readonly studies: ReadonlyMap<string, readonly SourceInstance[]>;
  /** Files that hold no instance (no DICOM, or a DICOMDIR): passed over. */
  readonly otherFiles: number;
  /** DICOM files that cannot be used, and why. */
  readonly refused: readonly { readonly file: string; readonly code: string; readonly message: string }[];
  /** Files with the same instance and the same data as another. */
  readonly duplicates: number;
}

/**
 * Find DICOM files below a folder, whatever their names. Bytes are read once for their identity and again when needed,
 * so memory does not grow with the folder.
 * @throws PlumblineError `usage` where the folder cannot be read
 */
export async function scanFolder(folder: string, onFile: (count: number) => void = () => {}): Promise<Scan> {
  const studies = new Map<string, SourceInstance[]>();
  const byUid = new Map<string, SourceInstance>();
  const refused: { file: string; code: string; message: string }[] = [];
  let otherFiles = 0;
  let duplicates = 0;
  let seen = 0;
  for (const file of await filesBelow(folder)) {
    onFile(++seen);
    const bytes = new Uint8Array(await readFile(file));
    let instance: SourceInstance;
    try {
      instance = sourceOf(file, bytes);
    } catch (e) {
      if (!(e instanceof PlumblineError)) throw e;
      // A DICOMDIR lies on every exchange medium: a list of files, not an instance.
      if (e.code === 'not-dicom' || e.code === 'class-not-storable') otherFiles++;
      else refused.push({ file, code: e.code, message: e.message });
      continue;
    }
    const before = byUid.get(instance.ref.instanceUid);
    if (before?.ref.dataDigest === instance.ref.dataDigest) duplicates++;
    else if (before)
      refused.push({
        file,
        code: 'instance-conflict',
        message: `${instance.ref.instanceUid} is already there with other content`,
      });
    else {
      byUid.set(instance.ref.instanceUid, instance);
      const study = studies.get(instance.ref.studyUid);
      if (study) study.push(instance);
      else studies.set(instance.ref.studyUid, [instance]);
    }
  }
  return { studies, otherFiles, refused, duplicates };
}

function sourceOf(file: string, bytes: Uint8Array): SourceInstance {
  const { studyUid, seriesUid, instanceUid, sopClass, transferSyntax, dataDigest, attributes } = inspectPart10(bytes);
  return {
    ref: { studyUid, seriesUid, instanceUid, sopClass, transferSyntax, dataDigest, digest: '', bytes: bytes.length },
    attributes,
    load: async () => new Uint8Array(await readFile(file)),
  };
}

/** Every file below a folder in a stable order; symbolic links are not followed. */
export async function filesBelow(folder: string): Promise<string[]> {
  let entries;
  try {
    entries = await readdir(folder, { withFileTypes: true, recursive: true });
  } catch (cause) {
    throw new PlumblineError('usage', `cannot read the folder ${folder}`, { where: folder, cause });
  }
  return entries
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name))
    .sort();
}
