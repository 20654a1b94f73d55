import { randomUUID } from 'node:crypto';
import { readFile, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PlumblineError, sha256 } from '../base/index.ts';
import { freeBytes, ignoreMissing, makeFolder, readRange, renew, sizeOrUndefined } from './files.ts';
import { createLimit, createShared, inTurns } from './limit.ts';
import { stageFile, type BlobCounters, type StagedFile } from './staged.ts';
import { openStaging } from './staging.ts';
import { streamFile } from './stream.ts';
import type { Blobs, StagedBlob } from './types.ts';

export interface BlobOptions {
  /** Free bytes that arriving data may not use, so that accepted work can end. */
  readonly reserveBytes: number;
}

export interface FileBlobs extends Blobs {
  readonly counters: BlobCounters;
  close(): Promise<void>;
}

/** Each file's fdatasync runs while the next is written; more than four at a time gained nothing. */
const syncsInFlight = 4;

/**
 * Files at `<dir>/ab/cd/<sha256>`, staged in `<dir>/staging` on the same volume.
 *
 * A commit gives files names that hold their digests inside the staging folder; that one folder is synced while the
 * files' own syncs, begun when they were complete, come to their end; only then are they renamed to their addresses. So
 * a commit costs one folder sync however many files it has, and commits that wait at the same moment share it. A power
 * cut between may leave a name without its bytes, or take the last rename back: the next open looks at the bytes, and
 * gives files that are whole their address (staging.ts).
 * @throws PlumblineError disk-full; store-damaged where the folder cannot be used
 */
export async function openBlobs(dir: string, options: BlobOptions): Promise<FileBlobs> {
  const counters: BlobCounters = { files: 0, bytes: 0, fileSyncs: 0, folderSyncs: 0, existing: 0 };
  const address = (digest: string): string => addressOf(dir, digest);
  const staging = await openStaging(dir, address);
  const syncing = createLimit(syncsInFlight);
  const reserve = createReserve(dir, options.reserveBytes);
  const namesDurable = createShared(async () => {
    await staging.sync();
    counters.folderSyncs++;
  });

  const stage: FileBlobs['stage'] & ((...use: Parameters<FileBlobs['stage']>) => Promise<StagedFile>) = async (
    use = {},
  ) => {
    if (!use.drain) await reserve.check(counters);
    return stageFile(join(staging.folder, `${randomUUID()}.part`), syncing, counters, use.hashed);
  };

  const commit = async (staged: readonly StagedBlob[]): Promise<void> => {
    const fresh: { file: StagedFile; to: string }[] = [];
    const known: StagedFile[] = [];
    await inTurns(staged.map(asStagedFile), (file) => {
      const { digest, bytes } = file.finished();
      const to = address(digest);
      // A file of another size is what a broken disk left: it is replaced.
      if (sizeOrUndefined(to) !== bytes) fresh.push({ file, to });
      else {
        // Young again: a sweep that is under way leaves it, although no row names it yet.
        renew(to);
        known.push(file);
      }
    });
    counters.existing += known.length;
    await Promise.all(known.map((file) => file.discard()));
    if (fresh.length === 0) return;
    await inTurns(fresh, ({ file }) => file.nameByDigest());
    await Promise.all([
      namesDurable(),
      ...fresh.map(({ file }) => file.synced()),
      // A new folder may have to wait for the disk too: it is made in another thread while the syncs go on.
      ...fresh.map(({ to }) => makeFolder(dirname(to))),
    ]);
    await inTurns(fresh, ({ file, to }) => file.moveTo(to));
  };

  return {
    counters,
    stage,
    commit,
    put: async (bytes) => {
      const file = await stage({ drain: true });
      try {
        await file.write(bytes);
        const { digest } = await file.finish();
        await commit([file]);
        return digest;
      } finally {
        await file.discard();
      }
    },
    has: async (digest) => sizeOrUndefined(address(digest)) !== undefined,
    size: async (digest) => {
      const size = sizeOrUndefined(address(digest));
      if (size === undefined) throw lost(digest);
      return size;
    },
    read: async (digest, start, end) => readBlob(address(digest), digest, start, end),
    stream: (digest) => stream(address, digest),
    remove: async (digest) => {
      await unlink(address(digest)).catch(ignoreMissing);
    },
    free: () => freeBytes(dir),
    close: () => staging.close(),
  };
}

/** @throws PlumblineError internal where `digest` is no SHA-256 in hex: nothing else may become a path */
export function addressOf(dir: string, digest: string): string {
  if (!/^[0-9a-f]{64}$/.test(digest))
    throw new PlumblineError('internal', `"${digest.slice(0, 80)}" is no blob address`);
  return join(dir, digest.slice(0, 2), digest.slice(2, 4), digest);
}

function asStagedFile(staged: StagedBlob): StagedFile {
  if ('nameByDigest' in staged) return staged as StagedFile;
  throw new PlumblineError('internal', 'a blob can only be committed to the store that staged it');
}

/** Bytes of a blob at its path. @throws PlumblineError store-damaged */
export async function readBlob(path: string, digest: string, start?: number, end?: number): Promise<Uint8Array> {
  if (start === undefined && end === undefined) {
    const bytes = await readFile(path).catch((e: unknown) => Promise.reject(readError(e, digest)));
    if (sha256(bytes) !== digest) throw damaged(digest);
    return bytes;
  }
  return readRange(path, start ?? 0, end).catch((e: unknown) => Promise.reject(readError(e, digest)));
}

/** The digest is known only after the last byte: a damaged blob throws at its end. */
async function* stream(address: (digest: string) => string, digest: string): AsyncIterable<Uint8Array> {
  let found: string;
  try {
    found = yield* streamFile(address(digest));
  } catch (e) {
    throw readError(e, digest);
  }
  if (found !== digest) throw damaged(digest);
}

/** So many files, or bytes, may be staged between two questions for free space: each question is a call of the system. */
const unaskedFiles = 16;
const unaskedBytes = 16 << 20;

/** Free space is asked for at the first file, and again after a few: near the reserve after each. */
function createReserve(dir: string, reserve: number): { check(counters: BlobCounters): Promise<void> } {
  let next = { files: 0, bytes: 0 };
  return {
    async check({ files, bytes }) {
      if (files < next.files && bytes < next.bytes) return;
      const free = await freeBytes(dir);
      if (free < reserve)
        throw new PlumblineError('disk-full', `${free} bytes are free, ${reserve} are kept in reserve`, { where: dir });
      const near = free - reserve < 16 * unaskedBytes;
      next = near ? { files: 0, bytes: 0 } : { files: files + unaskedFiles, bytes: bytes + unaskedBytes };
    },
  };
}

const damaged = (digest: string): PlumblineError =>
  new PlumblineError('store-damaged', 'the content of a blob does not match its address', { where: digest });

const lost = (digest: string): PlumblineError =>
  new PlumblineError('store-damaged', 'a blob is missing', { where: digest });

function readError(e: unknown, digest: string): unknown {
  return (e as NodeJS.ErrnoException).code === 'ENOENT' ? lost(digest) : e;
}
