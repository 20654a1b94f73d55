import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listAudit, openAuditLog, type AuditEvent, type AuditLog } from '../../../src/audit/index.ts';
import { PlumblineError, silentLog } from '../../../src/base/index.ts';
import type { Database } from '../../../src/store/index.ts';
import { testClock, testStore, type TestStore } from '../../builders/store.ts';

let t: TestStore;
let audit: AuditLog;
let broken: boolean;
beforeEach(async () => {
  t = await testStore();
  broken = false;
  const db: Database = {
    ...t.db,
    transaction: (work) =>
      broken ? Promise.reject(new PlumblineError('store-locked', 'held by a test')) : t.db.transaction(work),
  };
  audit = openAuditLog({ db, clock: testClock(), log: silentLog, batchMs: 3_600_000, most: 3 });
});
afterEach(async () => {
  broken = false;
  await audit.stop();
  await t.remove();
});

const read = (study: string, who = 'dr-meier'): AuditEvent => ({
  kind: 'transferred', action: 'R', outcome: 0, door: 'dicomweb', who, from: '10.0.0.1', study,
}); // prettier-ignore
const kept = async (): Promise<(readonly [string, string | undefined, number | undefined])[]> =>
  (await listAudit(t.db, { limit: 100 })).map(({ event }) => [event.who, event.study, event.count] as const);

describe('reads', () => {
  it('of a second that are alike become one event with their count, in one transaction', async () => {
    const before = t.db.counters.transactions;
    for (let n = 0; n < 500; n++) audit.note(read('1.1'));
    audit.note(read('1.2'));
    audit.note(read('1.1', 'dr-else'));
    await audit.flush();
    expect(await kept()).toEqual([
      ['dr-meier', '1.1', 500],
      ['dr-meier', '1.2', undefined],
      ['dr-else', '1.1', undefined],
    ]);
    expect(t.db.counters.transactions - before).toBe(1);
  });

  it('are written when the program stops', async () => {
    audit.note(read('1.1'));
    await audit.stop();
    expect(await kept()).toHaveLength(1);
  });

  it('wait while the store takes nothing, are counted on, and then all are there', async () => {
    broken = true;
    audit.note(read('1.1'));
    await expect(audit.flush()).rejects.toThrow('held by a test');
    audit.note(read('1.1'));
    audit.note(read('1.2'));
    expect(audit.behind).toBeUndefined();
    audit.note(read('1.3'));
    expect(audit.behind).toContain('3 audit events wait');
    broken = false;
    await audit.flush();
    expect(audit.behind).toBeUndefined();
    expect(await kept()).toEqual([
      ['dr-meier', '1.1', 2],
      ['dr-meier', '1.2', undefined],
      ['dr-meier', '1.3', undefined],
    ]);
  });
});
