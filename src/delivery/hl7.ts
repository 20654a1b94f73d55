import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { outbound, outboundRefusal } from '../access/index.ts';
import { asPlumblineError, PlumblineError } from '../base/index.ts';
import {
  createMllpDecoder,
  encodeText,
  escapeField,
  mllpFrame,
  readAck,
  readHeader,
  type Acknowledgement,
} from '../hl7/index.ts';
import { quote } from './http.ts';
import type { DeliverContent, Destination } from './types.ts';

export interface Hl7Receiver {
  readonly name: string;
  /** `mllp://host:port`, or `mllps://` over TLS. */
  readonly url: string;
  readonly timeoutSeconds: number;
  readonly hl7Version?: '2.3.1' | '2.5.1';
  readonly hl7Charset?: string;
  readonly receivingApplication?: string;
  readonly receivingFacility?: string;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

/** An answer is short; more than this is none. */
const longestAnswer = 1 << 20;

/**
 * ORU^R01 over MLLP to one receiver, one message in flight. Delivered is what the receiver has acknowledged with our
 * control id in MSA-2; another id is not our answer. Every try sends the same message with the same control id, so that
 * a receiver that lost only its answer can see that it has it already.
 */
export function hl7Destination(receiver: Hl7Receiver): Destination {
  return {
    name: receiver.name,
    kind: 'hl7',
    deliver: async (content, signal) => {
      const message = await messageFor(receiver, content);
      const ack = await exchange(receiver, message, signal);
      const refused = refusalOf(receiver, ack);
      if (refused) throw refused;
    },
    check: async (signal) => {
      const socket = await open(receiver, signal);
      socket.destroy();
      return 'takes connections (MLLP has no question that changes nothing)';
    },
  };
}

/** The message as this receiver takes it: its name in MSH-5 and MSH-6, its character set. */
async function messageFor(receiver: Hl7Receiver, content: DeliverContent): Promise<Uint8Array> {
  const charset = receiver.hl7Charset ?? 'UNICODE UTF-8';
  if (!content.oru) throw new PlumblineError('not-found', 'no HL7 v2 report was written', { where: content.workitem });
  const text = await content.oru(receiver.hl7Version ?? '2.5.1');
  const [head = '', ...rest] = text.split('\r');
  const fields = head.split('|');
  fields[4] = escapeField(receiver.receivingApplication ?? '');
  fields[5] = escapeField(receiver.receivingFacility ?? '');
  fields[17] = charset;
  return encodeText([fields.join('|'), ...rest].join('\r'), charset);
}

/** Send and wait for the answer to it. @throws PlumblineError `peer-unreachable`, `peer-answer-invalid` */
async function exchange(receiver: Hl7Receiver, message: Uint8Array, signal: AbortSignal): Promise<Acknowledgement> {
  const controlId = readHeader(message)!.fields[10]!;
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(receiver.timeoutSeconds * 1000)]);
  const socket = await open(receiver, deadline);
  try {
    return await answerTo(receiver, socket, controlId, message, deadline);
  } finally {
    socket.destroy();
  }
}

function answerTo(
  receiver: Hl7Receiver,
  socket: Socket,
  controlId: string,
  message: Uint8Array,
  deadline: AbortSignal,
): Promise<Acknowledgement> {
  const decoder = createMllpDecoder({ maxBytes: longestAnswer });
  let foreign = 0;
  let garbage: string | undefined;
  return new Promise((resolve, reject) => {
    const fail = (words: string): void => {
      const seen = foreign > 0 ? `; ${foreign} answers were to other messages` : '';
      const code = foreign > 0 || garbage !== undefined ? 'peer-answer-invalid' : 'peer-unreachable';
      const told = garbage === undefined ? words : `${words}; it said ${quote({}, garbage)}`;
      reject(new PlumblineError(code, `${receiver.name}: ${told}${seen}`, { where: receiver.name }));
    };
    deadline.addEventListener('abort', () => fail(`no answer to ${controlId} in ${receiver.timeoutSeconds} s`), {
      once: true,
    });
    socket.on('error', (e: NodeJS.ErrnoException) => fail(`the connection broke: ${e.code ?? e.message}`));
    socket.on('close', () => fail(`the connection closed before ${controlId} was answered`));
    socket.on('data', (chunk: Buffer) => {
      for (const event of [...decoder.push(chunk), ...decoder.settle()]) {
        if (event.kind === 'dropped') {
          garbage ??= chunk.toString('latin1');
          continue;
        }
        const ack = readSafely(event.bytes);
        if (ack === undefined) garbage ??= Buffer.from(event.bytes).toString('latin1');
        else if (ack.controlId === controlId) resolve(ack);
        else foreign++;
      }
    });
    socket.write(mllpFrame(message));
  });
}

/** @returns undefined for what is no acknowledgement: the receiver may still send one */
function readSafely(bytes: Uint8Array): Acknowledgement | undefined {
  try {
    return readAck(bytes);
  } catch (thrown) {
    const error = asPlumblineError(thrown);
    if (error.class !== 'reject') throw error;
    return undefined;
  }
}

/** Conditions that name a trouble of the receiver, not of the message (HL7 table 0357). */
const passing = new Set(['206', '207']);

/** AA and CA are a success: accept acknowledgements were not asked for (MSH-15 and MSH-16 are empty). */
function refusalOf({ name }: Hl7Receiver, ack: Acknowledgement): PlumblineError | undefined {
  if (ack.code === 'AA' || ack.code === 'CA') return undefined;
  const mayPass =
    (ack.code === 'AE' || ack.code === 'CE') && (ack.condition === undefined || passing.has(ack.condition));
  const words = `${name} answered ${ack.code}${ack.condition === undefined ? '' : ` ${ack.condition}`}: ${quote({}, ack.text)}`;
  return new PlumblineError(mayPass ? 'peer-busy' : 'peer-refused', words, { where: name });
}

/** @throws PlumblineError `peer-unreachable`, `config-missing` */
function open(receiver: Hl7Receiver, deadline: AbortSignal): Promise<Socket> {
  const { protocol, hostname, port } = new URL(receiver.url.replace(/^mllp/, 'http'));
  const host = hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve, reject) => {
    const tls = protocol === 'https:';
    // `URL` drops the usual port of its scheme.
    const at = { ...outbound(host), port: Number(port || (tls ? 443 : 80)) };
    const socket = tls
      ? connectTls({ ...at, servername: /^[\d.:]+$/.test(host) ? '' : host, ...credentials(receiver) })
      : connectTcp(at);
    const fail = (cause: unknown, words: string): void => {
      socket.destroy();
      const trouble = new PlumblineError('peer-unreachable', `${receiver.name}: ${words}`, {
        where: receiver.name,
        cause,
      });
      reject(outboundRefusal(cause) ?? trouble);
    };
    socket.once(tls ? 'secureConnect' : 'connect', () => resolve(socket));
    socket.once('error', (e: NodeJS.ErrnoException) => fail(e, `no connection: ${e.code ?? e.message}`));
    deadline.addEventListener('abort', () => fail(deadline.reason, `no connection in ${receiver.timeoutSeconds} s`), {
      once: true,
    });
  });
}

function credentials({ caFile, certFile, keyFile }: Hl7Receiver) {
  return {
    ...(caFile === undefined ? {} : { ca: pem(caFile) }),
    ...(certFile === undefined ? {} : { cert: pem(certFile) }),
    ...(keyFile === undefined ? {} : { key: pem(keyFile) }),
  };
}

function pem(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new PlumblineError('config-missing', `cannot read ${file}`, { where: file, cause });
  }
}
