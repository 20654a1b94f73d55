import { parentPort } from 'node:worker_threads';
import { decodeFrame } from './codecs.ts';
import type { DecodedFrame, FrameJob } from './pixels.ts';
import { DecodeProblem } from './problem.ts';

/** What the worker answers; errors cross the thread border as plain data. `worn`: this worker must not be used again. */
export type WorkerAnswer =
  | { readonly frame: DecodedFrame }
  | {
      readonly code: 'pixel-description' | 'pixel-decode' | 'pixel-decode-timeout';
      readonly message: string;
      readonly worn: boolean;
    };

parentPort?.on('message', (job: FrameJob) => {
  void decodeFrame(job).then(
    (frame) => answer({ frame }, [frame.values.buffer as ArrayBuffer]),
    (thrown: unknown) => answer(problemAnswer(thrown), []),
  );
});

function problemAnswer(thrown: unknown): WorkerAnswer {
  if (thrown instanceof DecodeProblem) return { code: thrown.code, message: thrown.message, worn: thrown.codecFailed };
  return { code: 'pixel-decode', message: thrown instanceof Error ? thrown.message : String(thrown), worn: true };
}

function answer(message: WorkerAnswer, transfer: ArrayBuffer[]): void {
  parentPort!.postMessage(message, transfer);
}
