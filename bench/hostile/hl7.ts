import { readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { answered, orm } from '../../test/builders/hl7.ts';
import { ask, dial, frame } from '../../test/builders/hl7-receiver.ts';
import { askedAnswers, hl7Entries, otherAnswers, saidAs, type Hl7Entry } from '../../test/builders/hl7-index.ts';
import { mappingsTo } from '../../test/builders/mappings.ts';
import { serveChild, tempFolder, until } from '../../test/builders/program.ts';
import { sharedPath } from '../../test/peers/index.ts';
import { cell } from './cell.ts';

/** One message or stream: what it asks, what it got, what is kept of it. */
export interface Hl7Row {
  readonly file: string;
  readonly what: string;
  readonly asked: string;
  readonly answered: string;
  readonly kept: string;
  readonly asGood: string;
  readonly worse?: string;
}

/** Longer than the wait for the last byte of a frame (5 s), after which a line without a whole frame is closed. */
const idleSeconds = 7;
const sharedIds = 'the published samples share control ids: this one was used by another';

/** Every message and stream of the test data by MLLP into one running gateway, and after each a good order. */
export async function hl7Rows(): Promise<{ readonly rows: Hl7Row[]; readonly faults: string[] }> {
  const dataDir = tempFolder('hostile-hl7');
  const mappingsDir = mappingsTo([], { bundle: 'plumbline-tiny', task: 'report' });
  const listener = (name: string, processingIds: string[]) => ({ name, port: 0, idleSeconds, processingIds });
  const hl7 = { listeners: [listener('orders', ['P']), listener('published', ['P', 'T'])] };
  const gateway = await serveChild(JSON.stringify({ dataDir, mappingsDir, http: { port: 0 }, hl7 }));
  const faults: string[] = [];
  try {
    const [orders, published] = await until(async () => {
      const ports = [...gateway.log().matchAll(/mllp:\/\/127\.0\.0\.1:(\d+)/g)].map((m) => Number(m[1]));
      return ports.length === 2 ? (ports as [number, number]) : undefined;
    }, 'both listeners');
    const store = new DatabaseSync(join(dataDir, 'plumbline.db'), { readOnly: true });
    const rows: Hl7Row[] = [];
    for (const entry of hl7Entries()) {
      const before = keptIn(store);
      const socket = await dial(entry.path.startsWith('hl7/published/') ? published : orders);
      const answers = await answersTo(socket, entry);
      const left = difference(before, keptIn(store));
      rows.push(judge(entry, answers, left || (answers.length > 0 ? 'nothing new' : 'nothing')));
      if (!(await goodIsTaken(orders))) faults.push(`after ${entry.path} a good order is not answered AA`);
    }
    store.close();
    if (gateway.child.exitCode !== null) faults.push(`the gateway ended with ${gateway.child.exitCode}`);
    return { rows, faults };
  } finally {
    await gateway.stop();
    for (const folder of [dataDir, mappingsDir]) rmSync(folder, { recursive: true, force: true });
  }
}

/** Until as many came as are asked for, or the line is closed; a little longer, in case there are more. */
async function answersTo(socket: Socket, entry: Hl7Entry): Promise<string[]> {
  const bytes = readFileSync(sharedPath('data', entry.path));
  const stream = entry.path.endsWith('.mllp') ? bytes : Buffer.from(frame(bytes.toString('latin1')), 'latin1');
  const wanted = Math.max(1, askedAnswers(entry).length);
  const answers = await ask(socket, [stream], wanted);
  if (!socket.destroyed) answers.push(...(await Promise.race([ask(socket, [], 1), pause(200)])));
  socket.destroy();
  return answers;
}

function pause(ms: number): Promise<string[]> {
  return new Promise((done) => setTimeout(() => done([]), ms));
}

let next = 0;

async function goodIsTaken(port: number): Promise<boolean> {
  const id = `GOOD${++next}`;
  const socket = await dial(port);
  const [answer] = await ask(socket, [frame(orm({ id, placer: id, filler: id, accession: id }))], 1);
  socket.destroy();
  return answer !== undefined && answered(answer).code === 'AA' && answered(answer).controlId === id;
}

interface Kept {
  readonly accepted: number;
  readonly refused: number;
  readonly orders: number;
  readonly links: number;
}

function keptIn(store: DatabaseSync): Kept {
  const count = (from: string): number => Number(store.prepare(`SELECT COUNT(*) AS n FROM ${from}`).get()!['n']);
  return {
    accepted: count(`hl7_messages WHERE state = 'accepted'`),
    refused: count(`hl7_messages WHERE state = 'refused'`),
    orders: count('orders'),
    links: count('patient_links'),
  };
}

function difference(before: Kept, after: Kept): string {
  const some = (n: number, one: string): string[] => (n === 0 ? [] : [`${n} ${one}${n === 1 ? '' : 's'}`]);
  const parts = [
    ...some(after.accepted - before.accepted, 'message'),
    ...some(after.refused - before.refused, 'refused message'),
    ...some(after.orders - before.orders, 'order'),
    ...some(after.links - before.links, 'merge'),
  ];
  return parts.join(', ');
}

function judge(entry: Hl7Entry, answers: readonly string[], kept: string): Hl7Row {
  const wished = askedAnswers(entry);
  const got = answers.map((a) => saidAs(entry, a));
  const other = otherAnswers[entry.path];
  const same = (a: readonly string[]): boolean => JSON.stringify(a) === JSON.stringify(got);
  const reused = entry.path.startsWith('hl7/published/') && got.every((g) => g.startsWith('AE 205'));
  const row = {
    file: basename(entry.path),
    what: entry.use ?? 'published sample',
    asked: wished.join(', ') || 'no answer',
    answered: got.join(', ') || 'no answer',
    kept,
    asGood: same(wished) ? '' : reused ? sharedIds : (other?.why ?? ''),
  };
  const right = same(wished) || (other && same(other.got)) || reused;
  return right ? row : { ...row, worse: `asked ${row.asked}, answered ${row.answered}` };
}

/** The section of the printed table. */
export function hl7Table(rows: readonly Hl7Row[]): string[] {
  if (rows.length === 0) return [];
  return [
    '## HL7 v2',
    '',
    'Each message as one frame, each stream as its bytes, by MLLP into one running gateway, in the order of the index; after each a good order was',
    'answered AA. An answer is written as the index writes it: MSA-1, the condition of table 0357, and the place where the index names one.',
    'What is refused is kept as such for people, of AR no more than 4 KiB, and does nothing.',
    '',
    '| file | what it is | asked | answered | in its store | as good because |',
    '|---|---|---|---|---|---|',
    ...rows.map((r) => `| ${[r.file, r.what, r.asked, r.answered, r.kept, r.asGood].map(cell).join(' | ')} |`),
    '',
  ];
}
