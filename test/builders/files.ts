import { derivedUid } from '../../src/base/index.ts';
import { dataset, writePart10, type DatasetInput } from '../../src/dicom/index.ts';

export interface FileInput {
  /** Name a study, series and instance; equal names give equal UIDs. */
  readonly study?: string;
  readonly series?: string;
  readonly instance?: string;
  readonly attributes?: DatasetInput;
  readonly pixels?: Uint8Array;
}

export const uidOf = (kind: 'study' | 'series' | 'instance', name: string): string => derivedUid('test', kind, name);

/** A small CT image, 4 x 4 pixels of 16 bits unless said otherwise. */
export function ctFile({
  study = 'a',
  series = 'a',
  instance = 'a',
  attributes = {},
  pixels,
}: FileInput = {}): Uint8Array {
  const image = dataset({
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
    SOPInstanceUID: uidOf('instance', instance),
    StudyInstanceUID: uidOf('study', study),
    SeriesInstanceUID: uidOf('series', `${study}/${series}`),
    StudyDate: '20250102',
    StudyTime: '101112',
    AccessionNumber: 'ACC1',
    Modality: 'CT',
    PatientName: 'Example^Ada',
    PatientID: 'P1',
    StudyDescription: 'CT of a phantom',
    SeriesNumber: '3',
    InstanceNumber: '1',
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    Rows: 4,
    Columns: 4,
    BitsAllocated: 16,
    BitsStored: 16,
    HighBit: 15,
    PixelRepresentation: 0,
    ...attributes,
  });
  return writePart10(image, { pixelData: { vr: 'OW', bytes: pixels ?? new Uint8Array(32).map((_, i) => i) } });
}
