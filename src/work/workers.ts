import { setTimeout as sleep } from 'node:timers/promises';
import { asPlumblineError, type Log } from '../base/index.ts';
import type { Workers, Workitem } from './types.ts';

interface Parts {
  readonly concurrency: number;
  readonly log: Log;
  readonly runOne: (signal: AbortSignal) => Promise<Workitem | undefined>;
  /** Once, before anything is claimed: take up what a process that died has left. */
  readonly resume: () => Promise<void>;
  readonly handOverAll: () => Promise<void>;
  /** Resolves when there may be something new. */
  readonly news: () => Promise<void>;
}

/** Back-offs and leases end by the clock, and other processes do not wake us: look again so often. */
const lookAgainMs = 1_000;

/** So many loops that claim and run until they are stopped. */
export function createWorkers(parts: Parts): Workers {
  const stopping = new AbortController();
  const aborting = new AbortController();

  const pause = async (news: Promise<void>): Promise<void> => {
    const timer = sleep(lookAgainMs, undefined, { ref: false, signal: stopping.signal });
    // An aborted sleep is the wish to stop, which the loop sees by itself.
    await Promise.race([timer.catch(() => undefined), news]);
  };
  const loop = async (first: boolean): Promise<void> => {
    let resumed = !first;
    while (!stopping.signal.aborted) {
      // Asked for before we look: what comes between the look and the pause must not be slept through.
      const news = parts.news();
      try {
        if (!resumed) await parts.resume();
        resumed = true;
        if (first) await parts.handOverAll();
        if (!(await parts.runOne(aborting.signal))) await pause(news);
      } catch (e) {
        parts.log.error('worker', { code: asPlumblineError(e).code });
        await pause(news);
      }
    }
  };
  const loops = Array.from({ length: parts.concurrency }, (_, i) => loop(i === 0));

  return {
    stop: async ({ abort = false } = {}) => {
      stopping.abort();
      if (abort) aborting.abort();
      await Promise.all(loops);
    },
  };
}
