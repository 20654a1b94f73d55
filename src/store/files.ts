import { mkdirSync, renameSync, statSync, utimesSync } from 'node:fs';
import { mkdir, open, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PlumblineError } from '../base/index.ts';

/** Bytes `start` to `end` (exclusive) of a file, or as many of them as there are. */
export async function readRange(path: string, start: number, end?: number): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const length = Math.max(0, Math.min(end ?? size, size) - start);
    const bytes = new Uint8Array(length);
    let got = 0;
    while (got < length) {
      const { bytesRead } = await file.read(bytes, got, length - got, start + got);
      if (bytesRead === 0) break;
      got += bytesRead;
    }
    return bytes.subarray(0, got);
  } finally {
    await file.close();
  }
}

/** Free bytes for us on the volume of `dir`. */
export async function freeBytes(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}

export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch (e) {
    throw diskError(e, folder);
  } finally {
    await handle.close();
  }
}

/** @throws PlumblineError disk-full */
export function renamed(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (e) {
    throw diskError(e, to);
  }
}

/** @throws PlumblineError disk-full */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (e) {
    throw diskError(e, path);
  }
}

/** Rename into a folder that may not be there yet. */
export function moveInto(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'ENOENT') throw diskError(e, to);
    mkdirSync(dirname(to), { recursive: true });
    renamed(from, to);
  }
}

export function sizeOrUndefined(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}

export function ignoreMissing(e: unknown): void {
  if ((e as NodeJS.ErrnoException).code !== 'ENOENT') throw e;
}

/** @returns a PlumblineError disk-full for a full or limited volume, else what was thrown */
export function diskError(e: unknown, where: string): unknown {
  const code = (e as NodeJS.ErrnoException).code;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return e;
  return new PlumblineError('disk-full', `the volume is full (${code})`, { where, cause: e });
}

/** Let the file be as young as if it had been written now. */
export function renew(path: string): void {
  const now = new Date();
  utimesSync(path, now, now);
}
