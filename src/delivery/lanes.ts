import { asPlumblineError, checkpoint, PlumblineError, type Clock, type Log, type Notice } from '../base/index.ts';
import type { Database } from '../store/index.ts';
import { longestAskedMs, pauseMs } from './backoff.ts';
import { PeerRefusal } from './http.ts';
import type { DeliverContent, DeliveryRow, Destination, Ledger } from './types.ts';

export interface DeliveryOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly destinations: readonly Destination[];
  readonly firstPauseMs: number;
  readonly maxPauseMs: number;
  readonly giveUpAfterMs: number;
  /** What a workitem sends to a destination; made again each time, so nothing large is held. */
  readonly content: (workitem: string, destination: string) => Promise<DeliverContent>;
  /** All destinations of the workitem have it. May come more than once. */
  readonly onDelivered: (workitem: string) => Promise<void>;
  readonly random?: () => number;
}

export interface Delivery {
  /** Make the rows of a workitem; the same call again changes nothing. Without destinations it is delivered at once. */
  enqueue(workitem: string, study: string, destinations: readonly string[]): Promise<void>;
  /** Try what is due now, one lane per destination side by side. @returns how many rows were tried */
  runDue(): Promise<number>;
  /** Run lanes until `stop`. */
  start(): void;
  stop(): Promise<void>;
  rows(filter?: { readonly state?: DeliveryRow['state']; readonly workitem?: string }): Promise<DeliveryRow[]>;
  /** Give a held or dead delivery another life. */
  retry(id: number, reason: string): Promise<void>;
  /** Take a workitem back if nothing of it has been tried yet. @returns whether that was so */
  withdraw(workitem: string): Promise<boolean>;
}

const columns =
  'id, workitem, study, destination, state, attempts, next_at AS nextAt, code, message, created_at AS createdAt, updated_at AS updatedAt';

/**
 * Each (workitem, destination) has its own row and state; each destination its own lane, so that a dead one starves no
 * other. What happens after a failure is decided by the class of the error alone: `retry` waits and comes again, `hold`
 * waits for a person, `reject` and `bug` are dead letters. A row that is `sending` when the program starts was cut in
 * the middle: it is tried again, which is harmless since senders ask before they send.
 */
export function openDelivery(options: DeliveryOptions): Delivery {
  const { db, clock } = options;
  const lanes = new Map(options.destinations.map((d) => [d.name, d]));
  const stopping = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const running = new Map<string, Promise<number>>();
  let recovered: Promise<unknown> | undefined;

  /** Lanes that the store failed in the middle: what their last row came to was not written. */
  const broken = new Set<string>();
  /** Workitems of which everything is delivered and nobody could be told yet. */
  const unfinished = new Set<string>();

  /** A pause that ends later than any pause lasts was written before the clock went back: it is over. */
  async function takeUp(): Promise<void> {
    const now = clock.now();
    await db.run("UPDATE delivery SET state = 'waiting' WHERE state = 'sending'");
    const longest = Math.max(options.maxPauseMs, longestAskedMs);
    await db.run("UPDATE delivery SET next_at = ? WHERE state = 'waiting' AND next_at > ?", now, now + longest);
  }

  /** Rows that a process which died left half sent, or this lane when the store took nothing. */
  async function recover(lane: string): Promise<void> {
    await (recovered ??= takeUp().catch((e: unknown) => {
      recovered = undefined;
      throw e;
    }));
    if (broken.has(lane))
      await db.run("UPDATE delivery SET state = 'waiting' WHERE state = 'sending' AND destination = ?", lane);
    broken.delete(lane);
    for (const workitem of unfinished) await finishWorkitem(workitem);
  }

  async function runDue(): Promise<number> {
    const tried = await Promise.all([...lanes.values()].map((lane) => oneRun(lane)));
    return tried.reduce((a, b) => a + b, 0);
  }

  /** A lane runs once at a time, and never waits for another: one that is slow or dead starves none. */
  function oneRun(lane: Destination): Promise<number> {
    const there = running.get(lane.name);
    if (there) return there;
    const run = recover(lane.name)
      .then(() => runLane(lane))
      .catch((e: unknown) => {
        broken.add(lane.name);
        throw e;
      })
      .finally(() => running.delete(lane.name));
    running.set(lane.name, run);
    return run;
  }

  async function runLane(lane: Destination): Promise<number> {
    let tried = 0;
    while (!stopping.signal.aborted) {
      const row = await claim(lane.name);
      if (!row) break;
      tried++;
      // After trouble with the peer itself the rest of the lane waits too: it would meet the same.
      if (!(await attempt(lane, row))) break;
    }
    return tried;
  }

  async function claim(destination: string): Promise<DeliveryRow | undefined> {
    const row = await db.get<DeliveryRow>(
      `UPDATE delivery SET state = 'sending', attempts = attempts + 1, updated_at = ? WHERE id = (
         SELECT id FROM delivery WHERE destination = ? AND state = 'waiting' AND next_at <= ? ORDER BY next_at, id LIMIT 1) RETURNING ${columns}`,
      clock.now(),
      destination,
      clock.now(),
    );
    if (row) checkpoint('delivery.claimed');
    return row;
  }

  /** @returns false if the lane should rest */
  async function attempt(lane: Destination, row: DeliveryRow): Promise<boolean> {
    let notices: readonly Notice[];
    try {
      const content = await options.content(row.workitem, lane.name);
      notices = (await lane.deliver(content, stopping.signal, ledgerOf(options, lane.name))) ?? [];
    } catch (thrown) {
      // Stopping is no failure of the peer: the row goes back as it was.
      if (stopping.signal.aborted) {
        await db.run("UPDATE delivery SET state = 'waiting', attempts = attempts - 1 WHERE id = ?", row.id);
        return false;
      }
      return fail(row, asPlumblineError(thrown));
    }
    // From here on the peer has it: trouble of our own store is no failure of the delivery.
    checkpoint('delivery.sent');
    await settle(row, 'delivered', notices[0]?.code ?? null, notices.map((n) => n.message).join('; ') || null);
    checkpoint('delivery.recorded');
    options.log.info('delivered', {
      workitem: row.workitem,
      study: row.study,
      destination: lane.name,
      attempt: row.attempts,
    });
    await finishWorkitem(row.workitem);
    return true;
  }

  async function fail(row: DeliveryRow, error: PlumblineError): Promise<boolean> {
    const tooOld = clock.now() - row.createdAt > options.giveUpAfterMs;
    options.log.warn('delivery failed', {
      workitem: row.workitem,
      study: row.study,
      destination: row.destination,
      code: error.code,
      attempt: row.attempts,
    });
    if (error.code === 'superseded') {
      // A person has the last word there: for us it is done.
      await settle(row, 'superseded', error.code, error.message);
      await finishWorkitem(row.workitem);
      return true;
    }
    if (error.class === 'hold') return settle(row, 'held', error.code, error.message);
    if (error.class !== 'retry' || tooOld) return settle(row, 'dead', error.code, error.message);
    const asked = error instanceof PeerRefusal ? (error.retryAfterMs ?? 0) : 0;
    const pause = pauseMs(
      row.attempts,
      { firstMs: options.firstPauseMs, maxMs: options.maxPauseMs },
      (options.random ?? Math.random)(),
      asked,
    );
    await db.run(
      "UPDATE delivery SET state = 'waiting', next_at = ?, code = ?, message = ?, updated_at = ? WHERE id = ?",
      clock.now() + pause,
      error.code,
      error.message,
      clock.now(),
      row.id,
    );
    return false;
  }

  async function settle(
    row: DeliveryRow,
    state: DeliveryRow['state'],
    code: string | null,
    message: string | null,
  ): Promise<boolean> {
    await db.run(
      'UPDATE delivery SET state = ?, code = ?, message = ?, updated_at = ? WHERE id = ?',
      state,
      code,
      message,
      clock.now(),
      row.id,
    );
    return true;
  }

  async function finishWorkitem(workitem: string): Promise<void> {
    unfinished.add(workitem);
    const open = await db.get<{ n: number }>(
      "SELECT COUNT(*) AS n FROM delivery WHERE workitem = ? AND state NOT IN ('delivered', 'superseded')",
      workitem,
    );
    if (Number(open?.n ?? 0) === 0) await options.onDelivered(workitem);
    unfinished.delete(workitem);
  }

  /** Start every lane that does not run; what comes while one runs is found by its next claim, or by the next second. */
  function kick(): void {
    if (timer === undefined) return;
    for (const lane of lanes.values()) {
      oneRun(lane).catch((e: unknown) =>
        options.log.error('delivery lane failed', { destination: lane.name, code: asPlumblineError(e).code }),
      );
    }
  }

  return {
    enqueue: async (workitem, study, destinations) => {
      const unknown = destinations.find((d) => !lanes.has(d));
      if (unknown)
        throw new PlumblineError(
          'config-invalid',
          `the route names the destination "${unknown}", which is not configured`,
          { where: unknown },
        );
      if (destinations.length === 0) return options.onDelivered(workitem);
      await db.transaction(async (tx) => {
        for (const destination of destinations) {
          await tx.run(
            `INSERT INTO delivery (id, workitem, study, destination, state, attempts, next_at, created_at, updated_at)
             SELECT COALESCE(MAX(id), 0) + 1, ?, ?, ?, 'waiting', 0, ?, ?, ? FROM delivery WHERE 1 = 1
             ON CONFLICT (workitem, destination) DO NOTHING`,
            workitem,
            study,
            destination,
            clock.now(),
            clock.now(),
            clock.now(),
          );
        }
      });
      await finishWorkitem(workitem);
      kick();
    },
    runDue,
    start: () => {
      timer ??= setInterval(kick, 1000);
      kick();
    },
    stop: async () => {
      clearInterval(timer);
      timer = undefined;
      stopping.abort();
      await Promise.allSettled(running.values()); // failures were logged by kick
    },
    rows: (filter = {}) =>
      db.all<DeliveryRow>(
        `SELECT ${columns} FROM delivery WHERE (? IS NULL OR state = ?) AND (? IS NULL OR workitem = ?) ORDER BY id`,
        filter.state ?? null,
        filter.state ?? null,
        filter.workitem ?? null,
        filter.workitem ?? null,
      ),
    retry: async (id, reason) => {
      const changed = await db.run(
        // Its last try is past in any case, whichever clock it was written by.
        "UPDATE delivery SET state = 'waiting', message = ?, updated_at = ? WHERE id = ? AND state IN ('dead', 'held')",
        `tried again: ${reason}`,
        clock.now(),
        id,
      );
      if (changed === 0) throw new PlumblineError('not-found', `no held or dead delivery ${id}`);
      kick();
    },
    withdraw: (workitem) =>
      db.transaction(async (tx) => {
        const tried = await tx.get<{ n: number }>(
          'SELECT COUNT(*) AS n FROM delivery WHERE workitem = ? AND attempts > 0',
          workitem,
        );
        if (Number(tried?.n ?? 0) > 0) return false;
        await tx.run('DELETE FROM delivery WHERE workitem = ?', workitem);
        return true;
      }),
  };
}

function ledgerOf({ db, clock }: DeliveryOptions, destination: string): Ledger {
  return {
    versionOf: async (place) => {
      const where = 'destination = ? AND place = ?';
      const text = `SELECT version FROM delivery_versions WHERE ${where}`;
      return (await db.get<{ version: string }>(text, destination, place))?.version;
    },
    wrote: async (place, version) => {
      await db.run(
        `INSERT INTO delivery_versions (destination, place, version, written_at) VALUES (?, ?, ?, ?)
         ON CONFLICT (destination, place) DO UPDATE SET version = excluded.version, written_at = excluded.written_at`,
        destination,
        place,
        version,
        clock.now(),
      );
    },
  };
}
