/** Work in order, several pieces at a time, each begun and each told in that order. */
export interface InOrder<R> {
  push(work: () => Promise<R>): void;
  /** How many have come and are neither told nor given up. */
  readonly count: number;
  /** Resolves when everything that came so far is told or given up. */
  idle(): Promise<void>;
}

export interface InOrderOptions<R> {
  /** Begun and not yet told, at most. */
  readonly most: number;
  /** Asked before one is begun, and the next waits for it too; a failure is that of the work. */
  readonly mayBegin: () => Promise<void>;
  readonly tell: (result: R) => void;
  /** The first failure ends it: nothing more is begun or told. */
  readonly fail: (error: unknown) => void;
}

/**
 * A pipeline with order at both ends. What is begun runs on beside what was begun before it, so that several wait for
 * the same flush of the disk; they reach the store in the order in which they came.
 */
export function createInOrder<R>({ most, mayBegin, tell, fail }: InOrderOptions<R>): InOrder<R> {
  let beginnings: Promise<unknown> = Promise.resolve();
  let endings: Promise<void> = Promise.resolve();
  let count = 0;
  let running = 0;
  let wake: (() => void) | undefined;
  let failed = false;

  const start = async (work: () => Promise<R>): Promise<{ readonly result: Promise<R> } | undefined> => {
    while (running >= most) await new Promise<void>((resolve) => (wake = resolve));
    if (!failed) await mayBegin();
    if (failed) return undefined;
    running++;
    const result = work();
    result.catch(() => undefined); // heard in its turn, which may come later
    // In an object: the next begins without waiting for it.
    return { result };
  };
  const end = async (started: ReturnType<typeof start>): Promise<void> => {
    let begun = false;
    try {
      const one = await started;
      if (!one) return;
      begun = true;
      const result = await one.result;
      if (!failed) tell(result);
    } catch (e) {
      if (!failed) fail(e);
      failed = true;
    } finally {
      count--;
      if (begun) running--;
      wake?.();
    }
  };
  return {
    push: (work) => {
      count++;
      // After a failure the rest is only given up, in the same order.
      const started = beginnings.then(() => start(work));
      beginnings = started.catch(() => undefined);
      endings = endings.then(() => end(started));
    },
    get count() {
      return count;
    },
    idle: () => endings,
  };
}
