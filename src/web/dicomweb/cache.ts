/** Least recently used things are dropped when all together are larger than the limit. */
export interface Cache<T> {
  get(key: string): T | undefined;
  /** @returns the value */
  set(key: string, value: T): T;
}

/** @param limit sum of sizes */
export function createCache<T>(limit: number, sizeOf: (value: T) => number): Cache<T> {
  const kept = new Map<string, T>();
  let total = 0;
  const drop = (key: string): void => {
    total -= sizeOf(kept.get(key)!);
    kept.delete(key);
  };
  return {
    get(key) {
      const value = kept.get(key);
      if (value === undefined) return undefined;
      kept.delete(key);
      kept.set(key, value);
      return value;
    },
    set(key, value) {
      if (kept.has(key)) drop(key);
      if (sizeOf(value) > limit) return value;
      kept.set(key, value);
      total += sizeOf(value);
      while (total > limit) drop(kept.keys().next().value!);
      return value;
    },
  };
}
