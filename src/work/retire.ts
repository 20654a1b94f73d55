import type { BlobUse, Sql } from '../store/index.ts';
import { addEvent } from './rows.ts';
import type { EncodingManifest } from './types.ts';

type Stage = 'answered' | 'draft' | 'masks' | 'encodings';
const columns: readonly Stage[] = ['answered', 'draft', 'masks', 'encodings'];

/**
 * Every blob that a workitem refers to: what its stages wrote, and the files of its encodings.
 * @param read the bytes of a list of files; undefined where it cannot be read and that is the caller's affair
 */
export async function* workBlobs(
  sql: Sql,
  read: (digest: string) => Promise<Uint8Array | undefined>,
): AsyncIterable<BlobUse> {
  for (let after = ''; ;) {
    const page = await sql.all<{ key: string } & Record<Stage, string | null>>(
      `SELECT key, ${columns.join(', ')} FROM workitems WHERE key > ? ORDER BY key LIMIT 500`,
      after,
    );
    for (const row of page) {
      for (const column of columns) {
        const digest = row[column];
        if (digest) yield { digest, of: `${column} of workitem ${row.key}` };
      }
      const manifest = row.encodings && (await read(row.encodings));
      if (!manifest) continue;
      const { files } = JSON.parse(new TextDecoder().decode(manifest)) as EncodingManifest;
      for (const { name, digest } of files) yield { digest, of: `${name} of workitem ${row.key}` };
    }
    if (page.length === 0) return;
    after = page.at(-1)!.key;
  }
}

export interface WorkOfStudy {
  /** Workitems that are neither delivered nor cancelled. */
  readonly open: number;
  /** Those that have something written. */
  readonly written: number;
  /** When the last of them changed, milliseconds since 1970; 0 where there is none. */
  readonly lastAt: number;
}

export async function workOfStudy(sql: Sql, studyUid: string): Promise<WorkOfStudy> {
  const row = await sql.get<WorkOfStudy>(
    `SELECT COALESCE(SUM(state NOT IN ('delivered', 'cancelled')), 0) AS open,
       COALESCE(SUM(COALESCE(answered, draft, masks, encodings) IS NOT NULL), 0) AS written,
       COALESCE(MAX(updated_at), 0) AS "lastAt" FROM workitems WHERE study_uid = ?`,
    studyUid,
  );
  return row!;
}

/** Forget what was written for the study's workitems; their rows and stories stay, so that nothing is read twice. */
export async function dropOutputs(tx: Sql, studyUid: string, now: number, days: number): Promise<void> {
  const rows = await tx.all<{ key: string }>(
    `SELECT key FROM workitems WHERE study_uid = ? AND COALESCE(answered, draft, masks, encodings) IS NOT NULL`,
    studyUid,
  );
  for (const { key } of rows) {
    await tx.run(
      'UPDATE workitems SET answered = NULL, draft = NULL, masks = NULL, encodings = NULL WHERE key = ?',
      key,
    );
    await addEvent(tx, key, now, 'retention', `results removed after ${days} days`);
  }
}

/**
 * A dead letter of the workitem was given up for good. Where nothing of it is left to send, it is done: delivered if some
 * destination has it, else cancelled.
 */
export async function letterDropped(
  tx: Sql,
  key: string,
  now: number,
  about: { readonly destination: string; readonly days: number; readonly left: number; readonly delivered: number },
): Promise<void> {
  await addEvent(tx, key, now, 'retention', `dead letter to ${about.destination} given up after ${about.days} days`);
  if (about.left > 0) return;
  const state = about.delivered > 0 ? 'delivered' : 'cancelled';
  const changed = await tx.run(
    `UPDATE workitems SET state = ?, handover = 2, updated_at = ? WHERE key = ? AND state = 'drafted'`,
    state,
    now,
    key,
  );
  if (changed === 1) await addEvent(tx, key, now, state, 'nothing of it waits any more');
}

/** Claims of a store that was copied: whoever held them works on the other one, so they end now. */
export async function endClaims(sql: Sql): Promise<void> {
  await sql.run(`UPDATE workitems SET lease_until = 0 WHERE state = 'claimed'`);
}
