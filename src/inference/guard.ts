/**
 * Watches the model's process from a thread of its own, because the main thread stands still while a graph runs. It
 * ends the process when the parent is gone (nobody else would, and a stuck model would hold its memory for ever) or
 * when it uses more memory than allowed; then its last line on standard error says so.
 */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

const { parent, memoryMb } = workerData as { readonly parent: number; readonly memoryMb: number };

setInterval(() => {
  const used = process.memoryUsage.rss() / 2 ** 20;
  if (process.ppid !== parent) end();
  if (used > memoryMb) end(`memory: ${Math.round(used)} MiB used, ${memoryMb} MiB allowed`);
}, 100);

function end(why?: string): void {
  try {
    if (why !== undefined) writeSync(2, `${why}\n`);
  } finally {
    process.kill(process.pid, 'SIGKILL');
  }
}
