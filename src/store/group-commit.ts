import { AsyncResource } from 'node:async_hooks';

/** What a shared commit needs of the connection; each call may throw. */
export interface Connection {
  /** BEGIN IMMEDIATE, however long the lock of another process is waited for. */
  begin(): Promise<void>;
  exec(text: string): void;
  /** False too after SQLite has rolled back by itself (sqlite.org/lang_transaction.html §2.3). */
  isTransaction(): boolean;
  /** Resolves when everything committed so far is on the disk. */
  durable(): Promise<void>;
}

export interface CommitCounters {
  /** Units of work that were kept. */
  transactions: number;
  /** Commits, shared by the units that waited at the same moment. */
  commits: number;
}

/** Runs units of work one after the other, in the order of asking. */
export interface GroupCommit {
  /** Resolves when the work is committed; rejects with the work's own error, or with that of the commit it shared. */
  <T>(work: () => Promise<T>): Promise<T>;
  /** Resolves when everything asked for so far has ended. */
  idle(): Promise<void>;
}

/** Units that share one commit at most: what the first of them may have to wait for. */
export const mostShared = 128;

interface Member {
  /** Does the work; @returns what tells its asker so, once it is kept. */
  readonly run: () => Promise<() => void>;
  readonly fail: (error: unknown) => void;
}

/**
 * Group commit: units of work that wait at the same moment share one BEGIN and one COMMIT, and so one flush of the disk.
 * While the disk takes it the next group is at work already.
 *
 * Each keeps its own atomicity by a SAVEPOINT: one that throws is rolled back alone and its asker sees its error. No
 * asker hears of success before the COMMIT is on the disk; where that fails, all of the group fail. A group begins when
 * the events that have already happened are handled (`setImmediate`), never by a timer: who is alone waits for nobody.
 */
export function createGroupCommit(db: Connection, counters: CommitCounters): GroupCommit {
  const waiting: Member[] = [];
  let running: Promise<void> | undefined;
  /** Flushes end in the order in which they were asked for. */
  let flushed: Promise<void> | undefined;

  const drain = async (): Promise<void> => {
    while (waiting.length > 0) {
      await nextTurn();
      const kept = await commitTogether(db, counters, waiting);
      if (kept.length > 0) flushed = tellWhenDurable(db, counters, kept);
    }
    running = undefined;
  };
  const ask = <T>(work: () => Promise<T>): Promise<T> =>
    new Promise<T>((done, fail) => {
      // The work runs in the group's turn but in its asker's context (AsyncLocalStorage).
      const mine = AsyncResource.bind(work);
      waiting.push({ run: () => mine().then((result) => () => done(result)), fail });
      running ??= drain();
    });
  const idle = async (): Promise<void> => {
    await running;
    await flushed;
  };
  return Object.assign(ask, { idle });
}

/** A member whose work is in a transaction that was committed. */
interface Kept {
  readonly tell: () => void;
  readonly fail: (error: unknown) => void;
}

/** Resolves when all of them know. */
async function tellWhenDurable(db: Connection, counters: CommitCounters, kept: readonly Kept[]): Promise<void> {
  try {
    await db.durable();
  } catch (e) {
    for (const { fail } of kept) fail(e);
    return;
  }
  counters.transactions += kept.length;
  for (const { tell } of kept) tell();
}

/** Run the group in one transaction. Members not begun when the transaction broke go back to `waiting`. */
async function commitTogether(db: Connection, counters: CommitCounters, waiting: Member[]): Promise<readonly Kept[]> {
  let group: Member[] = [];
  const kept: Kept[] = [];
  let begun = 0;
  try {
    if (db.isTransaction()) db.exec('ROLLBACK');
    await db.begin();
    group = waiting.splice(0, mostShared);
    for (const member of group) {
      begun++;
      const tell = await runAlone(db, member, group.length > 1);
      if (tell) kept.push({ tell, fail: member.fail });
    }
    db.exec(kept.length > 0 ? 'COMMIT' : 'ROLLBACK');
  } catch (e) {
    rollBack(db);
    waiting.unshift(...group.slice(begun));
    // Without BEGIN nobody has begun, and whoever waits would only wait for the same lock again.
    for (const { fail } of begun === 0 ? waiting.splice(0) : group.slice(0, begun)) fail(e);
    return [];
  }
  if (kept.length > 0) counters.commits++;
  return kept;
}

/**
 * One member's work. Where it throws, its asker hears of it and it alone is undone.
 * @returns what tells its asker of success; undefined where it was undone
 * @throws where the whole transaction is lost with it: SQLite may have rolled back by itself (disk full)
 */
async function runAlone(db: Connection, { run, fail }: Member, shared: boolean): Promise<(() => void) | undefined> {
  if (shared) db.exec('SAVEPOINT member');
  try {
    const tell = await run();
    if (shared) db.exec('RELEASE member');
    return tell;
  } catch (e) {
    fail(e);
    if (!db.isTransaction()) throw e;
    if (shared) db.exec('ROLLBACK TO member; RELEASE member');
    return undefined;
  }
}

/** Where not even this works the first error is shown, and the next group tries again before it begins. */
function rollBack(db: Connection): void {
  try {
    if (db.isTransaction()) db.exec('ROLLBACK');
  } catch {
    // `isTransaction` still says so.
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
