import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listAudit, recordAudit, verifyAudit, type AuditEvent } from '../../../src/audit/index.ts';
import { PlumblineError } from '../../../src/base/index.ts';
import { testStore, type TestStore } from '../../builders/store.ts';

let t: TestStore;
beforeEach(async () => void (t = await testStore()));
afterEach(() => t.remove());

const read = (study: string): AuditEvent => ({
  kind: 'accessed', action: 'R', outcome: 0, door: 'pages', who: 'dr-meier', from: '10.0.0.1', study,
}); // prettier-ignore
const record = (at: number, ...studies: string[]): Promise<void> =>
  t.db.transaction((tx) => recordAudit(tx, at, studies.map(read)));

async function where(work: Promise<unknown>): Promise<string> {
  const e = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (e instanceof PlumblineError && e.code === 'audit-damaged') return e.where!;
  throw new Error('it holds');
}

describe('audit events', () => {
  it('are listed as they were recorded, oldest first, by time, study and page', async () => {
    await record(1000, '1.1', '1.2');
    await record(2000, '1.1');
    const all = await listAudit(t.db, { limit: 10 });
    expect(all.map((r) => [r.number, r.at, r.event.study])).toEqual([
      [1, '1970-01-01T00:00:01.000Z', '1.1'],
      [2, '1970-01-01T00:00:01.000Z', '1.2'],
      [3, '1970-01-01T00:00:02.000Z', '1.1'],
    ]);
    expect(all[0]!.event).toEqual(read('1.1'));
    const numbers = async (filter: object): Promise<number[]> =>
      (await listAudit(t.db, { limit: 10, ...filter })).map((r) => r.number);
    expect(await numbers({ study: '1.1' })).toEqual([1, 3]);
    expect(await numbers({ since: 1500 })).toEqual([3]);
    expect(await numbers({ after: 1, limit: 1 })).toEqual([2]);
  });

  it('are there only if the transaction is', async () => {
    const failed = t.db.transaction(async (tx) => {
      await recordAudit(tx, 1, [read('1.1')]);
      throw new Error('something later');
    });
    await expect(failed).rejects.toThrow('something later');
    expect(await listAudit(t.db, { limit: 10 })).toEqual([]);
    await record(2, '1.2');
    expect(await verifyAudit(t.db)).toMatchObject({ number: 1 });
  });

  it('cost one statement each and one a batch', async () => {
    const before = t.db.counters.statements;
    await record(1, ...Array<string>(50).fill('1.1'));
    expect(t.db.counters.statements - before).toBe(51);
  });
});

describe('the chain of audit events', () => {
  beforeEach(async () => {
    for (let n = 1; n <= 5; n++) await record(n, `1.${n}`);
  });

  it('holds as long as nobody touched it, and is the same for whoever looks', async () => {
    const head = await verifyAudit(t.db);
    expect(head).toMatchObject({ number: 5 });
    expect(await verifyAudit(t.db, [head])).toEqual(head);
  });

  it.each([
    ['an event', `UPDATE audit_events SET event = replace(event, 'dr-meier', 'dr-beier') WHERE number = 3`],
    ['a time', 'UPDATE audit_events SET at = 9 WHERE number = 3'],
    ['the study that it is found by', `UPDATE audit_events SET study_uid = '1.9' WHERE number = 3`],
    ['a row that was removed', 'DELETE FROM audit_events WHERE number = 3'],
    [
      'two rows that were swapped',
      'UPDATE audit_events SET number = CASE number WHEN 3 THEN -4 ELSE -3 END WHERE number IN (3, 4)',
    ],
  ])('shows %s that was changed afterwards', async (_what, sql) => {
    await t.db.run(sql);
    await t.db.run('UPDATE audit_events SET number = -number WHERE number < 0');
    expect(await where(verifyAudit(t.db))).toBe('3');
  });

  it('shows rows cut off its end, and a chain that was made anew, against a head that was kept', async () => {
    const head = await verifyAudit(t.db);
    await t.db.run('DELETE FROM audit_events WHERE number > 3');
    expect(await verifyAudit(t.db)).toMatchObject({ number: 3 });
    expect(await where(verifyAudit(t.db, [head]))).toBe('5');
    await record(9, '1.8', '1.9');
    expect(await where(verifyAudit(t.db, [head]))).toBe('5');
  });
});
