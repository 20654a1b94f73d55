import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { PlumblineError } from '../base/index.ts';
import type { InspectAnswer, InspectOrder } from './inspect-worker.ts';
import { look, type SeenFile } from './look.ts';

/** Looks at files and hashes them, in threads of its own where that is worth the way there. */
export interface Inspector {
  /**
   * As `inspectPart10` with `undecodable: 'mark'`.
   * @param file a view of a SharedArrayBuffer is read where it lies, and must stay as it is until this resolves; other
   * memory is looked at in this thread
   * @throws PlumblineError as `inspectPart10`
   */
  inspect(file: Uint8Array): Promise<SeenFile>;
  /** End the threads; files in work are refused with `internal`. */
  close(): Promise<void>;
}

/** For small files the way to another thread and back takes longer than the look itself. */
const worthTheWay = 64 << 10;

/** One core is left to the thread that receives. */
const mostThreads = Math.max(1, Math.min(4, availableParallelism() - 1));

/** Threads are started with the files that need them, and never keep the program alive. */
export function createInspector(threads = mostThreads): Inspector {
  const pool: Thread[] = [];
  const freest = (): Thread => {
    const idle = pool.toSorted((x, y) => x.waiting - y.waiting)[0];
    if (idle && (idle.waiting === 0 || pool.length >= threads)) return idle;
    const started = startThread(() => pool.splice(pool.indexOf(started), 1));
    pool.push(started);
    return started;
  };
  return {
    inspect: async (file) =>
      file.length < worthTheWay || !(file.buffer instanceof SharedArrayBuffer) ? look(file) : freest().ask(file),
    close: async () => {
      await Promise.all(pool.map((thread) => thread.end()));
    },
  };
}

interface Thread {
  readonly waiting: number;
  ask(file: Uint8Array): Promise<SeenFile>;
  end(): Promise<void>;
}

function startThread(ended: () => void): Thread {
  // The emitted program has inspect-worker.js beside it, the source inspect-worker.ts.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const worker = new Worker(new URL(`./inspect-worker.${extension}`, import.meta.url));
  worker.unref();
  const asked = new Map<number, (answer: InspectAnswer) => void>();
  let number = 0;
  const answer = (from: InspectAnswer): void => {
    asked.get(from.number)?.(from);
    asked.delete(from.number);
    if (asked.size === 0) worker.unref();
  };
  worker.on('message', answer);
  // A thread that is gone answers nothing more; the next file starts another.
  const gone = (why: string): void => {
    ended();
    for (const n of [...asked.keys()])
      answer({
        number: n,
        code: 'internal',
        message: `the thread that looks at files ${why}`,
        where: undefined,
        cause: undefined,
      });
  };
  let failure: Error | undefined;
  worker.on('error', (error) => (failure = error));
  worker.on('exit', () => gone(failure ? `ended: ${failure.message}` : 'was stopped'));
  return {
    get waiting() {
      return asked.size;
    },
    ask: async (file) => {
      const order: InspectOrder = { number: number++, file };
      const got = await new Promise<InspectAnswer>((resolve) => {
        asked.set(order.number, resolve);
        worker.ref();
        worker.postMessage(order);
      });
      if ('seen' in got) return got.seen;
      const { code, message, where, cause } = got;
      throw new PlumblineError(code, message, { ...(where !== undefined && { where }), cause });
    },
    end: async () => void (await worker.terminate()),
  };
}
