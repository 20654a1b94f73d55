import { describe, expect, it } from 'vitest';
import type { r4, r5 } from '../../../src/fhir/index.ts';
import { encodeAll, sampleInput, type InputOptions } from '../../builders/encodings.ts';
import { missing, python } from '../../peers/index.ts';
import { reportCode } from '../../../src/outputs/report-codes.ts';

function encoded(options: InputOptions = {}) {
  const input = sampleInput(options);
  const set = encodeAll(input);
  const r4s = <T extends r4.FhirResource['resourceType']>(type: T) =>
    (set.fhirR4.entry ?? []).flatMap((e) =>
      e.resource?.resourceType === type ? [e.resource as Extract<r4.FhirResource, { resourceType: T }>] : [],
    );
  const r5s = <T extends r5.FhirResource['resourceType']>(type: T) =>
    (set.fhirR5.entry ?? []).flatMap((e) =>
      e.resource?.resourceType === type ? [e.resource as Extract<r5.FhirResource, { resourceType: T }>] : [],
    );
  return { input, set, r4s, r5s };
}
const component = (o: r4.Observation | undefined, code: string) =>
  o?.component?.filter((c) => c.code.coding?.[0]?.code === code) ?? [];

describe('a FHIR transaction', () => {
  it('has one Observation per finding and one mask resource per mask, in both versions', () => {
    const { input, r4s, r5s } = encoded();
    expect(r4s('Observation')).toHaveLength(input.draft.findings.length);
    expect(r5s('Observation')).toHaveLength(input.draft.findings.length);
    expect(r4s('DocumentReference')).toHaveLength(input.draft.masks.length);
    expect(r5s('ImagingSelection')).toHaveLength(input.draft.masks.length);
    for (const type of ['Device', 'Endpoint', 'ImagingStudy', 'DiagnosticReport', 'Provenance'] as const) {
      expect(r4s(type)).toHaveLength(1);
      expect(r5s(type)).toHaveLength(1);
    }
  });

  it('is the same text each time', () => {
    const [a, b] = [encoded(), encoded()];
    expect(JSON.stringify(b.set.fhirR4)).toBe(JSON.stringify(a.set.fhirR4));
    expect(JSON.stringify(b.set.fhirR5)).toBe(JSON.stringify(a.set.fhirR5));
  });

  it('has other report and finding keys for another workitem, and the same model', () => {
    const [a, b] = [encoded(), encoded({ key: 'f'.repeat(64) })];
    const urls = (x: typeof a, type: string) =>
      x.set.fhirR4.entry!.filter((e) => e.resource?.resourceType === type).map((e) => e.fullUrl);
    expect(urls(b, 'DiagnosticReport')).not.toEqual(urls(a, 'DiagnosticReport'));
    expect(urls(b, 'Observation')).not.toEqual(urls(a, 'Observation'));
    expect(urls(b, 'Device')).toEqual(urls(a, 'Device'));
    expect(urls(b, 'ImagingStudy')).toEqual(urls(a, 'ImagingStudy'));
  });

  it('names the patient by identifier and issuer, and creates none', () => {
    const { r4s, set } = encoded();
    expect(r4s('DiagnosticReport')[0]!.subject).toEqual({
      type: 'Patient',
      identifier: { system: 'https://hospital.example/plumbline/id/patient-issuer/HOSPITAL', value: 'PID-77' },
      display: 'Sample, Anna',
    });
    expect(set.fhirR4.entry!.some((e) => e.resource?.resourceType === 'Patient')).toBe(false);
  });

  it('takes the OID of the issuer as identifier system where the source has one (PS3.3 table 10-18)', () => {
    const qualifiers = {
      vr: 'SQ',
      Value: [{ '00400032': { vr: 'UT', Value: ['1.2.3.4'] }, '00400033': { vr: 'CS', Value: ['ISO'] } }],
    };
    const { r4s } = encoded({
      change: (s) => ({
        ...s,
        sources: new Map([...s.sources].map(([uid, ds]) => [uid, { ...ds, '00100024': qualifiers }])),
      }),
    });
    expect(r4s('ImagingStudy')[0]!.subject.identifier?.system).toBe('urn:oid:1.2.3.4');
  });

  it('marks report, findings and masks as asserted by AI, by the label of the destination', () => {
    const labels = (x: ReturnType<typeof encoded>) =>
      [
        ...x.r4s('DiagnosticReport'),
        ...x.r4s('Observation'),
        ...x.r4s('DocumentReference'),
        ...x.r5s('ImagingSelection'),
      ].map((r) => r.meta?.security?.[0]?.code);
    expect(new Set(labels(encoded()))).toEqual(new Set(['AIAST']));
    expect(new Set(labels(encoded({ profile: { aiLabel: 'DEVAST' } })))).toEqual(new Set(['DEVAST']));
    expect(new Set(labels(encoded({ profile: { aiLabel: 'none' } })))).toEqual(new Set([undefined]));
  });

  it('leaves the Endpoint out where the site has no DICOMweb service, and names the SEG by its UID', () => {
    const { r4s, set } = encoded({ site: { dicomwebUrl: undefined } as never });
    expect(r4s('Endpoint')).toHaveLength(0);
    expect(r4s('DocumentReference')[0]!.content[0]!.attachment.url).toBe(`urn:oid:${set.segs[0]!.instanceUid}`);
  });

  it('refuses a sentence with a control character', () => {
    const change: InputOptions['change'] = (s) => ({
      ...s,
      draft: { ...s.draft, sentences: s.draft.sentences.map((x) => ({ ...x, text: `${x.text}\u0001` })) },
    });
    expect(() => encoded({ change })).toThrow(expect.objectContaining({ code: 'text-unencodable' }));
  });
});

describe('an Observation', () => {
  it('of a finding with a mask says present, segment, tracking, measurements in UCUM, and its sentence word for word', () => {
    const { r4s, set } = encoded();
    const lesion = r4s('Observation')[0]!;
    expect(lesion.valueCodeableConcept?.coding?.[0]).toMatchObject({
      system: 'http://snomed.info/sct',
      code: '52101004',
    });
    expect(component(lesion, '121191')[0]!.valueInteger).toBe(1);
    expect(component(lesion, '112040')[0]!.valueString).toMatch(/^2\.25\.\d+$/);
    expect(lesion.note?.[0]?.text).toBe('In the left upper part there is a small liver lesion.');
    // The box of the sample: 2 planes x 3 rows x 5 columns of 2.5 x 0.8 x 0.6 mm.
    expect(component(lesion, '118565006')[0]!.valueQuantity).toEqual({
      value: 36,
      unit: 'cubic millimeter',
      system: 'http://unitsofmeasure.org',
      code: 'mm3',
    });
    const mask = set.fhirR4.entry!.find((e) => e.fullUrl === lesion.derivedFrom?.[0]?.reference)
      ?.resource as r4.DocumentReference;
    expect(mask.content[0]!.attachment.url).toBe(
      `https://pacs.example/dicom-web/studies/${set.segs[0]!.studyUid}/series/${set.segs[0]!.seriesUid}/instances/${set.segs[0]!.instanceUid}`,
    );
    expect(mask.content[0]!.attachment.title).toBe('segment 1');
  });

  it('of a negative finding says absent, names no segment and comes from the study', () => {
    const { r4s, set } = encoded();
    const absent = r4s('Observation').find((o) => o.code.text === 'lung nodule')!;
    expect(absent.valueCodeableConcept?.coding?.[0]).toMatchObject({
      system: 'http://snomed.info/sct',
      code: '2667000',
    });
    expect(component(absent, '121191')).toEqual([]);
    const from = set.fhirR4.entry!.find((e) => e.fullUrl === absent.derivedFrom?.[0]?.reference)?.resource
      ?.resourceType;
    expect(from).toBe('ImagingStudy');
  });

  it('of a failed grounding says present, and that the segment is missing by error, with the reason', () => {
    const { r4s } = encoded();
    const failed = r4s('Observation').at(-1)!;
    const segment = component(failed, '121191')[0]!;
    expect(segment.valueInteger).toBeUndefined();
    expect(segment.dataAbsentReason).toEqual({
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/data-absent-reason', code: 'error' }],
      text: 'The model gave no mask for this phrase.',
    });
  });

  it('carries the side of the draft as a laterality component and never invents one', () => {
    const { r4s, input } = encoded();
    const sides = r4s('Observation').map((o) => component(o, '272741003')[0]?.valueCodeableConcept?.coding?.[0]?.code);
    expect(sides).toEqual(input.draft.findings.map((f) => f.concept.laterality?.value));
    expect(sides).toContain('7771000');
  });

  it('has no measurement where pixels have no size', () => {
    const { r4s } = encoded({ kind: 'picture' });
    expect(
      r4s('Observation')
        .flatMap((o) => o.component ?? [])
        .filter((c) => c.valueQuantity),
    ).toEqual([]);
  });
});

describe('an ImagingSelection (R5)', () => {
  it('names study, series, SEG and segment, and the frame of reference only where there is one', () => {
    const volume = encoded();
    const [first] = volume.r5s('ImagingSelection');
    const seg = volume.set.segs[0]!;
    expect(first).toMatchObject({
      status: 'available',
      studyUid: seg.studyUid,
      seriesUid: seg.seriesUid,
      frameOfReferenceUid: '1.2.826.0.1.3680043.8.498.77.3',
      instance: [
        {
          uid: seg.instanceUid,
          sopClass: { system: 'urn:ietf:rfc:3986', code: `urn:oid:${seg.sopClass}` },
          subset: ['1'],
        },
      ],
    });
    expect(encoded({ kind: 'picture' }).r5s('ImagingSelection')[0]!.frameOfReferenceUid).toBeUndefined();
  });
});

describe('the report', () => {
  it('is preliminary, has its results in the order of the draft and its page attached with size and SHA-1', () => {
    const { r4s, r5s, set } = encoded();
    const report = r4s('DiagnosticReport')[0]!;
    expect(report.status).toBe('preliminary');
    const texts = report.result!.map(
      (r) => (set.fhirR4.entry!.find((e) => e.fullUrl === r.reference)!.resource as r4.Observation).code.text,
    );
    expect(texts).toEqual(['liver lesion', 'liver', 'renal cyst', 'kidney stone', 'lung nodule', 'renal cyst']);
    const form = report.presentedForm![0]!;
    expect(Buffer.from(form.data!, 'base64').toString('utf8')).toBe(set.html);
    expect(form.size).toBe(Buffer.byteLength(set.html));
    // integer64 is a JSON string in R5.
    expect(r5s('DiagnosticReport')[0]!.presentedForm![0]!.size).toBe(String(Buffer.byteLength(set.html)));
  });

  it('has a narrative that begins with the marking and holds each sentence once, by its id', () => {
    const { r4s, input } = encoded();
    const div = r4s('DiagnosticReport')[0]!.text!.div;
    expect(div.indexOf('not verified by a physician')).toBeLessThan(div.indexOf(input.draft.sentences[0]!.text));
    for (const s of input.draft.sentences) expect(div.split(`<li id="${s.id}"><span>${s.text}</span>`)).toHaveLength(2);
  });

  it('says only the day of acquisition, because the source names no time zone', () => {
    expect(encoded().r4s('DiagnosticReport')[0]!.effectiveDateTime).toBe('2026-03-04');
  });

  it.skipIf(missing('python'))('uses title codes that PS3.16 CID 7000 knows', async () => {
    const { stdout } = await python(
      'from pydicom.sr._concepts_dict import concepts\nfor v in concepts["LN"].values():\n    for code, (meaning, cids) in v.items():\n        if 7000 in cids: print(code + "|" + meaning)\n',
    );
    const known = new Set(stdout.trim().split('\n'));
    expect(known.size).toBeGreaterThan(20);
    for (const modality of ['CT', 'MR', 'US', 'CR', 'DX', 'MG', 'NM', 'PT', 'ES']) {
      for (const part of ['', 'CHEST', 'ABDOMEN', 'HEAD', 'BRAIN', 'SPINE', 'LSPINE', 'BREAST', 'THYROID', 'LIVER']) {
        const { code, display } = reportCode([modality], part).coding![0]!;
        expect(known).toContain(`${code}|${display}`);
      }
    }
  });

  it('has the general title where several modalities were read', () => {
    expect(reportCode(['CT', 'PT'], 'CHEST').coding![0]!.code).toBe('18748-4');
    expect(reportCode(['CT'], 'CHEST').coding![0]!.code).toBe('24627-2');
  });
});

describe('Provenance and Device', () => {
  it('name the bundle by its digest, cover all results, and can be found again by a tag', () => {
    const { r4s, set, input } = encoded();
    const [provenance] = r4s('Provenance');
    expect(r4s('Device')[0]!.identifier![0]!.value).toBe(`plumbline-tiny@sha256:${input.draft.bundle.digest}`);
    expect(provenance!.target).toHaveLength(1 + input.draft.findings.length + input.draft.masks.length);
    const entry = set.fhirR4.entry!.find((e) => e.resource?.resourceType === 'Provenance')!;
    expect(new URLSearchParams(entry.request!.ifNoneExist).get('_tag')).toBe(
      `${provenance!.meta!.tag![0]!.system}|${provenance!.meta!.tag![0]!.code}`,
    );
  });
});
