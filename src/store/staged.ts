import { createHash } from 'node:crypto';
import { open, rename, unlink, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PlumblineError } from '../base/index.ts';
import { diskError, ignoreMissing, moveInto, readRange } from './files.ts';
import type { createLimit } from './limit.ts';
import type { StagedBlob } from './types.ts';

/** What was asked of the disk; tests count on it. */
export interface BlobCounters {
  files: number;
  bytes: number;
  fileSyncs: number;
  folderSyncs: number;
  /** Blobs that were there already. */
  existing: number;
}

export interface StagedFile extends StagedBlob {
  /** Resolves when the bytes are on the disk; rejects where the disk refused them, or before `finish`. */
  synced(): Promise<{ readonly digest: string; readonly bytes: number }>;
  /** Give the file, still in staging, a name that recovery understands. */
  nameByDigest(): Promise<void>;
  moveTo(path: string): Promise<void>;
}

/** A file in staging: hashed while it is written; its fdatasync starts at `finish` and is awaited by `synced`. */
export async function stageFile(
  path: string,
  syncing: ReturnType<typeof createLimit>,
  counters: BlobCounters,
): Promise<StagedFile> {
  const handle = await open(path, 'wx').catch((e: unknown) => Promise.reject(diskError(e, path)));
  const hash = createHash('sha256');
  let at: string | undefined = path;
  let bytes = 0;
  let finished: { readonly digest: string; readonly bytes: number } | undefined;
  // What went wrong while nobody was waiting; `synced` tells.
  let sync: Promise<{ readonly failure?: unknown }> | undefined;
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => (closed ??= handle.close());

  const write = async (chunk: Uint8Array): Promise<void> => {
    if (finished) throw new PlumblineError('internal', 'a finished blob takes no more bytes');
    const written = writeAll(handle, chunk, path);
    // The hash is made while the write goes on in another thread.
    hash.update(chunk);
    bytes += chunk.byteLength;
    await written;
  };

  const finish = async (): Promise<{ readonly digest: string; readonly bytes: number }> => {
    if (finished) return finished;
    finished = { digest: hash.digest('hex'), bytes };
    counters.files++;
    counters.bytes += bytes;
    const leave = await syncing.enter();
    sync = handle
      .datasync()
      .then(
        () => (counters.fileSyncs++, {}),
        (failure: unknown) => ({ failure }),
      )
      .finally(leave)
      .then(async (result) => (await close(), result));
    return finished;
  };

  return {
    write,
    finish,
    synced: async () => {
      if (!finished || !sync) throw new PlumblineError('internal', 'a blob must be finished before it is committed');
      const { failure } = await sync;
      if (failure !== undefined) throw diskError(failure, path);
      return finished;
    },
    read: async (start = 0, end) => {
      if (!at || !finished)
        throw new PlumblineError('internal', 'a staged blob is read after finish and before it is discarded');
      return readRange(at, start, end);
    },
    nameByDigest: async () => {
      const named = join(dirname(path), `${finished!.digest}~${path.slice(-41, -5)}`);
      await rename(at!, named);
      at = named;
    },
    moveTo: async (to) => {
      await moveInto(at!, to);
      at = undefined;
    },
    discard: async () => {
      await sync;
      await close();
      if (at) await unlink(at).catch(ignoreMissing);
      at = undefined;
    },
  };
}

async function writeAll(handle: FileHandle, chunk: Uint8Array, path: string): Promise<void> {
  try {
    for (let done = 0; done < chunk.byteLength;)
      done += (await handle.write(chunk, done, chunk.byteLength - done)).bytesWritten;
  } catch (e) {
    throw diskError(e, path);
  }
}
