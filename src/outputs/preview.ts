import { setImmediate } from 'node:timers/promises';
import type { Finding, Measurement, Sentence } from '../findings/index.ts';
import { box, keyFigure, paperColour, type FigureOf } from './preview-figure.ts';
import { previewStyle } from './preview-style.ts';
import { planeName, seriesName, studyFacts, viewerLink, type StudyFacts } from './study-facts.ts';
import type { DicomObject, EncodingInput, KeyPictures } from './types.ts';
import { axes, draftNotice, escapeText, kindWords, letter, measured, measuredList, questionWords } from './words.ts';

/**
 * The report page: one HTML file without script, form or external load, which says in text everything that it shows.
 * @param segs and sr give the UIDs that the page names
 * @param pictures key pictures in display orientation, by `<stack>/<plane>`
 * @returns HTML; equal input gives equal text
 */
export function encodePreview(
  input: EncodingInput,
  segs: readonly DicomObject[],
  sr: DicomObject,
  pictures: KeyPictures,
): string {
  return page(input, segs, sr, [...sentenceRows(input, pictures)]);
}

/** The same page; other work of the process has its turn between sentences, as key images take their time. */
export async function encodePreviewInTurns(
  input: EncodingInput,
  segs: readonly DicomObject[],
  sr: DicomObject,
  pictures: KeyPictures,
): Promise<string> {
  const rows: string[] = [];
  for (const row of sentenceRows(input, pictures)) {
    rows.push(row);
    await setImmediate();
  }
  return page(input, segs, sr, rows);
}

function* sentenceRows(input: EncodingInput, pictures: KeyPictures): Generator<string> {
  const figures = figuresOf(input);
  for (const s of input.draft.sentences) yield sentenceRow(input, s, figures, pictures);
}

function page(input: EncodingInput, segs: readonly DicomObject[], sr: DicomObject, rows: readonly string[]): string {
  const facts = studyFacts(input);
  const { draft } = input;
  const figures = figuresOf(input);
  const title = facts.description || `${facts.modalities.join(', ')} study`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>AI draft ${draft.version}, ${draftNotice}</title>
<style>${previewStyle}</style>
</head>
<body><main>
<header class="banner"><p><b>AI draft ${draft.version}: ${draftNotice}.</b> Not for patient care until signed. Made by ${escapeText(`${draft.bundle.name} ${draft.bundle.version}`)} on ${escapeText(timeForPeople(draft.createdAt))}.</p></header>
<div class="content">
<h1>${escapeText(title)}</h1>
${factList(input, facts)}
${noticeList(input)}
<h2>Findings</h2>
${rows.length === 0 ? '<p class="why">The model said nothing.</p>' : `<ol>\n${rows.join('\n')}\n</ol>`}
${measurementTable(figures)}
${howMade(input, segs, sr)}
</div>
</main></body>
</html>
`;
}

/** Masks in sentence order; their place is their letter. */
function figuresOf({ draft }: EncodingInput): readonly FigureOf[] {
  const order = new Map(draft.sentences.flatMap((s) => s.findings).map((id, i) => [id, i]));
  const shown = draft.findings
    .filter((f) => f.mask !== undefined)
    .sort((f, g) => (order.get(f.id) ?? 0) - (order.get(g.id) ?? 0));
  return shown.map((finding, n) => {
    const mask = draft.masks.find((m) => m.id === finding.mask)!;
    return { mask, finding, n, stack: draft.stacks.find((s) => s.id === mask.stack)! };
  });
}

// — patient, study, what was read —

function factList(input: EncodingInput, { patient, accession, startedText, modalities }: StudyFacts): string {
  const born = [patient.birthDate === undefined ? 'unknown' : dayForPeople(patient.birthDate), patient.sex];
  const facts: [string, string][] = [
    ['Patient', patient.names.join(' · ') || 'no name'],
    ['ID', patient.id === '' ? 'none' : patient.issuer === '' ? patient.id : `${patient.id} (${patient.issuer})`],
    ['Born', born.filter((t) => t !== '').join(', ')],
    ['Accession', accession || 'none'],
    [
      'Study',
      startedText === ''
        ? 'no date'
        : startedText.replace(/^\d{4}-\d\d-\d\d/, dayForPeople).replace(/ (?=\d\d:)/, ', '),
    ],
    ['Modality', modalities.join(', ')],
    ['Read', readWords(input)],
    ['Not read', notReadWords(input)],
  ];
  return `<dl>${facts.map(([k, v]) => `<div><dt>${k}</dt><dd>${escapeText(v)}</dd></div>`).join('\n')}</dl>`;
}

function readWords(input: EncodingInput): string {
  const { coverage, stacks } = input.draft;
  const parts = coverage.read.map(({ stack, planes, of }) => {
    const found = stacks.find((s) => s.id === stack);
    return `${found ? seriesName(input, found) : stack}, ${planes} of ${of} ${of === 1 ? 'image' : 'images'}`;
  });
  return parts.join('; ') || 'nothing';
}

/** Passed-over images by reason, each with its number. */
function notReadWords({ draft }: EncodingInput): string {
  const counts = new Map<string, number>();
  for (const { reason } of draft.coverage.notRead) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return (
    [...counts].map(([reason, n]) => `${n} ${n === 1 ? 'image' : 'images'}: ${reason.replace(/\.$/, '')}`).join('; ') ||
    'nothing left out'
  );
}

function noticeList({ draft }: EncodingInput): string {
  if (draft.warnings.length === 0) return '';
  return `<ul class="notes">${draft.warnings.map((w) => `<li>${warning(w.message)}</li>`).join('')}</ul>`;
}

const warning = (message: string) => `<span class="warn">▲ ${escapeText(message)}</span>`;

// — sentences —

function sentenceRow(
  input: EncodingInput,
  sentence: Sentence,
  figures: readonly FigureOf[],
  pictures: KeyPictures,
): string {
  const own = figures.filter((f) => sentence.findings.includes(f.finding.id));
  const shown = own.map((f) => keyFigure(input, pictures, f, figures.length)).join('');
  return `<li class="s ${sentence.kind}" id="${sentence.id}">
<div class="badges">${badges(sentence, own)}</div>
<div>${asked(sentence)}<p class="text">${escapeText(sentence.text)}</p>
${said(input, sentence, own)}</div>
<div>${shown || box(boxWords[sentence.kind])}</div>
</li>`;
}

function asked(sentence: Sentence): string {
  return questionWords(sentence)
    .map((words) => `<p class="meta">${escapeText(words)}</p>`)
    .join('');
}

const boxWords: Readonly<Record<Sentence['kind'], string>> = {
  linked: 'no mask',
  negative: 'negative',
  ungrounded: 'no mask: failed',
  plain: 'no mask: none given',
};

/** The shape says the kind: solid square a mask, circle a negative, dashed no evidence, dotted grounding failed. */
function badges({ kind }: Sentence, own: readonly FigureOf[]): string {
  const marks = own.map(
    (f) => `<span class="badge" style="color:${paperColour(f.finding.concept.rgb)}">${letter(f.n)}</span>`,
  );
  if (marks.length > 0) return marks.join('');
  return `<span class="badge" aria-hidden="true">${{ linked: '?', negative: '–', ungrounded: '!', plain: '?' }[kind]}</span>`;
}

function said(input: EncodingInput, sentence: Sentence, own: readonly FigureOf[]): string {
  const masks = own.map((f) => `<p class="meta">${maskLine(input, f, own.length > 1)}</p>`);
  const failed = input.draft.findings.filter((f) => f.sentence === sentence.id && f.presence === 'ungrounded');
  const why = sentence.kind === 'linked' ? failed.map((f) => failedWords(f, true)) : [kindLine(sentence, failed)];
  const warnings = sentence.warnings.map((w) => `<p>${warning(w.message)}</p>`);
  return [...masks, ...why.map((w) => `<p class="why">${escapeText(w)}</p>`), ...warnings].join('\n');
}

function kindLine({ kind }: Sentence, failed: readonly Finding[]): string {
  if (kind !== 'ungrounded') return kindWords[kind];
  return (
    failed.map((f) => failedWords(f, failed.length > 1)).join(' ') ||
    'Grounding failed. The image does not support this sentence by a mask.'
  );
}

function failedWords({ label, reason }: Finding, named: boolean): string {
  const why = (reason?.message ?? 'no region found').replace(/\.$/, '');
  return `Grounding failed${named ? ` for ${label}` : ''}: ${why}. The image does not support this ${named ? 'part' : 'sentence'} by a mask.`;
}

function maskLine(input: EncodingInput, { finding, mask, stack, n }: FigureOf, named: boolean): string {
  const { draft, site } = input;
  const link = viewerLink(site, draft.studyUid, stack.seriesUid, stack.planes[mask.keyPlane]?.instanceUid ?? '');
  const parts = [
    ...(named ? [`${letter(n)}: ${finding.label}`] : []),
    ...measuredList(finding.measurements),
    planeName(input, stack, mask.keyPlane),
  ].map(escapeText);
  if (finding.side !== undefined) parts.push(finding.side === 'both' ? 'both sides' : `${finding.side} side`);
  parts.push(`<a href="#mask-${letter(n)}">mask ${letter(n)}</a>`);
  if (link !== undefined) parts.push(`<a href="${escapeText(link)}" rel="noreferrer">open in viewer</a>`);
  return parts.join(' · ');
}

// — measurements —

function measurementTable(figures: readonly FigureOf[]): string {
  if (figures.length === 0) return '';
  const rows = figures.map((f) => {
    const of = (kind: Measurement['kind']) => {
      const m = f.finding.measurements.find((x) => x.kind === kind);
      return m === undefined ? '' : escapeText(measured(m) + (m.note === undefined ? '' : ` (${m.note})`));
    };
    const size =
      escapeText(axes(f.finding.measurements)) || (f.finding.measurements.length === 0 ? 'no calibrated size' : '');
    return `<tr id="mask-${letter(f.n)}"><td>${letter(f.n)} · segment ${f.mask.segment}</td><td>${escapeText(findingWords(f.finding))}</td><td>${size}</td><td>${of('area')}</td><td>${of('volume')}</td><td>${escapeText(f.finding.trackingUid)}</td></tr>`;
  });
  return `<h2>Measurements</h2>
<table><thead><tr><th scope="col">mask</th><th scope="col">finding</th><th scope="col">long × short axis</th><th scope="col">area</th><th scope="col">volume</th><th scope="col">Tracking UID</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table>`;
}

function findingWords({ label, concept, side }: Finding): string {
  const where = [
    concept.laterality ? concept.laterality.meaning.toLowerCase() : side,
    concept.region?.meaning.toLowerCase(),
  ].filter((t) => t !== undefined);
  return where.length === 0 ? label : `${label}, ${where.join(' ')}`;
}

// — how it was made —

function howMade({ draft, site }: EncodingInput, segs: readonly DicomObject[], sr: DicomObject): string {
  const facts: [string, string][] = [
    ['Bundle', `${draft.bundle.name} ${draft.bundle.version}, sha256 ${draft.bundle.digest}`],
    ['Intended use', draft.bundle.intendedUse],
    ['Licence', draft.bundle.licence],
    ['Task and prompt', `${draft.task}: ${draft.prompt}`],
    ['Input digest', `sha256 ${draft.inputDigest}`],
    ['Workitem', draft.key],
    ['Study UID', draft.studyUid],
    ...segs.map((s): [string, string] => ['SEG', s.instanceUid]),
    ['SR', sr.instanceUid],
    ['Plumbline', `${site.gatewayVersion}, ${site.organization}`],
  ];
  return `<details open><summary>How this was made</summary><dl>${facts.map(([k, v]) => `<div><dt>${k}</dt><dd>${escapeText(v)}</dd></div>`).join('')}</dl><p>This page holds no script and loads nothing.</p></details>`;
}

// — dates: the month is a word, never a number —

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `2026-03-04` as `4 Mar 2026`. */
function dayForPeople(day: string): string {
  const [y, m, d] = day.split('-').map(Number);
  return `${d} ${months[m! - 1]} ${y}`;
}

/** ISO 8601 UTC as `4 Mar 2026, 05:06:07 UTC`. */
function timeForPeople(iso: string): string {
  return `${dayForPeople(iso.slice(0, 10))}, ${iso.slice(11, 19)} UTC`;
}
