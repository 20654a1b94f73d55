/**
 * Why a frame was not decoded, inside of the worker. The worker loads as little as it can, for it is started anew after
 * every codec failure; the main thread makes a `PlumblineError` of this.
 */
export class DecodeProblem extends Error {
  readonly code: 'pixel-description' | 'pixel-decode';
  /** A codec threw: its memory may be damaged, and the worker with it. */
  readonly codecFailed: boolean;

  constructor(
    code: DecodeProblem['code'],
    message: string,
    options: { readonly cause?: unknown; readonly codecFailed?: boolean } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.codecFailed = options.codecFailed ?? false;
  }
}
