import { sha256, type Code, type DicomJson } from '../base/index.ts';
import { items, personName, text } from '../dicom/index.ts';
import { escapeField, hl7Time } from '../hl7/index.ts';
import type { Finding, Measurement, Sentence } from '../findings/index.ts';
import { reportCategories, reportCode } from './report-codes.ts';
import { firstSource, studyFacts, viewerLink } from './study-facts.ts';
import type { EncodingInput, OruVersion } from './types.ts';
import { draftNotice, questionWords } from './words.ts';

/** Identifiers of the observations, as the IHE IMR examples give them. */
export const oruCodes = {
  text: ['59776-5', 'Procedure findings', 'LN'],
  study: ['113014', 'DICOM Study', 'DCM'],
} as const;

/**
 * The draft as ORU^R01 in UTF-8: the marking first, then for each sentence its text, the code of each finding with
 * present or absent, its measurements with UCUM units, and a link. Everything is preliminary (OBX-11 and OBR-25 P).
 * Receiver, and another character set, are the destination's to fill in.
 *
 * Sentence n has OBX-4 `n`, what belongs to it `n.1`, `n.2`, …; these and MSH-10 are the same each time it is made.
 * @throws PlumblineError draft-invalid as `studyFacts`
 */
export function encodeOru(input: EncodingInput, version: OruVersion): string {
  const rows = observations(input);
  const notes = version === '2.3.1' ? [row('NTE', '1', 'L', modelName(input))] : [];
  const lines = [
    header(input, version),
    patientRow(input),
    row('ORC', 'RE', escapeField(input.order?.placer ?? ''), escapeField(fillerOf(input))),
    requestRow(input),
    ...notes,
    ...rows.map((observation, i) => obx(i + 1, observation, input, version)),
  ];
  return lines.map((line) => `${line}\r`).join('');
}

/** MSH-10: of 20 characters, which every version takes; another draft or version is another message. */
export function oruControlId(input: EncodingInput, version: OruVersion): string {
  const { key, version: draftVersion } = input.draft;
  return `PL${sha256(`${key}|${draftVersion}|${version}`).slice(0, 18).toUpperCase()}`;
}

function header(input: EncodingInput, version: OruVersion): string {
  const type = version === '2.3.1' ? 'ORU^R01' : 'ORU^R01^ORU_R01';
  const sender = escapeField(input.site.organization);
  const at = hl7Time(new Date(input.draft.createdAt));
  const id = oruControlId(input, version);
  return `MSH|^~\\&|PLUMBLINE|${sender}|||${at}||${type}|${id}|P|${version}||||||UNICODE UTF-8`;
}

function patientRow(input: EncodingInput): string {
  const source = firstSource(input);
  const number = patientNumber(input, source);
  const born = text(source, 'PatientBirthDate');
  const sex = text(source, 'PatientSex');
  return row('PID', '1', '', number, '', patientNames(source), '', born, { M: 'M', F: 'F', O: 'O' }[sex] ?? 'U');
}

/** PID-3 of the images, unless the patient has another number by now: receivers know him by that (3.6.2.1.2). */
function patientNumber({ order }: EncodingInput, source: DicomJson): string {
  const id = text(source, 'PatientID');
  const now = order?.patient;
  if (!now || now.id === '' || now.id === id) return [escapeField(id), '', '', authority(source), 'MR'].join('^');
  const oid = now.issuerOid ?? '';
  const by = [now.issuer, ...(oid === '' ? [] : [oid, 'ISO'])].map(escapeField).join('&');
  return [escapeField(now.id), '', '', by, 'MR'].join('^');
}

/** PID-3.4: namespace, and the universal id where the images have one (PS3.3 C.2.1). */
function authority(source: DicomJson): string {
  const qualifier = items(source, 'IssuerOfPatientIDQualifiersSequence')[0];
  const oid =
    qualifier && text(qualifier, 'UniversalEntityIDType') === 'ISO' ? text(qualifier, 'UniversalEntityID') : '';
  const parts = [text(source, 'IssuerOfPatientID'), ...(oid === '' ? [] : [oid, 'ISO'])];
  return parts.map(escapeField).join('&');
}

/** PN to XPN: the order of suffix and prefix is turned; each representation is a repetition with its code (table 0465). */
function patientNames(source: DicomJson): string {
  const names = personName(source, 'PatientName').split('=');
  return names
    .map((name, i) => {
      if (name === '') return '';
      const [family = '', given = '', middle = '', prefix = '', suffix = ''] = name.split('^').map((p) => p.trim());
      const parts = [family, given, middle, suffix, prefix, '', 'L', ['A', 'I', 'P'][i] ?? ''];
      return parts.map(escapeField).join('^');
    })
    .filter((name) => name !== '')
    .join('~');
}

function fillerOf({ order, draft }: EncodingInput): string {
  // Without an order we are the filler, by the study alone.
  return order?.filler || draft.studyUid;
}

function requestRow(input: EncodingInput): string {
  const { draft, order } = input;
  const source = firstSource(input);
  const facts = studyFacts(input);
  const [section] = reportCategories(facts.modalities);
  const fields: string[] = Array.from({ length: 26 }, () => '');
  fields[1] = '1';
  fields[2] = escapeField(order?.placer ?? '');
  fields[3] = escapeField(fillerOf(input));
  fields[4] = procedure(input, source);
  fields[7] = `${text(source, 'StudyDate')}${/^\d{4,6}/.exec(text(source, 'StudyTime'))?.[0] ?? ''}`;
  fields[18] = escapeField(facts.accession);
  fields[22] = hl7Time(new Date(draft.createdAt));
  fields[24] = section?.coding?.[0]?.code ?? '';
  fields[25] = 'P';
  return ['OBR', ...fields.slice(1)].join('|');
}

/** What was ordered, else what the images say was done, else the kind of report. */
function procedure(input: EncodingInput, source: DicomJson): string {
  const ordered = input.order?.procedure;
  if (ordered && (ordered.code !== '' || ordered.text !== ''))
    return components(ordered.code, ordered.text, ordered.scheme);
  const done = items(source, 'ProcedureCodeSequence')[0];
  if (done) return components(text(done, 'CodeValue'), text(done, 'CodeMeaning'), text(done, 'CodingSchemeDesignator'));
  const facts = studyFacts(input);
  const { code = '', display = '' } = reportCode(facts.modalities, facts.bodyPart).coding?.[0] ?? {};
  return components(code, display, 'LN');
}

interface Observation {
  readonly type: 'TX' | 'NM' | 'ST' | 'coded';
  readonly identifier: string;
  readonly subId: string;
  readonly value: string;
  readonly unit?: string;
}

/** The marking, as it stands in the first OBX. */
export const oruMarking = `AI draft, ${draftNotice}.`;

function observations(input: EncodingInput): Observation[] {
  const { draft } = input;
  const marking: Observation = { type: 'TX', identifier: components(...oruCodes.text), subId: '0', value: oruMarking };
  const study: Observation = {
    type: 'ST',
    identifier: components(...oruCodes.study),
    subId: '0',
    value: draft.studyUid,
  };
  return [marking, study, ...draft.sentences.flatMap((s, i) => ofSentence(input, s, i + 1))];
}

function ofSentence(input: EncodingInput, sentence: Sentence, n: number): Observation[] {
  const { draft } = input;
  const findings = draft.findings.filter((f) => f.sentence === sentence.id);
  const rows: Omit<Observation, 'subId'>[] = findings.flatMap((f) => [
    coded(input, f),
    ...f.measurements.map(measured),
    ...withoutMask(f),
  ]);
  for (const value of questionWords(sentence))
    rows.push({ type: 'TX', identifier: components(...oruCodes.text), value });
  const link = linkOf(input, sentence);
  if (link !== undefined) rows.push({ type: 'TX', identifier: components(...oruCodes.text), value: link });
  return [
    { type: 'TX', identifier: components(...oruCodes.text), subId: `${n}`, value: sentence.text },
    ...rows.map((r, k) => ({ ...r, subId: `${n}.${k + 1}` })),
  ];
}

function coded({ presence }: EncodingInput, finding: Finding): Omit<Observation, 'subId'> {
  const { fhir } = finding.presence === 'absent' ? presence.absent : presence.present;
  return {
    type: 'coded',
    identifier: codeOf(finding.concept.type, finding.label),
    value: components(fhir.value, fhir.meaning, designator(fhir.scheme)),
  };
}

function measured({ code, value, unit }: Measurement): Omit<Observation, 'subId'> {
  return {
    type: 'NM',
    identifier: codeOf(code, code.meaning),
    value: plainNumber(value),
    unit: components(unit.value, unit.meaning, 'UCUM'),
  };
}

/** NM has no exponent form (2.A.46). */
function plainNumber(value: number): string {
  const text = String(value);
  return text.includes('e') ? value.toFixed(20).replace(/\.?0+$/, '') : text;
}

function withoutMask(finding: Finding): Omit<Observation, 'subId'>[] {
  if (finding.presence !== 'ungrounded') return [];
  const why = finding.reason?.message ?? 'The model gave no mask.';
  return [{ type: 'TX', identifier: components(...oruCodes.text), value: `No mask: ${why}` }];
}

function linkOf({ draft, site }: EncodingInput, sentence: Sentence): string | undefined {
  const mask = draft.masks.find((m) => sentence.findings.includes(m.finding));
  const stack = draft.stacks.find((s) => s.id === mask?.stack);
  if (!mask || !stack) return undefined;
  return viewerLink(site, draft.studyUid, stack.seriesUid, stack.planes[mask.keyPlane]?.instanceUid ?? '');
}

function obx(set: number, o: Observation, input: EncodingInput, version: OruVersion): string {
  const type = o.type === 'coded' ? (version === '2.3.1' ? 'CE' : 'CWE') : o.type;
  const value = o.type === 'coded' ? o.value : escapeField(o.value);
  const fields = ['OBX', `${set}`, type, o.identifier, o.subId, value, o.unit ?? '', '', '', '', '', 'P', '', ''];
  const at = hl7Time(new Date(input.draft.createdAt));
  const marked = [...fields, at, '', '', components('AI', 'AI, not verified', 'L')];
  return [...marked, ...(version === '2.3.1' ? [] : [escapeField(modelName(input).slice(0, 100))])].join('|');
}

function modelName({ draft }: EncodingInput): string {
  return `${draft.bundle.name} ${draft.bundle.version}`;
}

function codeOf({ value, scheme, meaning }: Code, label: string): string {
  return components(value, meaning || label, designator(scheme));
}

/** DICOM designators that HL7 table 0396 spells in another way. */
function designator(scheme: string): string {
  return { UMLS: 'UML', LN: 'LN' }[scheme] ?? scheme;
}

function components(...parts: readonly string[]): string {
  return parts.map(escapeField).join('^').replace(/\^+$/, '');
}

function row(id: string, ...fields: readonly string[]): string {
  return [id, ...fields].join('|').replace(/\|+$/, '');
}
