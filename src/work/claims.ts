import { catalogue, PlumblineError, type ErrorCode } from '../base/index.ts';
import type { Database, Sql, SqlValue } from '../store/index.ts';
import { addEvent, rowOf, type WorkitemColumns } from './rows.ts';

export interface RetryPolicy {
  /** Tries of one stage for passing troubles before the workitem is held. */
  readonly attempts: number;
  readonly baseMs: number;
  readonly capMs: number;
  /** 0 to 1, for the jitter. */
  readonly random: () => number;
}

/** A lease on a workitem: good as long as nobody else has claimed it since. */
export interface Claim {
  readonly key: string;
  readonly fence: number;
}

/** A model that hung or crashed twice will do so again; troubles of the machine pass by themselves, however long. */
const attemptsByCode: Partial<Record<ErrorCode, number>> = {
  'model-timeout': 2,
  'model-crashed': 2,
  'disk-full': Infinity,
  'store-locked': Infinity,
};

/** Nobody else is bothered by trying again, and whoever has made space looks whether it goes on. */
const machineCapMs = 30_000;

/**
 * Claim the most urgent, then oldest workitem that is due, or whose lease has run out.
 * A workitem whose workers vanished as often as a stage may be tried is held: it may be what ends them.
 */
export async function claimNext(
  db: Database,
  now: number,
  worker: string,
  leaseMs: number,
  attempts: number,
): Promise<WorkitemColumns | undefined> {
  return db.transaction(async (tx) => {
    for (;;) {
      const next = await tx.get<WorkitemColumns>(
        `SELECT * FROM workitems WHERE state = 'ready' OR (state = 'waiting' AND not_before <= ?) OR (state = 'claimed' AND lease_until < ?)
         ORDER BY priority, created_at, key LIMIT 1`,
        now,
        now,
      );
      if (!next) return undefined;
      if (next.state === 'claimed' && next.attempts >= attempts) {
        const { cause, remedy } = catalogue['worker-lost'];
        await settle(tx, next, now, 'held', { code: 'worker-lost', message: cause, remedy });
        continue;
      }
      await tx.run(
        `UPDATE workitems SET state = 'claimed', fence = fence + 1, attempts = attempts + 1, lease_until = ?, worker = ?, updated_at = ?
         WHERE key = ?`,
        now + leaseMs,
        worker,
        now,
        next.key,
      );
      await addEvent(
        tx,
        next.key,
        now,
        'claimed',
        next.state === 'claimed' ? 'the lease of the worker before ran out' : '',
      );
      return (await rowOf(tx, next.key))!;
    }
  });
}

/**
 * Change the claimed row if the claim still holds.
 * @throws PlumblineError fence-lost
 */
export async function changeClaimed(tx: Sql, claim: Claim, set: string, ...params: readonly SqlValue[]): Promise<void> {
  const changed = await tx.run(
    `UPDATE workitems SET ${set} WHERE key = ? AND fence = ? AND state = 'claimed'`,
    ...params,
    claim.key,
    claim.fence,
  );
  if (changed === 0)
    throw new PlumblineError('fence-lost', `claim ${claim.fence} no longer holds`, { where: claim.key });
}

/** A stage ended well: its outputs are blobs already; the lease begins anew. */
export async function recordStage(
  db: Database,
  claim: Claim,
  now: number,
  leaseMs: number,
  event: 'answered' | 'drafted',
  outputs: Partial<Record<'answered' | 'draft' | 'masks', string>>,
): Promise<void> {
  const columns = Object.keys(outputs).map((c) => `${c} = ?, `);
  await db.transaction(async (tx) => {
    await changeClaimed(
      tx,
      claim,
      `${columns.join('')}attempts = 1, lease_until = ?, updated_at = ?`,
      ...Object.values(outputs),
      now + leaseMs,
      now,
    );
    await addEvent(tx, claim.key, now, event);
  });
}

export async function recordEncoded(db: Database, claim: Claim, now: number, manifest: string): Promise<void> {
  await db.transaction(async (tx) => {
    await changeClaimed(
      tx,
      claim,
      `encodings = ?, state = 'drafted', lease_until = NULL, code = NULL, message = NULL, remedy = NULL, updated_at = ?`,
      manifest,
      now,
    );
    await addEvent(tx, claim.key, now, 'encoded');
  });
}

/** What a failed stage means for its workitem, by the class of the error alone. */
export async function recordFailure(
  db: Database,
  row: WorkitemColumns,
  attempts: number,
  now: number,
  error: PlumblineError,
  retry: RetryPolicy,
): Promise<void> {
  const claim: Claim = row;
  const why = { code: error.code, message: error.message, remedy: error.remedy };
  await db.transaction(async (tx) => {
    if (error.class === 'retry' && attempts < (attemptsByCode[error.code] ?? retry.attempts)) {
      const cap = attemptsByCode[error.code] === Infinity ? Math.min(retry.capMs, machineCapMs) : retry.capMs;
      const pause = retry.random() * Math.min(cap, retry.baseMs * 2 ** Math.min(30, attempts - 1));
      await changeClaimed(
        tx,
        claim,
        `state = 'waiting', not_before = ?, lease_until = NULL, code = ?, message = ?, remedy = ?, updated_at = ?`,
        now + Math.round(pause),
        why.code,
        why.message,
        why.remedy,
        now,
      );
      return addEvent(
        tx,
        claim.key,
        now,
        'retry',
        `${why.code}: ${why.message}; again in ${Math.round(pause / 1000)} s`,
      );
    }
    await changeClaimed(tx, claim, 'updated_at = ?', now);
    await settle(tx, row, now, error.class === 'retry' || error.class === 'hold' ? 'held' : 'failed', why);
  });
}

/** The program ends in the middle: the workitem goes back as if it had not been claimed. */
export async function giveBack(db: Database, claim: Claim, now: number): Promise<void> {
  await db.transaction(async (tx) => {
    await changeClaimed(tx, claim, `state = 'ready', lease_until = NULL, attempts = attempts - 1, updated_at = ?`, now);
    await addEvent(tx, claim.key, now, 'released', 'the program ended');
  });
}

interface Why {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

export async function settle(
  tx: Sql,
  { key }: { key: string },
  now: number,
  state: 'held' | 'failed',
  why: Why,
): Promise<void> {
  await tx.run(
    `UPDATE workitems SET state = ?, fence = fence + 1, lease_until = NULL, code = ?, message = ?, remedy = ?, updated_at = ? WHERE key = ?`,
    state,
    why.code,
    why.message,
    why.remedy,
    now,
    key,
  );
  await addEvent(tx, key, now, state, `${why.code}: ${why.message}`);
}
