import { asPlumblineError } from '../base/index.ts';
import { items, personName, text } from '../dicom/index.ts';
import { isoFromHl7, parseText, type Hl7Message } from '../hl7/index.ts';
import { checkOruContent } from './consistency-oru-content.ts';
import { oruChecks, type SayOru } from './consistency-oru-rules.ts';
import { oruControlId, oruMarking } from './oru.ts';
import { isReportCode, reportCategories } from './report-codes.ts';
import { firstSource, studyFacts } from './study-facts.ts';
import type { EncodingInput, OruVersion, Problem } from './types.ts';

/** The gate for ORU^R01: the message is parsed again and compared with the draft. */
export function checkOru(input: EncodingInput, oru: string, version: OruVersion): Problem[] {
  const problems: Problem[] = [];
  const say: SayOru = (check, message) =>
    void problems.push({ check, severity: oruChecks[check].severity, message: `ORU ${version}: ${message}` });
  checkCharacters(oru, say);
  let message: Hl7Message;
  try {
    message = parseText(oru);
  } catch (thrown) {
    say('PL-HL7-001', asPlumblineError(thrown).message);
    return problems;
  }
  checkForm(input, message, version, say);
  checkHeader(input, message, say);
  checkPatient(input, message, say);
  checkNumbers(input, message, say);
  checkRequest(input, message, say);
  checkMarks(input, message, version, say);
  checkOruContent(input, message.all('OBX'), version, say);
  return problems;
}

/** Before it is parsed: the parser is more patient than the receivers are. */
function checkCharacters(oru: string, say: SayOru): void {
  if (!oru.endsWith('\r')) say('PL-HL7-008', 'the last segment does not end in CR');
  if (/[\u0000-\u000c\u000e-\u001f\u007f]/.test(oru)) say('PL-HL7-008', 'it holds a control character');
  if (oru.startsWith('\ufeff')) say('PL-HL7-008', 'it begins with a byte order mark');
  if (!oru.isWellFormed()) say('PL-HL7-008', 'it holds half of a surrogate pair');
}

function checkForm(input: EncodingInput, message: Hl7Message, version: OruVersion, say: SayOru): void {
  const ids = message.segments.map((s) => s.id).filter((id) => id !== 'NTE');
  const head = ids.slice(0, 4).join(' ');
  if (head !== 'MSH PID ORC OBR' || ids.slice(4).some((id) => id !== 'OBX'))
    say('PL-HL7-001', `the segments are ${head} …, with ${ids.length} in all`);
  if (message.all('OBX').some((o, i) => o.text(1) !== `${i + 1}`)) say('PL-HL7-001', 'the OBX are not numbered 1..n');
  const msh = message.segment('MSH')!;
  if (msh.text(10) !== oruControlId(input, version)) say('PL-HL7-001', 'the control id is not that of this draft');
  // MSH-9.3 came with 2.4 (2.16.9.9).
  if (msh.raw(9) !== (version === '2.3.1' ? 'ORU^R01' : 'ORU^R01^ORU_R01') || msh.raw(12) !== version)
    say('PL-HL7-001', 'type or version is another');
}

function checkHeader(input: EncodingInput, message: Hl7Message, say: SayOru): void {
  const msh = message.segment('MSH')!;
  if (msh.raw(2) !== '^~\\&') say('PL-HL7-009', 'MSH-2 names other delimiters');
  if (msh.text(3) !== 'PLUMBLINE' || msh.text(4) !== input.site.organization)
    say('PL-HL7-009', 'the sender is another');
  if (!isDraftTime(input, msh.text(7))) say('PL-HL7-009', 'MSH-7 is not the time of the draft');
  if (msh.raw(11) !== 'P' || msh.raw(18) !== 'UNICODE UTF-8')
    say('PL-HL7-009', 'processing id or character set is another');
}

/** The same second, with its zone. */
function isDraftTime({ draft }: EncodingInput, time: string): boolean {
  const iso = /[+-]\d{4}$/.test(time) ? isoFromHl7(time, 'UTC') : undefined;
  return iso !== undefined && Date.parse(iso) === Math.floor(Date.parse(draft.createdAt) / 1000) * 1000;
}

function checkPatient(input: EncodingInput, message: Hl7Message, say: SayOru): void {
  const source = firstSource(input);
  const pid = message.segment('PID');
  if (!pid) return;
  const now = input.order?.patient;
  const merged = now !== undefined && now.id !== '' && now.id !== text(source, 'PatientID');
  const [id, issuer] = merged ? [now.id, now.issuer] : [text(source, 'PatientID'), text(source, 'IssuerOfPatientID')];
  if (pid.text(3) !== id) say('PL-HL7-002', 'the patient number is not that of the images, or its new one');
  if (pid.text(3, 4) !== issuer) say('PL-HL7-002', 'the issuer of the patient number is another');
  if (pid.text(3, 5) !== 'MR') say('PL-HL7-002', 'the patient number has no type');
  if (pid.text(7) !== text(source, 'PatientBirthDate')) say('PL-HL7-002', 'the birth date is not that of the images');
  const sex = text(source, 'PatientSex');
  if (pid.text(8) !== (/^[MFO]$/.test(sex) ? sex : 'U')) say('PL-HL7-002', 'the sex is not that of the images');
  const groups = personName(source, 'PatientName').split('=');
  // PN: family, given, middle, prefix, suffix (PS3.5 6.2.1.2); XPN: the suffix before the prefix (2.A.88).
  const wanted = groups.flatMap((group, i) => {
    const [family = '', given = '', middle = '', prefix = '', suffix = ''] = group.split('^').map((p) => p.trim());
    return group === '' ? [] : [[family, given, middle, suffix, prefix, ['A', 'I', 'P'][i] ?? '']];
  });
  const found = pid.repetitions(5).map((name) => [1, 2, 3, 4, 5, 8].map((n) => name.text(n)));
  if (JSON.stringify(found) !== JSON.stringify(wanted)) say('PL-HL7-002', 'the name is not that of the images');
}

function checkNumbers(input: EncodingInput, message: Hl7Message, say: SayOru): void {
  const { draft, order } = input;
  const obr = message.segment('OBR');
  const orc = message.segment('ORC');
  const filler = order?.filler || draft.studyUid;
  if (obr?.text(18) !== text(firstSource(input), 'AccessionNumber'))
    say('PL-HL7-003', 'the accession number is another');
  for (const [place, segment] of [
    ['ORC', orc],
    ['OBR', obr],
  ] as const) {
    if (segment?.text(2) !== (order?.placer ?? '') || segment.text(3) !== filler)
      say('PL-HL7-003', `${place} has other order numbers`);
  }
  // RE: observations follow (table 0119).
  if (orc?.text(1) !== 'RE') say('PL-HL7-003', 'ORC-1 is not RE');
  const uids = message.all('OBX').filter((o) => o.text(3) === '113014');
  if (uids.length !== 1 || uids[0]!.text(5) !== draft.studyUid) say('PL-HL7-003', 'the Study Instance UID is another');
}

function checkRequest(input: EncodingInput, message: Hl7Message, say: SayOru): void {
  const obr = message.segment('OBR');
  if (!obr) return;
  const source = firstSource(input);
  const procedure = [1, 2, 3].map((n) => obr.text(4, n));
  const ordered = input.order?.procedure;
  const done = items(source, 'ProcedureCodeSequence')[0];
  const wanted =
    ordered && (ordered.code !== '' || ordered.text !== '')
      ? [ordered.code, ordered.text, ordered.scheme]
      : done && ['CodeValue', 'CodeMeaning', 'CodingSchemeDesignator'].map((name) => text(done, name));
  const right = wanted
    ? JSON.stringify(procedure) === JSON.stringify(wanted)
    : isReportCode(procedure[0]!) && procedure[2] === 'LN';
  if (!right) say('PL-HL7-010', 'the procedure is another');
  const studyTime = `${text(source, 'StudyDate')}${text(source, 'StudyTime').split('.')[0]!}`;
  const noTime = text(source, 'StudyDate') === '';
  if (noTime ? obr.text(7) !== '' : obr.text(7).length < 8 || !studyTime.startsWith(obr.text(7)))
    say('PL-HL7-010', 'the time of the study is another');
  if (!isDraftTime(input, obr.text(22))) say('PL-HL7-010', 'OBR-22 is not the time of the draft');
  const [section] = reportCategories(studyFacts(input).modalities);
  if (obr.text(24) !== (section?.coding?.[0]?.code ?? '')) say('PL-HL7-010', 'the section is another');
}

function checkMarks({ draft }: EncodingInput, message: Hl7Message, version: OruVersion, say: SayOru): void {
  const rows = message.all('OBX');
  if (rows[0]?.text(5) !== oruMarking) say('PL-HL7-004', 'the first OBX is not the marking');
  if (rows.some((o) => o.text(11) !== 'P') || message.segment('OBR')?.text(25) !== 'P')
    say('PL-HL7-004', 'a status is not preliminary');
  if (rows.some((o) => o.text(17) !== 'AI')) say('PL-HL7-004', 'an OBX is not marked as made by AI');
  const model = `${draft.bundle.name} ${draft.bundle.version}`;
  const named =
    version === '2.3.1'
      ? message.all('NTE').some((note) => note.text(3) === model)
      : rows.every((o) => o.text(18) !== '' && model.startsWith(o.text(18)));
  if (!named) say('PL-HL7-013', 'the model is not named');
}
