import { readFile } from 'node:fs/promises';

/** Resident memory of each model process of ours, MiB; none where the system has no /proc (Linux has). */
export async function childMemory(): Promise<number[]> {
  const children = await readFile(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').catch(absent);
  const found: number[] = [];
  for (const pid of children.trim().split(' ').filter(Boolean)) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(absent);
    const kib = /VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8').catch(absent))?.[1];
    if (kib && command.includes('/inference/child.')) found.push(Number(kib) / 1024);
  }
  return found;
}

/** A system without /proc, or a process that is gone by now. */
function absent(e: NodeJS.ErrnoException): string {
  if (e.code === 'ENOENT' || e.code === 'ESRCH') return '';
  throw e;
}
