import { isUid, PlumblineError, type Stack } from '../base/index.ts';
import { items, personName, text, type InspectedFile } from '../dicom/index.ts';
import { collect, nameOf, type ReadBack, type Say } from './consistency-rules.ts';
import { checkContentItems, checkReportForm, checkSegmentForm, checkValues } from './consistency-form.ts';
import { checkSegment } from './consistency-seg.ts';
import { checkReport } from './consistency-sr.ts';
import { firstSource, isLegal, objectUid } from './dicom-common.ts';
import { readBack } from './read-back.ts';
import type { DicomObject, EncodingInput, Problem } from './types.ts';

/**
 * The gate for SEG and SR: everything is read again from the bytes that would leave, and compared with the draft, its
 * masks and the source images, never with what the encoder thought. An empty list means that all agree.
 */
export function checkDicom(input: EncodingInput, segs: readonly DicomObject[], sr: DicomObject): Problem[] {
  const { say, problems } = collect();
  checkSet(input, segs, say);
  const readSegs = segs.flatMap((seg) => readOrSay(seg, say));
  for (const seg of readSegs) {
    const stack = input.draft.stacks.find((s) => s.id === seg.object.stack);
    if (!stack) continue;
    checkIdentity(input, stack, seg, say);
    checkValues(seg, say);
    checkSegmentForm(input, stack, seg, say);
    checkSegment(input, stack, seg, say);
  }
  const first = input.draft.stacks[0];
  for (const report of readOrSay(sr, say)) {
    if (first) checkIdentity(input, first, report, say);
    checkValues(report, say);
    checkReportForm(report, say);
    checkContentItems(report, say);
    checkReport(input, readSegs, report, say);
  }
  return problems();
}

function checkSet(input: EncodingInput, segs: readonly DicomObject[], say: Say): void {
  for (const stack of input.draft.stacks) {
    const wanted = input.draft.masks.some((m) => m.stack === stack.id) ? 1 : 0;
    const there = segs.filter((s) => s.stack === stack.id).length;
    if (there !== wanted) say('PL-DCM-006', `stack ${stack.id} has ${there} SEG, expected ${wanted}`);
  }
  for (const seg of segs) {
    const known = input.draft.stacks.some((s) => s.id === seg.stack);
    if (!known) say('PL-DCM-006', `seg-${seg.index} belongs to no stack of the draft`);
  }
}

/** What cannot be read is a problem, not an exception. */
function readOrSay(object: DicomObject, say: Say): ReadBack[] {
  try {
    const file = readBack(object);
    return [{ object, file, attributes: file.attributes }];
  } catch (thrown) {
    if (!(thrown instanceof PlumblineError)) throw thrown;
    say('PL-DCM-001', `${nameOf(object)} does not read back: ${thrown.code}: ${thrown.message}`);
    return [];
  }
}

// — who and what: patient, study, UIDs —

const patient = ['PatientID', 'IssuerOfPatientID', 'PatientBirthDate', 'PatientSex'] as const;
const study = ['StudyInstanceUID', 'StudyDate', 'StudyTime', 'StudyID', 'AccessionNumber'] as const;
/** Legal in the source or empty here: an illegal date is not carried on. */
const mayBecomeEmpty = new Set([
  'PatientBirthDate',
  'PatientSex',
  'StudyDate',
  'StudyTime',
  'StudyID',
  'AccessionNumber',
  'IssuerOfPatientID',
]);

function checkIdentity(input: EncodingInput, stack: Stack, { object, file, attributes }: ReadBack, say: Say): void {
  const name = nameOf(object);
  const source = firstSource(input, stack);
  checkUids(input, object, file, say);
  const differ = (keyword: string) => {
    const [ours, theirs] = [text(attributes, keyword), text(source, keyword)];
    return ours !== theirs && !(ours === '' && mayBecomeEmpty.has(keyword) && !isLegal(source, keyword));
  };
  for (const k of patient) if (differ(k)) say('PL-DCM-003', `${name}: ${k} is not that of the source`);
  if (personName(attributes, 'PatientName') !== personName(source, 'PatientName')) {
    say('PL-DCM-003', `${name}: PatientName is not that of the source`);
  }
  for (const k of study) if (differ(k)) say('PL-DCM-004', `${name}: ${k} is not that of the source`);
  if (text(attributes, 'StudyInstanceUID') !== input.draft.studyUid) {
    say('PL-DCM-004', `${name}: the study is not ${input.draft.studyUid}`);
  }
  checkOrigin(input, { object, file, attributes }, say);
}

function checkUids(input: EncodingInput, object: DicomObject, file: InspectedFile, say: Say): void {
  const name = nameOf(object);
  const expected = [
    ['SOP Instance UID', file.instanceUid, objectUid(input, object.role, object.index, 'instance')],
    ['Series Instance UID', file.seriesUid, objectUid(input, object.role, object.index, 'series')],
  ] as const;
  for (const [what, is, should] of expected) {
    if (!isUid(is) || is !== should) say('PL-DCM-002', `${name}: ${what} ${is}, expected ${should}`);
  }
  if (object.instanceUid !== file.instanceUid || object.seriesUid !== file.seriesUid) {
    say('PL-DCM-002', `${name}: its UIDs are not those in its bytes`);
  }
  const taken = input.sources.has(file.instanceUid) || input.draft.stacks.some((s) => s.seriesUid === file.seriesUid);
  if (taken) say('PL-DCM-002', `${name}: has a UID of a source`);
  if (object.sopClass !== file.sopClass || file.transferSyntax !== '1.2.840.10008.1.2.1') {
    say('PL-DCM-001', `${name}: SOP class ${file.sopClass}, transfer syntax ${file.transferSyntax}`);
  }
}

/** Nobody may take the object for a person's work, and the text must be read as UTF-8. */
function checkOrigin(input: EncodingInput, { object, attributes }: ReadBack, say: Say): void {
  const name = nameOf(object);
  if (text(attributes, 'SpecificCharacterSet') !== 'ISO_IR 192') say('PL-DCM-001', `${name}: text is not marked UTF-8`);
  if (text(attributes, 'Modality') !== object.role.toUpperCase()) say('PL-DCM-020', `${name}: wrong Modality`);
  if (text(attributes, 'Manufacturer') !== 'Plumbline') say('PL-DCM-020', `${name}: Manufacturer is not Plumbline`);
  if (!text(attributes, 'SeriesDescription').startsWith('AI ')) say('PL-DCM-020', `${name}: series is not marked AI`);
  const serial = text(attributes, 'DeviceSerialNumber');
  if (serial !== input.site.installationId.trim()) say('PL-DCM-020', `${name}: Device Serial Number ${serial}`);
  if (items(attributes, 'ContributingEquipmentSequence').length === 0) {
    say('PL-DCM-020', `${name}: no contributing equipment`);
  }
}
