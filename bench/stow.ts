/**
 * Durable STOW-RS of CT slices of 512 x 512 x 16 bits, beside Orthanc in the same run.
 *
 * `npm run bench -- stow [rounds] [slices]`: the sender makes the slices while it sends them, the same bytes to each side
 * in alternation, with new UIDs each round, one warm-up and five rounds. First 500 slices in one request: Orthanc with
 * `SyncStorageArea` (its files are synced before it answers, as ours are) and without; beside them the floors: copying
 * the bytes in memory, and writing the same files with and without fdatasync, one after the other. Then 200 slices in
 * requests of 10 and of 1 over one connection. Then the memory of our server, by slices in one request. Before each turn
 * the disk is given time to write what earlier turns left to it (`sync`), outside of the clock.
 */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, fdatasyncSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { runPeer, peers } from '../test/peers/index.ts';
import { orthancMissing, startOrthanc, stopProcess } from '../test/peers/orthanc.ts';
import { nodeFlags } from '../src/cli/ensure.mjs';
import { heading, median, seconds, table } from './report.ts';
import { makeSlices, postSlices, sliceOf } from './stow-client.ts';

const rounds = Number(process.argv[2] ?? 5);
const most = Number(process.argv[3] ?? 500);
const slices = makeSlices();
/** Every side's every turn is a study of its own. */
let study = 0;

interface Side {
  readonly name: string;
  readonly run: (study: number) => Promise<void>;
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-stow-'));
  const ours = await startOurs(join(folder, 'ours'));
  const others = orthancMissing ? [] : [await startOrthanc(orthanc(true)), await startOrthanc(orthanc(false))];
  try {
    const doors = [
      { name: 'Plumbline, durable', url: ours.url },
      ...others.map((o, i) => ({ name: `Orthanc, SyncStorageArea ${i === 0}`, url: `${o.dicomweb}/studies` })),
    ];
    await printHeading();
    await print(
      `${most} slices in one request`,
      most,
      await alternate([...doors.map((d) => ({ ...d, run: inOne(d.url, most) })), ...floors(folder)]),
    );
    for (const size of [10, 1]) {
      const sides = doors.map((d) => ({ ...d, run: inMany(d.url, few, size) }));
      await print(`${few} slices, ${size} in each request, one request after the other`, few, await alternate(sides));
    }
  } finally {
    await ours.stop();
    for (const other of others) await other.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  const peaks: [number, number, string][] = [];
  for (const count of [50, 500, 2000]) {
    const peak = await peakMemory(count);
    peaks.push([count, peak, (peak / (peaks[0]?.[1] ?? peak)).toFixed(2)]);
  }
  table(['slices in one request', 'peak resident set of a new server, MiB', 'times that at 50'], peaks);
}

const few = Math.min(200, most);

const inOne =
  (url: string, count: number): Side['run'] =>
  (n) =>
    postSlices(url, slices, n, [0, count]);

const inMany =
  (url: string, count: number, size: number): Side['run'] =>
  async (n) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let at = 0; at < count; at += size) await postSlices(url, slices, n, [at, at + size], agent);
    agent.destroy();
  };

function floors(folder: string): Side[] {
  const file = sliceOf(slices, 0, 0);
  const target = Buffer.alloc(file.length);
  const write = (sync: boolean) => async (n: number) => writeFiles(join(folder, `floor-${n}`), file, sync);
  const copy = async (): Promise<void> => {
    for (let i = 0; i < most; i++) file.copy(target);
  };
  return [
    { name: 'floor: copy in memory', run: copy },
    { name: 'floor: write', run: write(false) },
    { name: 'floor: write + fdatasync', run: write(true) },
  ];
}

async function alternate(sides: readonly Side[]): Promise<ReadonlyMap<string, readonly number[]>> {
  const times = new Map<string, number[]>(sides.map((s) => [s.name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const side of sides) {
      spawnSync('sync');
      const start = performance.now();
      await side.run(study++);
      if (round > 0) times.get(side.name)!.push(performance.now() - start);
    }
  }
  return times;
}

async function printHeading(): Promise<void> {
  const version = peers.orthanc ? (await runPeer(peers.orthanc, ['--version'])).stdout.split('\n')[0]! : 'not here';
  heading('Durable STOW-RS beside Orthanc', {
    slice: `512 x 512 x 16 bits, ${slices.bytes} bytes`,
    rounds: `${rounds} after one warm-up, in alternation, medians (least to greatest)`,
    sender: 'node:http over loopback, no-delay as Node and Orthanc have it',
    Orthanc: version,
  });
}

async function print(title: string, count: number, times: ReadonlyMap<string, readonly number[]>): Promise<void> {
  const own = median([...times.values()][0]!);
  table(
    [title, 'time', 'times ours', 'instances/s'],
    [...times].map(([name, list]) => [
      name,
      seconds(list),
      (median(list) / own).toFixed(2),
      Math.round(count / (median(list) / 1000)),
    ]),
  );
}

/** Largest resident set of a new server process after one request, MiB. */
async function peakMemory(count: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-stow-'));
  const server = await startOurs(folder);
  try {
    await postSlices(server.url, slices, study++, [0, count]);
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1];
    return Math.round(Number(peak) / 1024);
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function startOurs(folder: string): Promise<{ url: string; pid: number; stop: () => Promise<void> }> {
  mkdirSync(folder, { recursive: true });
  const script = join(import.meta.dirname, 'stow-server.ts');
  const child = spawn(process.execPath, [...nodeFlags, script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<string>((done) => createInterface(child.stdout).once('line', done));
  return { url: `http://127.0.0.1:${port}/dicom-web/studies`, pid: child.pid!, stop: () => stopProcess(child) };
}

function orthanc(sync: boolean): Record<string, unknown> {
  return { SyncStorageArea: sync, StorageCompression: false };
}

function writeFiles(folder: string, bytes: Buffer, sync: boolean): void {
  mkdirSync(folder);
  for (let i = 0; i < most; i++) {
    const file = openSync(join(folder, String(i)), 'w');
    writeSync(file, bytes);
    if (sync) fdatasyncSync(file);
    closeSync(file);
  }
}

await main();
