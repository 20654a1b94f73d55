import pino from 'pino';

/**
 * What may be logged: an allow-list, because a data set or a name must never reach a log.
 * UIDs and our own ids are identifiers of objects, not of people.
 */
export interface LogFields {
  readonly study?: string;
  readonly workitem?: string;
  readonly destination?: string;
  readonly door?: string;
  readonly code?: string;
  readonly count?: number;
  readonly bytes?: number;
  readonly ms?: number;
  readonly status?: number;
  readonly attempt?: number;
  readonly bundle?: string;
  readonly where?: string;
}

export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** JSON lines on standard error; `level` is one of pino's names, `silent` for none. */
export function createLog(level: string): Log {
  const out = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
  return {
    info: (event, fields = {}) => out.info(fields, event),
    warn: (event, fields = {}) => out.warn(fields, event),
    error: (event, fields = {}) => out.error(fields, event),
  };
}

export const silentLog: Log = { info: () => {}, warn: () => {}, error: () => {} };
