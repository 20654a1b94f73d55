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
 * The body of a request, as fast as the reader takes it and no longer than its sender keeps sending, in the chunks that
 * the socket gives: none is joined to another. Only time spent waiting for the sender counts, never our own disk.
 * `return` lets go of the request and leaves its socket open, so that an answer can follow.
 *
 * @throws PlumblineError body-too-large, sender-slow, sender-gone
 */
export function requestBody(req: IncomingMessage, limits: IntakeLimits): AsyncIterableIterator<Uint8Array> {
  const feed = createFeed(req);
  const watch = createWatch(limits);
  let total = 0;
  const stop = (): void => {
    watch.stop();
    feed.stop();
  };
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    const chunk = feed.take() ?? (await watch.waitFor(feed.wait()));
    if (!chunk) {
      stop();
      return { done: true, value: undefined };
    }
    total += chunk.length;
    if (total > limits.requestBytes) throw tooLarge(limits.requestBytes);
    watch.received(chunk.length);
    return { done: false, value: chunk };
  };
  const body: AsyncIterableIterator<Uint8Array> = {
    next,
    return: async () => {
      stop();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => body,
  };
  return body;
}

/**
 * Give the memory of a chunk back at once. The garbage collector only sees small objects and lets the memory behind them
 * wait, so that a large request would be held by tens of megabytes that nobody uses.
 */
export function release(chunk: Uint8Array): void {
  const { buffer } = chunk;
  if (buffer instanceof ArrayBuffer && chunk.byteLength === buffer.byteLength) buffer.transfer(0);
}

interface Feed {
  /** What has come, if anything has. */
  take(): Uint8Array | undefined;
  /** What comes next; undefined at the end. */
  wait(): Promise<Uint8Array | undefined>;
  stop(): void;
}

/** A sender is stopped when so many bytes wait for the reader: about what one turn of the event loop brings. */
const mostWaiting = 1 << 18;

/** Node's own iterator joins the chunks that wait, which copies them; events do not. */
function createFeed(req: IncomingMessage): Feed {
  const queue: Uint8Array[] = [];
  let waiting = 0;
  let state: 'open' | 'ended' | PlumblineError = 'open';
  let told: (() => void) | undefined;
  const tell = (): void => told?.();
  const onData = (chunk: Uint8Array): void => {
    queue.push(chunk);
    waiting += chunk.length;
    if (waiting >= mostWaiting) req.pause();
    tell();
  };
  const onEnd = (): void => {
    state = req.complete ? 'ended' : gone();
    tell();
  };
  // Node reports a sender that hangs up as ECONNRESET ("aborted").
  const onError = (error?: Error): void => {
    if (state === 'open') state = gone(error);
    tell();
  };
  req.on('data', onData).on('end', onEnd).on('error', onError).on('close', onError);
  if (req.destroyed) onError();
  const take = (): Uint8Array | undefined => {
    const chunk = queue.shift();
    if (!chunk) return undefined;
    waiting -= chunk.length;
    if (waiting === 0 && req.isPaused()) req.resume();
    return chunk;
  };
  return {
    take,
    wait: async () => {
      while (queue.length === 0 && state === 'open') await new Promise<void>((resolve) => (told = resolve));
      const chunk = take();
      if (!chunk && state !== 'ended') throw state;
      return chunk;
    },
    stop: () => {
      req.off('data', onData).off('end', onEnd).off('close', onError);
      req.pause();
    },
  };
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
