import { Worker } from 'node:worker_threads';
import { PlumblineError } from '../../base/index.ts';
import { readFrames, transferSyntax } from '../../dicom/index.ts';
import { describePixels } from './describe.ts';
import type { DecodedFrame, FrameJob } from './pixels.ts';
import type { WorkerAnswer } from './worker.ts';

export interface DecoderOptions {
  /** Longest time for one frame. */
  readonly seconds: number;
  /** Largest rows x columns of a frame. */
  readonly maxPixels: number;
}

export interface Decoder {
  /**
   * Decode frames of a Part 10 file.
   * @param frames 0-based
   * @returns one for each, in their order
   * @throws PlumblineError `pixel-description`, `pixel-decode`, `pixel-decode-timeout`; as `inspectPart10` for a file
   * that is no DICOM
   */
  decode(file: Uint8Array, frames: readonly number[]): Promise<DecodedFrame[]>;
  /** Stop the worker; frames in work fail with `pixel-decode`. */
  close(): Promise<void>;
}

/**
 * A decoder with one worker thread, started with the first frame. Frames are decoded one after the other. After a frame
 * that a codec refuses or that takes too long the worker is thrown away: a damaged stream can leave a codec unusable.
 */
export function createDecoder(options: DecoderOptions): Decoder {
  let worker: Worker | undefined;
  let last: Promise<unknown> = Promise.resolve();

  async function stop(): Promise<void> {
    const stopping = worker;
    worker = undefined;
    await stopping?.terminate();
  }
  async function decodeOne(job: FrameJob): Promise<DecodedFrame> {
    worker ??= startWorker();
    const answer = await askWorker(worker, job, options.seconds);
    if ('frame' in answer) return answer.frame;
    if (answer.worn) await stop();
    throw new PlumblineError(answer.code, answer.message);
  }
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = last.then(work, work);
    last = turn.catch(() => undefined); // the caller of `turn` sees the error; the next in the queue must not
    return turn;
  }

  return {
    async decode(file, frames) {
      const encoded = readFrames(file);
      const syntax = transferSyntax(encoded.transferSyntax);
      if (!syntax?.readable)
        throw new PlumblineError('pixel-decode', `${syntax?.name ?? encoded.transferSyntax} is stored but not decoded`);
      const description = describePixels(encoded.description, encoded.keyword, options.maxPixels);
      const decoded: DecodedFrame[] = [];
      for (const index of frames) {
        const job: FrameJob = { transferSyntax: encoded.transferSyntax, description, ...encoded.frame(index) };
        decoded.push(await inTurn(() => decodeOne(job)));
      }
      return decoded;
    },
    close: stop,
  };
}

function startWorker(): Worker {
  // The emitted program has worker.js beside it, the source worker.ts.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const worker = new Worker(new URL(`./worker.${extension}`, import.meta.url));
  worker.unref();
  return worker;
}

function askWorker(worker: Worker, job: FrameJob, seconds: number): Promise<WorkerAnswer> {
  return new Promise((resolve) => {
    const finish = (answer: WorkerAnswer): void => {
      clearTimeout(timer);
      worker.off('message', finish).off('error', onError).off('exit', onExit);
      worker.unref();
      resolve(answer);
    };
    const fail = (code: 'pixel-decode' | 'pixel-decode-timeout', message: string): void =>
      finish({ code, message, worn: true });
    const onError = (error: Error): void => fail('pixel-decode', `the decoder stopped: ${error.message}`);
    const onExit = (): void => fail('pixel-decode', 'the decoder was stopped');
    const late = (): void => fail('pixel-decode-timeout', `a frame took longer than ${seconds} s to decode`);
    const timer = setTimeout(late, seconds * 1000);
    worker.on('message', finish).on('error', onError).on('exit', onExit);
    worker.ref();
    worker.postMessage(job, [job.bytes.buffer]);
  });
}
