/**
 * The whole way of a study through a running gateway, by stage: from the first byte of its STOW request until its
 * draft and all encodings are durable. Studies: those of the demo, and a CT head of 28 slices where the shared data lie
 * beside the project. Overhead = (end to end - quiet time - model) / model: what the gateway adds to the model's own time;
 * the quiet time of the study gate (0.1 s here) is a wait by choice.
 *
 * `npm run bench -- way [rounds, default 3]`. Each round is a new gateway with an empty store; its model is open before
 * the first study comes.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { createLog, parseConfig } from '../src/base/index.ts';
import { demoStudies } from '../src/cli/demo/studies.ts';
import { stow } from '../src/cli/stow-client.ts';
import { serve, type Gateway } from '../src/server/index.ts';
import { shared, sharedPath } from '../test/peers/index.ts';
import { heading, median, seconds, table } from './report.ts';

const rounds = Number(process.argv[2] ?? 3);
const quietMs = 100;

interface Study {
  readonly title: string;
  readonly files: readonly Uint8Array[];
}

/** Milliseconds. */
interface Way {
  readonly stored: number;
  readonly pictures: number;
  readonly model: number;
  /** Draft, encodings, the gate before the door, records between the stages, and waiting for a worker. */
  readonly rest: number;
  readonly all: number;
  /** Longest time for which the gateway's thread answered nobody. */
  readonly stall: number;
}

async function main(): Promise<void> {
  const studies = [...demoStudies(), ...realStudies()];
  const ways = new Map<Study, Way[]>(studies.map((s) => [s, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const study of studies) {
      const way = await one(study);
      if (round > 0) ways.get(study)!.push(way);
    }
  }
  heading('The whole way, by stage', {
    rounds: `${rounds} after one warm-up, medians (least to greatest)`,
    settings: `bundle plumbline-tiny on cpu, study gate ${quietMs / 1000} s, gateway and sender in one process`,
  });
  table(
    ['study', 'stored', 'pictures', 'model', 'draft, encodings, records', 'end to end', 'overhead', 'longest stall'],
    studies.map((s) => row(s, ways.get(s)!)),
  );
}

function row({ title }: Study, ways: readonly Way[]): string[] {
  const of = (key: keyof Way): string => `${median(ways.map((w) => w[key])).toFixed(0)} ms`;
  const overhead = median(ways.map((w) => (w.all - quietMs - w.model) / w.model));
  const all = seconds(ways.map((w) => w.all));
  return [
    title,
    of('stored'),
    of('pictures'),
    of('model'),
    of('rest'),
    all,
    `${Math.round(overhead * 100)} %`,
    of('stall'),
  ];
}

function realStudies(): Study[] {
  if (shared === undefined) return [];
  const folder = sharedPath('data/dicom/CT/philips-head-crop');
  const files = readdirSync(folder).map((name) => new Uint8Array(readFileSync(join(folder, name))));
  return [{ title: `CT head, ${files.length} slices`, files }];
}

async function one({ files }: Study): Promise<Way> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-way-'));
  const text = `{dataDir: store, http: {port: 0}, gate: {quietSeconds: ${quietMs / 1000}}}`;
  const gateway = await serve(parseConfig(text, '(bench)', dir), createLog('warn'));
  try {
    for (const rule of gateway.rooms.reading.routes.rules) await gateway.rooms.reading.runtime(rule.then.bundle);
    return await watched(async () => {
      const begun = performance.now();
      await stow(gateway.dicomweb, files);
      const stored = performance.now() - begun;
      const timings = await encoded(gateway);
      const all = performance.now() - begun;
      const { pictures = 0, answers: model = 0 } = timings;
      return { stored, pictures, model, all, rest: all - quietMs - stored - pictures - model };
    });
  } finally {
    await gateway.stop();
    rmSync(dir, { recursive: true });
  }
}

/** Waits for the encodings. @returns the times of the stages, from the summary */
async function encoded({ rooms: { work, blobs } }: Gateway): Promise<Readonly<Record<string, number>>> {
  for (;;) {
    const [item] = await work.list({});
    if (item?.code !== undefined) throw new Error(`${item.code}: ${item.message}`);
    if (item?.outputs.encodings) {
      const { files } = await work.encodings(item.key);
      const summary = await blobs.read(files.find((f) => f.name === 'summary.json')!.digest);
      return (JSON.parse(new TextDecoder().decode(summary)) as { timingsMs: Record<string, number> }).timingsMs;
    }
    await setTimeout(5);
  }
}

/** Beside it a timer of 10 ms: what it is late is the time in which nobody else had a turn. */
async function watched(work: () => Promise<Omit<Way, 'stall'>>): Promise<Way> {
  let last = performance.now();
  let stall = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    stall = Math.max(stall, now - last - 10);
    last = now;
  }, 10);
  try {
    return { ...(await work()), stall };
  } finally {
    clearInterval(timer);
  }
}

await main();
