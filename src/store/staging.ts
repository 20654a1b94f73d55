import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { endTag, processTag, tagLives } from '../base/index.ts';
import { diskError, moveInto, sizeOrUndefined, syncFolder } from './files.ts';

/** A complete file that was on its way to its address: `<digest>~<id>`. Its bytes may not have reached the disk. */
const onItsWay = /^([0-9a-f]{64})~/;

export interface Staging {
  readonly folder: string;
  /** Make the names in the folder durable. @throws PlumblineError disk-full */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * A staging folder of this process alone, after looking through those that ended processes left: files that were on
 * their way to their address and are whole arrive there, the rest is removed.
 */
export async function openStaging(dir: string, address: (digest: string) => string): Promise<Staging> {
  const all = join(dir, 'staging');
  await mkdir(all, { recursive: true });
  for (const name of await readdir(all)) {
    if (!tagLives(name)) await recover(join(all, name), address);
  }
  const name = processTag();
  const folder = join(all, name);
  await mkdir(folder);
  await syncFolder(all);
  await syncFolder(dir);
  const handle = await open(folder, 'r');
  return {
    folder,
    sync: () => handle.sync().catch((e: unknown) => Promise.reject(diskError(e, folder))),
    close: async () => {
      await handle.close();
      endTag(name);
      await recover(folder, address);
    },
  };
}

async function recover(folder: string, address: (digest: string) => string): Promise<void> {
  for (const name of await readdir(folder)) {
    const digest = onItsWay.exec(name)?.[1];
    const from = join(folder, name);
    if (digest && sizeOrUndefined(address(digest)) === undefined && (await isWhole(from, digest)))
      moveInto(from, address(digest));
    else await unlink(from);
  }
  await rm(folder, { recursive: true, force: true });
}

/** Whether the file is what its name says; then its bytes are on the disk, and not only in the system's memory. */
async function isWhole(path: string, digest: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const hash = createHash('sha256');
    for await (const chunk of file.createReadStream({ highWaterMark: 1 << 20, autoClose: false }))
      hash.update(chunk as Uint8Array);
    if (hash.digest('hex') !== digest) return false;
    await file.datasync();
    return true;
  } finally {
    await file.close();
  }
}
