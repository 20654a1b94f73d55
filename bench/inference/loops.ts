import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { emptyContext, say, type Opened } from '../../src/inference/decoder.ts';
import type { Graphs } from '../../src/inference/graphs.ts';
import type { Manifest } from '../../src/inference/index.ts';
import { tinyDir } from '../../test/builders/bundle.ts';
import { heading, median, table } from '../report.ts';
import { peer } from './peer.ts';

interface Measured {
  /** ms of processor time */
  readonly prefill: readonly number[];
  readonly steps: readonly number[];
  readonly said: readonly number[];
}

/** Greedy decoding with the cache carried through JavaScript, in one graph, and in Python; beside the memory's floor. */
export async function loops(further: readonly string[], threads: number): Promise<void> {
  const { copy, read } = bandwidth();
  heading('The decoder’s loop', {
    times: 'processor time of the process, medians; first rounds left out',
    memory: `${read.toFixed(1)} GB/s read by one thread, ${copy.toFixed(1)} GB/s copied (read and written)`,
    floor: 'weights of the decoder as float32, read once a token at that speed',
    settings: `cpu, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
  });
  for (const [dir, prompt, tokens, rounds] of [
    [tinyDir, 300, 60, 12],
    ...further.map((d) => [d, 563, 12, 2] as const),
  ] as const)
    await one(dir, prompt, tokens, rounds, threads, read);
}

async function one(
  dir: string,
  prompt: number,
  tokens: number,
  rounds: number,
  threads: number,
  read: number,
): Promise<void> {
  const m = JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8')) as Manifest;
  const { generate, ...plain } = m.graphs;
  const stepped = await measured({ ...m, graphs: plain }, dir, prompt, tokens, rounds, threads);
  const looped = generate && (await measured(m, dir, prompt, tokens, rounds, threads));
  const python = await peer<Measured & { readonly onnxruntime: string }>(
    'loop',
    dir,
    ...[prompt, tokens, rounds, threads].map(String),
  );
  const bytes = weightBytes(dir, m);
  const floor = bytes / read / 1e6;
  const row = (way: string, found: Measured | undefined) => {
    if (!found) return [way, 'not here', '', '', ''];
    if (String(found.said) !== String(stepped.said)) throw new Error(`${way}: other tokens than step by step`);
    const ms = median(found.steps);
    return [
      way,
      median(found.prefill).toFixed(1),
      ms.toFixed(ms < 10 ? 2 : 1),
      (1000 / ms).toFixed(1),
      `${((100 * floor) / ms).toFixed(0)} %`,
    ];
  };
  const { layers, hidden_size: hidden, kv_heads: heads, head_dim: dim } = m.decoder;
  const cache = (2 * layers * heads * dim * 4 * (prompt + tokens)) / 1e6;
  console.log(
    `${m.name}: ${layers} layers, ${hidden} wide, ${(bytes / 1e6).toFixed(0)} MB of weights; cache ${cache.toFixed(1)} MB after ${prompt} + ${tokens} positions; floor ${floor.toFixed(2)} ms\n`,
  );
  table(
    ['way', `prefill of ${prompt}, ms`, 'a token, ms', 'tokens/s', 'share of the floor'],
    [
      row('one step a run, cache through JavaScript', stepped),
      row('the loop in one graph', looped),
      row(`Python, onnxruntime ${python?.onnxruntime ?? ''}, one step a run`, python),
    ],
  );
}

/** Rounds of `say`; in one graph a token costs what a whole answer takes more than its first token. */
async function measured(
  m: Manifest,
  dir: string,
  prompt: number,
  tokens: number,
  rounds: number,
  threads: number,
): Promise<Measured> {
  const graphs = await onlyDecoder(m, dir, threads);
  const opened: Opened = { m, graphs };
  const ids = Array.from({ length: prompt }, (_, i) => 10 + ((i * 37) % 600));
  const prefill: number[] = [];
  const steps: number[] = [];
  const said: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    said.length = 0;
    let before = processor();
    let turn = await say(opened, emptyContext(m), { ids }, 1);
    const first = processor() - before;
    said.push(...turn.said);
    const rest: number[] = [];
    while (said.length < tokens) {
      before = processor();
      turn = await say(opened, turn.context, { ids: said.slice(-1) }, tokens - said.length);
      rest.push((processor() - before) / turn.said.length);
      said.push(...turn.said);
    }
    if (round === 0) continue;
    prefill.push(first);
    steps.push(...rest);
  }
  await graphs.close();
  return { prefill, steps, said };
}

async function onlyDecoder(
  m: Manifest,
  dir: string,
  threads: number,
): Promise<Graphs & { readonly close: () => Promise<void> }> {
  const names = m.graphs.generate ? (['generate'] as const) : (['token_embed', 'decoder'] as const);
  const sessions = new Map<string, InferenceSession>();
  for (const name of names)
    sessions.set(
      name,
      await InferenceSession.create(join(dir, m.graphs[name]!.file), {
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        extra: { session: { intra_op: { allow_spinning: '0' } } },
        logSeverityLevel: 4,
      }),
    );
  return {
    provider: 'cpu',
    notices: [],
    run: (graph, feeds) => sessions.get(graph)!.run(feeds),
    close: async () => {
      for (const session of sessions.values()) await session.release();
    },
  };
}

/** Of decoder and head as they lie in memory: float16 files become float32. */
function weightBytes(dir: string, m: Manifest): number {
  const file = join(dir, m.graphs.decoder.file);
  const bytes = [file, `${file}.data`].reduce((sum, f) => sum + (existsSync(f) ? statSync(f).size : 0), 0);
  const { weights = '', precision = '' } = (m.provenance ?? {}) as { weights?: string; precision?: string };
  return /float16|fp16/.test(`${weights} ${precision}`) ? 2 * bytes : bytes;
}

/** GB/s of one thread: memory compared (read) and copied, the best of five. */
function bandwidth(): { readonly copy: number; readonly read: number } {
  const [a, b] = [Buffer.alloc(256 << 20, 1), Buffer.alloc(256 << 20, 1)];
  const best = (work: () => unknown): number => {
    const times = Array.from({ length: 5 }, () => {
      const before = processor();
      work();
      return processor() - before;
    });
    return (2 * a.length) / Math.min(...times) / 1e6;
  };
  return { read: best(() => Buffer.compare(a, b)), copy: best(() => a.copy(b)) };
}

/** ms of processor time that this process has had: with one thread its time on a machine that others use too. */
function processor(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
