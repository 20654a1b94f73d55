import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createGroupCommit,
  mostShared,
  type CommitCounters,
  type Connection,
} from '../../../src/store/group-commit.ts';
import { openDatabase, type SqliteDatabase } from '../../../src/store/index.ts';

let dir: string;
let db: SqliteDatabase;
const put = (id: string, instances = 1): [string, string, number] => [
  'INSERT INTO expected_counts (study_uid, instances) VALUES (?, ?)',
  id,
  instances,
];
const kept = async (): Promise<string[]> =>
  (await db.all<{ study_uid: string }>('SELECT study_uid FROM expected_counts ORDER BY instances')).map(
    (r) => r.study_uid,
  );
const numbers = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'plumbline-group-'));
  db = await openDatabase(join(dir, 'plumbline.db'), { busyMs: 50 });
});
afterEach(async () => {
  await db.close();
  rmSync(dir, { recursive: true, force: true });
});

describe('transactions that wait at the same moment', () => {
  it('share one commit', async () => {
    await Promise.all(numbers(100).map((i) => db.transaction((tx) => tx.run(...put(`1.${i}`, i)))));
    expect(db.counters).toMatchObject({ transactions: 100, commits: 1 });
    expect(await kept()).toEqual(numbers(100).map((i) => `1.${i}`));
  });

  it('share it in the order of asking, and not with more than a bounded number', async () => {
    const order: number[] = [];
    const answered: number[] = [];
    const all = numbers(mostShared * 2 + 1).map((i) =>
      db
        .transaction(async (tx) => {
          order.push(i);
          await tx.run(...put(`1.${i}`, i));
        })
        .then(() => answered.push(i)),
    );
    await Promise.all(all);
    expect(order).toEqual(numbers(mostShared * 2 + 1));
    expect(answered).toEqual(order);
    expect(db.counters.commits).toBe(3);
  });

  it('do not wait for company: one alone commits at the next turn of the event loop', async () => {
    const done = db.run(...put('1.2'));
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(db.counters).toMatchObject({ commits: 1 });
    await done;
    expect(db.counters).toMatchObject({ transactions: 1, commits: 1, logSyncs: 1 });
  });

  it('hear of success only after the commit: until then nobody outside sees a row', async () => {
    const half = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    let told = false;
    const first = db.run(...put('1.1')).then(() => (told = true));
    const second = db.transaction(async (tx) => {
      half.resolve();
      await go.promise;
      await tx.run(...put('1.2', 2));
    });
    await half.promise;
    expect([told, await kept()]).toEqual([false, []]);
    go.resolve();
    await Promise.all([first, second]);
    expect([told, await kept()]).toEqual([true, ['1.1', '1.2']]);
  });

  it('run each in the context of its asker', async () => {
    const name = new AsyncLocalStorage<string>();
    const ask = (n: string): Promise<string | undefined> =>
      name.run(n, () => db.transaction(async () => name.getStore()));
    expect(await Promise.all([ask('a'), ask('b'), db.transaction(async () => name.getStore())])).toEqual([
      'a',
      'b',
      undefined,
    ]);
  });
});

describe('a transaction that fails beside others', () => {
  it('is undone alone and told its own error; the others are kept', async () => {
    const results = await Promise.allSettled([
      db.run(...put('1.1', 1)),
      db.transaction(async (tx) => {
        await tx.run(...put('1.2', 2));
        throw new Error('mine');
      }),
      db.run(...put('1.3', 3)),
      db.run(...put('1.1', 4)),
    ]);
    expect(results.map((r) => r.status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected']);
    expect((results[1] as PromiseRejectedResult).reason).toMatchObject({ message: 'mine' });
    expect((results[3] as PromiseRejectedResult).reason).toMatchObject({ code: 'internal' });
    expect(await kept()).toEqual(['1.1', '1.3']);
    expect(db.counters).toMatchObject({ transactions: 2, commits: 1 });
  });

  it('is seen by none that run after it in the same commit', async () => {
    const failing = db.transaction(async (tx) => {
      await tx.run(...put('1.2'));
      throw new Error('no');
    });
    const after = db.transaction((tx) => tx.all('SELECT study_uid FROM expected_counts'));
    await expect(failing).rejects.toThrow('no');
    expect(await after).toEqual([]);
    expect(db.counters).toMatchObject({ transactions: 1, commits: 1 });
  });
});

describe('a commit that fails', () => {
  /** A connection that records what it is asked and fails where told. */
  function recording(failAt: (text: string) => boolean, selfRollback = false) {
    const asked: string[] = [];
    let open = false;
    const connection: Connection = {
      isTransaction: () => open,
      durable: async () => undefined,
      begin: async () => connection.exec('BEGIN IMMEDIATE'),
      exec: (text) => {
        asked.push(text);
        if (failAt(text)) {
          if (selfRollback) open = false;
          throw new Error(`${text} failed`);
        }
        if (text.startsWith('BEGIN')) open = true;
        if (text === 'COMMIT' || text === 'ROLLBACK') open = false;
      },
    };
    const counters: CommitCounters = { transactions: 0, commits: 0 };
    return { asked, counters, inGroup: createGroupCommit(connection, counters), lose: () => (open = false) };
  }
  const reasons = (results: PromiseSettledResult<unknown>[]): string[] =>
    results.map((r) => (r.status === 'rejected' ? (r.reason as Error).message : 'kept'));

  it('fails all that share it, and takes the transaction back', async () => {
    let broken = true;
    const { asked, counters, inGroup } = recording((text) => text === 'COMMIT' && broken);
    expect(reasons(await Promise.allSettled([inGroup(async () => 1), inGroup(async () => 2)]))).toEqual([
      'COMMIT failed',
      'COMMIT failed',
    ]);
    expect(asked.at(-1)).toBe('ROLLBACK');
    expect(counters).toEqual({ transactions: 0, commits: 0 });
    broken = false;
    expect(await inGroup(async () => 3)).toBe(3);
  });

  it('fails those before it where SQLite rolled back by itself; who had not begun gets another transaction', async () => {
    const { asked, counters, inGroup, lose } = recording(() => false);
    const results = await Promise.allSettled([
      inGroup(async () => 'before'),
      inGroup(async () => {
        lose();
        throw new Error('disk is full');
      }),
      inGroup(async () => 'after'),
    ]);
    expect(reasons(results)).toEqual(['disk is full', 'disk is full', 'kept']);
    expect(asked.filter((t) => t.startsWith('BEGIN')).length).toBe(2);
    expect(asked).not.toContain('ROLLBACK');
    expect(counters).toEqual({ transactions: 1, commits: 1 });
  });

  it('fails a member that hides that SQLite rolled back', async () => {
    const { inGroup, lose } = recording((text) => text === 'RELEASE member', true);
    const results = await Promise.allSettled([inGroup(async () => lose()), inGroup(async () => 'after')]);
    expect(reasons(results)).toEqual(['RELEASE member failed', 'kept']);
  });

  it('fails all that wait where none could begin', async () => {
    const { asked, inGroup } = recording((text) => text.startsWith('BEGIN'));
    expect(reasons(await Promise.allSettled([inGroup(async () => 1), inGroup(async () => 2)]))).toEqual([
      'BEGIN IMMEDIATE failed',
      'BEGIN IMMEDIATE failed',
    ]);
    expect(asked).toEqual(['BEGIN IMMEDIATE']);
  });

  it('tries a rollback that failed again before the next begins', async () => {
    let failures = 2;
    const { asked, inGroup } = recording((text) => (text === 'COMMIT' || text === 'ROLLBACK') && failures-- > 0);
    await expect(inGroup(async () => 1)).rejects.toThrow('COMMIT failed');
    expect(await inGroup(async () => 2)).toBe(2);
    expect(asked).toEqual(['BEGIN IMMEDIATE', 'COMMIT', 'ROLLBACK', 'ROLLBACK', 'BEGIN IMMEDIATE', 'COMMIT']);
  });
});
