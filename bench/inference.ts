/**
 * Time of one picture and memory of the model's process over many of them.
 * Run: node bench/inference.ts [pictures, default 200]
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRuntime, loadBundle } from '../src/inference/index.ts';
import { goldensOf, pictureOf, readRgb, tinyDir } from '../test/builders/bundle.ts';

const pictures = Number(process.argv[2] ?? 200);
const bundle = await loadBundle(tinyDir);
const goldens = await Promise.all(
  goldensOf(bundle.manifest).map(async (g) => pictureOf(await readRgb(join(tinyDir, g.image)))),
);
const begun = performance.now();
const runtime = await createRuntime(bundle, { threads: Number(process.env['THREADS'] ?? 1) });
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

const settled = memory.filter((m) => m.picture > pictures / 4);
console.log(
  `start ${started.toFixed(0)} ms; ${pictures} reports, median ${median(times).toFixed(0)} ms a picture, 95 % under ${quantile(times, 0.95).toFixed(0)} ms`,
);
console.log(`median ms by stage: ${[...stages].map(([stage, ms]) => `${stage} ${median(ms).toFixed(1)}`).join(', ')}`);
console.log(`memory of the process, MiB: ${memory.map((m) => m.mib.toFixed(0)).join(' ')}`);
console.log(`slope after the first quarter: ${(slope(settled) * 100).toFixed(2)} MiB in 100 pictures`);

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

function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function quantile(values: readonly number[], q: number): number {
  return [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))]!;
}
