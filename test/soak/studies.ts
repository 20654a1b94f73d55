import { derivedUid } from '../../src/base/index.ts';
import { demoStudies } from '../../src/cli/demo/studies.ts';
import { dataset, inspectPart10, writePart10 } from '../../src/dicom/index.ts';
import { orm } from '../builders/hl7.ts';

/** A drawn study of a patient of its own. */
export interface SentStudy {
  readonly n: number;
  readonly studyUid: string;
  readonly patientId: string;
  readonly accession: string;
  readonly instances: readonly { readonly instanceUid: string; readonly bytes: Uint8Array }[];
}

export const issuer = 'PLUMBLINE-DEMO';
const slices = demoStudies()[0]!.files.map((file) => ({ file, ...inspectPart10(file) }));

/** CT slices of the demonstration under identifiers of their own for each number. @param count at most 7 */
export function makeStudy(n: number, count = 2): SentStudy {
  const studyUid = derivedUid('soak', 'study', n);
  const patientId = `SOAK-${n}`;
  const accession = `SOAK-A${n}`;
  const instances = slices.slice(5, 5 + count).map(({ file, attributes, pixel }, i) => {
    const instanceUid = derivedUid('soak', 'instance', n, i);
    const own = dataset({
      PatientID: patientId,
      AccessionNumber: accession,
      StudyInstanceUID: studyUid,
      SeriesInstanceUID: derivedUid('soak', 'series', n),
      FrameOfReferenceUID: derivedUid('soak', 'frame', n),
      SOPInstanceUID: instanceUid,
    });
    const bytes = file.slice(pixel!.offset, pixel!.offset + pixel!.length);
    return { instanceUid, bytes: writePart10({ ...attributes, ...own }, { pixelData: { vr: 'OW', bytes } }) };
  });
  return { n, studyUid, patientId, accession, instances };
}

/** The order of that study, as a RIS sends it. @param id MSH-10 */
export function orderOf(n: number, id: string): string {
  return orm({
    id,
    patient: `SOAK-${n}^^^${issuer}^MR`,
    accession: `SOAK-A${n}`,
    placer: `P${n}`,
    filler: `F${n}`,
    studyUid: derivedUid('soak', 'study', n),
    ...(n % 5 === 0 ? { priority: 'S' } : {}),
  });
}
