import { catalogue, type ErrorClass, type ErrorCode } from './catalogue.ts';

/** The one error type. `message` names the thing, what was expected and what came; `remedy` says what to do. */
export class PlumblineError extends Error {
  readonly code: ErrorCode;
  readonly class: ErrorClass;
  readonly remedy: string;
  /** file:line:column, instance UID, destination … */
  readonly where: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly where?: string; readonly cause?: unknown; readonly remedy?: string } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PlumblineError';
    this.code = code;
    this.class = catalogue[code].class;
    this.remedy = options.remedy ?? catalogue[code].remedy;
    this.where = options.where;
  }
}

/** Anything thrown as a `PlumblineError`; what is not one is a bug of ours (`internal`) and keeps its cause. */
export function asPlumblineError(thrown: unknown): PlumblineError {
  if (thrown instanceof PlumblineError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new PlumblineError('internal', text, { cause: thrown });
}

/** `code: message (where). remedy`, for terminals and reason fields. */
export function explainError(error: PlumblineError): string {
  return `${error.code}: ${error.message}${error.where ? ` (${error.where})` : ''}. ${error.remedy}`;
}
