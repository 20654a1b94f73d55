import pino from 'pino';
import { studyId } from './ids.ts';

/**
 * What may be logged: an allow-list, because a data set or a name must never reach a log.
 * UIDs and our own ids are identifiers of objects, not of people.
 */
export interface LogFields {
  /** Study Instance UID; the line carries the study's own id in its place (`studyId`). */
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
  /** `answer`, `draft`, `encode`. */
  readonly stage?: string;
  /** How often the line would have been written since the last one of its kind. */
  readonly repeats?: number;
}

export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/**
 * JSON lines on standard error; `level` is one of pino's names, `silent` for none. Warnings and errors that repeat are
 * counted instead of written (`countRepeats`).
 */
export function createLog(level: string): Log {
  const out = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
  return countRepeats({
    info: (event, fields = {}) => out.info(opaque(fields), event),
    warn: (event, fields = {}) => out.warn(opaque(fields), event),
    error: (event, fields = {}) => out.error(opaque(fields), event),
  });
}

function opaque(fields: LogFields): LogFields {
  return fields.study === undefined ? fields : { ...fields, study: studyId(fields.study) };
}

export const silentLog: Log = { info: () => {}, warn: () => {}, error: () => {} };

type Level = 'warn' | 'error';

interface Kind {
  written: number;
  held: number;
  last: LogFields;
}

/**
 * A log in which a warning or error of one kind (event, door, destination, code) is written at most `burst` times in
 * `perMs`; what comes beyond is counted and told in one line at the end of that time. So an outage or a scan of a port
 * fills no disk, and no number is lost.
 */
export function countRepeats(log: Log, { burst = 20, perMs = 60_000 } = {}): Log {
  const kinds = new Map<string, Kind>();
  const say = (level: Level, event: string, fields: LogFields = {}): void => {
    const { door, destination, code } = fields;
    const key = JSON.stringify([level, event, door, destination, code]);
    const kind = kinds.get(key) ?? begin(level, event, key);
    kind.last = fields;
    if (kind.written++ < burst) log[level](event, fields);
    else kind.held++;
  };
  const begin = (level: Level, event: string, key: string): Kind => {
    const kind: Kind = { written: 0, held: 0, last: {} };
    kinds.set(key, kind);
    setTimeout(() => {
      kinds.delete(key);
      if (kind.held > 0) log[level](event, { ...kind.last, repeats: kind.held });
    }, perMs).unref();
    return kind;
  };
  return {
    info: (event, fields) => log.info(event, fields),
    warn: (event, fields) => say('warn', event, fields),
    error: (event, fields) => say('error', event, fields),
  };
}
