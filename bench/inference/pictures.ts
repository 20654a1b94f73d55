import { join } from 'node:path';
import { createRuntime, loadBundle, type Runtime } from '../../src/inference/index.ts';
import type { Picture } from '../../src/base/index.ts';
import { goldensOf, pictureOf, readRgb, tinyDir } from '../../test/builders/bundle.ts';
import { childMemory } from '../../test/builders/child-memory.ts';
import { heading, median, quantile, table } from '../report.ts';
import { peer } from './peer.ts';

/** Reports on the pictures of the goldens: time by stage, what one more sentence costs, memory. */
export async function pictures(count: number, threads: number): Promise<void> {
  const bundle = await loadBundle(tinyDir);
  const goldens = await Promise.all(
    goldensOf(bundle.manifest).map(async (g) => pictureOf(await readRgb(join(tinyDir, g.image)))),
  );
  const begun = performance.now();
  // Nothing is kept of a picture, and no new process takes over after some: what grows without end must be seen.
  const runtime = await createRuntime(bundle, { threads, recycleAfter: Infinity, imageMemoryMb: 0 });
  const started = performance.now() - begun;
  const { times, stages, memory } = await reports(runtime, goldens, count);
  await runtime.close();
  const python = await peer<{ readonly onnxruntime: string; readonly stages: Readonly<Record<string, number[]>> }>(
    'pictures',
    tinyDir,
    String(Math.min(count, 60)),
    String(threads),
  );
  const settings = `bundle ${bundle.ref.name} ${bundle.ref.version}, cpu, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
  heading('One picture after the other', { size: `${count} reports on the pictures of the goldens`, settings });
  const theirs = (stage: string): string => {
    const ms = python?.stages[stage];
    return ms ? median(ms).toFixed(ms[0]! < 10 ? 2 : 1) : '';
  };
  const row = (name: string, ms: readonly number[], stage = name) => [
    name,
    median(ms).toFixed(median(ms) < 10 ? 2 : 1),
    quantile(ms, 0.95).toFixed(1),
    theirs(stage),
  ];
  table(
    ['of one picture', 'median, ms', '95 % under, ms', `Python, onnxruntime ${python?.onnxruntime ?? ''}, median, ms`],
    [row('all, as the caller sees it', times, 'total'), ...[...stages].map(([stage, ms]) => row(stage, ms))],
  );
  await sentences(goldens[0]!, threads, settings);
  memoryTables(started, memory, count);
}

async function reports(runtime: Runtime, goldens: readonly Picture[], count: number) {
  const times: number[] = [];
  const stages = new Map<string, number[]>();
  const memory: { readonly picture: number; readonly mib: number }[] = [];
  for (let i = 0; i < count; i++) {
    const t = performance.now();
    const [answer] = await runtime.answer([goldens[i % goldens.length]!], { task: 'report' });
    times.push(performance.now() - t);
    const token = answer!.timingsMs['decode']! / Math.max(1, answer!.tokenIds.length - 1);
    for (const [stage, ms] of Object.entries({ ...answer!.timingsMs, 'a token': token }))
      stages.set(stage, [...(stages.get(stage) ?? []), ms]);
    if (i % 10 === 9) for (const mib of await childMemory()) memory.push({ picture: i + 1, mib });
  }
  return { times, stages, memory };
}

/** A sentence that no mask shows is asked for by its name, on what was seen and read of the picture already. */
async function sentences(picture: Picture, threads: number, settings: string): Promise<void> {
  const runtime = await createRuntime(await loadBundle(tinyDir), { threads });
  const question = { task: 'segment', slots: { target: 'renal cyst' }, untilMask: true };
  const again: number[] = [];
  for (let i = 0; i < 21; i++) {
    const t = performance.now();
    await runtime.ask(picture, [question]);
    if (i > 0) again.push(performance.now() - t);
  }
  await runtime.close();
  heading('A mask for one more sentence', { size: '20 questions on a picture that is known', settings });
  table(
    ['of one sentence', 'median, ms'],
    [['prefill of the question, tokens to its [SEG], mask', median(again).toFixed(1)]],
  );
}

type Memory = readonly { readonly picture: number; readonly mib: number }[];

function memoryTables(started: number, memory: Memory, count: number): void {
  if (memory.length < 16) return;
  const eighths = Array.from({ length: 8 }, (_, k) =>
    memory.filter((m) => m.picture > (k * count) / 8 && m.picture <= ((k + 1) * count) / 8),
  );
  heading('Memory of the model’s process', { size: `${count} reports, one process, nothing kept of a picture` });
  table(
    ['of the model process', ''],
    [
      ['start', `${started.toFixed(0)} ms`],
      ['resident at the end', `${memory.at(-1)!.mib.toFixed(0)} MiB`],
      [
        'growth in the second half',
        `${(slope(memory.filter((m) => m.picture > count / 2)) * 100).toFixed(2)} MiB in 100 pictures`,
      ],
    ],
  );
  table(
    ['eighth of the pictures', ...eighths.map((_, k) => String(k + 1))],
    [
      ['resident, MiB, mean', ...eighths.map((e) => (e.reduce((sum, m) => sum + m.mib, 0) / e.length).toFixed(0))],
      ['growth, MiB in 100 pictures', ...eighths.map((e) => (slope(e) * 100).toFixed(2))],
    ],
  );
}

function slope(points: Memory): number {
  const mean = (f: (p: Memory[number]) => number): number => points.reduce((s, p) => s + f(p), 0) / points.length;
  const [x, y] = [mean((p) => p.picture), mean((p) => p.mib)];
  return mean((p) => (p.picture - x) * (p.mib - y)) / mean((p) => (p.picture - x) ** 2);
}
