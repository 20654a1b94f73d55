import { createHash } from 'node:crypto';
import type { FhirRead, SayFhir } from './consistency-fhir-rules.ts';
import { checkLabel } from './consistency-fhir-finding.ts';
import { codeToken, list, node, str } from './fhir-nodes.ts';
import { isReportCode } from './report-codes.ts';
import type { EncodingInput } from './types.ts';
import { draftNotice, escapeText, kindWords, questionWords } from './words.ts';

/** DiagnosticReport: status, label, narrative, attachment, results in sentence order. */
export function checkReport(read: FhirRead, say: SayFhir): void {
  const { of, context, sr, maskType } = read;
  const { draft } = context.input;
  const report = of('DiagnosticReport')[0]?.resource;
  if (!report || of('DiagnosticReport').length !== 1) return say('PL-FHIR-005', 'there is not one DiagnosticReport');
  if (str(report, 'status') !== 'preliminary' || report['resultsInterpreter'] !== undefined)
    say('PL-FHIR-014', 'the report is not preliminary, or names a person who verified it');
  const [system, code] = codeToken(node(report, 'code')).split('|');
  if (system !== 'http://loinc.org' || !isReportCode(code ?? ''))
    say('PL-FHIR-021', `the title of the report is ${system} ${code}`);
  checkLabel(read, 'report', report, say);
  for (const m of of(maskType)) checkLabel(read, 'mask', m.resource, say);
  if (maskType === 'DocumentReference' && of(maskType).some((m) => str(m.resource, 'docStatus') !== 'preliminary'))
    say('PL-FHIR-014', 'a mask is not preliminary');
  const urls = draft.findings.map((f) => context.keys.finding(f.id).fullUrl);
  if (
    list(report, 'result')
      .map((r) => str(r, 'reference'))
      .join() !== urls.join()
  )
    say('PL-FHIR-005', 'the results of the report are not the findings of the draft in order');
  const div = str(node(report, 'text'), 'div');
  if (!div.includes(`AI draft ${draft.version}: ${draftNotice}`))
    say('PL-FHIR-011', 'the narrative does not begin with the marking');
  for (const s of draft.sentences) {
    if (div.split(`<li id="${s.id}"><span>${escapeText(s.text)}</span>`).length !== 2)
      say('PL-FHIR-011', `sentence ${s.id} is not in the narrative word for word`);
    const own = div.split(`<li id="${s.id}">`)[1]?.split('</li>')[0] ?? '';
    if (questionWords(s).some((q) => !own.includes(escapeText(q))))
      say('PL-FHIR-022', `sentence ${s.id} has no question in the narrative`);
    if (!sr.texts.has(s.text)) say('PL-FHIR-011', `sentence ${s.id} is not in the SR word for word`);
  }
  checkMarkup(div, narrativeElements, say);
  checkAttachment(read, report['presentedForm'], say);
}

function checkAttachment({ set, version }: FhirRead, forms: unknown, say: SayFhir): void {
  const form = Array.isArray(forms) && forms.length === 1 ? (forms[0] as Record<string, unknown>) : {};
  const bytes = Buffer.from(set.html, 'utf8');
  const size = version === 'R4' ? bytes.length : String(bytes.length);
  const right =
    form['contentType'] === 'text/html' &&
    form['data'] === bytes.toString('base64') &&
    form['size'] === size &&
    form['hash'] === createHash('sha1').update(bytes).digest('base64');
  if (!right) say('PL-FHIR-015', 'the attachment is not the report page with its size and SHA-1');
}

/** The report page as it will be stored and attached. */
export function checkPage({ draft }: EncodingInput, html: string, say: SayFhir): void {
  if (!html.includes(`AI draft ${draft.version}: ${draftNotice}`)) say('PL-FHIR-016', 'the marking is missing');
  for (const s of draft.sentences) {
    const parts = html.split(`<li class="s ${s.kind}" id="${s.id}">`);
    const own = parts[1]?.split('</li>')[0] ?? '';
    if (parts.length !== 2 || !own.includes(`<p class="text">${escapeText(s.text)}</p>`))
      say('PL-FHIR-016', `sentence ${s.id} is missing, doubled or of another kind`);
    if (questionWords(s).some((q) => !own.includes(`<p class="meta">${escapeText(q)}</p>`)))
      say('PL-FHIR-022', `sentence ${s.id} has no question on the page`);
    if (s.kind !== 'linked' && !own.includes(kindWords[s.kind].replace(/\.$/, '')))
      say('PL-FHIR-016', `sentence ${s.id} does not say its kind in words`);
  }
  for (const f of draft.findings)
    if (f.mask !== undefined && !html.includes(`<td>${f.trackingUid}</td>`))
      say('PL-FHIR-016', `the Tracking UID of finding ${f.id} is missing`);
  checkMarkup(html, pageElements, say);
}

const narrativeElements = new Set('div p b ul li span a'.split(' '));
const pageElements = new Set(
  '!doctype html head meta title style body main header div p b h1 h2 dl dt dd ul ol li span a img figure figcaption table thead tbody tr th td details summary'.split(
    ' ',
  ),
);

/** Only known elements, no handler, no load but data URIs, each id once. The text between tags is escaped and holds no `<`. */
function checkMarkup(markup: string, allowed: ReadonlySet<string>, say: SayFhir): void {
  const ids = new Set<string>();
  for (const [tag, name] of markup.replace(/<style>[^<]*<\/style>/, '').matchAll(/<\/?([^\s/>]*)[^>]*>/g)) {
    if (!allowed.has(name!.toLowerCase())) say('PL-FHIR-017', `element ${name} is not allowed`);
    const id = / id="([^"]*)"/.exec(tag)?.[1];
    if (id !== undefined && ids.has(id)) say('PL-FHIR-017', `id ${id} stands twice`);
    if (id !== undefined) ids.add(id);
    if (/\son[a-z]+\s*=/i.test(tag)) say('PL-FHIR-017', `element ${name} has a handler`);
    for (const [, url] of tag.matchAll(/\s(?:href|src)="([^"]*)"/g)) {
      if (
        !/^((https?|weasis):\/\/|#|data:image\/png;base64,)/.test(url!) ||
        (name === 'img' && !url!.startsWith('data:'))
      )
        say('PL-FHIR-017', `element ${name} loads or leads to ${url!.slice(0, 60)}`);
    }
  }
}
