/**
 * Orders (ORM^O01) a second over MLLP, each answered AA after it is durable, on one and on four connections: by a sender
 * that waits for each answer, and by one that does not.
 *
 * `node bench/hl7.ts [messages, default 2000] [rounds, default 3]`. Sides take turns, each message is new; every AA must
 * come once and in order, and every order must be in the store at the end. The peer `echo` is the same framing in the
 * same runtime that answers AA and keeps nothing: what the protocol alone costs here. Then: from message to visible
 * order, and the resident set over 10,000 messages.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createInterface, type Interface } from 'node:readline';
import { orm } from '../test/builders/hl7.ts';
import { startHapiReceiver } from '../test/peers/hapi-v2.ts';
import { missing } from '../test/peers/index.ts';
import { heading, median, quantile, table } from './report.ts';

const messages = Number(process.argv[2] ?? 2000);
const rounds = Number(process.argv[3] ?? 3);

interface Side {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  readonly child: ChildProcess;
  readonly lines: Interface;
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-hl7-'));
  try {
    heading('Orders by HL7 v2 over MLLP', {
      size: `${messages} ORM^O01 of ${frameOf('x').length} bytes a round, each a new order`,
      rounds: `${rounds} after one warm-up, in alternation, medians (least to greatest)`,
      promises:
        'Plumbline: message, order and answer are on the disk (the database log is synced) before AA; the others: none',
      sockets: 'no-delay at both ends, loopback',
    });
    await compare(folder);
    await visible(folder);
    await flat(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compare(folder: string): Promise<void> {
  const ours = await start('Plumbline, durable', join(folder, 'ours'));
  const hapi = missing('java', 'hapiV2') ? undefined : await startHapiReceiver();
  const echo = await start('echo, keeps nothing');
  const sides = [
    ours,
    ...(hapi ? [{ name: 'HAPI HL7v2 2.6.0, keeps nothing', port: hapi.port, anyOrder: true }] : []),
    echo,
  ];
  const rows: string[][] = [];
  for (const connections of [1, 4]) {
    for (const [way, window] of [
      ['waits for each answer', 1],
      ['does not wait', Infinity],
    ] as const) {
      const rates = sides.map(() => [] as number[]);
      for (let round = 0; round <= rounds; round++) {
        for (const [i, side] of sides.entries()) {
          const began = performance.now();
          await send(side, messages, connections, window);
          if (round > 0) rates[i]!.push((messages * 1000) / (performance.now() - began));
        }
      }
      rows.push([`${connections}`, way, ...rates.map(spread)]);
    }
  }
  table(['connections', 'sender', ...sides.map((s) => `${s.name}, messages/s`)], rows);
  const [counts] = await Promise.all([stop(ours), stop(echo)]);
  hapi?.child.kill();
  const sent = 2 * 2 * (rounds + 1) * messages;
  const { orders, kept } = stored(join(folder, 'ours'));
  if (orders !== sent || kept !== sent) throw new Error(`${sent} were acknowledged, ${orders} orders are there`);
  console.log(
    `All ${sent} orders are in the store; ${counts!['transactions']} transactions took ${counts!['commits']} commits.\n`,
  );
}

/** One after the other: the time until another connection to the database sees the order. */
async function visible(folder: string): Promise<void> {
  const side = await start('Plumbline, durable', join(folder, 'visible'));
  const db = new DatabaseSync(join(folder, 'visible', 'plumbline.sqlite'), { readOnly: true });
  const look = db.prepare('SELECT 1 FROM orders WHERE placer = ?');
  const socket = await dial(side.port);
  const [seen, answered]: [number[], number[]] = [[], []];
  for (let i = 0; i < 500; i++) {
    const id = nextId();
    const began = performance.now();
    const answer = onceAnswered(socket, 1).then(() => performance.now() - began);
    socket.write(frameOf(id));
    while (!look.get(id)) await new Promise((next) => setImmediate(next));
    seen.push(performance.now() - began);
    answered.push(await answer);
  }
  socket.destroy();
  db.close();
  await stop(side);
  const ms = (values: number[]): string[] => [0.5, 0.95, 0.99].map((q) => quantile(values, q).toFixed(2));
  table(
    ['from the message, ms', 'median', '95 %', '99 %'],
    [
      ['order visible to another process', ...ms(seen)],
      ['AA received', ...ms(answered)],
    ],
  );
}

/** The resident set after each 1,000 of 10,000 messages that did not wait; the heap is small, so that a leak shows. */
async function flat(folder: string): Promise<void> {
  const side = await start('Plumbline, durable', join(folder, 'flat'), ['--max-old-space-size=128']);
  const sizes: number[] = [];
  for (let i = 0; i < 10; i++) {
    await send(side, 1000, 4, Infinity);
    sizes.push(Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${side.pid}/status`, 'utf8'))![1]) / 1024);
  }
  await stop(side);
  table(
    ['resident set with a heap of 128 MiB at most, after messages', ...sizes.map((_, i) => `${(i + 1) * 1000}`)],
    [['MiB', ...sizes.map((s) => s.toFixed(0))]],
  );
}

function stored(folder: string): { readonly orders: number; readonly kept: number } {
  const db = new DatabaseSync(join(folder, 'plumbline.sqlite'), { readOnly: true });
  const count = (from: string): number => Number(db.prepare(`SELECT COUNT(*) AS n FROM ${from}`).get()!['n']);
  const found = { orders: count('orders'), kept: count(`hl7_messages WHERE state = 'accepted'`) };
  db.close();
  return found;
}

// — the sender —

let serial = 0;
const nextId = (): string => `B${++serial}`;

function frameOf(id: string): string {
  const message = orm({
    id,
    placer: id,
    filler: `F${id}`,
    accession: `A${id}`,
    studyUid: `1.2.826.${id.slice(1) || 1}`,
  });
  return `\x0b${message}\x1c\r`;
}

/** @param side.anyOrder a server that works on several messages of a connection and answers whichever is done */
async function send(
  side: { readonly port: number; readonly anyOrder?: boolean },
  count: number,
  connections: number,
  window: number,
): Promise<void> {
  const sockets = await Promise.all(Array.from({ length: connections }, () => dial(side.port)));
  await Promise.all(sockets.map((socket) => sendOn(socket, count / connections, window, side.anyOrder)));
  for (const socket of sockets) socket.destroy();
}

/** Every message must be answered AA, once, and in order. @param window messages that may wait for their answers */
async function sendOn(socket: Socket, count: number, window: number, anyOrder = false): Promise<void> {
  const ids = Array.from({ length: count }, nextId);
  const wanted = new Set(ids);
  const isNext = (id: string, done: number): boolean => (anyOrder ? wanted.delete(id) : id === ids[done]);
  const answers = onceAnswered(socket, count, isNext, (done) => {
    for (; sent < Math.min(count, done + window); sent++) socket.write(frameOf(ids[sent]!));
  });
  let sent = Math.min(count, window);
  if (window === Infinity) socket.write(ids.map(frameOf).join(''));
  else for (const id of ids.slice(0, sent)) socket.write(frameOf(id));
  await answers;
}

function onceAnswered(
  socket: Socket,
  count: number,
  isNext: (id: string, done: number) => boolean = () => true,
  progress: (done: number) => void = () => {},
): Promise<void> {
  let buffer = '';
  let done = 0;
  return new Promise((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      buffer += chunk.toString('latin1');
      for (let end; (end = buffer.indexOf('\x1c\r')) >= 0; buffer = buffer.slice(end + 2)) {
        const [, code, id] = /\rMSA\|(..)\|([^|\r]*)/.exec(buffer.slice(0, end)) ?? [];
        if (code !== 'AA' || !isNext(id!, done)) return reject(new Error(`${code} to ${id}, after ${done} answers`));
        done++;
      }
      if (done < count) return progress(done);
      socket.off('data', onData).off('close', onClose);
      resolve();
    };
    const onClose = (): void => reject(new Error(`closed after ${done} of ${count} answers`));
    socket.on('data', onData);
    socket.once('close', onClose);
  });
}

function dial(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

// — the sides —

async function start(name: string, folder?: string, flags: readonly string[] = []): Promise<Side> {
  if (folder) mkdirSync(folder);
  const script = join(import.meta.dirname, 'hl7-server.ts');
  const args = folder ? ['durable', folder] : ['echo'];
  const log = folder ? openSync(join(folder, 'log'), 'w') : 'inherit';
  const child = spawn(process.execPath, [...flags, script, ...args], { stdio: ['ignore', 'pipe', log] });
  const lines = createInterface(child.stdout!);
  const port = await new Promise<string>((done) => lines.once('line', done));
  return { name, port: Number(port), pid: child.pid!, child, lines };
}

/** @returns what it counted */
async function stop({ child, lines }: Side): Promise<Record<string, number>> {
  const line = new Promise<string>((done) => lines.once('line', done));
  child.kill('SIGTERM');
  return JSON.parse(await line) as Record<string, number>;
}

function spread(rates: readonly number[]): string {
  const [m, lo, hi] = [median(rates), Math.min(...rates), Math.max(...rates)].map((r) => r.toFixed(0));
  return `${m} (${lo} to ${hi})`;
}

await main();
