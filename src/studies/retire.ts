import type { BlobUse, Sql } from '../store/index.ts';
import { addEvent } from './rows.ts';

/** Every blob that an instance refers to. */
export async function* instanceBlobs(sql: Sql): AsyncIterable<BlobUse> {
  for (let after = ''; ;) {
    const page = await sql.all<{ instance_uid: string; digest: string }>(
      'SELECT instance_uid, digest FROM instances WHERE instance_uid > ? ORDER BY instance_uid LIMIT 1000',
      after,
    );
    for (const { instance_uid: uid, digest } of page) yield { digest, of: `instance ${uid}` };
    if (page.length === 0) return;
    after = page.at(-1)!.instance_uid;
  }
}

/** Which of the blobs some instance refers to. */
export async function usedByInstances(sql: Sql, digests: readonly string[]): Promise<Set<string>> {
  const rows = await sql.all<{ digest: string }>(
    `SELECT DISTINCT digest FROM instances WHERE digest IN (${digests.map(() => '?').join(', ')})`,
    ...digests,
  );
  return new Set(rows.map((r) => r.digest));
}

/** Studies that are at rest at the gate and to which nothing came since `before`, in order of UID, a page at a time. */
export async function restingStudies(sql: Sql, before: number, after: string): Promise<string[]> {
  const rows = await sql.all<{ study_uid: string }>(
    `SELECT study_uid FROM studies WHERE state = 'ready' AND last_at < ? AND study_uid > ?
       AND NOT EXISTS (SELECT 1 FROM snapshots s WHERE s.study_uid = studies.study_uid AND s.handled = 0)
       AND NOT EXISTS (SELECT 1 FROM order_effects e WHERE e.study_uid = studies.study_uid AND e.handled = 0)
     ORDER BY study_uid LIMIT 200`,
    before,
    after,
  );
  return rows.map((r) => r.study_uid);
}

/**
 * Whether an order still asks for the study: one on hold, or one that came or changed after what was done last.
 * @param doneAt when the last work on it ended, milliseconds since 1970
 */
export async function hasLiveOrder(sql: Sql, studyUid: string, doneAt: number): Promise<boolean> {
  const row = await sql.get(
    `SELECT 1 FROM orders WHERE (study_uid = ? OR accession IN (
         SELECT accession FROM instances WHERE study_uid = ? AND accession <> ''))
       AND (state = 'held' OR (state = 'open' AND updated_at > ?)) LIMIT 1`,
    studyUid,
    studyUid,
    doneAt,
  );
  return row !== undefined;
}

export interface StoredSize {
  readonly instances: number;
  readonly bytes: number;
}

export async function storedSize(sql: Sql, studyUid: string, origin: 'received' | 'own'): Promise<StoredSize> {
  const row = await sql.get<StoredSize>(
    'SELECT COUNT(*) AS instances, COALESCE(SUM(bytes), 0) AS bytes FROM instances WHERE study_uid = ? AND origin = ?',
    studyUid,
    origin,
  );
  return row!;
}

/** Whether nothing came since `before` and the study is at rest, asked in the transaction that takes something away. */
export async function restsStill(tx: Sql, studyUid: string, before: number): Promise<boolean> {
  const row = await tx.get(
    `SELECT 1 FROM studies WHERE study_uid = ? AND state = 'ready' AND last_at < ?
       AND NOT EXISTS (SELECT 1 FROM snapshots WHERE study_uid = ? AND handled = 0)`,
    studyUid,
    before,
    studyUid,
  );
  return row !== undefined;
}

/** Forget what was received: rows and frozen lists. What was made of it, its identities and its story stay. */
export async function dropReceived(tx: Sql, studyUid: string, now: number, days: number): Promise<void> {
  const n = await tx.run(`DELETE FROM instances WHERE study_uid = ? AND origin = 'received'`, studyUid);
  await tx.run('DELETE FROM snapshots WHERE study_uid = ?', studyUid);
  await tx.run('DELETE FROM expected_counts WHERE study_uid = ?', studyUid);
  await tx.run('UPDATE studies SET received = 0 WHERE study_uid = ?', studyUid);
  const message = `${n} received instances removed after ${days} days`;
  await addEvent(tx, studyUid, now, { code: 'retention', message, who: 'retention' });
}

/** Forget what was written here. */
export async function dropOwn(tx: Sql, studyUid: string, now: number, days: number): Promise<void> {
  const n = await tx.run(`DELETE FROM instances WHERE study_uid = ? AND origin = 'own'`, studyUid);
  await tx.run('UPDATE studies SET own = 0 WHERE study_uid = ?', studyUid);
  const message = `results (${n} DICOM objects and what belongs to them) removed after ${days} days`;
  await addEvent(tx, studyUid, now, { code: 'retention', message, who: 'retention' });
}

/** HL7 messages that came before. @returns how many */
export async function dropMessages(tx: Sql, before: number, dryRun: boolean): Promise<number> {
  if (!dryRun) return tx.run('DELETE FROM hl7_messages WHERE received_at < ?', before);
  const row = await tx.get<{ n: number }>('SELECT COUNT(*) AS n FROM hl7_messages WHERE received_at < ?', before);
  return row!.n;
}
