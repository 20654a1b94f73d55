import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { PlumblineError } from '../base/index.ts';
import { createGroupCommit, type CommitCounters } from './group-commit.ts';
import { createLogSync } from './log-sync.ts';
import { migrate } from './migrate.ts';
import type { Database, Sql, SqlValue } from './types.ts';

/** What was asked of the disk; tests count on it. */
export interface DatabaseCounters extends CommitCounters {
  /** Statements that ran in transactions. */
  statements: number;
  /** Syncs of the log, shared by the commits that waited at the same moment. */
  logSyncs: number;
  /** Statements that ran on the reading side. */
  reads: number;
}

export interface SqliteDatabase extends Database {
  readonly counters: DatabaseCounters;
}

export interface DatabaseOptions {
  /** How long a write waits for another process before it is `store-locked`. Default 5,000. */
  readonly busyMs?: number;
}

/** A writer holds the lock for one transaction, some milliseconds: asked again so often while it is taken. */
const askAgainMs = 10;

/**
 * Open the SQLite file at `path`, make it where it is missing, and bring its tables up to date.
 *
 * Two connections: writes go one transaction at a time through the first, those that wait together in one commit, and
 * are told of it when another thread has synced the log (log-sync.ts); reads outside a transaction use the second and see
 * what is committed, never the half of a transaction that waits for something.
 * @throws PlumblineError store-locked, store-version, store-damaged, disk-full
 */
export async function openDatabase(path: string, { busyMs = 5_000 }: DatabaseOptions = {}): Promise<SqliteDatabase> {
  mkdirSync(dirname(path), { recursive: true });
  const writer = open(path, false, busyMs);
  try {
    migrate(writer, path);
    const reader = open(path, true, busyMs);
    // SQLite would wait inside its call, and this thread with it: `begin` waits instead.
    writer.exec('PRAGMA busy_timeout = 0');
    return connect(writer, reader, path, busyMs);
  } catch (e) {
    writer.close();
    throw sqlError(e, path);
  }
}

function open(path: string, readOnly: boolean, busyMs: number): DatabaseSync {
  try {
    const db = new DatabaseSync(path, { readOnly, timeout: busyMs, enableForeignKeyConstraints: true });
    // LIKE as PostgreSQL has it; whoever wants to ignore case folds both sides.
    db.exec('PRAGMA case_sensitive_like = ON');
    if (!readOnly) db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
    return db;
  } catch (e) {
    throw sqlError(e, path);
  }
}

function connect(writer: DatabaseSync, reader: DatabaseSync, path: string, busyMs: number): SqliteDatabase {
  const counters: DatabaseCounters = { statements: 0, transactions: 0, commits: 0, logSyncs: 0, reads: 0 };
  const log = createLogSync(path, () => counters.logSyncs++);
  const inGroup = createGroupCommit(
    {
      begin: () => (log.check(), begin(writer, path, busyMs)),
      exec: (text) => (log.check(), exec(writer, text, path)),
      isTransaction: () => writer.isTransaction,
      durable: log.durable,
    },
    counters,
  );
  const inside = new AsyncLocalStorage<{ open: boolean }>();
  const tx = sqlOver(writer, path, () => counters.statements++);
  const read = sqlOver(reader, path, () => counters.reads++);

  const outside = (): void => {
    // It would wait for itself, or read past its own changes.
    if (inside.getStore()?.open)
      throw new PlumblineError('internal', 'inside a transaction only its own Sql may be used');
  };
  const transaction = async <T>(work: (sql: Sql) => Promise<T>): Promise<T> => {
    outside();
    const life = { open: true };
    return inGroup(async () => {
      try {
        return await inside.run(life, () => work(tx));
      } finally {
        life.open = false;
      }
    });
  };
  return {
    counters,
    transaction,
    all: async <T>(text: string, ...params: readonly SqlValue[]) =>
      onlyReads(text) ? (outside(), read.all<T>(text, ...params)) : transaction((sql) => sql.all<T>(text, ...params)),
    get: async <T>(text: string, ...params: readonly SqlValue[]) =>
      onlyReads(text) ? (outside(), read.get<T>(text, ...params)) : transaction((sql) => sql.get<T>(text, ...params)),
    run: (text, ...params) => transaction((sql) => sql.run(text, ...params)),
    close: async () => {
      await inGroup.idle();
      log.close();
      reader.close();
      writer.close();
    },
  };
}

/**
 * Take the write lock, asking again while another process has it; meanwhile this thread answers everybody else.
 * @throws PlumblineError store-locked after `busyMs`
 */
async function begin(writer: DatabaseSync, path: string, busyMs: number): Promise<void> {
  for (const until = performance.now() + busyMs; ;) {
    try {
      return exec(writer, 'BEGIN IMMEDIATE', path);
    } catch (e) {
      if (!(e instanceof PlumblineError && e.code === 'store-locked') || performance.now() >= until) throw e;
    }
    await pause(askAgainMs);
  }
}

/** `UPDATE … RETURNING` and its like write, and so are a transaction of their own. */
function onlyReads(text: string): boolean {
  return /^\s*(SELECT|VALUES)\b/i.test(text);
}

function sqlOver(db: DatabaseSync, path: string, count: () => void): Sql {
  const prepare = statementCache(db);
  const guarded = <T>(text: string, use: (s: StatementSync) => T): T => {
    count();
    try {
      return use(prepare(text));
    } catch (e) {
      throw sqlError(e, path);
    }
  };
  return {
    all: async <T>(text: string, ...params: readonly SqlValue[]) => guarded(text, (s) => s.all(...params) as T[]),
    get: async <T>(text: string, ...params: readonly SqlValue[]) =>
      guarded(text, (s) => s.get(...params) as T | undefined),
    run: async (text, ...params) => guarded(text, (s) => Number(s.run(...params).changes)),
  };
}

/** Prepared statements, the longest unused forgotten first: texts are few but for queries over many keys. */
function statementCache(db: DatabaseSync): (text: string) => StatementSync {
  const kept = new Map<string, StatementSync>();
  return (text) => {
    const found = kept.get(text) ?? db.prepare(text);
    kept.delete(text);
    kept.set(text, found);
    if (kept.size > 200) kept.delete(kept.keys().next().value!);
    return found;
  };
}

function exec(db: DatabaseSync, text: string, path: string): void {
  try {
    db.exec(text);
  } catch (e) {
    throw sqlError(e, path);
  }
}

/** Primary result codes of SQLite (sqlite.org/rescode.html) that are not our own mistakes. */
const causes = {
  5: ['store-locked', 'another process holds the database'],
  6: ['store-locked', 'a table of the database is locked'],
  8: ['store-locked', 'the database may not be written'],
  13: ['disk-full', 'the database could not grow'],
  14: ['store-damaged', 'the database could not be opened'],
  10: ['store-damaged', 'the disk answered with an error'],
  11: ['store-damaged', 'the database file is damaged'],
  26: ['store-damaged', 'the file is no database'],
} as const;

function sqlError(e: unknown, path: string): Error {
  if (e instanceof PlumblineError) return e;
  const known = causes[(((e as { errcode?: number }).errcode ?? 0) & 0xff) as keyof typeof causes];
  const text = e instanceof Error ? e.message : String(e);
  return known
    ? new PlumblineError(known[0], `${known[1]}: ${text}`, { where: path, cause: e })
    : new PlumblineError('internal', `SQL: ${text}`, { where: path, cause: e });
}
