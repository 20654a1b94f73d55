/**
 * Time of one picture and memory of the model's process over many of them.
 * `npm run bench -- inference [pictures, default 1000]`; THREADS in the environment, default 1.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRuntime, loadBundle } from '../src/inference/index.ts';
import { goldensOf, pictureOf, readRgb, tinyDir } from '../test/builders/bundle.ts';
import { heading, median, quantile, table } from './report.ts';

const pictures = Number(process.argv[2] ?? 1000);
const threads = Number(process.env['THREADS'] ?? 1);
const bundle = await loadBundle(tinyDir);
const goldens = await Promise.all(
  goldensOf(bundle.manifest).map(async (g) => pictureOf(await readRgb(join(tinyDir, g.image)))),
);
const begun = performance.now();
// Without the new process that the gateway starts after a thousand pictures: what grows without end must be seen.
const runtime = await createRuntime(bundle, { threads, recycleAfter: Infinity, imageMemoryMb: 0 });
const started = performance.now() - begun;

const times: number[] = [];
const stages = new Map<string, number[]>();
const memory: { readonly picture: number; readonly mib: number }[] = [];
for (let i = 0; i < pictures; i++) {
  const t = performance.now();
  const [answer] = await runtime.answer([goldens[i % goldens.length]!], { task: 'report' });
  times.push(performance.now() - t);
  for (const [stage, ms] of Object.entries(answer!.timingsMs)) stages.set(stage, [...(stages.get(stage) ?? []), ms]);
  if (i % 10 === 9) memory.push({ picture: i + 1, mib: await childMemory() });
}
await runtime.close();

const eighths = Array.from({ length: 8 }, (_, k) =>
  memory.filter((m) => m.picture > (k * pictures) / 8 && m.picture <= ((k + 1) * pictures) / 8),
);
const settled = memory.filter((m) => m.picture > pictures / 2);
heading('One picture after the other', {
  size: `${pictures} reports on the pictures of the goldens`,
  settings: `bundle ${bundle.ref.name} ${bundle.ref.version}, cpu, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
});
const row = (name: string, ms: readonly number[]) => [name, median(ms).toFixed(1), quantile(ms, 0.95).toFixed(1)];
table(
  ['of one picture', 'median, ms', '95 % under, ms'],
  [row('all, as the caller sees it', times), ...[...stages].map(([stage, ms]) => row(stage, ms))],
);
table(
  ['of the model process', ''],
  [
    ['start', `${started.toFixed(0)} ms`],
    ['resident at the end', `${memory.at(-1)!.mib.toFixed(0)} MiB`],
    ['growth in the second half', `${(slope(settled) * 100).toFixed(2)} MiB in 100 pictures`],
  ],
);
table(
  ['eighth of the pictures', ...eighths.map((_, k) => String(k + 1))],
  [
    ['resident, MiB, mean', ...eighths.map((e) => (e.reduce((sum, m) => sum + m.mib, 0) / e.length).toFixed(0))],
    ['growth, MiB in 100 pictures', ...eighths.map((e) => (slope(e) * 100).toFixed(2))],
  ],
);

/** Resident memory of the model's process (Linux). */
async function childMemory(): Promise<number> {
  const children = await readFile(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8');
  for (const pid of children.trim().split(' ')) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const kib = /VmRSS:\s+(\d+)/.exec(status)?.[1];
    if (kib && (await readFile(`/proc/${pid}/cmdline`, 'utf8')).includes('child.ts')) return Number(kib) / 1024;
  }
  throw new Error('no model process found');
}

function slope(points: readonly { readonly picture: number; readonly mib: number }[]): number {
  const mean = (f: (p: (typeof points)[number]) => number): number =>
    points.reduce((s, p) => s + f(p), 0) / points.length;
  const [x, y] = [mean((p) => p.picture), mean((p) => p.mib)];
  return mean((p) => (p.picture - x) * (p.mib - y)) / mean((p) => (p.picture - x) ** 2);
}
