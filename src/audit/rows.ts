import { canonicalJson, PlumblineError, sha256 } from '../base/index.ts';
import type { Sql } from '../store/index.ts';
import type { AuditEvent, AuditRow } from './types.ts';

interface Columns {
  readonly number: number;
  readonly at: number;
  readonly study_uid: string;
  readonly event: string;
  readonly digest: string;
}

/**
 * Append events within a transaction, so that they are there if and only if what they tell of is. One statement an event
 * and one for all.
 */
export async function recordAudit(tx: Sql, at: number, events: readonly AuditEvent[]): Promise<void> {
  if (events.length === 0) return;
  const last = await tx.get<Pick<Columns, 'number' | 'digest'>>(
    'SELECT number, digest FROM audit_events ORDER BY number DESC LIMIT 1',
  );
  let { number, digest } = last ?? { number: 0, digest: '' };
  for (const event of events) {
    number++;
    const text = canonicalJson(event);
    const study = event.study ?? '';
    digest = digestOf(digest, { number, at, study_uid: study, event: text });
    await tx.run(
      'INSERT INTO audit_events (number, at, study_uid, event, digest) VALUES (?, ?, ?, ?, ?)',
      number,
      at,
      study,
      text,
      digest,
    );
  }
}

function digestOf(before: string, { number, at, study_uid: study, event }: Omit<Columns, 'digest'>): string {
  return sha256(JSON.stringify([before, number, at, study, event]));
}

export interface AuditFilter {
  /** Milliseconds since 1970 UTC. */
  readonly since?: number;
  readonly study?: string;
  /** After this number; for going on. */
  readonly after?: number;
  readonly limit: number;
}

/** Oldest first. */
export async function listAudit(sql: Sql, { since, study, after, limit }: AuditFilter): Promise<AuditRow[]> {
  const conditions = ['number > ?', ...(since === undefined ? [] : ['at >= ?']), ...(study ? ['study_uid = ?'] : [])];
  const rows = await sql.all<Columns>(
    `SELECT number, at, study_uid, event, digest FROM audit_events WHERE ${conditions.join(' AND ')} ORDER BY number LIMIT ?`,
    ...[after ?? 0, since, study || undefined].filter((p) => p !== undefined),
    limit,
  );
  return rows.map((row) => ({
    number: row.number,
    at: new Date(row.at).toISOString(),
    event: JSON.parse(row.event) as AuditEvent,
    digest: row.digest,
  }));
}

/** The end of the chain. Kept elsewhere, it proves later that nothing before it was changed or cut off. */
export interface ChainHead {
  readonly number: number;
  readonly digest: string;
}

/**
 * Go through the whole chain: no row may be missing, changed, inserted or moved. A row cut off at the end, or a chain that
 * was made anew as a whole, shows only against a head that was kept elsewhere.
 * @param kept heads from before
 * @throws PlumblineError audit-damaged, `where` is the number of the first row that does not hold
 */
export async function verifyAudit(sql: Sql, kept: readonly ChainHead[] = []): Promise<ChainHead> {
  let head: ChainHead = { number: 0, digest: '' };
  for (;;) {
    const rows = await sql.all<Columns>(
      'SELECT number, at, study_uid, event, digest FROM audit_events WHERE number > ? ORDER BY number LIMIT 5000',
      head.number,
    );
    if (rows.length === 0) break;
    for (const row of rows) {
      if (row.number !== head.number + 1) throw damaged(head.number + 1, 'is missing');
      if (digestOf(head.digest, row) !== row.digest) throw damaged(row.number, 'is not as it was written');
      const { number, digest } = row;
      head = { number, digest };
      if (kept.some((k) => k.number === number && k.digest !== digest))
        throw damaged(number, 'is not the one that was kept');
    }
  }
  const lost = kept.find((k) => k.number > head.number);
  if (lost) throw damaged(lost.number, 'was there and is missing');
  return head;
}

function damaged(number: number, what: string): PlumblineError {
  return new PlumblineError('audit-damaged', `audit event ${number} ${what}`, { where: String(number) });
}
