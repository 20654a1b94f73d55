/** Adds up what each stage of one picture takes, in ms. */
export interface Stopwatch {
  time<T>(stage: string, work: () => T | Promise<T>): Promise<T>;
  times(): Record<string, number>;
}

export function stopwatch(): Stopwatch {
  const begun = performance.now();
  const spent = new Map<string, number>();
  return {
    async time(stage, work) {
      const t = performance.now();
      const result = await work();
      spent.set(stage, (spent.get(stage) ?? 0) + performance.now() - t);
      return result;
    },
    times: () => {
      spent.set('total', performance.now() - begun);
      return Object.fromEntries([...spent].map(([stage, ms]) => [stage, Math.round(ms * 100) / 100]));
    },
  };
}
