import { readFile } from 'node:fs/promises';
import { benchBundle } from '../../inference/index.ts';
import { createProgress } from '../progress.ts';
import { say, sayJson, withReading, type ModelOptions } from './common.ts';

interface BenchOptions extends ModelOptions {
  readonly pictures?: number;
}

/** `plumbline models bench NAME` */
export function benchModel(name: string, options: BenchOptions): Promise<void> {
  return withReading(options, async (reading, { inference }) => {
    const progress = createProgress(!options.json);
    const bundle = await reading.bundle(name);
    const begun = performance.now();
    const runtime = await reading.runtime(name);
    const startMs = Math.round(performance.now() - begun);
    const measured = await benchBundle(bundle, runtime, options.pictures ?? 20, (done, of) =>
      progress.show(`${name}: picture ${done} of ${of}`),
    );
    const memoryMb = await modelMemory();
    progress.clear();
    const { provider } = runtime;
    const result = { bundle: name, digest: bundle.ref.digest, provider, threads: inference.threads, startMs, memoryMb, ...measured };
    if (options.json) return sayJson(result);
    say(`${name} on ${provider}, ${measured.pictures} pictures, ${measured.tokens} tokens`);
    const row = (what: string, median: string, p95 = ''): void => say(`  ${what.padEnd(22)}${median.padStart(10)}${p95.padStart(12)}`);
    row('', 'median', '95 % under');
    row('a picture, ms', String(measured.pictureMs.median), String(measured.pictureMs.p95));
    for (const [stage, { median, p95 }] of Object.entries(measured.stages)) row(`  ${stage}, ms`, String(median), String(p95));
    row('tokens a second', measured.tokensPerSecond.toFixed(0));
    row('start, ms', String(startMs));
    row('memory, MiB', memoryMb === null ? 'unknown' : String(memoryMb));
  });
}

/** Resident memory of the largest process that this one started, MiB; null where the system does not tell (no /proc). */
async function modelMemory(): Promise<number | null> {
  try {
    const children = await readFile(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8');
    const sizes = await Promise.all(
      children.trim().split(/\s+/).map(async (pid) => {
        const status = await readFile(`/proc/${pid}/status`, 'utf8');
        return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
      }),
    );
    return Math.round(Math.max(...sizes));
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw e;
  }
}
