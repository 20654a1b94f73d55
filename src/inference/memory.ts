/** Values that cost much to make. Together they take at most so many bytes; the newest stays whatever it takes. */
export interface Memory {
  /** The value of `key`, made where it is not there (any more). */
  get<T>(key: string, make: () => Promise<Kept<T>>): Promise<T>;
  /** Of all values that are kept. */
  bytes(): number;
}

export interface Kept<T> {
  readonly value: T;
  readonly bytes: number;
}

/** The least recently used goes first. */
export function createMemory(maxBytes: number): Memory {
  const kept = new Map<string, Kept<unknown>>();
  let total = 0;
  const forget = (key: string): void => {
    total -= kept.get(key)?.bytes ?? 0;
    kept.delete(key);
  };
  return {
    bytes: () => total,
    async get<T>(key: string, make: () => Promise<Kept<T>>): Promise<T> {
      const entry = (kept.get(key) as Kept<T> | undefined) ?? (await make());
      forget(key);
      kept.set(key, entry);
      total += entry.bytes;
      while (total > maxBytes && kept.size > 1) forget(kept.keys().next().value!);
      return entry.value;
    },
  };
}
