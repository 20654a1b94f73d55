import { afterEach, beforeEach, expect, it } from 'vitest';
import { listAudit, openAuditLog, type AuditLog } from '../../../src/audit/index.ts';
import { PlumblineError, silentLog } from '../../../src/base/index.ts';
import { auditedDestination } from '../../../src/delivery/audited.ts';
import type { DeliverContent, Destination } from '../../../src/delivery/index.ts';
import { testClock, testStore, type TestStore } from '../../builders/store.ts';

let t: TestStore;
let audit: AuditLog;
beforeEach(async () => {
  t = await testStore();
  audit = openAuditLog({ db: t.db, clock: testClock(), log: silentLog, batchMs: 3_600_000 });
});
afterEach(async () => {
  await audit.stop();
  await t.remove();
});

const content = {
  workitem: 'w',
  studyUid: '1.2',
  patientId: 'P-1',
  issuer: 'HOSP',
  objects: [{}, {}],
} as unknown as DeliverContent;
const { signal } = new AbortController();

function destination(kind: Destination['kind'], deliver: Destination['deliver']): Destination {
  return auditedDestination({ name: 'there', kind, deliver, check: () => Promise.resolve('') }, audit, silentLog);
}

/** What is on disk when the delivery comes back. */
async function told(one: Destination): Promise<unknown> {
  await one.deliver(content, signal).catch(() => undefined); // the failure itself is told
  return (await listAudit(t.db, { limit: 10 })).map((r) => r.event);
}

const about = { door: 'delivery', who: 'there', study: '1.2', patient: { id: 'P-1', issuer: 'HOSP' } };

it.each([
  ['dicomweb', { kind: 'transferred', action: 'C', count: 2 }],
  ['dimse', { kind: 'transferred', action: 'C', count: 2 }],
  ['fhir', { kind: 'export', action: 'R' }],
  ['hl7', { kind: 'export', action: 'R' }],
] as const)('what a peer of kind %s took is told before the delivery counts as done', async (kind, expected) => {
  expect(await told(destination(kind, async () => {}))).toMatchObject([{ ...about, ...expected, outcome: 0 }]);
});

it('what the peer had already is a read (PS3.15 A.5.3.7)', async () => {
  const had = { code: 'peer-had-it', message: '', about: [] };
  expect(await told(destination('dimse', async () => [had]))).toMatchObject([{ ...about, action: 'R', outcome: 0 }]);
});

it.each([
  ['peer-busy', 4],
  ['peer-refused', 8],
] as const)('a try that failed with %s is told too: outcome %i', async (code, outcome) => {
  const one = destination('fhir', () => Promise.reject(new PlumblineError(code, 'no')));
  await expect(one.deliver(content, signal)).rejects.toMatchObject({ code });
  expect(await told(one)).toMatchObject([{ ...about, outcome, detail: code }, { detail: code }]);
});
