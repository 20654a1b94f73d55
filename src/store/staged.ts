import { createHash } from 'node:crypto';
import { closeSync, fdatasync, open as openFile, readSync, write as writeFd } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { PlumblineError } from '../base/index.ts';
import { diskError, ignoreMissing, moveInto, readRange, renamed } from './files.ts';
import type { createLimit } from './limit.ts';
import type { StagedBlob } from './types.ts';

/** What was asked of the disk; tests count on it. */
export interface BlobCounters {
  files: number;
  bytes: number;
  fileSyncs: number;
  /** Shared by the commits that waited at the same moment. */
  folderSyncs: number;
  /** Blobs that were there already. */
  existing: number;
}

export interface StagedFile extends StagedBlob {
  /** @throws PlumblineError internal before `finish` */
  finished(): { readonly digest: string; readonly bytes: number };
  /** Resolves when the bytes are on the disk; rejects where the disk refused them. */
  synced(): Promise<void>;
  /** Give the file, still in staging, a name that recovery understands. */
  nameByDigest(): void;
  moveTo(path: string): void;
}

const [openFd, write, datasync] = [promisify(openFile), promisify(writeFd), promisify(fdatasync)];

/**
 * A file in staging; its fdatasync starts at `finish` and is awaited by `synced`.
 *
 * Names are changed in this thread: that costs less than a third of what handing each such call to another thread and
 * waiting for it does. What may wait for the disk itself, a new file, the bytes and the syncs, is handed over.
 * @param hashed the digest is made by the writer and given to `finish`
 */
export async function stageFile(
  path: string,
  syncing: ReturnType<typeof createLimit>,
  counters: BlobCounters,
  hashed = false,
): Promise<StagedFile> {
  const fd = await opened(path);
  const hash = hashed ? undefined : createHash('sha256');
  let at: string | undefined = path;
  let bytes = 0;
  let finished: { readonly digest: string; readonly bytes: number } | undefined;
  /** What went wrong while nobody was waiting; `synced` tells. */
  let sync: Promise<{ readonly failure?: unknown }> | undefined;
  /** What still uses the descriptor: a number that is closed too early may be another file's. */
  let inUse: Promise<unknown> = Promise.resolve();
  const using = <T>(work: Promise<T>): Promise<T> => {
    inUse = work.catch(() => undefined);
    return work;
  };
  let open = true;
  const close = (): void => {
    if (open) closeSync(fd);
    open = false;
  };

  const syncAlone = async (): Promise<{ readonly failure?: unknown }> => {
    const leave = await syncing.enter();
    try {
      await datasync(fd);
      counters.fileSyncs++;
      return {};
    } catch (failure) {
      return { failure };
    } finally {
      leave();
      close();
    }
  };
  const finish = async (given?: string): Promise<{ readonly digest: string; readonly bytes: number }> => {
    if (finished) return finished;
    const digest = hash?.digest('hex') ?? given;
    if (digest === undefined) throw new PlumblineError('internal', 'the digest of a blob was to be given to finish');
    finished = { digest, bytes };
    counters.files++;
    counters.bytes += bytes;
    sync = using(syncAlone());
    return finished;
  };

  return {
    write: async (chunk) => {
      if (finished) throw new PlumblineError('internal', 'a finished blob takes no more bytes');
      const written = using(writeAll(fd, chunk, path));
      // The hash is made while the write goes on in another thread.
      hash?.update(chunk);
      bytes += chunk.byteLength;
      await written;
    },
    finish,
    finished: () => {
      if (!finished) throw new PlumblineError('internal', 'a blob must be finished before it is committed');
      return finished;
    },
    readInto: (place, start) => {
      if (!open) throw new PlumblineError('internal', 'a staged blob is read in place before it is finished');
      for (let done = 0; done < place.length;) {
        const got = readNow(fd, place.subarray(done), start + done);
        if (got === 0) throw new PlumblineError('internal', 'less was written to a staged blob than is read');
        done += got;
      }
    },
    nameByDigest: () => {
      const named = join(dirname(path), `${finished!.digest}~${path.slice(-41, -5)}`);
      renamed(at!, named);
      at = named;
    },
    synced: async () => {
      const failure = (await sync)?.failure;
      if (failure !== undefined) throw diskError(failure, path);
    },
    read: async (start = 0, end) => {
      if (!at || !finished)
        throw new PlumblineError('internal', 'a staged blob is read after finish and before it is discarded');
      return readRange(at, start, end);
    },
    moveTo: (to) => {
      moveInto(at!, to);
      at = undefined;
    },
    discard: async () => {
      await inUse;
      close();
      if (at) await unlink(at).catch(ignoreMissing);
      at = undefined;
    },
  };
}

async function opened(path: string): Promise<number> {
  try {
    return await openFd(path, 'wx+');
  } catch (e) {
    throw diskError(e, path);
  }
}

/** A disk that does not read is trouble of ours, and must not pass for a damaged file with those who look at what it gives. */
function readNow(fd: number, into: Uint8Array, start: number): number {
  try {
    return readSync(fd, into, 0, into.length, start);
  } catch (cause) {
    throw new PlumblineError('internal', 'a staged blob could not be read', { cause });
  }
}

async function writeAll(fd: number, chunk: Uint8Array, path: string): Promise<void> {
  try {
    for (let done = 0; done < chunk.byteLength;)
      done += (await write(fd, chunk, done, chunk.byteLength - done)).bytesWritten;
  } catch (e) {
    throw diskError(e, path);
  }
}
