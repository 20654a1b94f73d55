import type { Code } from '../base/index.ts';
import type { Finding, Sentence } from '../findings/index.ts';
import type { Hl7Segment } from '../hl7/index.ts';
import type { SayOru } from './consistency-oru-rules.ts';
import type { EncodingInput, OruVersion } from './types.ts';
import { questionWords } from './words.ts';

/** What the OBX rows say, beside the draft: sentences, codes, measurements, links, reasons. */
export function checkOruContent(
  input: EncodingInput,
  rows: readonly Hl7Segment[],
  version: OruVersion,
  say: SayOru,
): void {
  checkRows(rows, version, say);
  checkSentences(input, rows, say);
  checkFindings(input, rows, say);
  checkMeasurements(input, rows, say);
  checkTexts(input, rows, say);
}

/** What HL7 v2 asks of any OBX that we write (7.4.2). */
function checkRows(rows: readonly Hl7Segment[], version: OruVersion, say: SayOru): void {
  const types = new Set(['TX', 'ST', 'NM', version === '2.3.1' ? 'CE' : 'CWE']);
  const seen = new Set<string>();
  for (const o of rows) {
    const place = `OBX ${o.text(1)}`;
    if (!types.has(o.text(2))) say('PL-HL7-011', `${place} has the value type "${o.text(2)}"`);
    if (o.text(3) === '' || o.text(3, 3) === '') say('PL-HL7-011', `${place} has no identifier with its system`);
    if (o.text(5) === '') say('PL-HL7-011', `${place} has no value`);
    // NM: digits and a point (2.A.46).
    if (o.text(2) === 'NM' && (!/^[+-]?\d+(\.\d+)?$/.test(o.raw(5)) || o.text(6, 3) !== 'UCUM'))
      say('PL-HL7-011', `${place} is no plain number with a UCUM unit`);
    const key = JSON.stringify([o.raw(3), o.raw(4)]);
    if (seen.has(key)) say('PL-HL7-011', `${place} has the OBX-3 and OBX-4 of another`);
    seen.add(key);
  }
}

function checkSentences({ draft }: EncodingInput, rows: readonly Hl7Segment[], say: SayOru): void {
  const said = rows.filter((o) => /^[1-9]\d*$/.test(o.text(4)));
  const wanted = draft.sentences.map((s, i) => ['TX', `${i + 1}`, lineEnds(s.text)]);
  const found = said.map((o) => [o.text(2), o.text(4), o.text(5)]);
  if (!equal(found, wanted))
    say('PL-HL7-005', `the ${found.length} sentences are not the ${wanted.length} of the draft`);
}

/** The format has one line end. */
function lineEnds(words: string): string {
  return words.replace(/\r\n|\r/g, '\n');
}

function checkFindings(input: EncodingInput, rows: readonly Hl7Segment[], say: SayOru): void {
  const { presence } = input;
  const wanted = findingsInOrder(input).map(({ f, n }) => [
    `${n}`,
    ...codeOf(f.concept.type, f.label),
    ...codeOf((f.presence === 'absent' ? presence.absent : presence.present).fhir, ''),
  ]);
  const coded = rows.filter((o) => /^(CE|CWE)$/.test(o.text(2)));
  const found = coded.map((o) => [sentenceOf(o), ...parts(o, 3), ...parts(o, 5)]);
  if (!equal(found, wanted))
    say('PL-HL7-006', `the ${found.length} coded findings are not the ${wanted.length} of the draft`);
}

function checkMeasurements(input: EncodingInput, rows: readonly Hl7Segment[], say: SayOru): void {
  const wanted = findingsInOrder(input).flatMap(({ f, n }) =>
    f.measurements.map((m) => [`${n}`, ...codeOf(m.code, ''), m.value, m.unit.value, m.unit.meaning, 'UCUM']),
  );
  const found = rows
    .filter((o) => o.text(2) === 'NM')
    .map((o) => [sentenceOf(o), ...parts(o, 3), Number(o.text(5)), ...parts(o, 6)]);
  if (!equal(found, wanted))
    say('PL-HL7-007', `the ${found.length} measurements are not the ${wanted.length} of the draft`);
}

/** Of each sentence what is text and not the sentence itself: its question, links and reasons. */
function checkTexts(input: EncodingInput, rows: readonly Hl7Segment[], say: SayOru): void {
  const texts = rows.filter((o) => o.text(2) === 'TX' && !/^\d+$/.test(o.text(4)));
  for (const [i, sentence] of input.draft.sentences.entries()) {
    const mine = texts.filter((o) => sentenceOf(o) === `${i + 1}`).map((o) => o.text(5));
    const reasons = input.draft.findings
      .filter((f) => f.sentence === sentence.id && f.presence === 'ungrounded')
      .map((f) => `No mask: ${lineEnds(f.reason?.message ?? 'The model gave no mask.')}`);
    const questions = questionWords(sentence).map(lineEnds);
    const links = mine.filter((text) => leadsToStudy(input, text));
    const wanted = wantsLink(input, sentence) ? 1 : 0;
    if (links.length !== wanted) say('PL-HL7-012', `sentence ${i + 1} has ${links.length} links for ${wanted}`);
    const rest = mine.filter((text) => !links.includes(text));
    if (!equal(rest.toSorted(), [...questions, ...reasons].toSorted()))
      say('PL-HL7-012', `sentence ${i + 1} has another question, other texts or reasons`);
  }
  const strays = texts.filter((o) => !(Number(sentenceOf(o)) <= input.draft.sentences.length));
  if (strays.length > 0) say('PL-HL7-012', `${strays.length} texts belong to no sentence`);
}

function wantsLink({ draft, site }: EncodingInput, sentence: Sentence): boolean {
  return (
    /^https?:/i.test(site.viewerUrl ?? '') &&
    draft.findings.some((f) => f.sentence === sentence.id && f.mask !== undefined)
  );
}

/** An address of the site's viewer, with the study where its form names one. */
function leadsToStudy({ draft, site }: EncodingInput, text: string): boolean {
  const form = site.viewerUrl ?? '';
  const start = form.split('{')[0]!;
  return (
    start !== '' &&
    text.startsWith(start) &&
    (!form.includes('{study}') || text.includes(encodeURIComponent(draft.studyUid)))
  );
}

/** Findings as the rows have them: by sentence, then as the draft has them. */
function findingsInOrder({ draft }: EncodingInput): { readonly f: Finding; readonly n: number }[] {
  return draft.findings
    .map((f) => ({ f, n: draft.sentences.findIndex((s) => s.id === f.sentence) + 1 }))
    .toSorted((a, b) => a.n - b.n);
}

/** Value, meaning and system as HL7 table 0396 spells it. */
function codeOf(
  { value, meaning, scheme }: Pick<Code, 'value' | 'meaning'> & { readonly scheme: string },
  label: string,
): string[] {
  return [value, meaning || label, scheme === 'UMLS' ? 'UML' : scheme];
}

function parts(row: Hl7Segment, field: number): string[] {
  return [1, 2, 3].map((n) => row.text(field, n));
}

/** The sentence that an OBX-4 `n.k` belongs to. */
function sentenceOf(row: Hl7Segment): string {
  return row.text(4).split('.')[0]!;
}

function equal(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
