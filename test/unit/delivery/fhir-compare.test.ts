import { describe, expect, it } from 'vitest';
import { differences } from '../../../src/delivery/fhir-compare.ts';

const sent = {
  resourceType: 'DiagnosticReport',
  status: 'preliminary',
  text: { status: 'additional', div: '<div>as sent</div>' },
  identifier: [{ system: 'urn:x', value: '1' }],
  code: { coding: [{ system: 'http://loinc.org', code: '18748-4' }], text: 'Imaging' },
  issued: '2026-03-04T05:06:07.000Z',
  result: [{ reference: 'Observation/1' }, { reference: 'Observation/2' }],
  note: [{ text: 'A lesion.' }],
  presentedForm: [{ size: 12, data: 'QUJD' }],
};

describe('a stored resource', () => {
  it.each([
    ['has an id, a version and a narrative of its own', { id: '9', meta: { versionId: '3' }, text: { div: '<div/>' } }],
    ['has more fields', { conclusion: 'by a person' }],
    ['has more identifiers, in another order', { identifier: [{ value: 'MRN' }, { system: 'urn:x', value: '1' }] }],
    ['writes the same instant otherwise', { issued: '2026-03-04T06:06:07+01:00' }],
    ['writes a number as integer64 of R5', { presentedForm: [{ size: '12', data: 'QUJD' }] }],
    [
      'makes references absolute or versioned',
      { result: [{ reference: 'https://ehr.example/fhir/Observation/1' }, { reference: 'Observation/2/_history/4' }] },
    ],
  ])('says the same where it %s', (_, change) => {
    expect(differences(sent, { ...sent, ...change })).toEqual([]);
  });

  it.each([
    ['another status', { status: 'final' }, 'status'],
    ['no field', { note: undefined }, 'note'],
    ['another text of a note', { note: [{ text: 'No lesion.' }] }, 'note[0].text'],
    ['another text of a code', { code: { ...sent.code, text: 'Other' } }, 'code.text'],
    ['another code', { code: { ...sent.code, coding: [{ code: '1' }] } }, 'code.coding[0]'],
    ['one result fewer', { result: sent.result.slice(0, 1) }, 'result'],
    ['one result more', { result: [...sent.result, { reference: 'Observation/3' }] }, 'result'],
    ['another result', { result: [sent.result[0], { reference: 'Observation/4' }] }, 'result[1].reference'],
    ['the results in another order', { result: [...sent.result].reverse() }, 'result[0].reference'],
    ['another instant', { issued: '2026-03-04T05:06:08.000Z' }, 'issued'],
    ['another number', { presentedForm: [{ size: 13, data: 'QUJD' }] }, 'presentedForm[0].size'],
    ['nothing where a number was', { presentedForm: [{ size: '', data: 'QUJD' }] }, 'presentedForm[0].size'],
    ['a list for an object', { code: [] }, 'code.coding'],
  ])('differs where it has %s', (_, change, path) => {
    expect(differences(sent, { ...sent, ...change })[0]).toBe(path);
  });
});
