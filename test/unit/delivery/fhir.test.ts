import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeDestination, type DeliverContent, type Ledger } from '../../../src/delivery/index.ts';
import type { R4Bundle } from '../../../src/fhir/index.ts';
import { deliverContent, memoryLedger, samplePatient } from '../../builders/delivery.ts';
import type { InputOptions } from '../../builders/encodings.ts';
import { startFakeFhir, type FakeFhir } from '../../peers/fhir-server.ts';

type Json = Record<string, unknown>;

let fake: FakeFhir;
beforeEach(async () => {
  fake = await startFakeFhir();
  fake.put({ ...samplePatient, id: 'p1' });
});
afterEach(() => fake.stop());

const sample = deliverContent();

interface Options {
  readonly url?: string;
  readonly timeout?: number;
  readonly ledger?: Ledger;
}

function deliver(content: DeliverContent = sample, options: Options = {}) {
  const destination = makeDestination({
    name: 'ehr',
    kind: 'fhir',
    url: options.url ?? fake.url,
    fhirVersion: 'R4',
    timeoutSeconds: options.timeout ?? 10,
    patientSystem: 'urn:oid:1.2.3.4',
  });
  return destination.deliver(content, AbortSignal.timeout(30_000), options.ledger);
}

/** The sample with its Bundle changed as text. */
function withText(change: (text: string) => string): DeliverContent {
  return {
    ...sample,
    fhirR4: async () => JSON.parse(change(JSON.stringify(await sample.fhirR4()))) as R4Bundle,
  };
}

/** The same draft under the same key, said otherwise: what an older gateway has written. */
const earlier: InputOptions['change'] = (s) => ({
  ...s,
  draft: { ...s.draft, bundle: { ...s.draft.bundle, version: '0.0.1' }, createdAt: '2025-01-01T00:00:00Z' },
});

const older = deliverContent({ change: earlier });

const stored = (type: string): Json[] => [...fake.stored.values()].filter((r) => r['resourceType'] === type);
const whole = {
  Device: 1,
  Endpoint: 1,
  ImagingStudy: 1,
  DocumentReference: 4,
  Observation: 6,
  DiagnosticReport: 1,
  Provenance: 1,
};
const counts = (): Json => Object.fromEntries(Object.keys(whole).map((type) => [type, stored(type).length]));
const writes = (): string[] => fake.requests.filter((r) => !r.startsWith('GET'));

describe('a delivery to a FHIR server', () => {
  it.each(['', '/'])('takes a base address that ends with %j', async (end) => {
    await deliver(sample, { url: `${fake.url}${end}` });
    expect(counts()).toEqual(whole);
    expect(fake.requests.filter((r) => r.includes('//'))).toEqual([]);
  });

  it('of a large report arrives whole', async () => {
    const data = Buffer.alloc(3_000_000, 'page ').toString('base64');
    await deliver(withText((t) => t.replace(/"data":"[^"]*"/, `"data":"${data}"`)));
    expect((stored('DiagnosticReport')[0] as { presentedForm?: { data: string }[] }).presentedForm![0]!.data).toBe(
      data,
    );
  });

  it('is one transaction, and afterwards none', async () => {
    await deliver();
    await deliver();
    expect(writes()).toEqual(['POST /']);
  });

  it('whose answer was lost writes nothing twice, Provenance included', async () => {
    fake.behave = { kind: 'cut', when: 'after', on: 'write', times: 1 };
    await expect(deliver()).rejects.toMatchObject({ code: 'peer-unreachable' });
    await deliver();
    expect(counts()).toEqual(whole);
    expect(writes()).toHaveLength(1);
  });

  it('that was cut before the server had it is sent again', async () => {
    fake.behave = { kind: 'cut', when: 'before', on: 'write', times: 1 };
    await expect(deliver()).rejects.toMatchObject({ code: 'peer-unreachable' });
    expect(counts()).toMatchObject({ DiagnosticReport: 0, Device: 0 });
    await deliver();
    expect(counts()).toEqual(whole);
  });

  it('writes only what is missing: a Provenance that is not there, linked to what is', async () => {
    await deliver();
    const [provenance] = stored('Provenance');
    fake.remove(`Provenance/${String(provenance!['id'])}`);
    await deliver();
    expect(counts()).toEqual(whole);
    expect(stored('Provenance')[0]!['target']).toEqual(provenance!['target']);
    expect(stored('DiagnosticReport')[0]!['meta']).toMatchObject({ versionId: '1' });
  });

  it.each([{ kind: 'drop-field', type: 'Provenance', field: 'meta' }, { kind: 'no-tags' }] as const)(
    'finds its Provenance at a server without tags: $kind',
    async (behave) => {
      fake.behave = behave;
      await deliver();
      await deliver();
      expect(counts()).toEqual(whole);
      expect(writes()).toHaveLength(1);
    },
  );

  it('updates what is there and says something else, under the version that was read', async () => {
    await deliver(older);
    await deliver();
    expect(counts()).toEqual(whole);
    expect(stored('Device')[0]).toMatchObject({ meta: { versionId: '2' }, version: [{ value: '0.1.0' }, {}] });
    expect(stored('DiagnosticReport')[0]).toMatchObject({
      meta: { versionId: '2' },
      issued: '2026-03-04T05:06:07.000Z',
    });
  });

  it('notes what it finds as it would write it, for the program may have ended before it was noted', async () => {
    await deliver();
    const ledger = memoryLedger();
    await deliver(sample, { ledger });
    expect(writes()).toHaveLength(1);
    expect(ledger.versions.get(`DiagnosticReport/${String(stored('DiagnosticReport')[0]!['id'])}`)).toBe('1');
  });

  it('never takes what a person has added for its own, however often it comes again', async () => {
    const ledger = memoryLedger();
    await deliver(sample, { ledger });
    const [report] = stored('DiagnosticReport');
    fake.put({ ...report!, note: 'added', resourceType: 'DiagnosticReport', id: String(report!['id']) });
    await deliver(sample, { ledger });
    await expect(deliver(older, { ledger })).rejects.toMatchObject({ code: 'peer-edited' });
    expect(stored('DiagnosticReport')[0]).toMatchObject({ note: 'added', issued: report!['issued'] });
  });

  it('is held where something else stands there, of which it is not known who wrote it', async () => {
    await deliver(older);
    await expect(deliver(sample, { ledger: memoryLedger() })).rejects.toThrow('of which no write of ours is known');
  });

  it('looks again where a conditional create finds one that the search did not: the older version is updated', async () => {
    await deliver(older);
    fake.behave = { kind: 'stale-search' };
    await deliver();
    fake.behave = undefined;
    expect(counts()).toEqual(whole);
    expect(stored('DiagnosticReport')[0]).toMatchObject({
      meta: { versionId: '2' },
      issued: '2026-03-04T05:06:07.000Z',
    });
  });

  it('looks again before it writes over what a person does in the same moment', async () => {
    await deliver(older);
    const [report] = stored('DiagnosticReport');
    fake.meanwhile = () =>
      fake.put({ ...report, status: 'final', resourceType: 'DiagnosticReport', id: String(report!['id']) });
    await expect(deliver()).rejects.toMatchObject({ code: 'superseded' });
    expect(stored('DiagnosticReport')[0]).toMatchObject({ status: 'final', issued: report!['issued'] });
  });

  it.each([409, 412])('reads again after %i, five times at most', async (status) => {
    fake.behave = { kind: 'status', status, on: 'write', times: 4 };
    await deliver();
    expect(counts()).toEqual(whole);
    expect(writes()).toHaveLength(5);
    fake.behave = { kind: 'status', status, on: 'write' };
    await expect(deliver(older)).rejects.toMatchObject({ code: 'peer-busy' });
    expect(writes()).toHaveLength(10);
  });
});

describe('a transaction that is answered with 200', () => {
  it.each([
    [422, 'peer-refused'],
    [503, 'peer-busy'],
    [410, 'superseded'],
  ] as const)('is not done where an entry says %i', async (status, code) => {
    fake.behave = { kind: 'failing-entry', type: 'Observation', status };
    await expect(deliver()).rejects.toMatchObject({
      code,
      message: expect.stringContaining('entry of Observation on demand') as string,
    });
  });

  it('but for entries that met a conflict is sent again for these', async () => {
    fake.behave = { kind: 'failing-entry', type: 'Observation', status: 409, times: 2 };
    await deliver();
    expect(counts()).toEqual(whole);
    expect(stored('Device')[0]).toMatchObject({ meta: { versionId: '1' } });
  });
});

describe('a FHIR server without transactions', () => {
  it.each([400, 404, 405, 413, 501])(
    'that says %i gets one entry after the other, links made literal',
    async (status) => {
      fake.behave = { kind: 'no-transactions', status };
      await deliver();
      expect(counts()).toEqual(whole);
      expect(JSON.stringify([...fake.stored.values()])).not.toContain('urn:uuid:');
      const types = writes()
        .slice(1)
        .map((w) => w.replace('POST /', ''));
      expect([types[0], types.at(-2), types.at(-1)]).toEqual(['Device', 'DiagnosticReport', 'Provenance']);
      await deliver();
      expect(writes()).toHaveLength(16);
    },
  );

  it('is not asked twice for what it does not claim to take', async () => {
    fake.behave = { kind: 'no-transactions', status: 400 };
    const { url } = fake;
    const who = { name: 'ehr', kind: 'fhir', url, fhirVersion: 'R4', timeoutSeconds: 10 } as const;
    const destination = makeDestination({ ...who, patientSystem: 'urn:oid:1.2.3.4' });
    await destination.deliver(sample, AbortSignal.timeout(30_000));
    await destination.deliver(deliverContent({ key: 'd'.repeat(64) }), AbortSignal.timeout(30_000));
    expect(writes().filter((w) => w === 'POST /')).toHaveLength(1);
    expect(counts()).toMatchObject({ DiagnosticReport: 2, Provenance: 2, Device: 1 });
  });

  it('looks again, too, where a conditional create finds one that the search did not', async () => {
    fake.behave = { kind: 'no-transactions', status: 400 };
    const { url } = fake;
    const who = { name: 'ehr', kind: 'fhir', url, fhirVersion: 'R4', timeoutSeconds: 10 } as const;
    const destination = makeDestination({ ...who, patientSystem: 'urn:oid:1.2.3.4' });
    await destination.deliver(older, AbortSignal.timeout(30_000));
    fake.behave = { kind: 'stale-search' };
    await destination.deliver(sample, AbortSignal.timeout(30_000));
    expect(counts()).toEqual(whole);
    expect(stored('DiagnosticReport')[0]).toMatchObject({ issued: '2026-03-04T05:06:07.000Z' });
  });

  it.each([400, 422])('is not meant where a transaction is refused with %i for what is in it', async (status) => {
    fake.behave = { kind: 'status', status, on: 'write', words: 'Observation.value is not in the value set' };
    await expect(deliver()).rejects.toMatchObject({ code: 'peer-refused', class: 'reject' });
    expect(writes()).toEqual(['POST /']);
  });
});

describe('an answer of a FHIR server', () => {
  it.each([
    [400, 'peer-refused'],
    [401, 'peer-unauthorized'],
    [403, 'peer-unauthorized'],
    [408, 'peer-busy'],
    [410, 'superseded'],
    [415, 'peer-refused'],
    [422, 'peer-refused'],
    [429, 'peer-busy'],
    [500, 'peer-busy'],
    [503, 'peer-busy'],
    [302, 'peer-answer-invalid'],
  ] as const)('%i is %s', async (status, code) => {
    fake.behave = { kind: 'status', status, on: 'write', retryAfter: '7' };
    await expect(deliver()).rejects.toMatchObject({ code, status, retryAfterMs: 7000 });
    expect(counts()).toMatchObject({ Device: 0, DiagnosticReport: 0 });
  });

  it('is quoted shortly and without the patient', async () => {
    const words = `Patient PID-77 refused: ${'very '.repeat(400)}long`;
    fake.behave = { kind: 'status', status: 422, on: 'write', words };
    const error = (await deliver().catch((e: unknown) => e)) as Error;
    expect(error.message).toMatch(/^ehr answered 422: Patient … refused: very/);
    expect(error.message.length).toBeLessThan(600);
  });

  it('that is a login page is no FHIR', async () => {
    fake.behave = { kind: 'html' };
    await expect(deliver()).rejects.toMatchObject({
      code: 'peer-answer-invalid',
      message: 'ehr answered 200 without FHIR JSON: Please sign in',
    });
  });

  it('that does not come is waited for no longer than configured', async () => {
    fake.behave = { kind: 'silence' };
    await expect(deliver(sample, { timeout: 0.2 })).rejects.toMatchObject({
      code: 'peer-unreachable',
      message: 'ehr does not answer: nothing in 0.2 s',
    });
  });
});

describe('what a FHIR server holds', () => {
  it.each([
    ['Observation', 'note'],
    ['DiagnosticReport', 'presentedForm'],
    ['ImagingStudy', 'series'],
    ['Provenance', 'target'],
  ])('without a field that was sent, %s.%s, holds the delivery', async (type, field) => {
    fake.behave = { kind: 'drop-field', type, field };
    await expect(deliver()).rejects.toMatchObject({
      code: 'read-back-differs',
      message: `ehr did not keep of ${type}: ${field}`,
    });
  });

  it('twice under one identifier holds the delivery', async () => {
    await deliver();
    fake.put({ ...stored('Observation')[0], resourceType: 'Observation', id: 'twin' });
    await expect(deliver()).rejects.toMatchObject({
      code: 'read-back-differs',
      message: 'ehr holds 2 Observation of one identifier',
    });
  });

  it.each([
    ['DiagnosticReport', { status: 'final' }],
    ['DiagnosticReport', { status: 'amended' }],
    ['DiagnosticReport', { status: 'cancelled' }],
    ['Observation', { status: 'corrected' }],
    ['DocumentReference', { docStatus: 'final' }],
    ['DocumentReference', { status: 'entered-in-error' }],
  ])('as a person left it is never written over: %s %j', async (type, state) => {
    await deliver(older);
    const [resource] = stored(type);
    fake.put({ ...resource, ...state, resourceType: type, id: String(resource!['id']) });
    await expect(deliver()).rejects.toMatchObject({ code: 'superseded' });
    expect(writes()).toHaveLength(1);
  });

  it('of the archive, an ImagingStudy, is left as it is', async () => {
    await deliver();
    const [study] = stored('ImagingStudy');
    const theirs = { ...study, series: [], description: 'as the archive says', resourceType: 'ImagingStudy' };
    fake.put({ ...theirs, id: String(study!['id']) });
    await deliver();
    expect(stored('ImagingStudy')[0]).toMatchObject({ description: 'as the archive says', meta: { versionId: '2' } });
  });

  it.each(['ImagingStudy', 'DiagnosticReport'])('under another patient holds the delivery: %s', async (type) => {
    await deliver(older);
    const [resource] = stored(type);
    fake.put({ ...resource, subject: { reference: 'Patient/other' }, resourceType: type, id: String(resource!['id']) });
    await expect(deliver()).rejects.toMatchObject({ code: 'patient-unknown' });
    expect(writes()).toHaveLength(1);
  });
});

describe('the patient at a FHIR server', () => {
  const held = { code: 'patient-unknown', class: 'hold' };

  it('who is not there, or there twice, holds the delivery', async () => {
    fake.put({ ...samplePatient, id: 'p2' });
    await expect(deliver()).rejects.toMatchObject({
      ...held,
      message: expect.stringContaining('2 patients') as string,
    });
    fake.remove('Patient/p1');
    fake.remove('Patient/p2');
    await expect(deliver()).rejects.toMatchObject({
      ...held,
      message: expect.stringContaining('no patient') as string,
    });
    expect(writes()).toEqual([]);
  });

  it.each([{ active: false }, { link: [{ other: { reference: 'Patient/p9' }, type: 'replaced-by' }] }])(
    'who is no longer in use holds the delivery: %j',
    async (state) => {
      fake.put({ ...samplePatient, id: 'p1', ...state });
      await expect(deliver()).rejects.toMatchObject(held);
    },
  );

  it('of the same number at another issuer is another patient', async () => {
    fake.put({ resourceType: 'Patient', id: 'p1', identifier: [{ system: 'urn:oid:9.9', value: 'PID-77' }] });
    await expect(deliver()).rejects.toMatchObject(held);
  });

  it('is not taken from a server that answers any search with everybody', async () => {
    fake.put({ resourceType: 'Patient', id: 'p1', identifier: [{ system: 'urn:oid:1.2.3.4', value: 'SOMEBODY' }] });
    fake.behave = { kind: 'ignores-parameters' };
    await expect(deliver()).rejects.toMatchObject(held);
  });

  it('is not searched for where the study has no patient identifier', async () => {
    const nobody = withText((t) => t.replace(/"identifier":\{[^}]*"value":"PID-77"\},?/g, ''));
    await expect(deliver({ ...nobody, patientId: '' })).rejects.toMatchObject(held);
    expect(fake.requests).toEqual([]);
  });

  it('whose number holds a comma is searched for as one, not as two', async () => {
    await expect(deliver(withText((t) => t.replaceAll('PID-77', 'PID,77')))).rejects.toMatchObject(held);
    expect(new URLSearchParams(fake.requests[0]!.split('?')[1]).get('identifier')).toBe('urn:oid:1.2.3.4|PID\\,77');
  });
});
