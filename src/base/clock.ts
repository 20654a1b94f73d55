/** Time as a dependency, so that tests own it. Milliseconds since 1970 UTC. */
export interface Clock {
  readonly now: () => number;
}

export const systemClock: Clock = { now: () => Date.now() };
