import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, readdir, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { moveInto, sizeOrUndefined, syncFolder } from './files.ts';

/** A finished, synced file that was on its way to its address: `<digest>~<id>`. */
const onItsWay = /^([0-9a-f]{64})~/;

/** Staging folders that this process uses now: a process number alone does not tell, containers give the same again. */
const ours = new Set<string>();

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
    if (!inUse(name)) await recover(join(all, name), address);
  }
  const name = `${bootId()}.${process.pid}.${randomUUID().slice(0, 8)}`;
  const folder = join(all, name);
  await mkdir(folder);
  await syncFolder(all);
  await syncFolder(dir);
  ours.add(name);
  const close = async (): Promise<void> => {
    ours.delete(name);
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

/** `<boot>.<process>.<random>`: in use if it is ours, or of another living process since this machine started. */
function inUse(name: string): boolean {
  const [boot, pid] = name.split('.');
  if (ours.has(name)) return true;
  if (boot !== bootId() || Number(pid) === process.pid || !Number(pid)) return false;
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch (e) {
    return (e as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Names the time since the machine was started; where the system has no such name, a constant. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim().replaceAll('.', '');
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return 'boot';
    throw e;
  }
}
