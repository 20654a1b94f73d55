/** Time as a dependency, so that tests own it. Milliseconds since 1970 UTC. */
export interface Clock {
  readonly now: () => number;
}

/**
 * The wall clock, but never back and never in a jump: after somebody has set it (NTP, a person, a machine that slept) this
 * clock runs at half or at one and a half times its speed until it meets the wall clock again. So a pause, a lease or a
 * quiet time that is written down as a time lasts as long as it was meant, within half as much; what people are shown is
 * wrong for a while, by less and less.
 * @param wall milliseconds since 1970 UTC
 * @param elapsed milliseconds that only count up (CLOCK_MONOTONIC)
 */
export function steadyClock(
  wall: () => number = () => Date.now(),
  elapsed: () => number = () => performance.now(),
): Clock {
  let ours = wall();
  let last = elapsed();
  return {
    now: () => {
      const at = elapsed();
      const passed = at - last;
      last = at;
      ours += passed;
      ours += Math.max(-passed / 2, Math.min(passed / 2, wall() - ours));
      return Math.floor(ours);
    },
  };
}

export const systemClock: Clock = steadyClock();
