import { derivedUid } from '../../src/base/index.ts';
import { demoStudies } from '../../src/cli/demo/studies.ts';
import { dataset, inspectPart10, writePart10 } from '../../src/dicom/index.ts';

// Drawn once.
const file = demoStudies()[0]!.files[6]!;

/** A study of one drawn slice, its own patient and UIDs for each number. */
export function goodStudy(n: number): { readonly studyUid: string; readonly bytes: Uint8Array } {
  const { attributes, pixel } = inspectPart10(file);
  const studyUid = derivedUid('hostile', String(n), 'study');
  const changed = {
    ...attributes,
    ...dataset({
      PatientID: `GOOD-${n}`,
      StudyInstanceUID: studyUid,
      SeriesInstanceUID: derivedUid('hostile', String(n), 'series'),
      SOPInstanceUID: derivedUid('hostile', String(n), 'instance'),
    }),
  };
  const bytes = file.slice(pixel!.offset, pixel!.offset + pixel!.length);
  return { studyUid, bytes: writePart10(changed, { pixelData: { vr: 'OW', bytes } }) };
}
