/** At most `limit` at a time; `enter` resolves when there is room, and its result gives the place back. */
export function createLimit(limit: number): { enter(): Promise<() => void> } {
  let inside = 0;
  const waiting: (() => void)[] = [];
  const leave = (): void => {
    const next = waiting.shift();
    if (next) next();
    else inside--;
  };
  return {
    enter: async () => {
      if (inside < limit) inside++;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      return leave;
    },
  };
}

/**
 * One run of `work` for all who ask at the same moment: who asks while it runs shares the next run, which begins after
 * the asking, and so covers what the asker did before.
 */
export function createShared(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const start = (): Promise<void> => {
    next = undefined;
    return (running = work().finally(() => (running = undefined)));
  };
  return () => {
    if (next) return next;
    if (!running) return start();
    // How the run before ended is told to those who shared it.
    return (next = running.then(start, start));
  };
}

/** Run `work` for each in this thread, and let others have a turn after every few. */
export async function inTurns<T>(items: readonly T[], work: (item: T) => void): Promise<void> {
  for (const [i, item] of items.entries()) {
    if (i > 0 && i % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
    work(item);
  }
}
