import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { recordAudit } from '../audit/index.ts';
import { asPlumblineError, checkpoint, PlumblineError, processTag, tagLives } from '../base/index.ts';
import type { Sql } from '../store/index.ts';
import { claimNext, giveBack, recordFailure, settle, type RetryPolicy } from './claims.ts';
import { enqueue } from './enqueue.ts';
import { addEvent, eventsOf, priorityNumber, rowOf, workitemOf, type WorkitemColumns } from './rows.ts';
import type { WorkOptions } from './options.ts';
import { runStages } from './runner.ts';
import type { EncodingManifest, Stages, Work, WorkBacklog, WorkFilter, Workitem, WorkitemState } from './types.ts';
import { createWorkers } from './workers.ts';

const defaultRetry: RetryPolicy = { attempts: 5, baseMs: 2_000, capMs: 600_000, random: Math.random };

/** Between two tries to write down that a stage has failed. */
const recordAgainMs = 250;

/** Durable work: every state is a row, every output a blob, and whoever dies is followed by another. */
export function openWork(options: WorkOptions): Work {
  const { db, blobs, clock, log } = options;
  const leaseMs = options.leaseMs ?? 60_000;
  const retry: RetryPolicy = { ...defaultRetry, ...options.retry };
  const self = `${hostname()}/${processTag()}`;
  let news = Promise.withResolvers<void>();

  const runOne = async (stages: Stages, worker: string, stop: AbortSignal): Promise<Workitem | undefined> => {
    const row = await claimNext(db, clock.now(), worker, leaseMs, retry.attempts);
    if (!row) return undefined;
    checkpoint('work.claimed');
    const lost = new AbortController();
    const skipped = (e: unknown): void => {
      const { code, class: of } = asPlumblineError(e);
      // A store that takes nothing for the moment is asked again with the next beat.
      if (code === 'fence-lost' || of !== 'retry') lost.abort(e);
    };
    const beat = setInterval(() => void heartbeat(row).catch(skipped), leaseMs / 3);
    try {
      await runStages(options, leaseMs, row, stages, AbortSignal.any([stop, lost.signal]));
    } catch (thrown) {
      await afterFailure(row, asPlumblineError(thrown), stop);
    } finally {
      clearInterval(beat);
    }
    await handOver(row.key);
    return workitemOf((await rowOf(db, row.key))!);
  };

  /** @throws PlumblineError fence-lost */
  const heartbeat = async (row: WorkitemColumns): Promise<void> => {
    const changed = await db.run(
      `UPDATE workitems SET lease_until = ? WHERE key = ? AND fence = ? AND state = 'claimed'`,
      clock.now() + leaseMs,
      row.key,
      row.fence,
    );
    if (changed === 0) throw new PlumblineError('fence-lost', 'the lease ran out', { where: row.key });
  };

  /** A store that takes nothing (full, locked) is asked again: else the workitem would wait for its lease to run out. */
  const afterFailure = async (row: WorkitemColumns, error: PlumblineError, stop: AbortSignal): Promise<void> => {
    log.warn('workitem stopped', { workitem: row.key, study: row.study_uid, code: error.code, attempt: row.attempts });
    for (;;) {
      try {
        if (stop.aborted) return await giveBack(db, row, clock.now());
        // Its attempts may have begun anew with a stage that ended well.
        const attempts = (await rowOf(db, row.key))?.attempts ?? row.attempts;
        return await recordFailure(db, row, attempts, clock.now(), error, retry);
      } catch (e) {
        // Whoever holds the fence now decides; anything else is left to the lease.
        const second = asPlumblineError(e);
        if (second.code === 'fence-lost') return;
        log.error('workitem not recorded', { workitem: row.key, code: second.code });
        if (second.class !== 'retry' || stop.aborted) return;
      }
      await pause(recordAgainMs);
    }
  };

  /** Once it is begun the workitem counts as sent, until delivery says that nothing has left. */
  const handOver = async (key: string): Promise<void> => {
    if (!options.onDrafted) return;
    const begun = await db.run(
      `UPDATE workitems SET handover = 1 WHERE key = ? AND state = 'drafted' AND handover < 2`,
      key,
    );
    if (begun === 0) return;
    try {
      await options.onDrafted(workitemOf((await rowOf(db, key))!));
      await db.run('UPDATE workitems SET handover = 2 WHERE key = ?', key);
    } catch (e) {
      log.error('workitem not handed over', { workitem: key, code: asPlumblineError(e).code });
    }
  };

  const wake = (): void => {
    news.resolve();
    news = Promise.withResolvers();
  };
  const never = new AbortController().signal;

  return {
    enqueue: async (work) => {
      const result = await enqueue(options, work);
      wake();
      return result;
    },
    runOne: (stages, worker = self) => runOne(stages, worker, never),
    startWorkers: ({ concurrency, stages }) =>
      createWorkers({
        concurrency,
        log,
        runOne: (signal) => runOne(stages, self, signal),
        resume: () => resume(db, clock.now(), retry.capMs),
        handOverAll: () => handOverAll(db, handOver),
        news: () => news.promise,
      }),
    get: async (key) => {
      const row = await rowOf(db, key);
      return row && workitemOf(row);
    },
    list: (filter = {}) => list(db, filter),
    timeline: (key) => eventsOf(db, key),
    counts: () => counts(db),
    backlog: () => backlogOf(db),
    encodings: async (key) => {
      const digest = (await rowOf(db, key))?.encodings;
      if (!digest) throw new PlumblineError('not-found', 'the workitem has no encodings', { where: key });
      return JSON.parse(new TextDecoder().decode(await blobs.read(digest))) as EncodingManifest;
    },
    draft: async (key) => {
      const row = await rowOf(db, key);
      if (!row?.draft || !row.masks) throw new PlumblineError('not-found', 'the workitem has no draft', { where: key });
      return { draft: await blobs.read(row.draft), masks: await blobs.read(row.masks) };
    },
    markDelivered: (key) =>
      db.transaction(async (tx) => {
        const now = clock.now();
        const changed = await tx.run(
          `UPDATE workitems SET state = 'delivered', handover = 2, updated_at = ? WHERE key = ? AND state = 'drafted'`,
          now,
          key,
        );
        if (changed === 1) await addEvent(tx, key, now, 'delivered');
        return changed === 1;
      }),
    retry: async (key, reason, who) => {
      await db.transaction(async (tx) => {
        await tryAgain(tx, key, clock.now(), `${who}: ${reason}`);
        await audited(tx, key, clock.now(), 'released', who);
      });
      wake();
    },
    hold: (key, reason, who) =>
      db.transaction(async (tx) => {
        await openRow(tx, key);
        await settle(tx, { key }, clock.now(), 'held', {
          code: 'held-by-hand',
          message: reason,
          remedy: `Released by ${who} or another person.`,
        });
        await audited(tx, key, clock.now(), 'held', who);
      }),
    encodeAgain: async (key, reason, who) => {
      await db.transaction(async (tx) => {
        const now = clock.now();
        const changed = await tx.run(
          `UPDATE workitems SET state = 'ready', fence = fence + 1, attempts = 0, handover = 0, lease_until = NULL, not_before = ?, updated_at = ?
           WHERE key = ? AND state IN ('claimed', 'drafted')`,
          now,
          now,
          key,
        );
        if (changed === 0) throw new PlumblineError('not-found', 'no claimed or drafted workitem', { where: key });
        await addEvent(tx, key, now, 'tried-again', `${who}: ${reason}`);
      });
      wake();
    },
    cancel: (key, reason, who) =>
      db.transaction(async (tx) => {
        await openRow(tx, key);
        await tx.run(
          `UPDATE workitems SET state = 'cancelled', fence = fence + 1, lease_until = NULL, updated_at = ? WHERE key = ?`,
          clock.now(),
          key,
        );
        await addEvent(tx, key, clock.now(), 'cancelled', `${who}: ${reason}`);
        await audited(tx, key, clock.now(), 'cancelled', who);
      }),
    urge: async (studyUid, priority) => {
      const number = priorityNumber(priority);
      await db.run('UPDATE workitems SET priority = ? WHERE study_uid = ? AND priority > ?', number, studyUid, number);
    },
  };
}

/** What somebody decided about a workitem. */
async function audited(tx: Sql, key: string, now: number, detail: string, who: string): Promise<void> {
  const study = (await rowOf(tx, key))?.study_uid ?? '';
  const about = { kind: 'procedure', action: 'U', outcome: 0, door: 'work', from: '' } as const;
  await recordAudit(tx, now, [{ ...about, who, study, detail: `${detail}: workitem ${key}` }]);
}

/** @throws PlumblineError not-found where nothing can be stopped any more */
async function openRow(tx: Sql, key: string): Promise<void> {
  const row = await rowOf(tx, key);
  if (row && ['waiting', 'ready', 'claimed', 'held', 'failed'].includes(row.state)) return;
  throw new PlumblineError('not-found', row ? `the workitem is ${row.state}` : 'no such workitem', { where: key });
}

async function tryAgain(tx: Sql, key: string, now: number, detail: string): Promise<void> {
  const changed = await tx.run(
    `UPDATE workitems SET state = 'ready', fence = fence + 1, attempts = 0, not_before = ?, code = NULL, message = NULL, remedy = NULL,
       superseded_by = NULL, updated_at = ? WHERE key = ? AND state IN ('waiting', 'held', 'failed', 'cancelled')`,
    now,
    now,
    key,
  );
  if (changed === 0) throw new PlumblineError('not-found', 'no workitem that could be tried again', { where: key });
  await addEvent(tx, key, now, 'tried-again', detail);
}

async function list(sql: Sql, { limit = 100, offset = 0, ...filter }: WorkFilter): Promise<Workitem[]> {
  const conditions = {
    state: 'state = ?',
    studyUid: 'study_uid = ?',
    code: 'code = ?',
    key: 'substr(key, 1, length(?)) = ?',
    since: 'created_at >= ?',
  };
  const given = Object.entries(filter).filter(([, value]) => value !== undefined) as [
    keyof typeof conditions,
    string | number,
  ][];
  const params = given.flatMap(([name, value]) => (name === 'key' ? [value, value] : [value]));
  const rows = await sql.all<WorkitemColumns>(
    `SELECT * FROM workitems WHERE ${given.map(([name]) => conditions[name]).join(' AND ') || '1 = 1'} ORDER BY created_at DESC, key LIMIT ? OFFSET ?`,
    ...params,
    limit,
    offset,
  );
  return rows.map(workitemOf);
}

/** Over what is open alone, so that it costs the same however much is done. */
function backlogOf(sql: Sql): Promise<WorkBacklog[]> {
  return sql.all<WorkBacklog>(
    `SELECT state, COALESCE(code, '') AS code, COUNT(*) AS n, MIN(created_at) AS "oldestAt" FROM workitems
     WHERE state IN ('waiting', 'ready', 'claimed', 'drafted', 'held', 'failed') GROUP BY state, code`,
  );
}

async function counts(sql: Sql): Promise<Record<WorkitemState, number>> {
  const all = { waiting: 0, ready: 0, claimed: 0, drafted: 0, delivered: 0, held: 0, failed: 0, cancelled: 0 };
  const rows = await sql.all<{ state: WorkitemState; n: number }>(
    'SELECT state, COUNT(*) AS n FROM workitems GROUP BY state',
  );
  for (const { state, n } of rows) all[state] = n;
  return all;
}

/**
 * After a crash: leases of workers on this machine whose process has ended need not run out, they end now; and what was
 * handed over without having been delivered is handed over again. A pause that ends later than any pause lasts was
 * written before the clock went back: it is over.
 */
async function resume(sql: Sql, now: number, capMs: number): Promise<void> {
  await sql.run(`UPDATE workitems SET not_before = ? WHERE state = 'waiting' AND not_before > ?`, now, now + capMs);
  await sql.run(`UPDATE workitems SET handover = 1 WHERE state = 'drafted' AND handover = 2`);
  const claimed = await sql.all<{ key: string; worker: string | null; fence: number }>(
    `SELECT key, worker, fence FROM workitems WHERE state = 'claimed' AND lease_until >= ?`,
    now,
  );
  for (const { key, worker, fence } of claimed) {
    const [host, tag] = worker?.split('/') ?? [];
    if (host !== hostname() || tag === undefined || tagLives(tag)) continue;
    await sql.run(`UPDATE workitems SET lease_until = ? WHERE key = ? AND fence = ?`, now - 1, key, fence);
  }
}

async function handOverAll(sql: Sql, handOver: (key: string) => Promise<void>): Promise<void> {
  const rows = await sql.all<{ key: string }>(
    `SELECT key FROM workitems WHERE state = 'drafted' AND handover < 2 ORDER BY created_at, key`,
  );
  for (const { key } of rows) await handOver(key);
}
