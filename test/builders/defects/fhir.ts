/** The defects of FHIR Bundles, by the numbers of their table: one change each of what the encoder wrote. */
import type { EncodingSet } from '../../../src/outputs/index.ts';

export interface FhirDefect {
  readonly id: string;
  readonly what: string;
  readonly versions: readonly ('R4' | 'R5')[];
  readonly change: (bundle: FhirJson) => void;
}

/** A Bundle that can be changed. */
export interface FhirJson {
  readonly bundle: Record<string, unknown>;
  readonly entries: Entry[];
  /** The first resource of a type, or the n-th. */
  readonly of: (type: string, n?: number) => Node;
}
interface Entry {
  fullUrl: unknown;
  resource: Node;
  request?: Node;
}
type Node = Record<string, unknown>;

/** The set with one Bundle changed. */
export function spoilFhir(set: EncodingSet, version: 'R4' | 'R5', change: FhirDefect['change']): EncodingSet {
  const bundle = structuredClone(version === 'R4' ? set.fhirR4 : set.fhirR5) as unknown as Node;
  const entries = bundle['entry'] as Entry[];
  change({
    bundle,
    entries,
    of: (type, n = 0) => entries.filter((e) => e.resource['resourceType'] === type)[n]!.resource,
  });
  return { ...set, ...(version === 'R4' ? { fhirR4: bundle as never } : { fhirR5: bundle as never }) };
}

/** A place inside, by names and numbers. */
const at = (from: unknown, ...path: (string | number)[]): Node => path.reduce((n, k) => (n as Node)[k], from) as Node;
const list = (from: Node, field: string): Node[] => from[field] as Node[];
const component = (observation: Node, code: string): Node =>
  list(observation, 'component').find((c) => at(c, 'code', 'coding', 0)['code'] === code)!;
const both = ['R4', 'R5'] as const;
const volume = '118565006';

export const fhirDefects: readonly FhirDefect[] = [
  { id: '01', what: 'DiagnosticReport.status "draft"', versions: both, change: ({ of }) => void (of('DiagnosticReport')['status'] = 'draft') }, // prettier-ignore
  { id: '02', what: 'no DiagnosticReport.status', versions: both, change: ({ of }) => void delete of('DiagnosticReport')['status'] }, // prettier-ignore
  { id: '03', what: 'no DiagnosticReport.code', versions: both, change: ({ of }) => void delete of('DiagnosticReport')['code'] }, // prettier-ignore
  { id: '04', what: 'unknown field maskUrl', versions: both, change: ({ of }) => void (of('Observation')['maskUrl'] = 'https://pacs.example/mask') }, // prettier-ignore
  { id: '05', what: '`study` in R4', versions: ['R4'], change: ({ of }) => renamed(of('DiagnosticReport'), 'imagingStudy', 'study') }, // prettier-ignore
  { id: '05', what: '`imagingStudy` in R5', versions: ['R5'], change: ({ of }) => renamed(of('DiagnosticReport'), 'study', 'imagingStudy') }, // prettier-ignore
  { id: '06', what: 'value and dataAbsentReason', versions: both, change: ({ of }) => void (of('Observation')['dataAbsentReason'] = { text: 'none' }) }, // prettier-ignore
  { id: '07', what: 'component code = Observation.code', versions: both, change: ({ of }) => void (list(of('Observation'), 'component')[0]!['code'] = structuredClone(of('Observation')['code'])) }, // prettier-ignore
  { id: '08', what: 'two value[x]', versions: both, change: ({ of }) => void (of('Observation')['valueString'] = 'present') }, // prettier-ignore
  { id: '09', what: 'an instant without zone', versions: both, change: ({ of }) => void (of('DiagnosticReport')['issued'] = '2026-03-04T05:06:07') }, // prettier-ignore
  {
    id: '10',
    what: 'a month 13',
    versions: both,
    change: ({ of }) => void (of('ImagingStudy')['started'] = '2026-13-04'),
  },
  { id: '11', what: 'div without xmlns', versions: both, change: ({ of }) => narrative(of, (d) => d.replace(/ xmlns="[^"]*"/, '')) }, // prettier-ignore
  { id: '12', what: 'script in div', versions: both, change: ({ of }) => narrative(of, (d) => d.replace('<ul>', '<script>x</script><ul>')) }, // prettier-ignore
  { id: '13', what: 'an unclosed tag in div', versions: both, change: ({ of }) => narrative(of, (d) => d.replace('</ul>', '')) }, // prettier-ignore
  { id: '14', what: 'subject is a Practitioner', versions: both, change: ({ of }) => void (of('Observation')['subject'] = { reference: 'Practitioner/1' }) }, // prettier-ignore
  { id: '15', what: 'result is an ImagingStudy', versions: both, change: ({ of, entries }) => void (list(of('DiagnosticReport'), 'result')[0]!['reference'] = entries.find((e) => e.resource['resourceType'] === 'ImagingStudy')!.fullUrl) }, // prettier-ignore
  { id: '16', what: 'a reference to an absent urn:uuid', versions: both, change: ({ of }) => void (at(of('Observation'), 'device')['reference'] = 'urn:uuid:00000000-0000-8000-8000-000000000000') }, // prettier-ignore
  { id: '17', what: 'a full URL twice', versions: both, change: ({ entries }) => void (entries[1]!.fullUrl = entries[0]!.fullUrl) }, // prettier-ignore
  {
    id: '18',
    what: 'an entry without request',
    versions: both,
    change: ({ entries }) => void delete entries[0]!.request,
  },
  { id: '19', what: 'presentedForm.hash wrong', versions: both, change: ({ of }) => void (at(of('DiagnosticReport'), 'presentedForm', 0)['hash'] = 'AAAAAAAAAAAAAAAAAAAAAAAAAAA=') }, // prettier-ignore
  { id: '20', what: 'size wrong', versions: ['R4'], change: ({ of }) => void (at(of('DiagnosticReport'), 'presentedForm', 0)['size'] = 7) }, // prettier-ignore
  { id: '20', what: 'size wrong', versions: ['R5'], change: ({ of }) => void (at(of('DiagnosticReport'), 'presentedForm', 0)['size'] = '7') }, // prettier-ignore
  { id: '21', what: 'data that is no base64', versions: both, change: ({ of }) => void (at(of('DiagnosticReport'), 'presentedForm', 0)['data'] = 'PGh0bWw+*') }, // prettier-ignore
  { id: '22', what: 'UCUM code "millilitre"', versions: both, change: ({ of }) => void (at(component(of('Observation'), volume), 'valueQuantity')['code'] = 'millilitre') }, // prettier-ignore
  { id: '23', what: 'a quantity code without system', versions: both, change: ({ of }) => void delete at(component(of('Observation'), volume), 'valueQuantity')['system'] }, // prettier-ignore
  { id: '24', what: 'a study identifier that is no urn:oid', versions: both, change: ({ of }) => void (at(of('ImagingStudy'), 'identifier', 0)['value'] = '1.2.3') }, // prettier-ignore
  { id: '25', what: 'a series UID with letters', versions: both, change: ({ of }) => void (at(of('ImagingStudy'), 'series', 0)['uid'] = 'series-1') }, // prettier-ignore
  { id: '26', what: 'LOINC 99999-9', versions: both, change: ({ of }) => void (at(of('DiagnosticReport'), 'code', 'coding', 0)['code'] = '99999-9') }, // prettier-ignore
  { id: '27', what: 'a finding of another patient', versions: both, change: ({ of }) => void (at(of('Observation', 2), 'subject', 'identifier')['value'] = 'PID-78') }, // prettier-ignore
  { id: '28', what: 'no AI label', versions: both, change: ({ of }) => void delete of('Observation')['meta'] },
  { id: '29', what: 'a segment number without a mask', versions: both, change: ({ of }) => void list(of('Observation', 4), 'component').push(structuredClone(component(of('Observation'), '121191'))) }, // prettier-ignore
  { id: '30', what: 'final without a signer', versions: both, change: ({ of }) => void (of('DiagnosticReport')['status'] = 'final') }, // prettier-ignore
  { id: '31', what: 'ImagingSelection without status', versions: ['R5'], change: ({ of }) => void delete of('ImagingSelection')['status'] }, // prettier-ignore
  { id: '32', what: 'subset [1] as an integer', versions: ['R5'], change: ({ of }) => void (at(of('ImagingSelection'), 'instance', 0)['subset'] = [1]) }, // prettier-ignore
  { id: '33', what: 'ImagingSelection in R4', versions: ['R4'], change: ({ of }) => void (of('DocumentReference')['resourceType'] = 'ImagingSelection') }, // prettier-ignore
  { id: '34', what: 'modality as CodeableConcept in R4', versions: ['R4'], change: ({ of }) => void (of('ImagingStudy')['modality'] = list(of('ImagingStudy'), 'modality').map((m) => ({ coding: [m] }))) }, // prettier-ignore
  { id: '34', what: 'modality as Coding in R5', versions: ['R5'], change: ({ of }) => void (of('ImagingStudy')['modality'] = list(of('ImagingStudy'), 'modality').map((m) => at(m, 'coding', 0))) }, // prettier-ignore
  {
    id: '35',
    what: 'an empty list',
    versions: both,
    change: ({ of }) => void (of('DiagnosticReport')['performer'] = []),
  },
  {
    id: '36',
    what: 'null',
    versions: both,
    change: ({ of }) => void (of('DiagnosticReport')['effectiveDateTime'] = null),
  },
  { id: '37', what: 'an empty text', versions: both, change: ({ of }) => void (at(of('Observation'), 'method')['text'] = '') }, // prettier-ignore
  { id: '38', what: 'PUT whose URL is not the id', versions: both, change: ({ entries }) => { entries[0]!.request = { method: 'PUT', url: 'Device/2' }; entries[0]!.resource['id'] = '1'; } }, // prettier-ignore
  { id: '39', what: 'no Bundle.type', versions: both, change: ({ bundle }) => void delete bundle['type'] },
  { id: '40', what: 'no Provenance.agent', versions: both, change: ({ of }) => void delete of('Provenance')['agent'] },
  { id: '41', what: 'no Observation.code', versions: both, change: ({ of }) => void delete of('Observation')['code'] },
  { id: '42', what: 'category as texts', versions: both, change: ({ of }) => void (of('Observation')['category'] = ['imaging']) }, // prettier-ignore
  { id: '43', what: 'a negative finding with a mask', versions: both, change: ({ of }) => negativeWithMask(of) },
];

function renamed(node: Node, from: string, to: string): void {
  node[to] = node[from];
  delete node[from];
}

function narrative(of: FhirJson['of'], change: (div: string) => string): void {
  const text = of('DiagnosticReport')['text'] as Node;
  text['div'] = change(String(text['div']));
}

function negativeWithMask(of: FhirJson['of']): void {
  const [shown, negative] = [of('Observation'), of('Observation', 4)];
  negative['derivedFrom'] = structuredClone(shown['derivedFrom']);
  for (const code of ['121191', '112040', '112039'])
    list(negative, 'component').push(structuredClone(component(shown, code)));
}
