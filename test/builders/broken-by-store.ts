/** The damaged and hostile files of the test data as a sender of C-STORE that looks at nothing would send them. */
import { readFileSync } from 'node:fs';
import { derivedUid } from '../../src/base/index.ts';
import { openAssociation, type StoreStatus, type ToStore } from '../../src/dimse/index.ts';
import { sharedPath } from '../peers/index.ts';
import { ctFile, uidOf } from './files.ts';
import { datasetBytes, rawExchange } from './dimse.ts';

export interface BrokenCase {
  readonly file: string;
  readonly wrong: string;
  readonly action: 'reject' | 'hold' | 'accept';
  /** Failure Reason of STOW-RS and status of C-STORE. */
  readonly code: string;
}

export function brokenCases(): BrokenCase[] {
  return JSON.parse(readFileSync(sharedPath('data/dicom-broken/cases.json'), 'utf8')) as BrokenCase[];
}

export interface StoreAnswer {
  /** Four hexadecimal digits, or `no context`. */
  readonly status: string;
  /** Error Comment: the code of the error. */
  readonly code: string;
  readonly sent: ToStore;
}

const explicitLittle = '1.2.840.10008.1.2.1';
const ct = '1.2.840.10008.5.1.4.1.1.2';

/** Answers other than those that the index asks for first, and why they are as good or better. */
const otherAnswers: Readonly<Record<string, readonly [status: string, why: string]>> = {
  'trunc-pixels.dcm': ['C000', 'index: rejecting with C000 is as good'],
  'meta-no-transfer-syntax.dcm': ['0000', 'group 2 is not sent: the transfer syntax is that of the context'],
  'transfer-syntax-unknown.dcm': ['no context', 'the transfer syntax is not accepted, so nothing can be sent in it'],
  'class-unknown.dcm': ['no context', 'index: refusing is as good; a private class is accepted where it is configured'],
  'patientid-twice.dcm': [
    'C000',
    'an element that comes twice breaks the encoding of data sets (PS3.5 7.1), not the rules of the SOP class: Cxxx',
  ],
  'deflate-bomb-256m.dcm': ['C000', 'index: C000 is as good'],
  'encapsulated-under-native.dcm': ['0000', 'index: hold as pixel-decode is as good; it is kept, and held when read'],
};

/** What is worse than asked, if anything; why another answer than the asked one is as good. */
export function judgeStore(c: BrokenCase, { status, code }: StoreAnswer): { worse?: string; asGood?: string } {
  const wanted = c.action === 'reject' ? c.code : '0000';
  if (status === wanted) return {};
  const other = otherAnswers[c.file];
  return other?.[0] === status ? { asGood: other[1] } : { worse: `asked ${wanted}, by C-STORE ${status} ${code}` };
}

/** Send each over an association of its own, and behind it, over the same one, a good object. */
export async function sendBroken(
  port: number,
  cases: readonly BrokenCase[],
  calledAet = 'PLUMBLINE',
): Promise<ReadonlyMap<string, StoreAnswer>> {
  const peer = { name: 'door', host: '127.0.0.1', port, calledAet, callingAet: 'HOSTILE', timeoutMs: 60_000 };
  const answers = new Map<string, StoreAnswer>();
  for (const [i, { file }] of cases.entries()) {
    const sent = asSent(readFileSync(sharedPath('data/dicom-broken', file)), i);
    const contexts = [sent, { sopClass: ct, transferSyntax: explicitLittle }];
    const association = await openAssociation(peer, contexts, new AbortController().signal);
    const taken = association.accepts(sent.sopClass, sent.transferSyntax);
    const send = () => (sent.dataset.length === 0 ? storeNothing(port, sent, calledAet) : association.store(sent));
    const { status, comment = '' } = taken ? await send() : { status: -1 };
    const good = await association.store(goodObject(i));
    if (good.status !== 0) throw new Error(`after ${file} a good object is answered ${good.status.toString(16)}`);
    await association.release();
    const digits = taken ? status.toString(16).toUpperCase().padStart(4, '0') : 'no context';
    answers.set(file, { status: digits, code: comment.split(':')[0]!, sent });
  }
  return answers;
}

/** A C-STORE whose data set is announced and has no byte, which no library sends (PS3.8 9.3, PS3.7 9.3.1.1). */
async function storeNothing(port: number, { sopClass, instanceUid }: ToStore, calledAet: string): Promise<StoreStatus> {
  const u16 = (n: number): Buffer => Buffer.from([n & 255, n >> 8]);
  const even = (text: string): Buffer => Buffer.from(text.length % 2 ? `${text}\0` : text, 'latin1');
  const item = (type: number, body: Buffer): Buffer =>
    Buffer.concat([Buffer.from([type, 0, body.length >> 8, body.length & 255]), body]);
  const pdu = (type: number, body: Buffer): Buffer =>
    Buffer.concat([Buffer.from([type, 0, 0, 0, body.length >> 8, body.length & 255]), body]);
  const pdv = (control: number, body: Buffer): Buffer =>
    pdu(4, Buffer.concat([Buffer.from([0, 0, 0, body.length + 2, 1, control]), body]));
  const element = (n: number, value: Buffer): Buffer =>
    Buffer.concat([u16(0), u16(n), u16(value.length), u16(0), value]);
  const fixed = Buffer.alloc(68);
  fixed.writeUInt16BE(1);
  fixed.write(calledAet.padEnd(16) + 'HOSTILE'.padEnd(16), 4, 'latin1');
  const context = Buffer.concat([
    Buffer.from([1, 0, 0, 0]),
    item(0x30, Buffer.from(sopClass)),
    item(0x40, Buffer.from(explicitLittle)),
  ]);
  const user = item(0x50, item(0x51, Buffer.from([0, 0, 64, 0])));
  const application = item(0x10, Buffer.from('1.2.840.10008.3.1.1.1'));
  const request = pdu(1, Buffer.concat([fixed, application, item(0x20, context), user]));
  const elements = [
    element(2, even(sopClass)),
    element(0x100, u16(1)),
    element(0x110, u16(1)),
    element(0x700, u16(0)),
    element(0x800, u16(1)),
    element(0x1000, even(instanceUid)),
  ];
  const length = Buffer.alloc(4);
  length.writeUInt32LE(Buffer.concat(elements).length);
  const command = Buffer.concat([element(0, length), ...elements]);
  const { bytes } = await rawExchange(port, Buffer.concat([request, pdv(3, command), pdv(2, Buffer.alloc(0))]), 1500);
  const value = (n: number): Buffer => {
    const at = bytes.lastIndexOf(Buffer.from([0, 0, n & 255, n >> 8]));
    return at < 0 ? Buffer.alloc(2) : bytes.subarray(at + 8, at + 8 + bytes.readUInt32LE(at + 4));
  };
  return { status: value(0x900).readUInt16LE(), comment: value(0x902).toString('latin1') };
}

export function goodInstance(n: number): string {
  return uidOf('instance', `good-${n}`);
}

function goodObject(n: number): ToStore {
  const dataset = datasetBytes(ctFile({ instance: `good-${n}` }));
  return { sopClass: ct, instanceUid: goodInstance(n), transferSyntax: explicitLittle, dataset };
}

/**
 * What stands behind group 2, or the whole file where there is none, under the class of group 2 and the instance that the
 * data set seems to have, else the other way round, else made ones: a command has to name some.
 */
function asSent(file: Buffer, n: number): ToStore {
  const { meta, end } = groupTwo(file);
  const dataset = file.subarray(end);
  const made = derivedUid('hostile', 'command', String(n));
  return {
    sopClass: legal(uiValue(meta, '02000200')) ?? legal(uiValue(dataset, '08001600')) ?? ct,
    instanceUid: legal(uiValue(dataset, '08001800')) ?? legal(uiValue(meta, '02000300')) ?? made,
    transferSyntax: legal(uiValue(meta, '02001000')) ?? explicitLittle,
    dataset,
  };
}

/** Elements of group 2 in explicit little endian, as far as there are any. */
function groupTwo(file: Buffer): { meta: Buffer; end: number } {
  if (file.toString('latin1', 128, 132) !== 'DICM') return { meta: Buffer.alloc(0), end: 0 };
  let at = 132;
  while (at + 8 <= file.length && file.readUInt16LE(at) === 2) {
    const long = /^(OB|OW|SQ|UN|UT)$/.test(file.toString('latin1', at + 4, at + 6));
    if (long && at + 12 > file.length) break;
    at += long ? 12 + file.readUInt32LE(at + 8) : 8 + file.readUInt16LE(at + 6);
  }
  const end = Math.min(at, file.length);
  return { meta: file.subarray(132, end), end };
}

/** The first value that stands behind this tag, explicit or implicit, either endian. @param tag bytes in little endian */
function uiValue(bytes: Buffer, tag: string): string | undefined {
  const little = Buffer.from(tag, 'hex');
  const big = Buffer.from([little[1]!, little[0]!, little[3]!, little[2]!]);
  for (const [head, isBig] of [
    [little, false],
    [big, true],
  ] as const) {
    // prettier-ignore
    const at = bytes.indexOf(head);
    if (at < 0 || at + 8 > bytes.length) continue;
    const explicit = bytes.toString('latin1', at + 4, at + 6) === 'UI';
    const length = explicit
      ? isBig
        ? bytes.readUInt16BE(at + 6)
        : bytes.readUInt16LE(at + 6)
      : bytes.readUInt32LE(at + 4);
    return bytes.toString('latin1', at + 8, at + 8 + Math.min(length, 64)).replace(/[\0 ]+$/, '');
  }
  return undefined;
}

function legal(uid: string | undefined): string | undefined {
  return uid !== undefined && /^[0-9.]{1,64}$/.test(uid) ? uid : undefined;
}
