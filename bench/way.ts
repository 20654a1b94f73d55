/**
 * The whole way of a study through a running gateway: how long each stage takes, what the gateway adds to the model's
 * own time, how soon work begins when a study is complete, and how long a door takes to answer while a model runs.
 *
 * `npm run bench -- way [rounds, default 3] [seconds of the waiting model, default 20]`: about five minutes on a quiet
 * machine, said at the end. The gateway is a process of its own, new for each study; its model is open before the first
 * round, and each round sends the study under other UIDs. Two models: the bundle plumbline-tiny, and one that waits: so
 * many seconds for all pictures of a study that it is asked about, on no processor, with two findings on each.
 * Overhead = (encodings durable - study acknowledged - model) / model. Senders say how many instances will come, so that
 * the study gate does not wait for quiet; where it does, that wait is by choice and counted from its end.
 */
import { fork } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { demoStudies } from '../src/cli/demo/studies.ts';
import { stow } from '../src/cli/stow-client.ts';
import { derivedUid } from '../src/base/index.ts';
import { inspectPart10, splitPart10 } from '../src/dicom/index.ts';
import { openAssociation } from '../src/dimse/index.ts';
import { makeImage } from '../test/builders/dicom.ts';
import { shared, sharedPath } from '../test/peers/index.ts';
import { heading, median, quantile, seconds, table } from './report.ts';
import type { Seen } from './way/gateway.ts';

const rounds = Number(process.argv[2] ?? 3);
const waitSeconds = Number(process.argv[3] ?? 20);
const quietMs = 100;
const acknowledgements = 300;
const doors = { stow: 'STOW-RS, one small instance', dimse: 'C-STORE, one small instance', hl7: 'HL7 v2, one order' };
type Times = Record<keyof typeof doors, number[]>;

interface Study {
  readonly title: string;
  readonly files: readonly Uint8Array[];
}

async function main(): Promise<void> {
  heading('The whole way', {
    rounds: `${rounds} after one warm-up, medians (least to greatest)`,
    settings: `bundle plumbline-tiny on cpu, or a model that waits ${waitSeconds} s a study; gateway and sender in two processes`,
  });
  const begun = performance.now();
  await byStage([...demoStudies(), ...realStudies()]);
  await overhead([...realStudies(), largeStudy()]);
  await start();
  await answersOfDoors();
  console.log(`All of it took ${((performance.now() - begun) / 1000).toFixed(0)} s.`);
}

// — by stage, with a small model —

async function byStage(studies: readonly Study[]): Promise<void> {
  const rows: string[][] = [];
  for (const study of studies) {
    const ways = await repeated(undefined, study);
    const of = (value: (w: Way) => number): string => `${median(ways.map(value)).toFixed(0)} ms`;
    rows.push([
      study.title,
      of((w) => w.stored),
      of((w) => w.answered - w.claimed - w.pictures - w.answers),
      of((w) => w.pictures),
      of((w) => w.answers),
      of((w) => w.drafted - w.answered),
      of((w) => w.encoded - w.drafted),
      seconds(ways.map((w) => w.encoded - w.complete)),
      of((w) => w.stall),
    ]);
  }
  console.log('With the bundle plumbline-tiny:\n');
  const stages = ['files looked through', 'waited for pictures', 'model', 'draft', 'encodings'];
  table(['study', 'stored', ...stages, 'from complete to encoded', 'longest stall'], rows);
}

// — beside a model that takes its time —

async function overhead(studies: readonly Study[]): Promise<void> {
  const rows: string[][] = [];
  for (const study of studies) {
    const asked = await picturesAsked(study);
    const each = (waitSeconds * 1000) / asked;
    const ways = await repeated(each, study);
    const model = each * asked;
    const of = (value: (w: Way) => number): string => `${median(ways.map(value)).toFixed(0)} ms`;
    const all = ways.map((w) => w.encoded - w.complete);
    rows.push([
      study.title,
      `${asked} pictures, ${(model / 1000).toFixed(0)} s`,
      seconds(all),
      `${((100 * (median(all) - model)) / model).toFixed(1)} %`,
      of((w) => w.claimed - w.complete),
      of((w) => w.answered - w.claimed - w.pictures - w.answers),
      of((w) => w.pictures),
      of((w) => w.answers - model),
      of((w) => w.drafted - w.answered),
      of((w) => w.encoded - w.drafted),
      of((w) => w.stall),
    ]);
  }
  console.log(`Beside a model that takes ${waitSeconds} s a study; where the overhead goes:\n`);
  const where = ['claimed after', 'files looked through', 'waited for pictures', 'pictures and answers carried'];
  table(['study', 'model', 'complete to encoded', 'overhead', ...where, 'draft', 'encodings', 'longest stall'], rows);
}

// — how soon work begins —

async function start(): Promise<void> {
  const times = { announced: [] as number[], quiet: [] as number[] };
  await withGateway(0, async (gateway) => {
    for (let i = 0; i < 2 * 20; i++) {
      const files = [smallStudy('start', i)];
      const announced = i % 2 === 0;
      const sent = await send(gateway, files, announced);
      const { claimed } = await gateway.seen(sent.studyUid);
      if (announced) times.announced.push(claimed - sent.complete);
      else times.quiet.push(claimed - sent.complete - quietMs);
    }
  });
  console.log('From a study being complete to its work being claimed, 20 studies each:\n');
  const row = (name: string, ms: readonly number[]) => [
    name,
    ...[0.5, 0.95, 1].map((q) => `${quantile(ms, q).toFixed(0)} ms`),
  ];
  table(
    ['complete when', 'median', '95 % under', 'longest'],
    [
      row('its announced number is there (from the acknowledgement)', times.announced),
      row(`nothing came for ${quietMs} ms (from the end of that time)`, times.quiet),
    ],
  );
}

// — how long doors take to answer —

async function answersOfDoors(): Promise<void> {
  const study = realStudies()[0] ?? largeStudy();
  const rows: string[][] = [];
  for (const [title, stubMs] of [
    ['a model that waits', 200],
    ['plumbline-tiny, which computes', undefined],
  ] as const) {
    const work = async (gateway: Gateway): Promise<void> => {
      await acknowledged(gateway, `warm ${title}`, 50);
      const idle = await acknowledged(gateway, `idle ${title}`, acknowledgements);
      const busyWork = keepBusy(gateway, study);
      const busy = await acknowledged(gateway, `busy ${title}`, acknowledgements);
      await busyWork.stop();
      for (const door of Object.keys(doors) as (keyof typeof doors)[]) {
        const p = (ms: readonly number[], q: number) => `${quantile(ms, q).toFixed(1)} ms`;
        const [a, b] = [quantile(idle[door], 0.99), quantile(busy[door], 0.99)];
        rows.push([
          doors[door],
          title,
          p(idle[door], 0.5),
          p(busy[door], 0.5),
          p(idle[door], 0.99),
          p(busy[door], 0.99),
          (b / a).toFixed(2),
        ]);
      }
    };
    // None of the small ones is ever read: nobody announces their number, and the gate waits longer than the bench.
    await withGateway(stubMs, work, 3_600_000);
  }
  console.log(`Acknowledgements, ${acknowledgements} of each one after the other, idle and while a model runs:\n`);
  table(['door', 'model', 'idle, median', 'busy, median', 'idle, 99 %', 'busy, 99 %', 'ratio of 99 %'], rows);
}

/** The study again and again, under another UID each time, until it is stopped. */
function keepBusy(gateway: Gateway, study: Study): { stop(): Promise<void> } {
  let stopped = false;
  const loop = (async () => {
    for (let i = 0; !stopped; i++) {
      const { studyUid } = await send(gateway, renamed(study.files, `busy ${i}`), true);
      await gateway.seen(studyUid);
    }
  })();
  return {
    stop: async () => {
      stopped = true;
      await loop;
    },
  };
}

async function acknowledged(gateway: Gateway, name: string, count: number): Promise<Times> {
  const times: Times = { stow: [], dimse: [], hl7: [] };
  const store = await storing(gateway.dimse, smallStudy(name, -1));
  for (let i = 0; i < count; i++) {
    const [one, other] = [smallStudy(`${name} stow`, i), smallStudy(`${name} dimse`, i)];
    const begun = performance.now();
    await stow(gateway.url, [one]);
    times.stow.push(performance.now() - begun);
    times.dimse.push(await store.one(other));
    times.hl7.push(await orderAcknowledged(gateway.hl7, `${name} ${i}`));
  }
  await store.release();
  return times;
}

/** An association for files like this one. `one` gives milliseconds from the request to its status 0000. */
async function storing(port: number, like: Uint8Array) {
  const aets = { calledAet: 'PLUMBLINE', callingAet: 'BENCH' };
  const peer = { name: 'gateway', host: '127.0.0.1', port, ...aets, timeoutMs: 60_000 };
  const { sopClass } = inspectPart10(like);
  const { transferSyntax } = splitPart10(like);
  const signal = new AbortController().signal;
  const association = await openAssociation(peer, [{ sopClass, transferSyntax }], signal);
  const one = async (file: Uint8Array): Promise<number> => {
    const { instanceUid } = inspectPart10(file);
    const { dataset } = splitPart10(file);
    const begun = performance.now();
    const { status } = await association.store({ sopClass, instanceUid, transferSyntax, dataset });
    if (status !== 0) throw new Error(`C-STORE was answered with status ${status}`);
    return performance.now() - begun;
  };
  return { one, release: () => association.release() };
}

/** One order on a connection of its own. @returns milliseconds from its first byte to the last of its AA */
function orderAcknowledged(port: number, name: string): Promise<number> {
  const id = derivedUid(name).slice(-15);
  const message = [
    `MSH|^~\\&|RIS|HOSP|PLUMBLINE|HOSP|20260301101500||ORM^O01^ORM_O01|${id}|P|2.5.1`,
    `PID|||P${id}^^^HOSP^MR||Bench^Anna||19700101|F`,
    `ORC|NW|${id}|F${id}||||1^^^^^R`,
    `OBR|1|${id}|F${id}|CT^CT head||||||||||||||||A${id.slice(0, 8)}`,
  ].join('\r');
  return new Promise((done, failed) => {
    const socket = connect(port, '127.0.0.1');
    let begun = 0;
    let said = '';
    socket.on('connect', () => {
      begun = performance.now();
      socket.write(`\x0b${message}\r\x1c\r`);
    });
    socket.on('data', (bytes) => {
      said += bytes.toString('latin1');
      if (!said.includes('\x1c\r')) return;
      const ms = performance.now() - begun;
      socket.destroy();
      if (said.includes('MSA|AA')) done(ms);
      else failed(new Error(`the order was not taken: ${said}`));
    });
    socket.on('error', failed);
  });
}

// — one study on its way —

interface Way extends Seen {
  readonly stored: number;
  readonly complete: number;
}

async function repeated(stubMs: number | undefined, study: Study): Promise<Way[]> {
  const ways: Way[] = [];
  await withGateway(stubMs, async (gateway) => {
    // One image of it warms up a gateway whose model waits: all of them would wait as long as a round.
    const warm = stubMs === undefined ? study.files : study.files.slice(0, 1);
    await through(gateway, renamed(warm, 'warm'));
    for (let round = 0; round < rounds; round++)
      ways.push(await through(gateway, renamed(study.files, `round ${round}`)));
  });
  return ways;
}

/** What a model that does not wait is asked about. */
async function picturesAsked({ files }: Study): Promise<number> {
  let asked = 0;
  await withGateway(1, async (gateway) => void ({ asked } = await through(gateway, files)));
  return asked;
}

async function through(gateway: Gateway, files: readonly Uint8Array[]): Promise<Way> {
  const sent = await send(gateway, files, true);
  return { ...(await gateway.seen(sent.studyUid)), ...sent };
}

/** @returns `stored`: milliseconds until the acknowledgement; `complete`: when it came */
async function send(gateway: Gateway, files: readonly Uint8Array[], announced: boolean) {
  const begun = Date.now();
  const { stored } = await stow(gateway.url, files, announced ? files.length : undefined);
  const complete = Date.now();
  if (stored.length !== files.length) throw new Error(`${stored.length} of ${files.length} instances were stored`);
  return { stored: complete - begun, complete, studyUid: inspectPart10(files[0]!).studyUid };
}

interface Gateway {
  readonly url: string;
  readonly hl7: number;
  readonly dimse: number;
  seen(studyUid: string): Promise<Seen>;
}

async function withGateway(
  stubMs: number | undefined,
  work: (gateway: Gateway) => Promise<void>,
  quiet = quietMs,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-way-'));
  const config = `{dataDir: store, http: {port: 0}, gate: {quietSeconds: ${quiet / 1000}}, inference: {threads: 1},
    hl7: {listeners: [{name: ris, port: 0}]}, dimse: {listeners: [{port: 0}]}}`;
  const child = fork(join(import.meta.dirname, 'way', 'gateway.ts'), [dir, config, String(stubMs ?? '')], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  const gone = new Promise<void>((done) => child.once('exit', () => done()));
  const message = <T>() =>
    new Promise<T>((done, failed) => {
      const ended = () => failed(new Error('the gateway ended'));
      child.once('exit', ended);
      child.once('message', (m) => (child.off('exit', ended), done(m as T)));
    });
  try {
    const said = await message<Omit<Gateway, 'seen'>>();
    await work({ ...said, seen: (studyUid) => (child.send({ studyUid }), message<Seen>()) });
  } finally {
    if (child.connected) child.send('stop');
    await gone;
    rmSync(dir, { recursive: true });
  }
}

// — studies —

function realStudies(): Study[] {
  if (shared === undefined) return [];
  const folder = sharedPath('data/dicom/CT/philips-head-crop');
  const files = readdirSync(folder).map((name) => new Uint8Array(readFileSync(join(folder, name))));
  return [{ title: `CT head, ${files.length} slices`, files }];
}

function largeStudy(): Study {
  const slices = 400;
  const files = Array.from({ length: slices }, (_, k) => slice('large', k, 512, k * 1.25));
  return { title: `CT, ${slices} slices of 512 x 512`, files };
}

function smallStudy(name: string, i: number): Uint8Array {
  return slice(`${name} ${i}`, 0, 64, 0);
}

function slice(study: string, k: number, size: number, z: number): Uint8Array {
  return makeImage({
    study,
    instance: k,
    rows: size,
    columns: size,
    pixel: (x, y) => (Math.hypot(x - size / 2, y - size / 2) < size / 2.5 ? 1000 + ((x * 7 + y * 13 + k) % 200) : 0),
    attributes: {
      FrameOfReferenceUID: derivedUid('bench', study, 'frame'),
      ImagePositionPatient: [-200, -200, z],
      ImageOrientationPatient: [1, 0, 0, 0, 1, 0],
      PixelSpacing: [0.78, 0.78],
      SliceThickness: 1.25,
      RescaleIntercept: -1024,
      RescaleSlope: 1,
      InstanceNumber: k + 1,
    },
  });
}

/** The files under other UIDs of the same length, so that they are another study. */
function renamed(files: readonly Uint8Array[], name: string): Uint8Array[] {
  return files.map((file) => {
    const copy = Buffer.from(file);
    const { studyUid, seriesUid, instanceUid } = inspectPart10(file);
    for (const uid of [studyUid, seriesUid, instanceUid]) {
      const other = `2.25.1${derivedUid(name, uid).slice(5)}`.slice(0, uid.length).padEnd(uid.length, '1');
      for (let at = copy.indexOf(uid); at >= 0; at = copy.indexOf(uid, at + uid.length))
        copy.write(other, at, 'latin1');
    }
    return new Uint8Array(copy);
  });
}

await main();
