import { parentPort } from 'node:worker_threads';
import { asPlumblineError, type ErrorCode } from '../base/index.ts';
import { look, type SeenFile } from './look.ts';

export interface InspectOrder {
  readonly number: number;
  readonly file: Uint8Array;
}

/** Errors cross the thread border as plain data. */
export type InspectAnswer = { readonly number: number } & (
  | { readonly seen: SeenFile }
  | {
      readonly code: ErrorCode;
      readonly message: string;
      readonly where: string | undefined;
      /** Where a defect of ours came from. */
      readonly cause: Error | undefined;
    }
);

parentPort?.on('message', ({ number, file }: InspectOrder) => parentPort!.postMessage(answer(number, file)));

function answer(number: number, file: Uint8Array): InspectAnswer {
  try {
    return { number, seen: look(file) };
  } catch (thrown) {
    const { code, message, where, cause } = asPlumblineError(thrown);
    return { number, code, message, where, cause: cause instanceof Error ? cause : undefined };
  }
}
