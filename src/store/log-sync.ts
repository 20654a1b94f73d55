import { closeSync, fdatasync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import { PlumblineError } from '../base/index.ts';
import { createShared } from './limit.ts';

export interface LogSync {
  /**
   * Resolves when everything that was committed before the call is on the disk; calls that wait at the same moment share
   * one sync. @throws PlumblineError store-damaged
   */
  durable(): Promise<void>;
  /** @throws PlumblineError store-damaged where the disk has refused a sync: what it lost then a later one cannot bring */
  check(): void;
  close(): void;
}

/**
 * The flush of SQLite's write-ahead log, made by us in another thread: SQLite would make it inside COMMIT, where nothing
 * else is answered for as long as the disk takes. What it syncs by itself with synchronous=NORMAL (a new log's header,
 * log and database at a checkpoint) is all that is asked beside it (sqlite.org/wal.html §3.2).
 * @param path of the database
 * @param done called after each sync
 */
export function createLogSync(path: string, done: () => void, sync = promisify(fdatasync)): LogSync {
  const log = `${path}-wal`;
  // While the database is open its log is one file, from the first transaction on; no lock of SQLite lies on it.
  let fd: number | undefined;
  let failure: PlumblineError | undefined;
  const durable = createShared(async () => {
    check();
    try {
      fd ??= openSync(log, 'r');
      await sync(fd);
    } catch (cause) {
      failure = new PlumblineError('store-damaged', 'the disk did not take the log of the database', {
        where: log,
        cause,
      });
      throw failure;
    }
    done();
  });
  const check = (): void => {
    if (failure) throw failure;
  };
  return {
    durable,
    check,
    close: () => {
      if (fd !== undefined) closeSync(fd);
    },
  };
}
