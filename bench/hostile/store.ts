import { goodInstance, sendBroken, type BrokenCase, type StoreAnswer } from '../../test/builders/broken-by-store.ts';
import { startDoor } from '../../test/builders/dimse.ts';

export interface Stored {
  readonly answers: ReadonlyMap<string, StoreAnswer>;
  /** Kept without having been acknowledged, acknowledged without being kept, or half-written. */
  readonly faults: readonly string[];
}

/** Each file by C-STORE into one door, each followed by a good object over the same association. */
export async function byStore(cases: readonly BrokenCase[]): Promise<Stored> {
  const door = await startDoor();
  try {
    const answers = await sendBroken(door.port, cases);
    const taken = [...answers.values()].filter((a) => a.status === '0000').map((a) => a.sent.instanceUid);
    const wanted = new Set([...taken, ...cases.map((_, i) => goodInstance(i))]);
    const kept = new Set(await door.kept());
    return {
      answers,
      faults: [
        ...[...kept.difference(wanted)].map((uid) => `${uid} was kept and not acknowledged by C-STORE`),
        ...[...wanted.difference(kept)].map((uid) => `${uid} was acknowledged by C-STORE and not kept`),
        ...door.staged().map((name) => `${name} is left half-written by C-STORE`),
      ],
    };
  } finally {
    await door.close();
  }
}
