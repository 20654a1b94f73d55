/**
 * Durable STOW-RS of 500 CT slices of 512 x 512 x 16 bits in one request, beside Orthanc in the same run.
 *
 * `npm run bench -- stow [rounds]`: each side gets the same request body over loopback, in alternation, with new UIDs each
 * round, one warm-up and five rounds; printed are median, minimum and maximum, and the ratio to ours. Orthanc is
 * measured with `SyncStorageArea` (its files are synced before it answers, as ours are) and without. Beside them the
 * floors: copying the body in memory, and writing the same files with and without fdatasync, one after the other.
 */
import { spawn } from 'node:child_process';
import { closeSync, fdatasyncSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { derivedUid } from '../src/base/index.ts';
import { dataset, writePart10 } from '../src/dicom/index.ts';
import { runPeer, peers } from '../test/peers/index.ts';
import { orthancMissing, startOrthanc, stopProcess } from '../test/peers/orthanc.ts';
import { heading, median, seconds, table } from './report.ts';

const slices = 500;
const rounds = Number(process.argv[2] ?? 5);
const boundary = 'plumbline-bench';

interface Side {
  readonly name: string;
  readonly store: (body: Buffer, round: number) => Promise<void>;
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-stow-'));
  try {
    await compare(folder);
    const peaks: [number, number][] = [];
    for (const count of [50, 500]) peaks.push([count, await peakMemory(count, folder)]);
    table(['slices in one request', 'peak resident set of the server, MiB'], peaks);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compare(folder: string): Promise<void> {
  const ours = await startOurs(join(folder, 'ours'));
  const others = orthancMissing ? [] : [await startOrthanc(orthanc(true)), await startOrthanc(orthanc(false))];
  const sides: Side[] = [
    { name: 'Plumbline, durable', store: (body) => post(ours.url, body) },
    ...others.map((o, i) => ({
      name: `Orthanc, SyncStorageArea ${i === 0}`,
      store: (body: Buffer) => post(`${o.dicomweb}/studies`, body),
    })),
    { name: 'floor: copy in memory', store: async (body) => void Buffer.from(body) },
    { name: 'floor: write', store: async (body, round) => writeFiles(join(folder, `plain-${round}`), body, false) },
    {
      name: 'floor: write + fdatasync',
      store: async (body, round) => writeFiles(join(folder, `sync-${round}`), body, true),
    },
  ];
  const times = new Map<string, number[]>(sides.map((s) => [s.name, []]));
  for (let round = 0; round <= rounds; round++) {
    const body = requestBody(slices, round);
    for (const side of sides) {
      const start = performance.now();
      await side.store(body, round);
      if (round > 0) times.get(side.name)!.push(performance.now() - start);
    }
  }
  await ours.stop();
  for (const other of others) await other.stop();
  await print(times, requestBody(slices, 0).length);
}

async function print(times: ReadonlyMap<string, readonly number[]>, bytes: number): Promise<void> {
  const version = peers.orthanc ? (await runPeer(peers.orthanc, ['--version'])).stdout.split('\n')[0]! : 'not here';
  heading('Durable STOW-RS beside Orthanc', {
    size: `${slices} slices of 512 x 512 x 16 bits in one request, ${(bytes / 1e6).toFixed(0)} MB`,
    rounds: `${rounds} after one warm-up, in alternation, medians (least to greatest)`,
    Orthanc: version,
  });
  const own = median([...times.values()][0]!);
  table(
    ['side', 'time', 'times ours'],
    [...times].map(([name, list]) => [name, seconds(list), (median(list) / own).toFixed(2)]),
  );
}

/** Largest resident set of a new server process after one request, MiB. */
async function peakMemory(count: number, folder: string): Promise<number> {
  const server = await startOurs(join(folder, `memory-${count}`));
  await post(server.url, requestBody(count, 1000 + count));
  const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1];
  await server.stop();
  return Math.round(Number(peak) / 1024);
}

async function startOurs(folder: string): Promise<{ url: string; pid: number; stop: () => Promise<void> }> {
  mkdirSync(folder, { recursive: true });
  const script = join(import.meta.dirname, 'stow-server.ts');
  const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<string>((done) => createInterface(child.stdout).once('line', done));
  return { url: `http://127.0.0.1:${port}/dicom-web/studies`, pid: child.pid!, stop: () => stopProcess(child) };
}

function orthanc(sync: boolean): Record<string, unknown> {
  return { SyncStorageArea: sync, StorageCompression: false };
}

async function post(url: string, body: Buffer): Promise<void> {
  const headers = { 'Content-Type': `multipart/related; type="application/dicom"; boundary=${boundary}` };
  const response = await fetch(url, { method: 'POST', headers, body: body as Buffer<ArrayBuffer> });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}: ${text.slice(0, 300)}`);
}

function writeFiles(folder: string, body: Buffer, sync: boolean): void {
  mkdirSync(folder);
  const size = Math.floor(body.length / slices);
  for (let i = 0; i < slices; i++) {
    const file = openSync(join(folder, String(i)), 'w');
    writeSync(file, body, i * size, size);
    if (sync) fdatasyncSync(file);
    closeSync(file);
  }
}

// — the request: one slice of seeded noise, its UIDs exchanged in place —

const placeholder = derivedUid('bench', 'placeholder').padEnd(44, '1').slice(0, 44);

function requestBody(count: number, round: number): Buffer {
  const slice = Buffer.from(sliceFile(round));
  const places = allPlaces(slice, placeholder);
  const head = Buffer.from(`\r\n--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`);
  const body = Buffer.alloc(count * (head.length + slice.length) + boundary.length + 8);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const uid = `2.25.${(10n ** 38n + BigInt(round) * 100_000n + BigInt(i)).toString()}`.padEnd(
      placeholder.length,
      '\0',
    );
    for (const place of places) slice.write(uid, place, 'latin1');
    at += head.copy(body, at);
    at += slice.copy(body, at);
  }
  body.write(`\r\n--${boundary}--\r\n`, at, 'latin1');
  return body;
}

function allPlaces(bytes: Buffer, text: string): number[] {
  const places: number[] = [];
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) places.push(at);
  return places;
}

function sliceFile(round: number): Uint8Array {
  const image = dataset({
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
    SOPInstanceUID: placeholder,
    StudyInstanceUID: derivedUid('bench', 'study', round),
    SeriesInstanceUID: derivedUid('bench', 'series', round),
    Modality: 'CT',
    PatientName: 'Bench^Stow',
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
  return writePart10(image, { pixelData: { vr: 'OW', bytes: noise(round + 1, 512 * 512 * 2) } });
}

/** xorshift32. */
function noise(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state & 0xff;
  }
  return bytes;
}

await main();
