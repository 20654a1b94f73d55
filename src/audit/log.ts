import { asPlumblineError, canonicalJson, type Clock, type Log } from '../base/index.ts';
import type { Database } from '../store/index.ts';
import { recordAudit } from './rows.ts';
import type { AuditEvent } from './types.ts';

/** For what changes nothing and so has no transaction of its own: reads, searches, failed logins. */
export interface AuditLog {
  /** Keep an event with the next batch. Events of one second that are alike become one with their count. */
  note(event: AuditEvent): void;
  /** Why nothing may be read now: what was read before could not be recorded for so long. Undefined where all is well. */
  readonly behind: string | undefined;
  /** Write what waits. @throws PlumblineError of the store; what was not written stays */
  flush(): Promise<void>;
  /** The last batch is written. */
  stop(): Promise<void>;
}

export interface AuditLogOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  /** Default 1,000. What a process that dies loses of reads. */
  readonly batchMs?: number;
  /** Different events that may wait. Default 10,000. */
  readonly most?: number;
}

/** One transaction a batch, never one a request. */
export function openAuditLog({ db, clock, log, batchMs = 1000, most = 10_000 }: AuditLogOptions): AuditLog {
  let waiting = new Map<string, { event: AuditEvent; count: number }>();
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  const write = async (): Promise<void> => {
    const batch = waiting;
    waiting = new Map();
    const events = [...batch.values()].map(({ event, count }) => (count > 1 ? { ...event, count } : event));
    try {
      await db.transaction((tx) => recordAudit(tx, clock.now(), events));
    } catch (e) {
      // Back in front, so that nothing is lost while the disk is full or another process holds the database.
      for (const [key, { event, count }] of waiting) add(batch, key, event, count);
      waiting = batch;
      throw e;
    }
  };
  const flush = async (): Promise<void> => {
    await running?.catch(() => undefined); // its own caller hears of it
    if (waiting.size === 0) return;
    running = write().finally(() => (running = undefined));
    await running;
  };
  const later = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      flush().catch((e: unknown) => {
        log.error('audit events wait', { code: asPlumblineError(e).code, count: waiting.size });
        later();
      });
    }, batchMs);
  };
  return {
    note: (event) => {
      add(waiting, canonicalJson(event), event, event.count ?? 1);
      later();
    },
    get behind() {
      return waiting.size < most ? undefined : `${waiting.size} audit events wait to be written`;
    },
    flush,
    stop: async () => {
      clearTimeout(timer);
      await flush();
    },
  };
}

function add(
  to: Map<string, { event: AuditEvent; count: number }>,
  key: string,
  event: AuditEvent,
  count: number,
): void {
  const there = to.get(key);
  if (there) there.count += count;
  else to.set(key, { event, count });
}
