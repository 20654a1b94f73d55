import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditToFhir, eventKinds, type AuditEvent, type EventKind } from '../../../src/audit/index.ts';
import { startHapi, type Hapi } from '../../peers/hapi.ts';
import { missing } from '../../peers/index.ts';

const site = { organization: 'Hospital', installationId: 'plumbline-1' };
const row = (event: AuditEvent) => ({ number: 7, at: '2026-01-01T00:00:00.000Z', event, digest: 'ab'.repeat(32) });
const stored: AuditEvent = {
  kind: 'transferred', action: 'C', outcome: 0, door: 'stow', who: 'ct-1', from: '10.0.0.1', study: '1.2.3', count: 4,
  patient: { id: 'P-1', issuer: 'HOSPITAL' },
}; // prettier-ignore
const sent: AuditEvent = { ...stored, door: 'delivery', who: 'pacs', from: 'pacs', action: 'R' };
const searched: AuditEvent = {
  kind: 'query', action: 'E', outcome: 0, door: 'dicomweb', who: 'dr-meier', from: '::1', query: '/dicom-web/studies?PatientName=Mü*',
}; // prettier-ignore
const failed: AuditEvent = {
  kind: 'login', action: 'E', outcome: 4, door: 'http', who: 'unknown', from: '10.0.0.9', detail: 'the token has expired',
}; // prettier-ignore

interface Told {
  readonly type: { readonly code: string; readonly display: string };
  readonly agent: readonly {
    readonly requestor: boolean;
    readonly type: { readonly coding: readonly { readonly code: string }[] };
  }[];
  readonly entity: readonly { readonly query?: string }[];
}
const told = (event: AuditEvent): Told => auditToFhir(row(event), site) as unknown as Told;

describe('an audit event as FHIR AuditEvent', () => {
  it.each([
    ['activity', '110100'], ['log-used', '110101'], ['accessed', '110103'], ['transferred', '110104'], ['deleted', '110105'],
    ['export', '110106'], ['order', '110109'], ['patient', '110110'], ['procedure', '110111'], ['query', '110112'],
    ['alert', '110113'], ['login', '110114'],
  ] as const)('has the code of PS3.16 CID 400 for %s: %s', (kind, code) => {
    expect(told({ ...stored, kind }).type.code).toBe(code);
  }); // prettier-ignore

  it('says who gave and who received (PS3.15 A.5.3.7), and who asked for it', () => {
    const roles = (event: AuditEvent) => told(event).agent.map((a) => [a.type.coding[0]!.code, a.requestor]);
    const [source, destination] = ['110153', '110152'];
    expect(roles(stored)).toEqual([[source, true], [destination, false]]);
    expect(roles(sent)).toEqual([[destination, false], [source, true]]);
    expect(roles({ ...stored, door: 'dicomweb', action: 'R' })).toEqual([[destination, true], [source, false]]);
  }); // prettier-ignore

  it('holds the words of a search as they were asked, in base64', () => {
    const query = told(searched).entity.find((e) => e.query !== undefined)!.query!;
    expect(Buffer.from(query, 'base64').toString('utf8')).toBe(searched.query);
  });
});

describe.skipIf(missing('java', 'hapi'))('HAPI’s validator', () => {
  let hapi: Hapi;
  beforeAll(() => void (hapi = startHapi()));
  afterAll(() => hapi.stop());

  it('finds no error in any kind of AuditEvent (R4)', async () => {
    const kinds = Object.keys(eventKinds) as EventKind[];
    const events = [sent, searched, failed, ...kinds.map((kind) => ({ ...stored, kind }))];
    for (const event of events) {
      const { errors } = await hapi.validate('r4', auditToFhir(row(event), site));
      expect(errors, event.kind).toEqual([]);
    }
  }, 120_000);
});
