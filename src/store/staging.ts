import { mkdir, readdir, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { endTag, processTag, tagLives } from '../base/index.ts';
import { moveInto, sizeOrUndefined, syncFolder } from './files.ts';

/** A finished, synced file that was on its way to its address: `<digest>~<id>`. */
const onItsWay = /^([0-9a-f]{64})~/;

/**
 * A staging folder of this process alone, after looking through those that ended processes left: files that were on
 * their way to their address arrive there, the rest is removed.
 */
export async function openStaging(
  dir: string,
  address: (digest: string) => string,
): Promise<{ readonly folder: string; close(): Promise<void> }> {
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
  const close = async (): Promise<void> => {
    endTag(name);
    await recover(folder, address);
  };
  return { folder, close };
}

async function recover(folder: string, address: (digest: string) => string): Promise<void> {
  for (const name of await readdir(folder)) {
    const digest = onItsWay.exec(name)?.[1];
    const from = join(folder, name);
    if (digest && (await sizeOrUndefined(address(digest))) === undefined) await moveInto(from, address(digest));
    else await unlink(from);
  }
  await rm(folder, { recursive: true, force: true });
}
