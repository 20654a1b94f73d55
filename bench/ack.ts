/**
 * How long a STOW-RS sender waits for its acknowledgement: alone, while a model runs, and while a study is retrieved.
 *
 * `npm run bench -- ack [requests]`: CT slices of 512 x 512 x 16 bits, one or ten a request, one request after the other
 * over one connection. The model is the bundle `plumbline-reference-grounded` in its own process, report after report;
 * the reader retrieves a study of 200 slices again and again over a second connection. The three turns of a size stand in
 * alternation in each of three rounds; a ratio is that of the 99th percentiles of all rounds together.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createRuntime, loadBundle } from '../src/inference/index.ts';
import { goldensOf, pictureOf, readRgb, tinyDir } from '../test/builders/bundle.ts';
import { stopProcess } from '../test/peers/orthanc.ts';
import { nodeFlags } from '../src/cli/ensure.mjs';
import { heading, quantile, table } from './report.ts';
import { makeSlices, postSlices, studyUid } from './stow-client.ts';

const requests = Number(process.argv[2] ?? 100);
const rounds = 3;
const slices = makeSlices();
let study = 0;

/** Something that goes on beside the sender until it is stopped. */
type Beside = () => Promise<() => Promise<void>>;

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-ack-'));
  mkdirSync(join(folder, 'ours'));
  const script = join(import.meta.dirname, 'stow-server.ts');
  const child = spawn(process.execPath, [...nodeFlags, script, join(folder, 'ours')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const port = await new Promise<string>((done) => createInterface(child.stdout).once('line', done));
  const root = `http://127.0.0.1:${port}/dicom-web`;
  const model = await openModel();
  try {
    await postSlices(`${root}/studies`, slices, study, [0, 200]);
    const kinds: readonly (readonly [string, Beside])[] = [
      ['alone', async () => async () => {}],
      ['while a model runs', () => Promise.resolve(repeat(model.report))],
      ['while a study is retrieved', () => Promise.resolve(repeat(() => retrieve(`${root}/studies/${studyUid(0)}`)))],
    ];
    heading('Acknowledgement of STOW-RS', {
      size: `${requests} requests a turn and round, ${rounds} rounds, slices of ${slices.bytes} bytes`,
      model: model.name,
    });
    const rows = [];
    for (const size of [1, 10]) rows.push(...(await compare(`${root}/studies`, size, kinds)));
    table(['instances a request', 'sender', 'median, ms', '99 % under, ms', 'times alone'], rows);
  } finally {
    await model.close();
    await stopProcess(child);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compare(
  url: string,
  size: number,
  kinds: readonly (readonly [string, Beside])[],
): Promise<(string | number)[][]> {
  const times = kinds.map((): number[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [i, [, beside]] of kinds.entries()) {
      const stop = await beside();
      const taken = await acknowledged(url, size);
      await stop();
      if (round > 0) times[i]!.push(...taken); // the first is the warm-up
    }
  }
  const alone = quantile(times[0]!, 0.99);
  return kinds.map(([name], i) => {
    const [half, most] = [quantile(times[i]!, 0.5), quantile(times[i]!, 0.99)];
    return [size, name, half.toFixed(1), most.toFixed(1), (most / alone).toFixed(2)];
  });
}

async function acknowledged(url: string, size: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const times: number[] = [];
  study++;
  for (let i = 0; i < requests; i++) {
    const start = performance.now();
    await postSlices(url, slices, study, [i * size, (i + 1) * size], agent);
    times.push(performance.now() - start);
  }
  agent.destroy();
  return times;
}

/** @returns what stops it, after the turn that is in work */
function repeat(turn: () => Promise<unknown>): () => Promise<void> {
  let stopped = false;
  const loop = (async () => {
    while (!stopped) await turn();
  })();
  return async () => {
    stopped = true;
    await loop;
  };
}

async function openModel(): Promise<{ name: string; report: () => Promise<unknown>; close: () => Promise<void> }> {
  const bundle = await loadBundle(tinyDir);
  const pictures = await Promise.all(
    goldensOf(bundle.manifest).map(async (g) => pictureOf(await readRgb(join(tinyDir, g.image)))),
  );
  const runtime = await createRuntime(bundle, { threads: 1 });
  let turn = 0;
  return {
    name: `${bundle.ref.name} ${bundle.ref.version}, 1 thread`,
    report: () => runtime.answer([pictures[turn++ % pictures.length]!], { task: 'report' }),
    close: () => runtime.close(),
  };
}

function retrieve(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { Accept: 'multipart/related; type="application/dicom"' };
    get(url, { headers }, (response) => response.resume().on('end', resolve).on('error', reject)).on('error', reject);
  });
}

await main();
