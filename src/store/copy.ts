import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { copyFile, link, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { PlumblineError } from '../base/index.ts';
import { addressOf } from './blobs.ts';
import { diskError, syncFolder } from './files.ts';

/**
 * Copy the database file at `from` to `to` while others write to it: one picture of one moment, by SQLite's own backup.
 * @throws PlumblineError not-found, disk-full
 */
export async function copyDatabase(from: string, to: string): Promise<void> {
  if (!existsSync(from)) throw new PlumblineError('not-found', 'there is no database', { where: from });
  const source = new DatabaseSync(from, { readOnly: true });
  try {
    // All pages in one step: a step that finds the database changed by another process would begin anew.
    await backup(source, to, { rate: 0x7fffffff });
  } catch (e) {
    throw diskError(e, to);
  } finally {
    source.close();
  }
  await syncFile(to);
  await syncFolder(dirname(to));
}

/**
 * Bring a blob from one folder of blobs into another; one that is there already stays. Linked where both are on one
 * volume and `link` is asked for: then it costs no space.
 * @returns its size. @throws PlumblineError store-damaged, disk-full
 */
export async function copyBlob(
  digest: string,
  from: string,
  to: string,
  how: { readonly link: boolean; readonly verify: boolean },
): Promise<number> {
  const [source, target] = [addressOf(from, digest), addressOf(to, digest)];
  try {
    if (how.verify && (await digestOf(source)).digest !== digest)
      throw new PlumblineError('store-damaged', 'the content of a blob does not match its address', { where: digest });
    await mkdir(dirname(target), { recursive: true });
    if (!how.link || !(await linked(source, target))) {
      await copyFile(source, target);
      await syncFile(target);
    }
    const file = await open(target, 'r');
    const { size } = await file.stat();
    await file.close();
    return size;
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT')
      throw new PlumblineError('store-damaged', 'a blob is missing', { where: digest, cause: e });
    throw diskError(e, target);
  }
}

/** @returns false where the volumes differ, or the file system has no links */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (e) {
    const { code } = e as NodeJS.ErrnoException;
    if (code === 'EEXIST') return true;
    if (code === 'EXDEV' || code === 'EPERM' || code === 'EMLINK' || code === 'ENOTSUP') return false;
    throw e;
  }
}

/** SHA-256 (hex) of a file, and its size. */
export async function digestOf(path: string): Promise<{ readonly digest: string; readonly bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Uint8Array>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { digest: hash.digest('hex'), bytes };
}

export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
