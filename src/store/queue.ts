/** Runs what it is given one after the other, in the order of asking; a failure is the asker's and stops nobody else. */
export interface Queue {
  <T>(work: () => Promise<T>): Promise<T>;
  /** Resolves when everything asked for so far has ended. */
  idle(): Promise<void>;
}

export function createQueue(): Queue {
  let tail: Promise<unknown> = Promise.resolve();
  const queue = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = tail.then(work);
    // The tail only orders; the failure itself reaches the asker through `mine`.
    tail = mine.then(
      () => undefined,
      () => undefined,
    );
    return mine;
  };
  return Object.assign(queue, { idle: async () => void (await tail) });
}

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

/** Run `work` for each, eight at a time. */
export async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) await work(items[next++]!);
  };
  await Promise.all(Array.from({ length: Math.min(8, items.length) }, lane));
}
