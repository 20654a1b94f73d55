import type { Admission, Admitted, Studies } from '../../studies/index.ts';

type Admit = (admission: Admission) => Promise<Admitted>;

interface Waiting {
  readonly admission: Admission;
  readonly done: (admitted: Admitted) => void;
  readonly failed: (e: unknown) => void;
}

/** Instances in one transaction: more associations than this do not send at a time. */
const most = 64;

/**
 * Admission for many associations: an instance alone is kept at once; those that arrive while a transaction runs are
 * kept together in the next one. A status waits for its own transaction only. DIMSE waits for each answer, so without
 * this the disk would be asked for several syncs for every instance of every association.
 * @param sender one batch has one sender
 */
export function createSharedAdmission(studies: Pick<Studies, 'admit'>): (sender: string) => Admit {
  const queues = new Map<string, Waiting[]>();

  const drain = async (sender: string, waiting: Waiting[]): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting.splice(0, most);
      try {
        const admitted = await studies.admit(
          batch.map((w) => w.admission),
          { door: 'dimse', sender },
        );
        for (const [i, w] of batch.entries()) w.done(admitted[i]!);
      } catch (e) {
        for (const w of batch) w.failed(e);
      }
    }
    queues.delete(sender);
  };

  return (sender) => (admission) => {
    const { promise, resolve, reject } = Promise.withResolvers<Admitted>();
    const waiting: Waiting = { admission, done: resolve, failed: reject };
    const queue = queues.get(sender);
    if (queue) queue.push(waiting);
    else {
      const first = [waiting];
      queues.set(sender, first);
      void drain(sender, first);
    }
    return promise;
  };
}
