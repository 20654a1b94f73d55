import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withPatient } from '../../../src/fhir/index.ts';
import { checkFhir, fhirChecks, type EncodingInput, type EncodingSet } from '../../../src/outputs/index.ts';
import { encodeAll, sampleInput, type InputOptions } from '../../builders/encodings.ts';
import { root } from '../../peers/index.ts';

const input = sampleInput();
const clean = encodeAll(input);

/** What the gate says, each check once, in order. */
function says(set: EncodingSet, about: EncodingInput = input): string[] {
  return [...new Set(checkFhir(about, set).map((p) => p.check))].sort();
}

type Loose = { [field: string]: Loose } & Loose[] & string;
/** The set with one thing changed in a copy of its R4 (or R5) Bundle. */
function changed(
  version: 'R4' | 'R5',
  change: (of: (type: string, n?: number) => Loose, entries: Loose) => void,
): EncodingSet {
  const bundle = structuredClone(version === 'R4' ? clean.fhirR4 : clean.fhirR5) as unknown as Loose;
  const entries = bundle['entry']!;
  change((type, n = 0) => entries.filter((e) => e['resource']!['resourceType'] === type)[n]!['resource']!, entries);
  return { ...clean, ...(version === 'R4' ? { fhirR4: bundle as never } : { fhirR5: bundle as never }) };
}
const text = (value: unknown): Loose => value as Loose;
const component = (observation: Loose, code: string) =>
  observation['component']!.find((c) => c['code']!['coding']![0]!['code'] === code)!;

describe('the gate for FHIR', () => {
  it.each<[string, InputOptions]>([
    ['a volume', {}],
    ['a picture', { kind: 'picture' }],
    ['a draft without masks', { masks: 'none' }],
    ['a multi-frame source', { multiFrame: true }],
    ['no spacing', { spacing: 'none' }],
    ['another label', { profile: { aiLabel: 'DEVAST' } }],
    ['no label', { profile: { aiLabel: 'none' } }],
    ['a second version', { version: 2 }],
    ['no DICOMweb service', { site: { dicomwebUrl: undefined } as never }],
    [
      'markup in a sentence',
      {
        change: (s) => ({
          ...s,
          draft: {
            ...s.draft,
            sentences: s.draft.sentences.map((x) => ({ ...x, text: `<script>alert(1)</script> ${x.text} & "so"` })),
          },
        }),
      },
    ],
  ])('finds nothing in %s', (_name, options) => {
    const about = sampleInput(options);
    expect(checkFhir(about, encodeAll(about))).toEqual([]);
  });

  it('finds nothing once the patient is named by a literal reference', () => {
    expect(
      checkFhir(input, {
        ...clean,
        fhirR4: withPatient(clean.fhirR4, 'Patient/1'),
        fhirR5: withPatient(clean.fhirR5, 'Patient/1'),
      }),
    ).toEqual([]);
  });

  const defects: [string, string, () => EncodingSet][] = [
    [
      'an entry that would overwrite (PUT)',
      'PL-FHIR-001',
      () => changed('R4', (_of, entries) => void (entries[0]!['request']!['method'] = text('PUT'))),
    ],
    [
      'a conditional create that finds something else',
      'PL-FHIR-001',
      () => changed('R4', (_of, entries) => void (entries[5]!['request']!['ifNoneExist'] = text('identifier=x'))),
    ],
    [
      'two entries with one full URL',
      'PL-FHIR-001',
      () => changed('R5', (_of, entries) => void (entries[1]!['fullUrl'] = entries[0]!['fullUrl']!)),
    ],
    [
      'a reference to nothing',
      'PL-FHIR-002',
      () =>
        changed(
          'R4',
          (of) =>
            void (of('Observation')['device']!['reference'] = text('urn:uuid:00000000-0000-8000-8000-000000000000')),
        ),
    ],
    [
      'a device that is a study',
      'PL-FHIR-002',
      () =>
        changed(
          'R4',
          (of, entries) =>
            void (of('Observation')['device']!['reference'] = entries.find(
              (e) => e['resource']!['resourceType'] === 'ImagingStudy',
            )!['fullUrl']!),
        ),
    ],
    [
      'a finding of another patient',
      'PL-FHIR-003',
      () => changed('R4', (of) => void (of('Observation', 2)['subject']!['identifier']!['value'] = text('PID-78'))),
    ],
    [
      'the same number of another issuer',
      'PL-FHIR-003',
      () =>
        changed('R5', (of) => void (of('ImagingSelection')['subject']!['identifier']!['system'] = text('urn:oid:1.2'))),
    ],
    [
      'a mask without patient',
      'PL-FHIR-003',
      () => changed('R5', (of) => void delete (of('ImagingSelection') as { subject?: unknown }).subject),
    ],
    [
      'another study',
      'PL-FHIR-004',
      () => changed('R4', (of) => void (of('ImagingStudy')['identifier']![0]!['value'] = text('urn:oid:1.2.3'))),
    ],
    [
      'a selection in another study',
      'PL-FHIR-004',
      () => changed('R5', (of) => void (of('ImagingSelection', 1)['studyUid'] = text('1.2.3'))),
    ],
    [
      'a finding too few',
      'PL-FHIR-005',
      () =>
        changed(
          'R4',
          (_of, entries) =>
            void entries.splice(
              entries.findIndex((e) => e['resource']!['resourceType'] === 'Observation'),
              1,
            ),
        ),
    ],
    [
      'another finding code',
      'PL-FHIR-005',
      () => changed('R4', (of) => void (of('Observation')['code']!['coding']![0]!['code'] = text('39607008'))),
    ],
    [
      'results in another order',
      'PL-FHIR-005',
      () => changed('R4', (of) => void (of('DiagnosticReport')['result'] as Loose).reverse()),
    ],
    [
      'present in place of absent',
      'PL-FHIR-006',
      () =>
        changed(
          'R4',
          (of) => void (of('Observation', 4)['valueCodeableConcept']!['coding']![0]!['code'] = text('52101004')),
        ),
    ],
    [
      'the SR code of absent in FHIR',
      'PL-FHIR-006',
      () =>
        changed(
          'R5',
          (of) => void (of('Observation', 4)['valueCodeableConcept']!['coding']![0]!['code'] = text('272519000')),
        ),
    ],
    [
      'a negative finding with a segment',
      'PL-FHIR-007',
      () => changed('R4', (of) => void of('Observation', 4)['component']!.push(component(of('Observation'), '121191'))),
    ],
    [
      'a failed grounding that claims a segment',
      'PL-FHIR-007',
      () => changed('R4', (of) => void (component(of('Observation', 5), '121191')['valueInteger'] = text(1))),
    ],
    [
      'another Tracking UID',
      'PL-FHIR-008',
      () => changed('R4', (of) => void (component(of('Observation'), '112040')['valueString'] = text('2.25.1'))),
    ],
    [
      'another segment number',
      'PL-FHIR-009',
      () => changed('R4', (of) => void (component(of('Observation'), '121191')['valueInteger'] = text(2))),
    ],
    [
      'a selection of another segment',
      'PL-FHIR-009',
      () => changed('R5', (of) => void (of('ImagingSelection')['instance']![0]!['subset'] = text(['2']))),
    ],
    [
      'a mask link to another object',
      'PL-FHIR-009',
      () =>
        changed(
          'R4',
          (of) =>
            void (of('DocumentReference')['content']![0]!['attachment']!['url'] = text(
              'https://pacs.example/dicom-web/studies/1/series/2/instances/3',
            )),
        ),
    ],
    [
      'another value',
      'PL-FHIR-010',
      () =>
        changed('R4', (of) => void (component(of('Observation'), '118565006')['valueQuantity']!['value'] = text(36.1))),
    ],
    [
      'another unit',
      'PL-FHIR-010',
      () =>
        changed('R5', (of) => void (component(of('Observation'), '118565006')['valueQuantity']!['code'] = text('mL'))),
    ],
    [
      'another sentence',
      'PL-FHIR-011',
      () =>
        changed(
          'R4',
          (of) =>
            void (of('Observation')['note']![0]!['text'] = text(
              'In the right upper part there is a small liver lesion.',
            )),
        ),
    ],
    [
      'a narrative without a sentence',
      'PL-FHIR-011',
      () =>
        changed(
          'R4',
          (of) =>
            void (of('DiagnosticReport')['text']!['div'] = text(
              String(of('DiagnosticReport')['text']!['div']).replace('No lung nodule', 'Lung nodule'),
            )),
        ),
    ],
    [
      'another side',
      'PL-FHIR-012',
      () =>
        changed(
          'R4',
          (of) =>
            void (component(of('Observation', 2), '272741003')['valueCodeableConcept']!['coding']![0]!['code'] =
              text('24028007')),
        ),
    ],
    [
      'a finding without AI label',
      'PL-FHIR-013',
      () => changed('R4', (of) => void delete (of('Observation') as { meta?: unknown }).meta),
    ],
    [
      'a final report',
      'PL-FHIR-014',
      () => changed('R4', (of) => void (of('DiagnosticReport')['status'] = text('final'))),
    ],
    ['a final finding', 'PL-FHIR-014', () => changed('R5', (of) => void (of('Observation')['status'] = text('final')))],
    [
      'a false hash',
      'PL-FHIR-015',
      () =>
        changed(
          'R4',
          (of) => void (of('DiagnosticReport')['presentedForm']![0]!['hash'] = text('AAAAAAAAAAAAAAAAAAAAAAAAAAA=')),
        ),
    ],
    [
      'the size as a number in R5',
      'PL-FHIR-015',
      () =>
        changed(
          'R5',
          (of) => void (of('DiagnosticReport')['presentedForm']![0]!['size'] = text(Buffer.byteLength(clean.html))),
        ),
    ],
    [
      'a script in the narrative',
      'PL-FHIR-017',
      () =>
        changed(
          'R4',
          (of) =>
            void (of('DiagnosticReport')['text']!['div'] = text(
              String(of('DiagnosticReport')['text']!['div']).replace('<ul>', '<script>x</script><ul>'),
            )),
        ),
    ],
    [
      'a study without the SEG',
      'PL-FHIR-018',
      () => changed('R4', (of) => void of('ImagingStudy')['series']!.splice(1, 1)),
    ],
    [
      'another model',
      'PL-FHIR-019',
      () => changed('R4', (of) => void (of('Device')['identifier']![0]!['value'] = text('other@sha256:0'))),
    ],
    [
      'a Provenance that leaves out a finding',
      'PL-FHIR-019',
      () => changed('R4', (of) => void of('Provenance')['target']!.pop()),
    ],
  ];
  it.each(defects)('catches %s (%s)', (_name, check, make) => {
    expect(says(make())).toContain(check);
  });

  it('catches an SR or SEG of another draft', () => {
    const other = encodeAll(sampleInput({ key: 'd'.repeat(64) }));
    expect(says({ ...clean, sr: other.sr })).toEqual(expect.arrayContaining(['PL-FHIR-008', 'PL-FHIR-018']));
    expect(says({ ...clean, segs: other.segs })).toEqual(expect.arrayContaining(['PL-FHIR-008', 'PL-FHIR-009']));
  });

  it('catches a report page that lost a sentence, changed its kind, its marking or a Tracking UID, or gained a script', () => {
    const page = (from: string | RegExp, to: string) => says({ ...clean, html: clean.html.replace(from, to) });
    expect(page('No lung nodule is seen', 'Lung nodule is seen')).toContain('PL-FHIR-016');
    expect(page('class="s ungrounded"', 'class="s linked"')).toContain('PL-FHIR-016');
    expect(page('not verified by a physician.', '')).toContain('PL-FHIR-016');
    expect(page(`<td>${input.draft.findings[0]!.trackingUid}</td>`, '<td></td>')).toContain('PL-FHIR-016');
    expect(page('<h2>', '<script>alert(1)</script><h2>')).toContain('PL-FHIR-017');
    expect(page('<img ', '<img onload="x" ')).toContain('PL-FHIR-017');
    expect(page(/src="data:image[^"]*"/, 'src="https://tracker.example/x.png"')).toContain('PL-FHIR-017');
  });
});

describe('docs/consistency.md', () => {
  it('lists each check of the gate for FHIR with its rule', () => {
    const docs = readFileSync(join(root, 'docs/consistency.md'), 'utf8');
    const rows = [...docs.matchAll(/^\| `?(PL-FHIR-\d+)`? \| (\w+) \| (.*) \|$/gm)].map(([, check, severity, rule]) => [
      check,
      severity,
      rule,
    ]);
    expect(rows.map((r) => r.map((c) => c!.trim()))).toEqual(
      Object.entries(fhirChecks).map(([check, { severity, rule }]) => [check, severity, rule]),
    );
  });
});
