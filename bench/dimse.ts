/**
 * C-STORE of CT slices of 512 x 512 x 16 bits on one and on four associations, beside storescp of DCMTK and Orthanc.
 *
 * `npm run bench -- dimse [instances, default 200] [rounds, default 3]`: the sender is always dcmsend over loopback; the
 * sides take turns with new UIDs each round, after one warm-up. Everything runs twice: with the socket settings that
 * the programs have by themselves, and with TCP_NODELAY=1 in the environment of every DCMTK program (sender, storescp,
 * Orthanc); ours always sets no-delay at its end. Promises: ours syncs file, folder and database before it answers,
 * Orthanc syncs its files (SyncStorageArea), storescp syncs nothing. Last, the sender's own cost: its start and reading.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { derivedUid } from '../src/base/index.ts';
import { dataset, writePart10 } from '../src/dicom/index.ts';
import { peers, runPeer } from '../test/peers/index.ts';
import { freePort, orthancMissing, startOrthanc, stopProcess } from '../test/peers/orthanc.ts';
import { heading, median, table } from './report.ts';

const instances = Number(process.argv[2] ?? 200);
const rounds = Number(process.argv[3] ?? 3);

interface Side {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

async function main(): Promise<void> {
  if (!peers.dcmsend || !peers.storescp) throw new Error('DCMTK is missing: run npm test once, it installs the peers');
  const folder = mkdtempSync(join(tmpdir(), 'bench-dimse-'));
  const version = (await runPeer(peers.dcmsend, ['--version'])).stdout.split('\n')[0]!;
  heading('C-STORE beside storescp and Orthanc', {
    size: `${instances} instances of 525 KB a turn, ${rounds} rounds after one warm-up, medians (least to greatest)`,
    sender: `${version.replaceAll(/[$]/g, '').trim()}, started anew each turn, which is in the figure`,
    promises:
      'Plumbline: file, folder and log of the database are synced before 0000H; Orthanc: its files; storescp: nothing',
  });
  try {
    const turns = [await compare(false, folder), await compare(true, folder)];
    const rows = turns.flatMap((t) => t.rows);
    table(
      ['instances/s', ...rows[0]!.rates.keys()],
      rows.map((r) => [r.what, ...r.rates.values()]),
    );
    const peaks = turns.map((t) => `${t.peakMiB} MiB`).join(' and ');
    console.log(`Peak resident set of ours: ${peaks} (stock and no-delay turns).\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Row {
  readonly what: string;
  /** By side, as `144 (126 to 150)`. */
  readonly rates: ReadonlyMap<string, string>;
}

async function compare(noDelay: boolean, folder: string): Promise<{ readonly rows: Row[]; readonly peakMiB: number }> {
  // Orthanc takes the environment of this process.
  if (noDelay) process.env['TCP_NODELAY'] = '1';
  else delete process.env['TCP_NODELAY'];
  const sides = [await startOurs(join(folder, `ours-${noDelay}`)), await startStorescp(join(folder, `scp-${noDelay}`))];
  if (!orthancMissing) sides.push(await startArchive());
  const rows: Row[] = [];
  for (const associations of [1, 4]) {
    const times = new Map<string, number[]>(sides.map((s) => [s.name, []]));
    for (let round = 0; round <= rounds; round++) {
      for (const side of sides) {
        const files = writeSlices(join(folder, 'send'), `${side.name}-${noDelay}-${associations}-${round}`);
        const start = performance.now();
        await send(side.port, files, associations);
        if (round > 0) times.get(side.name)!.push(performance.now() - start);
      }
    }
    const what = `${associations} association${associations > 1 ? 's' : ''}, ${noDelay ? 'TCP_NODELAY=1' : 'stock sockets'}`;
    rows.push({ what, rates: new Map([...times].map(([name, list]) => [name, rate(list)])) });
  }
  const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${sides[0]!.pid}/status`, 'utf8'))?.[1];
  for (const side of sides) await side.stop();
  return { rows, peakMiB: Math.round(Number(peak) / 1024) };
}

/** Instances in a second: median (least to greatest). */
function rate(times: readonly number[]): string {
  const rates = times.map((ms) => (instances * 1000) / ms);
  const [middle, low, high] = [median(rates), Math.min(...rates), Math.max(...rates)].map((r) => r.toFixed(0));
  return `${middle} (${low} to ${high})`;
}

/** One dcmsend for each association, its share of the files in a file of names. */
async function send(port: number, files: readonly string[], associations: number): Promise<void> {
  const shares = Array.from({ length: associations }, (_, i) => files.filter((_f, k) => k % associations === i));
  const ran = await Promise.all(
    shares.map((share) => runPeer(peers.dcmsend!, ['-aec', 'PLUMBLINE', '127.0.0.1', String(port), ...share])),
  );
  const failed = ran.find((r) => r.code !== 0);
  if (failed) throw new Error(`dcmsend failed: ${failed.stderr.slice(0, 500)}`);
}

async function startOurs(folder: string): Promise<Side> {
  mkdirSync(folder);
  const script = join(import.meta.dirname, 'dimse-server.ts');
  const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<string>((done) => createInterface(child.stdout).once('line', done));
  return { name: 'Plumbline, durable', port: Number(port), pid: child.pid!, stop: () => stopProcess(child) };
}

async function startStorescp(folder: string): Promise<Side> {
  mkdirSync(folder);
  const port = await freePort();
  // --fork: one process an association, else it serves them one after the other.
  const child = spawn(peers.storescp!, ['--fork', '-od', folder, String(port)], { stdio: 'ignore' });
  await new Promise((done) => setTimeout(done, 1000));
  return { name: 'storescp --fork, no sync', port, pid: child.pid!, stop: () => stopProcess(child) };
}

async function startArchive(): Promise<Side> {
  const port = await freePort();
  const orthanc = await startOrthanc({ DicomPort: port, SyncStorageArea: true, StorageCompression: false });
  return { name: 'Orthanc, SyncStorageArea', port, pid: orthanc.pid, stop: orthanc.stop };
}

// — the slices: seeded noise, UIDs exchanged in place —

const placeholder = derivedUid('bench', 'placeholder').padEnd(44, '1').slice(0, 44);
let slice: Buffer | undefined;
let serial = 0;

function writeSlices(folder: string, study: string): string[] {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  slice = Buffer.from(sliceFile(study));
  const places: number[] = [];
  for (let at = slice.indexOf(placeholder); at >= 0; at = slice.indexOf(placeholder, at + 1)) places.push(at);
  return Array.from({ length: instances }, (_, i) => {
    const uid = `2.25.${(10n ** 38n + BigInt(serial++)).toString()}`.padEnd(placeholder.length, '\0');
    for (const place of places) slice!.write(uid, place, 'latin1');
    const path = join(folder, `${i}.dcm`);
    writeFileSync(path, slice!);
    return path;
  });
}

function sliceFile(study: string): Uint8Array {
  const image = dataset({
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
    SOPInstanceUID: placeholder,
    StudyInstanceUID: derivedUid('bench', 'study', study),
    SeriesInstanceUID: derivedUid('bench', 'series', study),
    Modality: 'CT',
    PatientName: 'Bench^Store',
    PatientID: 'BENCH',
    StudyDate: '20260101',
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    Rows: 512,
    Columns: 512,
    BitsAllocated: 16,
    BitsStored: 16,
    HighBit: 15,
    PixelRepresentation: 0,
  });
  return writePart10(image, { pixelData: { vr: 'OW', bytes: noise(512 * 512 * 2) } });
}

/** xorshift32. */
function noise(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 1;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state & 0xff;
  }
  return bytes;
}

await main();
