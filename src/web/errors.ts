import type { ErrorRequestHandler } from 'express';
import { asPlumblineError, type ErrorCode, type Log, type PlumblineError } from '../base/index.ts';

/** The last middleware: any error as a JSON problem `{ code, message, remedy, where }` (RFC 9457 media type). */
export function problemAnswer(log: Log): ErrorRequestHandler {
  return (thrown: unknown, _req, res, next) => {
    const error = asRequestError(thrown);
    const status = statusOf(error);
    if (status >= 500) log.error('request failed', { code: error.code, status, where: frames(error) });
    if (res.headersSent || res.destroyed) return next(thrown); // the default handler cuts the connection
    if (status === 503) res.set('Retry-After', '30');
    const { code, remedy, where } = error;
    const message = error.class === 'bug' ? 'internal error' : error.message;
    res.status(status).set('Cache-Control', 'no-store').type('application/problem+json');
    res.send(JSON.stringify({ code, message, remedy, where }));
  };
}

/** HTTP status of an error of the read service. */
function statusOf(error: PlumblineError & { readonly status?: number }): number {
  return error.status ?? statuses[error.code] ?? { reject: 400, hold: 422, retry: 503, bug: 500 }[error.class];
}

const statuses: Partial<Record<ErrorCode, number>> = {
  'not-found': 404,
  'not-acceptable': 406,
  'query-invalid': 400,
  'body-too-large': 413,
  'media-type-unsupported': 415,
  'store-damaged': 500,
};

/** Express itself throws errors with a status, e.g. for a `%` in a path that is no escape. */
function asRequestError(thrown: unknown): PlumblineError & { readonly status?: number } {
  const status = (thrown as { readonly status?: unknown } | undefined)?.status;
  const error = asPlumblineError(thrown);
  return typeof status === 'number' && status >= 400 && status < 500 ? Object.assign(error, { status }) : error;
}

/** Where a defect came from, without its message, which might hold words of a data set. */
function frames(error: PlumblineError): string {
  const stack = (error.cause instanceof Error ? error.cause.stack : error.stack) ?? '';
  const lines = stack.split('\n').filter((line) => line.startsWith('    at '));
  return [error.where, ...lines.slice(0, 6)].join('');
}
