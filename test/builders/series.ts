/** Series for tests of imaging: files as `SourceInstance`s, and synthetic frames with a chosen geometry. */
import { mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  PlumblineError,
  derivedUid,
  sha256,
  type DicomJson,
  type SourceInstance,
  type Vec3,
} from '../../src/base/index.ts';
import { dataset, inspectPart10, type DatasetInput } from '../../src/dicom/index.ts';

/** One Part 10 file as floor 2 sees it. */
export function sourceOf(bytes: Uint8Array): SourceInstance {
  const file = inspectPart10(bytes);
  const { studyUid, seriesUid, instanceUid, sopClass, transferSyntax, dataDigest, attributes } = file;
  const ref = {
    studyUid,
    seriesUid,
    instanceUid,
    sopClass,
    transferSyntax,
    dataDigest,
    digest: sha256(bytes),
    bytes: bytes.length,
  };
  return { ref, attributes, load: () => Promise.resolve(bytes) };
}

/** All readable DICOM files under a file or folder, in order of name; what intake would refuse is left out. */
export function sourcesUnder(path: string): SourceInstance[] {
  return filesUnder(path).flatMap((file) => {
    try {
      return [sourceOf(new Uint8Array(readFileSync(file)))];
    } catch (thrown) {
      if (thrown instanceof PlumblineError) return [];
      throw thrown;
    }
  });
}

export function filesUnder(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesUnder(join(path, name)));
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'plumbline-imaging-'));
}

export function byInstance(sources: readonly SourceInstance[]): ReadonlyMap<string, SourceInstance> {
  return new Map(sources.map((s) => [s.ref.instanceUid, s]));
}

/** Everything that an asynchronous sequence gives. */
export async function collect<T>(sequence: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of sequence) all.push(one);
  return all;
}

export const classes = {
  ct: '1.2.840.10008.5.1.4.1.1.2',
  mr: '1.2.840.10008.5.1.4.1.1.4',
  dx: '1.2.840.10008.5.1.4.1.1.1.1',
  sc: '1.2.840.10008.5.1.4.1.1.7',
  us: '1.2.840.10008.5.1.4.1.1.6.1',
  photo: '1.2.840.10008.5.1.4.1.1.77.1.4',
  slide: '1.2.840.10008.5.1.4.1.1.77.1.6',
  keyObject: '1.2.840.10008.5.1.4.1.1.88.59',
} as const;

/** Attributes alone, as an instance of `series` (a name); `name` makes the SOP Instance UID. */
export function instance(
  series: string,
  name: string | number,
  attributes: DatasetInput,
  sopClass: string = classes.ct,
): SourceInstance {
  const [seriesUid, instanceUid] = [derivedUid('test', series), derivedUid('test', series, name)];
  const ds: DicomJson = dataset({
    SOPClassUID: sopClass,
    SOPInstanceUID: instanceUid,
    StudyInstanceUID: derivedUid('test'),
    SeriesInstanceUID: seriesUid,
    Modality: 'CT',
    ImageType: ['ORIGINAL', 'PRIMARY', 'AXIAL'],
    Rows: 20,
    Columns: 30,
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    BitsAllocated: 16,
    BitsStored: 16,
    HighBit: 15,
    PixelRepresentation: 1,
    ...attributes,
  });
  const ref = {
    studyUid: derivedUid('test'),
    seriesUid,
    instanceUid,
    sopClass,
    transferSyntax: '1.2.840.10008.1.2.1',
    digest: '',
    dataDigest: '',
    bytes: 0,
  };
  return { ref, attributes: ds, load: () => Promise.reject(new Error('attributes only')) };
}

export interface SliceGeometry {
  readonly position: Vec3;
  readonly orientation?: readonly number[];
  readonly spacing?: readonly [number, number];
}

/** A CT slice at a place in the patient. */
export function slice(
  series: string,
  name: string | number,
  geometry: SliceGeometry,
  more: DatasetInput = {},
): SourceInstance {
  return instance(series, name, {
    FrameOfReferenceUID: derivedUid('test', 'frame of reference'),
    ImagePositionPatient: [...geometry.position],
    ImageOrientationPatient: [...(geometry.orientation ?? [1, 0, 0, 0, 1, 0])],
    PixelSpacing: [...(geometry.spacing ?? [0.5, 0.8])],
    SliceThickness: 2,
    ...more,
  });
}
