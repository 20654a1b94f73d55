import type { Clock } from '../base/index.ts';
import { pauseMs } from './backoff.ts';

/** How it goes with one destination, as far as this process has seen since it started. */
export interface LaneHealth {
  readonly destination: string;
  /** `open`: it failed several times in a row, and is asked only now and then. */
  readonly state: 'closed' | 'open';
  /** Failures in a row that time may cure. */
  readonly failures: number;
  /** Code of the last of them. */
  readonly code?: string;
  /** When the first of them was, milliseconds since 1970. */
  readonly since?: number;
  /** When it is asked again, for `open`. */
  readonly nextAt?: number;
}

/** So many failures in a row are no accident. */
const opensAfter = 3;
/** A peer that is back is found within a minute, however long it was away. */
const longestPauseMs = 60_000;

export interface Breaker {
  /** Whether the destination may be asked now. */
  ready(): boolean;
  /** @returns `first` of its kind in a row, `opened` by this one, or one more */
  failed(code: string): 'first' | 'opened' | 'again';
  /** The peer has answered for good or ill. @returns the failures that ended with it */
  answered(): { readonly failures: number; readonly since: number } | undefined;
  health(): LaneHealth;
}

/**
 * A circuit breaker: after three failures in a row that time may cure, the lane is asked after growing pauses only, by
 * one delivery at a time; the first answer closes it.
 */
export function createBreaker(
  destination: string,
  clock: Clock,
  pause: { readonly firstMs: number; readonly maxMs: number; readonly random: () => number },
): Breaker {
  let failures = 0;
  let since = 0;
  let code: string | undefined;
  let nextAt = 0;
  const isOpen = (): boolean => failures >= opensAfter;
  return {
    // A clock that was set back would keep it open for long: no pause is longer than the longest.
    ready: () => !isOpen() || clock.now() >= nextAt || nextAt - clock.now() > longestPauseMs,
    failed: (why) => {
      const first = failures === 0 || why !== code;
      if (failures === 0) since = clock.now();
      code = why;
      failures++;
      if (!isOpen()) return first ? 'first' : 'again';
      const { firstMs, maxMs, random } = pause;
      const bounds = { firstMs, maxMs: Math.min(maxMs, longestPauseMs) };
      nextAt = clock.now() + pauseMs(failures - opensAfter + 1, bounds, random());
      if (failures === opensAfter) return 'opened';
      return first ? 'first' : 'again';
    },
    answered: () => {
      if (failures === 0) return undefined;
      const ended = { failures, since };
      failures = 0;
      code = undefined;
      return ended;
    },
    health: () => ({
      destination,
      state: isOpen() ? 'open' : 'closed',
      failures,
      ...(failures === 0 ? {} : { code: code!, since }),
      ...(isOpen() ? { nextAt } : {}),
    }),
  };
}
