/** What a gateway's folder says, read without the program's own code: SQLite, SHA-256 and file names. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';

export interface Kept {
  /** PRAGMA integrity_check. */
  readonly integrity: string;
  /** SOP Instance UIDs that were received. */
  readonly received: ReadonlySet<string>;
  readonly studies: number;
  readonly messages: number;
  readonly orders: number;
  /** Workitems and deliveries by state. */
  readonly workitems: Readonly<Record<string, number>>;
  readonly deliveries: Readonly<Record<string, number>>;
  /** Why workitems and studies are held, and deliveries not made. */
  readonly reasons: readonly string[];
  /** Studies with more than one workitem that counts (not superseded). */
  readonly readTwice: number;
  /** Rows whose content is missing or does not match its address. */
  readonly damaged: readonly string[];
  /** Files of a write that did not end: in staging or in the folder for temporary files. */
  readonly halfWritten: readonly string[];
  readonly blobs: number;
}

/** Everything that a stopped gateway has left in its folder. */
export function audit(dataDir: string): Kept {
  const db = new DatabaseSync(join(dataDir, 'plumbline.db'), { readOnly: true });
  try {
    const all = <T>(sql: string): T[] => db.prepare(sql).all() as T[];
    const number = (sql: string): number => Number((db.prepare(sql).get() as { n: number }).n);
    const files = filesUnder(join(dataDir, 'blobs'));
    const digests = new Set([
      ...all<{ d: string }>('SELECT digest AS d FROM instances').map((r) => r.d),
      ...['answered', 'draft', 'masks', 'encodings'].flatMap((c) =>
        all<{ d: string }>(`SELECT ${c} AS d FROM workitems WHERE ${c} IS NOT NULL`).map((r) => r.d),
      ),
    ]);
    return {
      integrity: (db.prepare('PRAGMA integrity_check').get() as { integrity_check: string }).integrity_check,
      received: new Set(
        all<{ u: string }>("SELECT instance_uid AS u FROM instances WHERE origin = 'received'").map((r) => r.u),
      ),
      studies: number('SELECT COUNT(*) AS n FROM studies'),
      messages: number("SELECT COUNT(*) AS n FROM hl7_messages WHERE state = 'accepted'"),
      orders: number('SELECT COUNT(*) AS n FROM orders'),
      workitems: states(db, 'workitems'),
      deliveries: states(db, 'delivery'),
      reasons: [
        ...all<{ r: string }>(`SELECT code || ': ' || message AS r FROM workitems WHERE state IN ('held', 'failed')`),
        ...all<{ r: string }>(`SELECT hold_code || ': ' || hold_message AS r FROM studies WHERE state = 'held'`),
        ...all<{ r: string }>(`SELECT code || ': ' || message AS r FROM delivery WHERE state IN ('held', 'dead')`),
      ].map((x) => x.r),
      readTwice: number(
        'SELECT COUNT(*) AS n FROM (SELECT study_uid FROM workitems GROUP BY study_uid HAVING COUNT(*) > 1)',
      ),
      damaged: [...digests].filter((d) => !holds(dataDir, d)),
      halfWritten: [...files.filter((f) => !/^[0-9a-f]{64}$/.test(basename(f))), ...filesUnder(join(dataDir, 'tmp'))],
      blobs: files.length,
    };
  } finally {
    db.close();
  }
}

/**
 * Wait until nothing moves any more: no study arrives, no work waits, nothing is still to be sent.
 * @param studies least number that must have been read
 * @throws Error after `seconds`, naming what still moves
 */
export async function untilRest(dataDir: string, studies: number, when: string, seconds = 120): Promise<void> {
  let left = '';
  for (const end = performance.now() + seconds * 1000; performance.now() < end; await pause(50)) {
    left = moving(dataDir, studies);
    if (left === '') return;
  }
  throw new Error(`${when}: after ${seconds} s there is still ${left}`);
}

/** @returns what still moves, in words; '' where nothing does. Asked beside a running gateway. */
function moving(dataDir: string, studies: number): string {
  const db = new DatabaseSync(join(dataDir, 'plumbline.db'), { readOnly: true, timeout: 1000 });
  try {
    const rows = db
      .prepare(
        `SELECT 'study ' || state AS what, COUNT(*) AS n FROM studies WHERE state = 'arriving' GROUP BY 1
         UNION ALL SELECT 'study not handed over', COUNT(*) FROM snapshots WHERE handled = 0
         UNION ALL SELECT 'effect of an order', COUNT(*) FROM order_effects WHERE handled = 0
         UNION ALL SELECT 'workitem ' || state || ' ' || COALESCE(code, '') || ' attempt ' || attempts, COUNT(*) FROM workitems
           WHERE state IN ('waiting', 'ready', 'claimed', 'drafted') GROUP BY 1
         UNION ALL SELECT 'delivery ' || state || ' ' || destination || ' ' || COALESCE(code, ''), COUNT(*) FROM delivery
           WHERE state IN ('waiting', 'sending') GROUP BY 1
         UNION ALL SELECT 'study not read yet', MAX(0, ? - (SELECT COUNT(DISTINCT study_uid) FROM workitems))`,
      )
      .all(studies) as { what: string; n: number }[];
    return rows.filter((r) => r.n > 0).map((r) => `${r.n} × ${r.what}`).join(', '); // prettier-ignore
  } finally {
    db.close();
  }
}

function states(db: DatabaseSync, table: string): Record<string, number> {
  const rows = db.prepare(`SELECT state, COUNT(*) AS n FROM ${table} GROUP BY state`).all() as { state: string; n: number }[]; // prettier-ignore
  return Object.fromEntries(rows.map((r) => [r.state, r.n]));
}

function holds(dataDir: string, digest: string): boolean {
  const path = join(dataDir, 'blobs', digest.slice(0, 2), digest.slice(2, 4), digest);
  return existsSync(path) && createHash('sha256').update(readFileSync(path)).digest('hex') === digest;
}

function filesUnder(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name));
}
