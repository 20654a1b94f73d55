import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withPatient } from '../../../src/fhir/index.ts';
import { encodeAll, sampleInput, type InputOptions } from '../../builders/encodings.ts';
import { startFakeFhir, startMedplum, type MedplumServer } from '../../peers/fhir-server.ts';

const types = [
  'Device',
  'Endpoint',
  'ImagingStudy',
  'DocumentReference',
  'Observation',
  'DiagnosticReport',
  'Provenance',
];

describe('a FHIR server that others wrote', () => {
  let server: MedplumServer;
  beforeAll(async () => void (server = await startMedplum()));
  afterAll(() => server.stop());

  async function send(options: InputOptions, patient: string) {
    const bundle = withPatient(encodeAll(sampleInput(options)).fhirR4, patient);
    const answer = await fetch(server.url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/fhir+json' },
      body: JSON.stringify(bundle),
    });
    return { status: answer.status, body: (await answer.json()) as { entry?: { response: { status: string } }[] } };
  }
  const counts = async () =>
    Object.fromEntries(await Promise.all(types.map(async (t) => [t, (await server.all(t)).length])));

  it('stores the whole transaction, and a second delivery makes nothing twice', async () => {
    const patient = await server.create({ resourceType: 'Patient', name: [{ family: 'Sample' }] });
    const first = await send({}, `Patient/${patient.id}`);
    expect(first.status).toBe(200);
    expect(first.body.entry!.map((e) => e.response.status.slice(0, 3))).toEqual(first.body.entry!.map(() => '201'));
    const once = await counts();
    expect(once).toEqual({
      Device: 1,
      Endpoint: 1,
      ImagingStudy: 1,
      DocumentReference: 4,
      Observation: 6,
      DiagnosticReport: 1,
      Provenance: 1,
    });
    const again = await send({}, `Patient/${patient.id}`);
    expect(again.body.entry!.map((e) => e.response.status.slice(0, 3))).toEqual(again.body.entry!.map(() => '200'));
    expect(await counts()).toEqual(once);
  });

  it('has every reference rewritten to a stored resource', async () => {
    const stored = new Set<string>();
    for (const t of [...types, 'Patient']) for (const r of await server.all(t)) stored.add(`${t}/${String(r['id'])}`);
    const references: string[] = [];
    for (const t of types)
      for (const [, ref] of JSON.stringify(await server.all(t)).matchAll(/"reference":"([^"]*)"/g))
        references.push(ref!);
    expect(references.length).toBeGreaterThan(20);
    expect(references.filter((r) => !stored.has(r))).toEqual([]);
  });

  it('takes the result of another workitem beside the first, with one study and one model', async () => {
    const [patient] = await server.all('Patient');
    await send({ key: 'e'.repeat(64) }, `Patient/${String(patient!['id'])}`);
    expect(await counts()).toMatchObject({
      Device: 1,
      ImagingStudy: 1,
      DiagnosticReport: 2,
      Observation: 12,
      Provenance: 2,
    });
  });

  it('refuses a resource with an unknown field, so that its silence means something', async () => {
    const answer = await fetch(`${server.url}/Observation`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/fhir+json' },
      body: JSON.stringify({ resourceType: 'Observation', status: 'final', code: { text: 'x' }, maskUrl: 'y' }),
    });
    expect(answer.status).toBe(400);
  });
});

describe('the misbehaving FHIR server', () => {
  it('does what it is told: a status, a login page, a dropped field, a cut connection', async () => {
    const fake = await startFakeFhir();
    const bundle = encodeAll(sampleInput()).fhirR4;
    const post = () =>
      fetch(fake.url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/fhir+json' },
        body: JSON.stringify(bundle),
      });
    fake.behave = { kind: 'status', status: 429, retryAfter: '3', times: 1 };
    const busy = await post();
    expect([busy.status, busy.headers.get('Retry-After')]).toEqual([429, '3']);
    fake.behave = { kind: 'html' };
    expect((await post()).headers.get('Content-Type')).toMatch(/html/);
    fake.behave = { kind: 'cut', when: 'before' };
    await expect(post()).rejects.toThrow();
    expect(fake.stored.size).toBe(0);
    fake.behave = { kind: 'cut', when: 'after', times: 1 };
    await expect(post()).rejects.toThrow();
    const stored = fake.stored.size;
    expect(stored).toBe(bundle.entry!.length);
    expect((await post()).status).toBe(200);
    expect(fake.stored.size).toBe(stored);
    await fake.stop();
  });

  it('forgets a field without a word', async () => {
    const fake = await startFakeFhir();
    fake.behave = { kind: 'drop-field', type: 'DiagnosticReport', field: 'presentedForm' };
    const bundle = encodeAll(sampleInput()).fhirR4;
    await fetch(fake.url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/fhir+json' },
      body: JSON.stringify(bundle),
    });
    const report = [...fake.stored.values()].find((r) => r['resourceType'] === 'DiagnosticReport')!;
    expect(report['presentedForm']).toBeUndefined();
    expect(report['status']).toBe('preliminary');
    await fake.stop();
  });
});
