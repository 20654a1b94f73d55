import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase, type SqliteDatabase } from '../../../src/store/index.ts';
import { migrationsFolder } from '../../../src/store/migrate.ts';

let dir: string;
let db: SqliteDatabase;
const path = (): string => join(dir, 'plumbline.db');
const put = (id: string): [string, ...string[]] => [
  'INSERT INTO expected_counts (study_uid, instances) VALUES (?, 1)',
  id,
];
const count = async (): Promise<number> =>
  (await db.get<{ n: number }>('SELECT COUNT(*) AS n FROM expected_counts'))!.n;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'plumbline-db-'));
  db = await openDatabase(path(), { busyMs: 50 });
});
afterEach(async () => {
  await db.close();
  rmSync(dir, { recursive: true, force: true });
});

describe('a database', () => {
  it('keeps what a transaction wrote when it is opened again', async () => {
    await db.transaction((tx) => tx.run(...put('1.2')));
    await db.close();
    db = await openDatabase(path());
    expect(await db.all('SELECT study_uid FROM expected_counts')).toEqual([{ study_uid: '1.2' }]);
  });

  it('takes back everything of a transaction that fails, and goes on', async () => {
    const failing = db.transaction(async (tx) => {
      await tx.run(...put('1.2'));
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    await db.run(...put('1.3'));
    expect(await db.all('SELECT study_uid FROM expected_counts')).toEqual([{ study_uid: '1.3' }]);
  });

  it('runs transactions one after the other even where they wait in the middle', async () => {
    const seen: string[] = [];
    const slow = db.transaction(async (tx) => {
      seen.push('slow begins');
      await tx.run(...put('1.2'));
      await new Promise((resolve) => setTimeout(resolve, 20));
      seen.push('slow ends');
    });
    const quick = db.transaction(async () => void seen.push('quick'));
    await Promise.all([slow, quick]);
    expect(seen).toEqual(['slow begins', 'slow ends', 'quick']);
  });

  it('shows a reader outside nothing of a transaction that has not ended', async () => {
    const half = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const writing = db.transaction(async (tx) => {
      await tx.run(...put('1.2'));
      half.resolve();
      await go.promise;
    });
    await half.promise;
    expect(await count()).toBe(0);
    go.resolve();
    await writing;
    expect(await count()).toBe(1);
  });

  it('refuses the outer handle inside a transaction instead of waiting for itself', async () => {
    await expect(db.transaction(() => db.run(...put('1.2')))).rejects.toMatchObject({ code: 'internal' });
    await expect(db.transaction(() => db.get('SELECT 1'))).rejects.toMatchObject({ code: 'internal' });
    expect(await count()).toBe(0);
  });

  it('commits a writing statement that returns rows', async () => {
    await db.run(...put('1.2'));
    const changed = await db.get('UPDATE expected_counts SET instances = 7 RETURNING instances');
    expect(changed).toEqual({ instances: 7 });
    expect(await db.all('SELECT instances FROM expected_counts')).toEqual([{ instances: 7 }]);
  });

  it('says how many rows a statement changed', async () => {
    await db.run(...put('1.2'));
    await db.run(...put('1.3'));
    expect(await db.run('UPDATE expected_counts SET instances = 2')).toBe(2);
    expect(await db.run('DELETE FROM expected_counts WHERE study_uid = ?', 'none')).toBe(0);
  });

  it('writes ahead, and is itself the one that syncs the log at every commit', async () => {
    const pragma = (name: string): Promise<unknown> =>
      db.transaction((tx) => tx.get(`SELECT ${name} AS v FROM pragma_${name}`));
    expect(await pragma('journal_mode')).toEqual({ v: 'wal' });
    // 1 is NORMAL (sqlite.org/pragma.html#pragma_synchronous): SQLite syncs the log at checkpoints only.
    expect(await pragma('synchronous')).toEqual({ v: 1 });
    expect(db.counters).toMatchObject({ commits: 2, logSyncs: 2 });
  });

  it('compares with LIKE as PostgreSQL does', async () => {
    expect(await db.get(`SELECT 'ABC' LIKE 'abc' AS same`)).toEqual({ same: 0 });
  });

  it('is store-locked while another process writes for too long', async () => {
    const other = new DatabaseSync(path());
    other.exec('BEGIN IMMEDIATE');
    await expect(db.run(...put('1.2'))).rejects.toMatchObject({ code: 'store-locked', class: 'retry' });
    other.exec('ROLLBACK');
    other.close();
    await db.run(...put('1.2'));
    expect(await count()).toBe(1);
  });

  it('lets this thread do its other work while it waits for the lock of another process, and writes when it is free', async () => {
    await db.close();
    db = await openDatabase(path(), { busyMs: 30_000 });
    const other = new DatabaseSync(path());
    other.exec('BEGIN IMMEDIATE');
    const order: string[] = [];
    const writes = ['1.2', '1.3'].map((id) => db.run(...put(id)).then(() => order.push('write')));
    await count();
    order.push('read');
    // A timer of this thread ends what a blocked thread would wait for in vain.
    setTimeout(() => {
      order.push('free');
      other.exec('ROLLBACK');
    }, 30);
    await Promise.all(writes);
    other.close();
    expect(order).toEqual(['read', 'free', 'write', 'write']);
  });

  it('refuses all that wait for the lock of another process when the first has waited long enough', async () => {
    const other = new DatabaseSync(path());
    other.exec('BEGIN IMMEDIATE');
    const asked = Array.from({ length: 40 }, (_, i) => db.run(...put(`1.${i}`)));
    let turns = 0;
    const timer = setInterval(() => turns++, 10);
    const ends = await Promise.allSettled(asked);
    clearInterval(timer);
    other.exec('ROLLBACK');
    other.close();
    expect(ends.every((e) => e.status === 'rejected')).toBe(true);
    // 50 ms for all of them together, not for each: 40 times as many turns of a timer of 10 ms would go by.
    expect(turns).toBeLessThan(100);
  });

  it('is store-damaged where the file is no database', async () => {
    const broken = join(dir, 'broken.db');
    writeFileSync(broken, 'this is no database, but long enough to be looked at as if it were one. '.repeat(100));
    await expect(openDatabase(broken)).rejects.toMatchObject({ code: 'store-damaged' });
  });

  it('refuses a database that a newer version has changed', async () => {
    await db.run(`INSERT INTO migrations (number, name, digest) VALUES (9999, '9999-later.sql', 'x')`);
    await expect(openDatabase(path())).rejects.toMatchObject({
      code: 'store-version',
      message: expect.stringContaining('9999-later.sql') as string,
      remedy: expect.stringContaining('newer version') as string,
    });
  });

  it('refuses a database made by an edited migration', async () => {
    await db.run(`UPDATE migrations SET digest = 'x' WHERE number = 1`);
    await expect(openDatabase(path())).rejects.toMatchObject({ code: 'store-version' });
  });

  it('finds its migrations from the compiled output too', () => {
    const out = join(dir, 'dist', 'store');
    const sources = join(dir, 'src', 'store', 'migrations');
    mkdirSync(out, { recursive: true });
    expect(() => migrationsFolder(out)).toThrow(expect.objectContaining({ code: 'config-missing' }));
    mkdirSync(sources, { recursive: true });
    expect(migrationsFolder(out)).toBe(sources);
    mkdirSync(join(out, 'migrations'));
    expect(migrationsFolder(out)).toBe(join(out, 'migrations'));
  });
});
