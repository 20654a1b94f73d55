/**
 * QIDO-RS and WADO-RS over the same instances, beside Orthanc in the same run.
 *
 * `npm run bench -- dicomweb [rounds] [slices] [studies]`: both servers hold a study of 500 CT slices of 512 x 512 x 16
 * bits, then also 1,000 studies of one small slice. Each question is put to both in alternation over one kept connection,
 * after one warm-up; bytes are counted as they come and thrown away. Of single frames and pictures each round asks for
 * other instances than the one before. Orthanc has its default settings: it reads files for metadata, and answers
 * `/frames` without a copy of the pixels of its own.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { peers, runPeer } from '../test/peers/index.ts';
import { orthancMissing, startOrthanc, stopProcess } from '../test/peers/orthanc.ts';
import { nodeFlags } from '../src/cli/ensure.mjs';
import { heading, median, table } from './report.ts';
import { instanceUid, makeSlices, postSlices, seriesUid, studyUid } from './stow-client.ts';

const [rounds, slices, studies] = [process.argv[2] ?? 5, process.argv[3] ?? 500, process.argv[4] ?? 1000].map(
  Number,
) as [number, number, number];

interface Side {
  readonly name: string;
  /** DICOMweb service root. */
  readonly root: string;
  readonly pid: number;
  readonly agent: Agent;
  readonly stop: () => Promise<void>;
}

interface Question {
  readonly name: string;
  readonly path: (round: number) => string;
  readonly accept: string;
  /** Asked so often a round, one after the other. */
  readonly times: number;
}

/** The large study is number 0. */
const study = `/studies/${studyUid(0)}`;
const series = `${study}/series/${seriesUid(0)}`;
const instance = (n: number): string => `${series}/instances/${instanceUid(0, n % slices)}`;
const json = 'application/dicom+json';

const searches: readonly Question[] = [
  { name: 'QIDO, studies, first 10', path: () => '/studies?limit=10', accept: json, times: 10 },
  { name: 'QIDO, studies of a patient by wild card, first 10', path: () => '/studies?PatientName=Bench*&limit=10', accept: json, times: 10 },
]; // prettier-ignore
const ofStudy: readonly Question[] = [
  { name: 'QIDO, series of the study', path: () => `${study}/series`, accept: json, times: 10 },
  { name: `QIDO, ${slices} instances of the series`, path: () => `${series}/instances`, accept: json, times: 1 },
  { name: `metadata of ${slices} instances`, path: () => `${study}/metadata`, accept: json, times: 1 },
  { name: `WADO, study of ${slices} instances`, path: () => study, accept: 'multipart/related; type="application/dicom"', times: 1 },
  { name: 'WADO, one instance', path: (n) => instance(n), accept: 'multipart/related; type="application/dicom"', times: 20 },
  { name: 'WADO, one frame', path: (n) => `${instance(n)}/frames/1`, accept: 'multipart/related; type="application/octet-stream"', times: 20 },
  { name: 'WADO, one picture (JPEG)', path: (n) => `${instance(n)}/rendered`, accept: 'image/jpeg', times: 10 },
]; // prettier-ignore

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-dicomweb-'));
  const sides = [await startOurs(join(folder, 'ours'))];
  if (!orthancMissing) sides.push(await startArchive());
  try {
    await printHeading();
    const large = makeSlices(1);
    for (const side of sides) await postSlices(`${side.root}/studies`, large, 0, [0, slices]);
    const rows = [...(await compare('1 study', searches, sides)), ...(await compare('1 study', ofStudy, sides))];
    const small = makeSlices(2, 32);
    for (const side of sides)
      for (let n = 1; n <= studies; n++) await postSlices(`${side.root}/studies`, small, n, [0, 1], side.agent);
    rows.push(...(await compare(`${studies + 1} studies`, searches, sides)));
    table(['question', 'in the store', 'bytes', ...sides.map((s) => `${s.name}, ms`), 'times ours'], rows);
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${sides[0]!.pid}/status`, 'utf8'))?.[1];
    console.log(`Peak resident set of our server in the whole run: ${Math.round(Number(peak) / 1024)} MiB\n`);
  } finally {
    for (const side of sides) await side.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compare(held: string, questions: readonly Question[], sides: readonly Side[]): Promise<string[][]> {
  const rows: string[][] = [];
  for (const question of questions) {
    const times = sides.map((): number[] => []);
    let bytes = 0;
    for (let round = 0; round <= rounds; round++) {
      for (const [i, side] of sides.entries()) {
        const start = performance.now();
        for (let n = 0; n < question.times; n++)
          bytes = await received(side, question.path(round * question.times + n), question.accept);
        if (round > 0) times[i]!.push((performance.now() - start) / question.times);
      }
    }
    const own = median(times[0]!);
    const ratio = times[1] ? (median(times[1]) / own).toFixed(2) : '';
    rows.push([question.name, held, String(bytes), ...times.map(spread), ratio]);
  }
  return rows;
}

function spread(ms: readonly number[]): string {
  return `${median(ms).toFixed(1)} (${Math.min(...ms).toFixed(1)} to ${Math.max(...ms).toFixed(1)})`;
}

/** @returns bytes of the answer's body, the last side's */
function received({ root, agent }: Side, path: string, accept: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = get(`${root}${path}`, { agent, headers: { Accept: accept } }, (response) => {
      let bytes = 0;
      response.on('data', (chunk: Buffer) => (bytes += chunk.length));
      response.on('error', reject);
      response.on('end', () =>
        response.statusCode === 200
          ? resolve(bytes)
          : reject(new Error(`${root}${path} answered ${response.statusCode}`)),
      );
    });
    request.on('error', reject);
  });
}

async function printHeading(): Promise<void> {
  const version = peers.orthanc ? (await runPeer(peers.orthanc, ['--version'])).stdout.split('\n')[0]! : 'not here';
  heading('QIDO-RS and WADO-RS beside Orthanc', {
    size: `a study of ${slices} slices of 512 x 512 x 16 bits, ${studies} studies of one slice of 32 x 32`,
    rounds: `${rounds} after one warm-up, in alternation, medians (least to greatest) of one question`,
    client: 'node:http over loopback, one kept connection a side',
    Orthanc: version,
  });
}

async function startOurs(folder: string): Promise<Side> {
  mkdirSync(folder, { recursive: true });
  const script = join(import.meta.dirname, 'stow-server.ts');
  const child = spawn(process.execPath, [...nodeFlags, script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<string>((done) => createInterface(child.stdout).once('line', done));
  const stop = (): Promise<void> => stopProcess(child);
  return { name: 'Plumbline', root: `http://127.0.0.1:${port}/dicom-web`, pid: child.pid!, agent: keptAlive(), stop };
}

async function startArchive(): Promise<Side> {
  const orthanc = await startOrthanc({ StorageCompression: false });
  return { name: 'Orthanc', root: orthanc.dicomweb, pid: orthanc.pid, agent: keptAlive(), stop: () => orthanc.stop() };
}

function keptAlive(): Agent {
  return new Agent({ keepAlive: true, maxSockets: 1 });
}

await main();
