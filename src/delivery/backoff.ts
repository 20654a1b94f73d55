/** A peer that asks for more (a year, by a clock that is wrong) is asked again after an hour. */
export const longestAskedMs = 3_600_000;

/**
 * Pause before the next try: exponential with full jitter, so that many failures do not come back at one moment.
 * A pause that the peer asked for is the least, up to an hour.
 * @param attempt 1 after the first failure
 * @param random 0..1
 * @returns milliseconds
 */
export function pauseMs(
  attempt: number,
  options: { readonly firstMs: number; readonly maxMs: number },
  random: number,
  askedMs = 0,
): number {
  const ceiling = Math.min(options.maxMs, options.firstMs * 2 ** Math.min(attempt - 1, 30));
  return Math.max(Math.min(askedMs, longestAskedMs), Math.round(ceiling * random), 1);
}
