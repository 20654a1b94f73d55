import { describe, expect, it } from 'vitest';
import { assertEncodable, codeSystem, patientOf, withPatient, type R4Bundle } from '../../../src/fhir/index.ts';

const bundle: R4Bundle = {
  resourceType: 'Bundle',
  type: 'transaction',
  entry: [
    {
      fullUrl: 'urn:uuid:1',
      resource: {
        resourceType: 'Observation',
        status: 'preliminary',
        code: { text: 'x' },
        subject: { type: 'Patient', identifier: { system: 'urn:oid:1.2', value: 'P1' }, display: 'Sample, Anna' },
        device: { type: 'Device', identifier: { value: 'd' } },
      },
    },
  ],
};

describe('the patient of a Bundle', () => {
  it('becomes a literal reference, with the name kept and nothing else touched', () => {
    const sent = withPatient(bundle, 'Patient/1009');
    expect(sent.entry![0]!.resource).toEqual({
      ...bundle.entry![0]!.resource,
      subject: { reference: 'Patient/1009', display: 'Sample, Anna' },
    });
  });

  it('is read from the first subject', () => {
    expect(patientOf(bundle)).toEqual({ system: 'urn:oid:1.2', value: 'P1' });
    expect(patientOf(withPatient(bundle, 'Patient/1009'))).toEqual({ reference: 'Patient/1009' });
  });

  it('leaves the given Bundle as it was', () => {
    const before = JSON.stringify(bundle);
    withPatient(bundle, 'Patient/1009');
    expect(JSON.stringify(bundle)).toBe(before);
  });
});

describe('texts that FHIR strings cannot carry', () => {
  it.each(['a\u0000b', 'bell \u0007', 'half \ud800', '\uffff'])('%j is refused with its place', (text) => {
    expect(() => assertEncodable({ entry: [{ note: [{ text }] }] })).toThrow(
      expect.objectContaining({ code: 'text-unencodable', where: 'Bundle.entry[0].note[0].text' }),
    );
  });

  it('leaves tab, line ends, bidi marks, emoji and every script alone', () => {
    expect(() => assertEncodable({ text: 'a\tb\r\n\u202e 山田 😀 שלום' })).not.toThrow();
  });
});

describe('coding schemes', () => {
  it.each([
    ['SCT', 'http://snomed.info/sct'],
    ['DCM', 'http://dicom.nema.org/resources/ontology/DCM'],
    ['UCUM', 'http://unitsofmeasure.org'],
    ['LN', 'http://loinc.org'],
  ])('%s is %s', (scheme, system) => {
    expect(codeSystem(scheme, 'https://h.example')).toBe(system);
  });

  it('makes the system of a private scheme from the site', () => {
    expect(codeSystem('99PLUMBLINE', 'https://h.example')).toBe('https://h.example/id/code/99PLUMBLINE');
  });
});
