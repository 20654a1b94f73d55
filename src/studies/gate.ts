import { asPlumblineError, checkpoint, type Clock, type Log } from '../base/index.ts';
import type { Database, Sql } from '../store/index.ts';
import { announcedCount, awaitMore, logHeld, setHeld, type Held } from './gate-rows.ts';
import type { OrderEffect } from './order-types.ts';
import { handOverEffects } from './orders.ts';
import { reconcile } from './reconcile.ts';
import { addEvent, type StudyColumns } from './rows.ts';
import { freeze, frozen } from './snapshot.ts';
import type { GateOptions, StudyGate, StudySnapshot } from './types.ts';

export interface GateParts {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly gate: GateOptions;
  /**
   * Takes a ready study over. It may be told the same snapshot again after a crash. A `retry` error has it told again
   * later; any other holds the study with that code.
   */
  readonly onReady: (snapshot: StudySnapshot) => Promise<void>;
  /** Does to work what an order says. Told again after a crash or an error, so it must be harmless to repeat. */
  readonly onOrder?: (effect: OrderEffect) => Promise<void>;
}

/** The longest sleep: a clock that jumps, or rows that another process wrote, are seen within it. */
const longestSleepMs = 1_000;

/**
 * The study gate. All that it knows stands in rows: `studies.due_at` says when to look, and a snapshot is a row before
 * anybody hears of it, unhandled until `onReady` has come back.
 */
export function createGate(parts: GateParts): StudyGate & { poke(): void } {
  const { db, clock, log, gate } = parts;
  let running: Promise<number> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let started = false;
  let asking: 'no' | 'once' | 'again' = 'no';
  /** When the next look is due, and after a failure not before; by a clock that never jumps. */
  let lookAt = Infinity;
  let notBefore = 0;
  let resumed = false;

  const look = async (): Promise<number> => {
    if (started && !resumed) await awaitSenders(db, clock.now(), gate);
    resumed = started;
    await forgetJumps(db, clock.now(), gate);
    const due = await db.all<{ study_uid: string }>(
      `SELECT study_uid FROM studies WHERE state = 'arriving' AND due_at <= ? ORDER BY due_at, study_uid`,
      clock.now(),
    );
    for (const { study_uid: studyUid } of due) {
      const closed = await db.transaction((tx) => close(tx, studyUid, clock.now()));
      if (closed === undefined) continue;
      if ('code' in closed) {
        logHeld(log, [closed]);
        continue;
      }
      log.info('study ready', { study: studyUid, count: closed.instances });
      checkpoint('gate.snapshot');
    }
    const told = await handOver(parts);
    if (parts.onOrder) await handOverEffects(db, parts.onOrder);
    return told;
  };
  const tick = (): Promise<number> => (running ??= look().finally(() => (running = undefined)));

  /** News may bring the next look nearer and never put it off: else steady arrivals would keep it from ever coming. */
  const poke = (): void => {
    if (!started) return;
    if (asking !== 'no') {
      asking = 'again';
      return;
    }
    asking = 'once';
    void sleepTime(parts)
      .then(sleep, retryLater)
      .finally(() => {
        const more = asking === 'again';
        asking = 'no';
        if (more) poke();
      });
  };
  const sleep = (ms: number): void => {
    const at = Math.max(notBefore, performance.now() + ms);
    if (!started || at >= lookAt) return;
    clearTimeout(timer);
    lookAt = at;
    timer = setTimeout(loop, Math.max(0, at - performance.now()));
  };
  const retryLater = (e: unknown): void => {
    log.error('study gate', { code: asPlumblineError(e).code });
    notBefore = performance.now() + longestSleepMs;
    sleep(longestSleepMs);
  };
  const loop = (): void => {
    lookAt = Infinity;
    tick().then(poke, retryLater);
  };

  return {
    tick,
    poke,
    start: () => {
      started = true;
      loop();
    },
    stop: async () => {
      started = false;
      clearTimeout(timer);
      lookAt = Infinity;
      await running;
    },
    expect: async (studyUid, instances) => {
      await db.transaction((tx) => announce(tx, studyUid, instances, clock.now(), gate));
      poke();
    },
  };
}

/** Freeze a study that is still due, or hold it. @returns what became of it; undefined where it was not due */
async function close(tx: Sql, studyUid: string, now: number): Promise<Held | { instances: number } | undefined> {
  const study = await tx.get<StudyColumns>('SELECT * FROM studies WHERE study_uid = ?', studyUid);
  if (study?.state !== 'arriving' || study.due_at === null || study.due_at > now) return undefined;
  // Nothing is read for a patient whom the order does not name; a person may vouch for it.
  const verdict = study.order_released === 1 ? undefined : await reconcile(tx, studyUid);
  if (verdict?.kind === 'hold') return setHeld(tx, studyUid, now, verdict.code, verdict.message, 'gate');
  const snapshot = await freeze(tx, studyUid, now, false);
  await tx.run(`UPDATE studies SET state = 'ready', due_at = NULL, deadline_at = NULL WHERE study_uid = ?`, studyUid);
  const announced = await announcedCount(tx, studyUid);
  const n = snapshot.instances.length;
  if (announced !== undefined && n < announced) {
    const message = `${n} of ${announced} announced instances came before the deadline; what is there is read`;
    await addEvent(tx, studyUid, now, { code: 'incomplete', message, who: 'gate' });
  }
  await addEvent(tx, studyUid, now, { code: 'ready', message: `${n} instances`, who: 'gate' });
  return { instances: n };
}

/** Tell of every unhandled snapshot; where a study has several, of the newest alone: nobody has begun with the others. */
async function handOver({ db, clock, log, onReady }: GateParts): Promise<number> {
  const waiting = await db.all<{ study_uid: string; input_digest: string }>(
    'SELECT study_uid, input_digest FROM snapshots WHERE handled = 0 ORDER BY made_at, input_digest',
  );
  const newest = new Map(waiting.map((w) => [w.study_uid, w.input_digest]));
  let told = 0;
  for (const [studyUid, digest] of newest) {
    try {
      await onReady(await frozen(db, studyUid, digest));
      told++;
    } catch (thrown) {
      const error = asPlumblineError(thrown);
      log.warn('study not taken over', { study: studyUid, code: error.code });
      if (error.class === 'retry') continue;
      const hold = (tx: Sql): Promise<Held> => setHeld(tx, studyUid, clock.now(), error.code, error.message, 'gate');
      logHeld(log, [await db.transaction(hold)]);
    }
    const older = waiting.filter((w) => w.study_uid === studyUid).map((w) => w.input_digest);
    await db.run(
      `UPDATE snapshots SET handled = 1 WHERE study_uid = ? AND input_digest IN (${older.map(() => '?').join(', ')})`,
      studyUid,
      ...older,
    );
  }
  return told;
}

async function announce(tx: Sql, studyUid: string, instances: number, now: number, gate: GateOptions): Promise<void> {
  await tx.run(
    `INSERT INTO expected_counts (study_uid, instances) VALUES (?, ?)
     ON CONFLICT (study_uid) DO UPDATE SET instances = excluded.instances`,
    studyUid,
    instances,
  );
  const study = await tx.get<StudyColumns>('SELECT * FROM studies WHERE study_uid = ?', studyUid);
  if (study?.state === 'arriving') await awaitMore(tx, studyUid, now, gate);
}

/**
 * While nobody listened nobody could send: what was arriving then is given its quiet time again, so that an interrupted
 * sender's study is not read by halves. Not what is there as it was announced.
 */
async function awaitSenders(db: Database, now: number, gate: GateOptions): Promise<void> {
  await db.run(
    `UPDATE studies SET due_at = ? WHERE state = 'arriving' AND due_at < ? AND NOT EXISTS
       (SELECT 1 FROM expected_counts e WHERE e.study_uid = studies.study_uid AND e.instances = studies.received)`,
    now + gate.quietMs,
    now + gate.quietMs,
  );
}

/** No study waits longer than the deadline allows: a later time was written before the clock went back. */
async function forgetJumps(db: Database, now: number, gate: GateOptions): Promise<void> {
  const furthest = now + Math.max(gate.deadlineMs, gate.quietMs);
  const jumped = await db.get(`SELECT 1 FROM studies WHERE state = 'arriving' AND due_at > ?`, furthest);
  if (!jumped) return;
  await db.run(
    `UPDATE studies SET due_at = ?, deadline_at = ? WHERE state = 'arriving' AND due_at > ?`,
    now + gate.quietMs,
    now + gate.deadlineMs,
    furthest,
  );
}

async function sleepTime({ db, clock, onOrder }: GateParts): Promise<number> {
  const row = await db.get<{ due: number | null; effect: number | null }>(
    `SELECT MIN(due_at) AS due, (SELECT MIN(id) FROM order_effects WHERE handled = 0) AS effect
     FROM studies WHERE state = 'arriving'`,
  );
  if (onOrder && row?.effect != null) return 0;
  if (row?.due == null) return longestSleepMs;
  return Math.min(longestSleepMs, Math.max(5, row.due - clock.now()));
}
