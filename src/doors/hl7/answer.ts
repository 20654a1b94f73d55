import { asPlumblineError, sha256, type Log } from '../../base/index.ts';
import {
  makeAck,
  parseMessage,
  readHeader,
  unpackBatch,
  type AckCode,
  type AckError,
  type Hl7Header,
} from '../../hl7/index.ts';
import type { OrderAct, OrderOutcome, Studies } from '../../studies/index.ts';
import { Hl7Refusal, readActs, type ReadOptions } from './read.ts';

export interface TakeOptions extends ReadOptions {
  readonly studies: Pick<Studies, 'receiveOrder'>;
  readonly log: Log;
  readonly now: () => Date;
  /** Name of the listener, for the log. */
  readonly name: string;
  /** Character set of messages without MSH-18. */
  readonly charset?: string;
  /** `original`: AA, AE, AR. `by-header`: as MSH-15 and MSH-16 ask (2.9.3). */
  readonly acknowledge: 'original' | 'by-header';
  /** MSH-11 values that are taken. */
  readonly processingIds: readonly string[];
}

/** So much is kept of a message that is rejected: enough to see what it was. */
const rejectedBytes = 4096;
const versions = new Set('2.1 2.2 2.3 2.3.1 2.4 2.5 2.5.1 2.6 2.7 2.7.1 2.8 2.8.1 2.8.2 2.9 2.9.1'.split(' '));
const types = new Set(['ORM', 'OMI', 'OMG', 'ORU', 'ADT']);
const events = new Set(['ORM^O01', 'OMI^O23', 'OMG^O19', 'ORU^R01']);

/** The messages of one frame, of a batch each one. */
export function messagesOf(frame: Uint8Array, options: Pick<TakeOptions, 'log' | 'name'>): readonly Uint8Array[] {
  const { messages, announced } = unpackBatch(frame);
  if (announced !== undefined)
    options.log.warn('batch count differs', { door: options.name, count: messages.length, code: 'hl7-invalid' });
  return messages;
}

/**
 * Everything between a message and its answers: it is read, kept and answered. Messages reach the store in the order of
 * the calls, also where nobody waits for the one before.
 * @returns the answers, ready to be framed; none for an acknowledgement that nobody asked for
 * @throws PlumblineError of the store: then nobody may be answered, and the sender will repeat
 */
export async function takeMessage(bytes: Uint8Array, options: TakeOptions): Promise<Uint8Array[]> {
  const header = readHeader(bytes);
  // An answer to an acknowledgement would be answered again, for ever.
  if (header && component(header, 9, 0) === 'ACK') {
    options.log.warn('acknowledgement dropped', { door: options.name });
    return [];
  }
  const read = readSafely(bytes, header, options);
  const { error } = read;
  const digest = bodyDigest(bytes, header);
  const { outcome, answers } = await options.studies.receiveOrder({
    // What is rejected has no say over a message that was taken under the same control id.
    key: sha256(
      JSON.stringify(error?.rejected ? ['AR', digest] : [field(header, 3), field(header, 4), field(header, 10)]),
    ),
    bodyDigest: digest,
    sender: `${component(header, 3, 0)}|${component(header, 4, 0)}`,
    type: field(header, 9),
    raw: error?.rejected ? bytes.subarray(0, rejectedBytes) : bytes,
    refused: error !== undefined,
    acts: read.acts,
    answers: (o) => answersOf(o, header, options, error),
  });
  if (outcome === 'other-content') {
    log(options, header, 205);
    const reused: AckError = { condition: 205, location: 'MSH-10', text: 'the control id was used before' };
    return encode(answersFor(header, 'AE', options, reused));
  }
  if (error) log(options, header, error.condition);
  else options.log.info('hl7 message', { door: options.name, where: typeFor(header), code: outcome });
  return encode(answers);
}

function answersOf(
  outcome: OrderOutcome,
  header: Hl7Header | undefined,
  options: TakeOptions,
  error: Refused | undefined,
): string[] {
  if (outcome === 'unknown-order') {
    const unknown: AckError = { condition: 204, location: 'ORC-2', text: 'no such order' };
    return answersFor(header, 'AE', options, unknown);
  }
  if (!error) return answersFor(header, 'AA', options);
  return answersFor(header, error.rejected ? 'AR' : 'AE', options, error);
}

type Refused = AckError & { readonly rejected: boolean };

/** What a message asks for, or why it is refused; anything that is not the sender's fault is thrown. */
function readSafely(
  bytes: Uint8Array,
  header: Hl7Header | undefined,
  options: TakeOptions,
): { readonly acts: readonly OrderAct[]; readonly error?: Refused } {
  const refuse = (condition: AckError['condition'], location: string, text: string, rejected = true) => ({
    acts: [],
    error: { condition, location, text, rejected },
  });
  try {
    if (header) checkHeader(header, options);
    const message = parseMessage(bytes, options.charset === undefined ? {} : { fallback: options.charset });
    if (bytes.includes(0)) throw new Hl7Refusal(102, '', 'the message holds NUL characters');
    return { acts: readActs(message, options) };
  } catch (thrown) {
    const e = asPlumblineError(thrown);
    if (e instanceof Hl7Refusal) return refuse(e.condition, e.location, e.message, e.rejected);
    if (e.code === 'hl7-charset') return refuse(207, 'MSH-18', e.message, header === undefined);
    if (e.code === 'hl7-invalid') return header ? refuse(101, 'MSH', e.message) : refuse(100, 'MSH', e.message);
    throw e;
  }
}

/** @throws Hl7Refusal */
function checkHeader(header: Hl7Header, { processingIds }: TakeOptions): void {
  if (field(header, 2).length < 3 || header.fields.length < 9)
    throw new Hl7Refusal(101, 'MSH', 'the header is too short', true);
  if (field(header, 10) === '') throw new Hl7Refusal(101, 'MSH-10', 'no message control id', true);
  const version = component(header, 12, 0);
  if (!versions.has(version)) throw new Hl7Refusal(203, 'MSH-12', 'the version is not known', true);
  if (!processingIds.includes(component(header, 11, 0)))
    throw new Hl7Refusal(202, 'MSH-11', 'the processing id is not taken here', true);
  const [type, event] = [component(header, 9, 0), component(header, 9, 1)];
  if (!types.has(type)) throw new Hl7Refusal(200, 'MSH-9', 'the message type is not taken here', true);
  if (event === '') throw new Hl7Refusal(200, 'MSH-9', 'no trigger event');
  if (type === 'ADT' ? !/^A\d\d$/.test(event) : !events.has(`${type}^${event}`))
    throw new Hl7Refusal(201, 'MSH-9', 'the trigger event is not taken here', true);
}

/** The acknowledgements that are sent for one outcome, as text of one character a byte. */
function answersFor(
  header: Hl7Header | undefined,
  code: 'AA' | 'AE' | 'AR',
  options: TakeOptions,
  error?: AckError,
): string[] {
  const make = (c: AckCode): string => makeAck(header, c, options.now(), error);
  const [accept, application] = [field(header, 15), field(header, 16)];
  if (options.acknowledge === 'original' || (accept === '' && application === '')) return [make(code)];
  const good = code === 'AA';
  // What was kept is accepted, whatever the application says of it later (2.9.3.2).
  const commit = code === 'AR' ? 'CR' : error?.condition === 205 ? 'CE' : 'CA';
  return [
    ...(asked(accept, commit === 'CA') ? [commit === 'CA' ? makeAck(header, 'CA', options.now()) : make(commit)] : []),
    ...(asked(application, good) && (commit === 'CA' || !asked(accept, false)) ? [make(code)] : []),
  ];
}

/** HL7 table 0155. */
function asked(condition: string, good: boolean): boolean {
  return condition === 'AL' || (condition === 'SU' && good) || (condition === 'ER' && !good);
}

/** The header is echoed byte for byte, in whatever character set it came. */
function encode(answers: readonly string[]): Uint8Array[] {
  return answers.map((a) => Buffer.from(a, 'latin1'));
}

/** Digest of a message without the time in MSH-7, which senders renew when they repeat. */
function bodyDigest(bytes: Uint8Array, header: Hl7Header | undefined): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  if (!header) return sha256(text);
  const lineEnd = /[\r\n]/.exec(text)?.index ?? text.length;
  const fields = text.slice(0, lineEnd).split(header.separators.field);
  fields[6] = '';
  return sha256(fields.join(header.separators.field) + text.slice(lineEnd));
}

function field(header: Hl7Header | undefined, n: number): string {
  return header?.fields[n] ?? '';
}

function component(header: Hl7Header | undefined, n: number, index: number): string {
  return field(header, n).split(header?.separators.component ?? '^')[index] ?? '';
}

function log({ log: to, name }: TakeOptions, header: Hl7Header | undefined, status: number): void {
  to.warn('hl7 message refused', { door: name, code: 'hl7-refused', status, where: typeFor(header) });
}

/** The type for the log; a sender may write anything there, and the log holds no patient data. */
function typeFor(header: Hl7Header | undefined): string {
  return /^[A-Z]{3}\W[A-Z]\d\d/.exec(field(header, 9))?.[0] ?? '';
}
