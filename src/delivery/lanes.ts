import {
  asPlumblineError,
  checkpoint,
  PlumblineError,
  type Clock,
  type ErrorClass,
  type Log,
  type Notice,
} from '../base/index.ts';
import type { Database } from '../store/index.ts';
import { longestAskedMs, pauseMs } from './backoff.ts';
import { createBreaker, type Breaker, type LaneHealth } from './breaker.ts';
import { PeerRefusal } from './http.ts';
import {
  claimRow,
  eventsOf,
  insertRows,
  listRows,
  backlogOf,
  recordTry,
  reviveRow,
  withdrawRows,
  type RowFilter,
} from './rows.ts';
import type { DeliverContent, DeliveryEvent, DeliveryRow, Destination, DeliveryBacklog, Ledger } from './types.ts';

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
  /** Told of each try and what it came to. */
  readonly onTry?: (destination: string, outcome: TryOutcome, ms: number) => void;
}

/** `delivered`, `superseded` (a person has signed there), or the class of the error. */
export type TryOutcome = 'delivered' | 'superseded' | ErrorClass;

export interface Delivery {
  /** Make the rows of a workitem; the same call again changes nothing. Without destinations it is delivered at once. */
  enqueue(workitem: string, study: string, destinations: readonly string[]): Promise<void>;
  /** Try what is due now, one lane per destination side by side. @returns how many rows were tried */
  runDue(): Promise<number>;
  /** Run lanes until `stop`. */
  start(): void;
  stop(): Promise<void>;
  rows(filter?: RowFilter): Promise<DeliveryRow[]>;
  /** What happened to a delivery, oldest first. */
  events(id: number): Promise<DeliveryEvent[]>;
  /** What is not done, counted; one statement. */
  backlog(): Promise<DeliveryBacklog[]>;
  /** How it goes with each destination. */
  lanes(): LaneHealth[];
  /** Give a held or dead delivery another life. */
  retry(id: number, reason: string, who?: string): Promise<void>;
  /** Take a workitem back if nothing of it has been tried yet. @returns whether that was so */
  withdraw(workitem: string): Promise<boolean>;
}

/**
 * Each (workitem, destination) has its own row and state; each destination its own lane, so that a dead one starves no
 * other. What happens after a failure is decided by the class of the error alone: `retry` waits and comes again, `hold`
 * waits for a person, `reject` and `bug` are dead letters. A row that is `sending` when the program starts was cut in
 * the middle: it is tried again, which is harmless since senders ask before they send.
 */
export function openDelivery(options: DeliveryOptions): Delivery {
  const { db, clock } = options;
  const random = options.random ?? Math.random;
  const pause = { firstMs: options.firstPauseMs, maxMs: options.maxPauseMs, random };
  const lanes = new Map<string, Lane>(
    options.destinations.map((d) => [d.name, { ...d, breaker: createBreaker(d.name, clock, pause) }]),
  );
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
  function oneRun(lane: Lane): Promise<number> {
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

  async function runLane(lane: Lane): Promise<number> {
    let tried = 0;
    while (!stopping.signal.aborted && lane.breaker.ready()) {
      const row = await claim(lane.name);
      if (!row) break;
      tried++;
      // After trouble with the peer itself the rest of the lane waits too: it would meet the same.
      if (!(await attempt(lane, row))) break;
    }
    return tried;
  }

  async function claim(destination: string): Promise<DeliveryRow | undefined> {
    const row = await claimRow(db, destination, clock.now());
    if (row) checkpoint('delivery.claimed');
    return row;
  }

  /** @returns false if the lane should rest */
  async function attempt(lane: Lane, row: DeliveryRow): Promise<boolean> {
    const began = performance.now();
    const spent = (): number => performance.now() - began;
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
      const error = asPlumblineError(thrown);
      options.onTry?.(lane.name, error.code === 'superseded' ? 'superseded' : error.class, spent());
      return fail(lane, row, error);
    }
    // From here on the peer has it: trouble of our own store is no failure of the delivery.
    checkpoint('delivery.sent');
    const message = notices.map((n) => n.message).join('; ') || null;
    await recordTry(db, row, clock.now(), { state: 'delivered', code: notices[0]?.code ?? null, message });
    checkpoint('delivery.recorded');
    answered(lane);
    options.onTry?.(lane.name, 'delivered', spent());
    options.log.info('delivered', { ...logged(row), attempt: row.attempts, ms: Math.round(spent()) });
    await finishWorkitem(row.workitem);
    return true;
  }

  /** @returns false if the lane should rest */
  async function fail(lane: Lane, row: DeliveryRow, error: PlumblineError): Promise<boolean> {
    const now = clock.now();
    const { code, message } = error;
    if (error.class !== 'retry') {
      answered(lane);
      // Where a person has the last word, it is done for us.
      const state = code === 'superseded' ? 'superseded' : error.class === 'hold' ? 'held' : 'dead';
      options.log.warn('delivery failed', { ...logged(row), code, attempt: row.attempts });
      await recordTry(db, row, now, { state, code, message });
      if (state === 'superseded') await finishWorkitem(row.workitem);
      return true;
    }
    const change = lane.breaker.failed(code);
    if (now - row.createdAt > options.giveUpAfterMs) {
      options.log.warn('delivery given up', { ...logged(row), code, attempt: row.attempts });
      await recordTry(db, row, now, { state: 'dead', code, message });
      return true;
    }
    // An outage is one event, not one for each try.
    if (change === 'first') options.log.warn('delivery failed', { ...logged(row), code, attempt: row.attempts });
    if (change === 'opened') options.log.warn('destination rests', { destination: lane.name, code });
    const asked = error instanceof PeerRefusal ? (error.retryAfterMs ?? 0) : 0;
    const nextAt = now + pauseMs(row.attempts, pause, random(), asked);
    await recordTry(db, row, now, { state: 'waiting', code, message, nextAt });
    return false;
  }

  function answered(lane: Lane): void {
    const outage = lane.breaker.answered();
    if (outage)
      options.log.info('destination answers again', {
        destination: lane.name,
        count: outage.failures,
        ms: clock.now() - outage.since,
      });
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
      await insertRows(db, workitem, study, destinations, clock.now());
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
    rows: (filter = {}) => listRows(db, filter),
    events: (id) => eventsOf(db, id),
    backlog: () => backlogOf(db),
    lanes: () => [...lanes.values()].map((lane) => lane.breaker.health()),
    retry: async (id, reason, who = 'operator') => {
      await reviveRow(db, id, clock.now(), reason, who);
      kick();
    },
    withdraw: (workitem) => withdrawRows(db, workitem),
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

type Lane = Destination & { readonly breaker: Breaker };

function logged({ workitem, study, destination }: DeliveryRow): {
  workitem: string;
  study: string;
  destination: string;
} {
  return { workitem, study, destination };
}
