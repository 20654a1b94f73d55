import type { Sentence } from '../findings/index.ts';
import { planeName, viewerLink } from './study-facts.ts';
import type { EncodingInput } from './types.ts';
import { draftNotice, escapeText, kindWords, measuredList, questionWords } from './words.ts';

/**
 * The report as XHTML for `DiagnosticReport.text`: the marking first, then one element per sentence, `id` = sentence id,
 * its first span exactly the sentence. Only elements that FHIR narratives allow (R4 narrative rules: no script, style,
 * form or external load). No links to masks: servers rewrite references, but not inside a narrative.
 */
export function narrative(input: EncodingInput): string {
  const { draft } = input;
  const banner = `<p><b>AI draft ${draft.version}: ${draftNotice}.</b> Made by ${escapeText(`${draft.bundle.name} ${draft.bundle.version}`)} at ${escapeText(draft.createdAt)}.</p>`;
  const sentences = draft.sentences.map((s) => sentenceElement(input, s)).join('');
  const list = sentences === '' ? '<p>The model said nothing.</p>' : `<ul>${sentences}</ul>`;
  const warnings = draft.warnings.map((w) => `<li>${escapeText(w.message)}</li>`).join('');
  return `<div xmlns="http://www.w3.org/1999/xhtml">${banner}${list}${warnings === '' ? '' : `<p>Warnings</p><ul>${warnings}</ul>`}</div>`;
}

function sentenceElement(input: EncodingInput, sentence: Sentence): string {
  const masks = input.draft.masks
    .filter((m) => sentence.findings.includes(m.finding))
    .map((mask) => maskWords(input, mask.id));
  const reasons = input.draft.findings
    .filter((f) => f.sentence === sentence.id && f.reason)
    .map((f) => escapeText(f.reason!.message));
  const kind = sentence.kind === 'linked' ? [] : [kindWords[sentence.kind]];
  const said = [
    ...questionWords(sentence).map(escapeText),
    ...kind,
    ...reasons,
    ...masks,
    ...sentence.warnings.map((w) => `<b>Warning: ${escapeText(w.message)}</b>`),
  ];
  return `<li id="${sentence.id}"><span>${escapeText(sentence.text)}</span> ${said.join(' ')}</li>`;
}

function maskWords(input: EncodingInput, id: string): string {
  const { draft, site } = input;
  const mask = draft.masks.find((m) => m.id === id)!;
  const finding = draft.findings.find((f) => f.id === mask.finding)!;
  const stack = draft.stacks.find((s) => s.id === mask.stack)!;
  const link = viewerLink(site, draft.studyUid, stack.seriesUid, stack.planes[mask.keyPlane]?.instanceUid ?? '');
  const words = [
    `Mask: segment ${mask.segment}`,
    planeName(input, stack, mask.keyPlane),
    ...measuredList(finding.measurements),
  ].join('; ');
  return `(${escapeText(words)}${link === undefined ? '' : `; <a href="${escapeText(link)}">open in viewer</a>`})`;
}
