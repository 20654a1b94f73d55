/**
 * Senders that send again what was not acknowledged, and now and then cut their own connection: HL7 v2 over MLLP,
 * C-STORE, STOW-RS. What they count as acknowledged is what a gateway may never lose.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { openAssociation } from '../../src/dimse/index.ts';
import { inspectPart10, splitPart10 } from '../../src/dicom/index.ts';
import { stowBody } from '../builders/multipart.ts';
import type { SentStudy } from './studies.ts';

export interface Tally {
  /** Control ids, or SOP Instance UIDs, that the gateway has taken. */
  readonly acknowledged: Set<string>;
  tries: number;
  /** Connections that the sender itself cut in the middle. */
  cuts: number;
  /** Answers other than success, by what they were: `503`, `A700`, `AE`, `no answer`. */
  readonly refusals: Map<string, number>;
}

export const newTally = (): Tally => ({ acknowledged: new Set(), tries: 0, cuts: 0, refusals: new Map() });

export interface Manner {
  readonly tally: Tally;
  readonly random: () => number;
  /** Part of the tries that the sender cuts in the middle. */
  readonly cutRate?: number;
  /** Given up where this is aborted. */
  readonly signal?: AbortSignal;
}

function refused({ tally }: Manner, what: string): void {
  tally.refusals.set(what, (tally.refusals.get(what) ?? 0) + 1);
}

/** Try until it is taken. @returns whether it was, before the signal */
async function untilTaken(manner: Manner, attempt: () => Promise<boolean>): Promise<boolean> {
  while (!manner.signal?.aborted) {
    manner.tally.tries++;
    if (await attempt()) return true;
    await pause(10 + manner.random() * 90);
  }
  return false;
}

/** Whether this try is one that the sender cuts. */
function cutsNow(manner: Manner): boolean {
  if (manner.random() >= (manner.cutRate ?? 0)) return false;
  manner.tally.cuts++;
  return true;
}

/** Messages one after the other over one connection. @param messages with their MSH-10 */
export async function sendHl7(
  port: number,
  messages: Iterable<{ readonly id: string; readonly text: string }>,
  manner: Manner,
): Promise<void> {
  let line: Line | undefined;
  for (const { id, text } of messages) {
    await untilTaken(manner, async () => {
      line = line?.open() ? line : await dialLine(port);
      if (!line) {
        refused(manner, 'no connection');
        return false;
      }
      const answer = line.ask(text);
      if (cutsNow(manner)) {
        await pause(manner.random() * 8);
        line.cut();
      }
      const code = await answer;
      if (code === 'AA') manner.tally.acknowledged.add(id);
      else refused(manner, code);
      return code === 'AA';
    });
    if (manner.signal?.aborted) break;
  }
  line?.cut();
}

interface Line {
  open(): boolean;
  /** @returns MSA-1, or `no answer` where the line ended or stayed silent for 30 s */
  ask(message: string): Promise<string>;
  cut(): void;
}

async function dialLine(port: number): Promise<Line | undefined> {
  const socket = await dialQuietly(port);
  if (!socket) return undefined;
  let heard = '';
  let waiting: ((code: string) => void) | undefined;
  const tell = (code: string): void => {
    waiting?.(code);
    waiting = undefined;
  };
  socket.on('data', (chunk: Buffer) => {
    heard += chunk.toString('latin1');
    const end = heard.indexOf('\x1c\r');
    if (end < 0) return;
    tell(/\rMSA\|(\w\w)\|/.exec(heard.slice(0, end))?.[1] ?? 'no MSA');
    heard = heard.slice(end + 2);
  });
  socket.on('close', () => tell('no answer'));
  socket.setTimeout(30_000, () => socket.destroy());
  return {
    open: () => !socket.destroyed && socket.writable,
    ask: (message) =>
      new Promise((resolve) => {
        waiting = resolve;
        socket.write(`\x0b${message}\x1c\r`);
        if (socket.destroyed) tell('no answer');
      }),
    cut: () => socket.destroy(),
  };
}

function dialQuietly(port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(socket));
    socket.on('error', () => resolve(undefined)); // the gateway is dead for the moment: tried again
  });
}

/** One STOW-RS request for the whole study, announced with its number of instances. */
export async function sendStow(dicomweb: string, study: SentStudy, manner: Manner): Promise<boolean> {
  const { body, contentType } = stowBody(study.instances.map((i) => i.bytes));
  const headers = { 'Content-Type': contentType, 'plumbline-expected-instances': String(study.instances.length) };
  return untilTaken(manner, async () => {
    const cut = new AbortController();
    if (cutsNow(manner)) void pause(manner.random() * 20).then(() => cut.abort());
    const status = await fetch(`${dicomweb}/studies`, {
      method: 'POST',
      body: new Uint8Array(body),
      headers,
      signal: AbortSignal.any([cut.signal, AbortSignal.timeout(60_000)]),
    }).then(
      async (response) => (await response.arrayBuffer(), response.status),
      () => 0, // cut by one of the two: nothing was acknowledged
    );
    if (status === 200) for (const { instanceUid } of study.instances) manner.tally.acknowledged.add(instanceUid);
    else refused(manner, status === 0 ? 'no answer' : String(status));
    return status === 200;
  });
}

/** The instances of the study over associations: what was answered 0000H is not sent again. */
export async function sendDimse(port: number, study: SentStudy, manner: Manner): Promise<boolean> {
  const peer = {
    name: 'gateway',
    host: '127.0.0.1',
    port,
    calledAet: 'PLUMBLINE',
    callingAet: 'SOAK',
    timeoutMs: 60_000,
  };
  const objects = study.instances.map(({ instanceUid, bytes }) => {
    const { transferSyntax, dataset } = splitPart10(bytes);
    return { instanceUid, sopClass: inspectPart10(bytes).sopClass, transferSyntax, dataset };
  });
  return untilTaken(manner, async () => {
    const left = objects.filter((o) => !manner.tally.acknowledged.has(o.instanceUid));
    try {
      const association = await openAssociation(peer, objects, AbortSignal.timeout(60_000));
      if (cutsNow(manner)) void pause(manner.random() * 20).then(() => association.abort());
      for (const object of left) {
        const { status } = await association.store(object);
        if (status === 0) manner.tally.acknowledged.add(object.instanceUid);
        else refused(manner, status.toString(16).toUpperCase().padStart(4, '0'));
      }
      await association.release();
    } catch (e) {
      refused(manner, (e as { code?: string }).code ?? 'no answer'); // broken or refused: the rest is sent again
    }
    return objects.every((o) => manner.tally.acknowledged.has(o.instanceUid));
  });
}
