import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** Tags that this process uses now: a process number alone does not tell, containers give the same one again. */
const ours = new Set<string>();

/** A name for a life of this process on this machine: `<boot>.<process>.<random>`; it lives until `endTag` or the process ends. */
export function processTag(): string {
  const tag = `${bootId()}.${process.pid}.${randomUUID().slice(0, 8)}`;
  ours.add(tag);
  return tag;
}

export function endTag(tag: string): void {
  ours.delete(tag);
}

/** Whether a tag is ours, or of another process that lives since this machine was started. */
export function tagLives(tag: string): boolean {
  const [boot, pid] = tag.split('.');
  if (ours.has(tag)) return true;
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
