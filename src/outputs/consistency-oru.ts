import { asPlumblineError, type Code } from '../base/index.ts';
import { text } from '../dicom/index.ts';
import { parseText, type Hl7Message, type Hl7Segment } from '../hl7/index.ts';
import type { Finding } from '../findings/index.ts';
import { oruControlId, oruMarking } from './oru.ts';
import { firstSource } from './study-facts.ts';
import type { EncodingInput, OruVersion, Problem } from './types.ts';

/** The checks on ORU^R01. docs/consistency.md lists the same, and a test compares both. */
export const oruChecks = {
  'PL-HL7-001': {
    severity: 'hold',
    rule: 'The message reads back: MSH, PID, ORC, OBR, then OBX numbered 1..n, with the control id of this draft.',
  },
  'PL-HL7-002': { severity: 'hold', rule: 'Patient number, name, birth date and sex are those of the source.' },
  'PL-HL7-003': {
    severity: 'hold',
    rule: 'Study UID, accession number and order numbers are those of study and order.',
  },
  'PL-HL7-004': { severity: 'hold', rule: 'The first OBX is the marking, and every status is preliminary.' },
  'PL-HL7-005': {
    severity: 'hold',
    rule: 'Every sentence of the draft stands word for word in its order, and no other.',
  },
  'PL-HL7-006': {
    severity: 'hold',
    rule: 'Each finding has its code once, with present or absent from the shipped table.',
  },
  'PL-HL7-007': {
    severity: 'hold',
    rule: 'Measurements have the codes, values and UCUM units of the draft, and no other is there.',
  },
} as const satisfies Record<string, { severity: Problem['severity']; rule: string }>;

type OruCheck = keyof typeof oruChecks;
type SayOru = (check: OruCheck, message: string) => void;

/** The gate for ORU^R01: the message is parsed again and compared with the draft. */
export function checkOru(input: EncodingInput, oru: string, version: OruVersion): Problem[] {
  const problems: Problem[] = [];
  const say: SayOru = (check, message) =>
    void problems.push({ check, severity: oruChecks[check].severity, message: `ORU ${version}: ${message}` });
  let message: Hl7Message;
  try {
    message = parseText(oru);
  } catch (thrown) {
    say('PL-HL7-001', asPlumblineError(thrown).message);
    return problems;
  }
  const rows = message.all('OBX');
  checkForm(input, message, version, say);
  checkPatient(input, message, say);
  checkOrder(input, message, say);
  checkStatus(message, say);
  checkSentences(input, rows, say);
  checkFindings(input, rows, say);
  return problems;
}

function checkForm(input: EncodingInput, message: Hl7Message, version: OruVersion, say: SayOru): void {
  const ids = message.segments.map((s) => s.id).filter((id) => id !== 'NTE');
  const head = ids.slice(0, 4).join(' ');
  if (head !== 'MSH PID ORC OBR' || ids.slice(4).some((id) => id !== 'OBX'))
    say('PL-HL7-001', `the segments are ${head} …, with ${ids.length} in all`);
  if (message.all('OBX').some((o, i) => o.text(1) !== `${i + 1}`)) say('PL-HL7-001', 'the OBX are not numbered 1..n');
  const msh = message.segment('MSH')!;
  if (msh.text(10) !== oruControlId(input, version)) say('PL-HL7-001', 'the control id is not that of this draft');
  if (msh.text(12) !== version || msh.text(9, 1) !== 'ORU' || msh.text(9, 2) !== 'R01')
    say('PL-HL7-001', 'type or version is another');
}

function checkPatient(input: EncodingInput, message: Hl7Message, say: SayOru): void {
  const source = firstSource(input);
  const pid = message.segment('PID');
  if (!pid) return;
  if (pid.text(3) !== text(source, 'PatientID')) say('PL-HL7-002', 'the patient number is not that of the images');
  if (pid.text(3, 4) !== text(source, 'IssuerOfPatientID')) say('PL-HL7-002', 'the issuer is not that of the images');
  if (pid.text(7) !== text(source, 'PatientBirthDate')) say('PL-HL7-002', 'the birth date is not that of the images');
  const sex = text(source, 'PatientSex');
  if (pid.text(8) !== (/^[MFO]$/.test(sex) ? sex : 'U')) say('PL-HL7-002', 'the sex is not that of the images');
  const name = source['00100010']?.Value?.[0] as { readonly Alphabetic?: string } | undefined;
  const family = (name?.Alphabetic ?? '').split('^')[0]!.trim();
  if (family !== '' && pid.text(5) !== family) say('PL-HL7-002', 'the name is not that of the images');
}

function checkOrder({ draft, order, ...input }: EncodingInput, message: Hl7Message, say: SayOru): void {
  const source = firstSource({ draft, ...input });
  const obr = message.segment('OBR');
  const orc = message.segment('ORC');
  const filler = order?.filler || draft.studyUid;
  if (obr?.text(18) !== text(source, 'AccessionNumber')) say('PL-HL7-003', 'the accession number is another');
  for (const [place, segment] of [
    ['ORC', orc],
    ['OBR', obr],
  ] as const) {
    if (segment?.text(2) !== (order?.placer ?? '') || segment.text(3) !== filler)
      say('PL-HL7-003', `${place} has other order numbers`);
  }
  const uids = message.all('OBX').filter((o) => o.text(3) === '113014');
  if (uids.length !== 1 || uids[0]!.text(5) !== draft.studyUid) say('PL-HL7-003', 'the Study Instance UID is another');
}

function checkStatus(message: Hl7Message, say: SayOru): void {
  const rows = message.all('OBX');
  if (rows[0]?.text(5) !== oruMarking) say('PL-HL7-004', 'the first OBX is not the marking');
  if (rows.some((o) => o.text(11) !== 'P') || message.segment('OBR')?.text(25) !== 'P')
    say('PL-HL7-004', 'a status is not preliminary');
  if (rows.some((o) => o.text(17) !== 'AI')) say('PL-HL7-004', 'an OBX is not marked as made by AI');
}

function checkSentences({ draft }: EncodingInput, rows: readonly Hl7Segment[], say: SayOru): void {
  const said = rows.filter((o) => /^[1-9]\d*$/.test(o.text(4)));
  const wanted = draft.sentences.map((s, i) => [`${i + 1}`, lineEnds(s.text)]);
  const found = said.map((o) => [o.text(4), o.text(5)]);
  if (JSON.stringify(found) !== JSON.stringify(wanted))
    say('PL-HL7-005', `the ${found.length} sentences are not the ${wanted.length} of the draft`);
}

/** The format has one line end. */
function lineEnds(words: string): string {
  return words.replace(/\r\n|\r/g, '\n');
}

function checkFindings(input: EncodingInput, rows: readonly Hl7Segment[], say: SayOru): void {
  const { draft, presence } = input;
  const numberOf = (f: Finding): number => draft.sentences.findIndex((s) => s.id === f.sentence) + 1;
  const inOrder = draft.findings.toSorted((a, b) => numberOf(a) - numberOf(b));
  const code = (c: Pick<Code, 'value'> & { readonly scheme: string }): string[] => [
    c.value,
    c.scheme === 'UMLS' ? 'UML' : c.scheme,
  ];
  const codes = inOrder.map((f) => [
    `${numberOf(f)}`,
    ...code(f.concept.type),
    ...code((f.presence === 'absent' ? presence.absent : presence.present).fhir),
  ]);
  const coded = rows.filter((o) => /^(CE|CWE)$/.test(o.text(2)));
  const foundCodes = coded.map((o) => [sentenceOf(o), o.text(3, 1), o.text(3, 3), o.text(5, 1), o.text(5, 3)]);
  if (JSON.stringify(foundCodes) !== JSON.stringify(codes))
    say('PL-HL7-006', `the ${foundCodes.length} coded findings are not the ${codes.length} of the draft`);
  const numbers = inOrder.flatMap((f) =>
    f.measurements.map((m) => [`${numberOf(f)}`, ...code(m.code), m.value, m.unit.value, 'UCUM']),
  );
  const measured = rows
    .filter((o) => o.text(2) === 'NM')
    .map((o) => [sentenceOf(o), o.text(3, 1), o.text(3, 3), Number(o.text(5)), o.text(6, 1), o.text(6, 3)]);
  if (JSON.stringify(measured) !== JSON.stringify(numbers))
    say('PL-HL7-007', `the ${measured.length} measurements are not the ${numbers.length} of the draft`);
}

/** The sentence that an OBX-4 `n.k` belongs to. */
function sentenceOf(row: Hl7Segment): string {
  return row.text(4).split('.')[0]!;
}
