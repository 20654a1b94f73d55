import type { IncomingMessage } from 'node:http';
import { PlumblineError } from '../../base/index.ts';

export interface IntakeLimits {
  /** Bytes of the whole body. */
  readonly requestBytes: number;
  /** A sender that is waited for this long without a byte is cut off. */
  readonly idleSeconds: number;
  /** Over each `idleSeconds` of waiting, fewer bytes a second than this is taken for a sender that will never end. */
  readonly bytesPerSecond: number;
}

/**
 * The body of a request, as fast as the reader takes it and no longer than its sender keeps sending.
 * Only time spent waiting for the sender counts, never our own disk. The socket stays open, so that an answer can follow.
 *
 * @throws PlumblineError body-too-large, sender-slow, sender-gone
 */
export async function* requestBody(
  req: IncomingMessage,
  limits: IntakeLimits,
): AsyncGenerator<Uint8Array, void, undefined> {
  const chunks = req.iterator({ destroyOnReturn: false });
  const watch = createWatch(limits);
  let total = 0;
  try {
    for (;;) {
      const { done, value } = await watch.waitFor(chunks.next() as Promise<IteratorResult<Uint8Array, void>>);
      if (done) break;
      total += value.length;
      if (total > limits.requestBytes) throw tooLarge(limits.requestBytes);
      watch.received(value.length);
      yield value;
    }
  } finally {
    watch.stop();
  }
  if (!req.complete) throw gone();
}

/** @throws PlumblineError body-too-large where the sender announces more than is taken */
export function checkAnnounced(req: IncomingMessage, limits: IntakeLimits): void {
  if (Number(req.headers['content-length'] ?? 0) > limits.requestBytes) throw tooLarge(limits.requestBytes);
}

interface Watch {
  waitFor<T>(next: Promise<T>): Promise<T>;
  received(bytes: number): void;
  stop(): void;
}

function createWatch(limits: IntakeLimits): Watch {
  const window = limits.idleSeconds * 1000;
  // One reaction a wait, not a race with one promise for all: that would keep every chunk until the request ends.
  let expire: ((reason: PlumblineError) => void) | undefined;
  const alarm = setTimeout(() => expire?.(slow(`nothing arrived for ${limits.idleSeconds} s`)), window);
  let waited = 0;
  let bytes = 0;
  return {
    async waitFor(next) {
      const since = performance.now();
      alarm.refresh();
      try {
        return await new Promise((resolve, reject) => {
          expire = reject;
          next.then(resolve, reject);
        });
      } catch (thrown) {
        // Node reports a sender that hangs up as ECONNRESET ("aborted").
        throw thrown instanceof PlumblineError ? thrown : gone(thrown);
      } finally {
        expire = undefined;
        waited += performance.now() - since;
      }
    },
    received(count) {
      bytes += count;
      if (waited < window) return;
      if ((bytes / waited) * 1000 < limits.bytesPerSecond)
        throw slow(`fewer than ${limits.bytesPerSecond} bytes a second arrived`);
      [waited, bytes] = [0, 0];
    },
    stop: () => clearTimeout(alarm),
  };
}

function tooLarge(limit: number): PlumblineError {
  return new PlumblineError('body-too-large', `the request is larger than ${limit} bytes`);
}

function slow(message: string): PlumblineError {
  return new PlumblineError('sender-slow', message);
}

function gone(cause?: unknown): PlumblineError {
  return new PlumblineError('sender-gone', 'the sender closed the connection before the end of the request', { cause });
}
