import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createGroupCommit } from '../../../src/store/group-commit.ts';
import { openDatabase } from '../../../src/store/index.ts';
import { createLogSync } from '../../../src/store/log-sync.ts';

let dir: string;
const path = (): string => join(dir, 'plumbline.db');
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'plumbline-log-'));
  writeFileSync(`${path()}-wal`, '');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** A disk whose syncs end when they are told to. */
function slowDisk() {
  const begun: { readonly end: () => void; readonly fail: (e: unknown) => void }[] = [];
  const sync = (): Promise<void> => new Promise((end, fail) => begun.push({ end, fail }));
  return { begun, sync: sync as never };
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the sync of the log', () => {
  it('is shared by those that ask while one runs, and begins after they have asked', async () => {
    const disk = slowDisk();
    const told: string[] = [];
    const log = createLogSync(path(), () => told.push('synced'), disk.sync);
    const ask = (name: string): Promise<unknown> => log.durable().then(() => told.push(name));
    const all = [ask('a'), ask('b'), ask('c')];
    await turn();
    expect(disk.begun).toHaveLength(1);
    disk.begun[0]!.end();
    await turn();
    expect(disk.begun).toHaveLength(2);
    expect(told).toEqual(['synced', 'a']);
    disk.begun[1]!.end();
    await Promise.all(all);
    expect(told).toEqual(['synced', 'a', 'synced', 'b', 'c']);
    log.close();
  });

  it('is what a transaction waits for; the next runs in the meantime', async () => {
    const disk = slowDisk();
    const log = createLogSync(path(), () => undefined, disk.sync);
    const asked: string[] = [];
    const connection = {
      begin: async () => void asked.push('BEGIN IMMEDIATE'),
      exec: (text: string) => asked.push(text),
      isTransaction: () => false,
      durable: log.durable,
    };
    const counters = { transactions: 0, commits: 0 };
    const inGroup = createGroupCommit(connection as never, counters);
    const told: number[] = [];
    const first = inGroup(async () => 1).then((n) => told.push(n));
    await turn();
    await turn();
    const second = inGroup(async () => 2).then((n) => told.push(n));
    await turn();
    await turn();
    expect(asked).toEqual(['BEGIN IMMEDIATE', 'COMMIT', 'BEGIN IMMEDIATE', 'COMMIT']);
    expect(told).toEqual([]);
    disk.begun[0]!.end();
    await first;
    expect(told).toEqual([1]);
    disk.begun[1]!.end();
    await second;
    expect(counters).toEqual({ transactions: 2, commits: 2 });
    log.close();
  });

  it('that the disk refuses fails its transactions and all later ones: what is lost no later sync brings', async () => {
    const disk = slowDisk();
    const log = createLogSync(path(), () => undefined, disk.sync);
    const refused = log.durable();
    disk.begun[0]!.fail(Object.assign(new Error('EIO'), { code: 'EIO' }));
    await expect(refused).rejects.toMatchObject({ code: 'store-damaged' });
    expect(() => log.check()).toThrow(expect.objectContaining({ code: 'store-damaged' }));
    await expect(log.durable()).rejects.toMatchObject({ code: 'store-damaged' });
    expect(disk.begun).toHaveLength(1);
    log.close();
  });

  it('covers what a database wrote: one for commits that waited together', async () => {
    const db = await openDatabase(path());
    await Promise.all(
      ['1.1', '1.2'].map((id) => db.run('INSERT INTO expected_counts (study_uid, instances) VALUES (?, 1)', id)),
    );
    expect(db.counters).toMatchObject({ transactions: 2, commits: 1, logSyncs: 1 });
    await db.close();
  });
});
