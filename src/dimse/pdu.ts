import type { Socket } from 'node:net';
import { PlumblineError } from '../base/index.ts';

/** PS3.8 9.3.1. */
export const pduType = {
  request: 1,
  accept: 2,
  reject: 3,
  data: 4,
  releaseRequest: 5,
  releaseReply: 6,
  abort: 7,
} as const;

export interface PduLimits {
  /** Largest P-DATA-TF that is taken: what was announced as maximum length. */
  readonly maxPduBytes: number;
  /** Milliseconds that a whole PDU may be waited for; asked before each. */
  readonly patienceMs: () => number;
}

/** 128 contexts with 40 transfer syntaxes each are 200 KiB. */
const maxNegotiationBytes = 512 * 1024;
/** A command set is some hundred bytes (PS3.7 annex E). */
const maxCommandBytes = 64 * 1024;

/**
 * Whole PDUs from a socket, one at a time: the next is read when the last has been dealt with, so a slow store slows
 * the sender. A length that no honest peer announces is refused before its bytes are waited for, so a connection never
 * holds more than one PDU; its bytes are good until the next is asked for. Only time spent waiting for the peer
 * counts. Ends where the peer ends between two PDUs.
 * @throws PlumblineError association-invalid (type, length), sender-slow, sender-gone
 */
export async function* readPdus(socket: Socket, limits: PduLimits): AsyncGenerator<Buffer, void, undefined> {
  const input = createInput(socket);
  for (;;) {
    const patience = limits.patienceMs();
    let late = false;
    const alarm = setTimeout(() => {
      late = true;
      abort(socket, 0);
    }, patience);
    let length: number;
    try {
      if (!(await input.fill(6)) && !late) return;
      if (late) throw slow(patience);
      length = 6 + checkedLength(input.peek(6), limits.maxPduBytes);
      if (!(await input.fill(length))) throw gone();
    } catch (thrown) {
      if (late) throw slow(patience);
      throw thrown instanceof PlumblineError ? thrown : gone(thrown);
    } finally {
      clearTimeout(alarm);
    }
    yield input.take(length);
  }
}

interface Input {
  /** Wait until so many bytes are there. @returns false at the end between two PDUs @throws PlumblineError sender-gone */
  fill(bytes: number): Promise<boolean>;
  peek(bytes: number): Buffer;
  take(bytes: number): Buffer;
}

function createInput(socket: Socket): Input {
  const chunks = socket.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  let parts: Buffer[] = [];
  let held = 0;
  let large: Buffer = Buffer.alloc(0);
  /** Parts of a command are held by the library until it is whole, and are smaller than what is used again. */
  const room = (bytes: number): Buffer => {
    if (bytes <= maxCommandBytes) return Buffer.allocUnsafe(bytes);
    if (large.length < bytes) large = Buffer.allocUnsafeSlow(bytes);
    return large.subarray(0, bytes);
  };
  const peek = (bytes: number): Buffer => {
    if (parts[0]!.length < bytes) parts = [Buffer.concat(parts)];
    return parts[0]!.subarray(0, bytes);
  };
  return {
    fill: async (bytes) => {
      while (held < bytes) {
        const { done, value } = await chunks.next();
        if (done && held > 0) throw gone();
        if (done) return false;
        parts.push(value);
        held += value.length;
      }
      return true;
    },
    peek,
    take: (bytes) => {
      held -= bytes;
      const whole = parts[0]!.length >= bytes;
      // New memory for each large PDU would keep the collector busy for most of the time that a store takes.
      const taken = whole ? parts[0]!.subarray(0, bytes) : room(bytes);
      for (let at = 0; at < bytes;) {
        const part = parts[0]!;
        const used = whole ? bytes : part.copy(taken, at);
        at += used;
        if (used < part.length) parts[0] = part.subarray(used);
        else parts.shift();
      }
      return taken;
    },
  };
}

/** Length of the variable field, from the six bytes that every PDU begins with. */
function checkedLength(head: Buffer, maxPduBytes: number): number {
  const [type, length] = [head[0]!, head.readUInt32BE(2)];
  if (type === pduType.data) {
    // Some senders count the six bytes of the header or of a PDV as not being of the maximum.
    if (length > maxPduBytes + 12)
      throw broken(`a P-DATA-TF of ${length} bytes; at most ${maxPduBytes} were announced`);
  } else if (type === pduType.request || type === pduType.accept) {
    if (length > maxNegotiationBytes) throw broken(`a negotiation of ${length} bytes`);
  } else if (type >= pduType.reject && type <= pduType.abort) {
    if (length !== 4) throw broken(`a PDU of type ${type} with ${length} bytes in place of 4`);
  } else throw broken(`a PDU of type ${type}, which there is not`);
  return length;
}

/**
 * Looks at the PDVs of each P-DATA-TF before the library does, which would write a command fragment into a data set
 * that is open, collect a command of any size, and lose what follows a message in the same PDU.
 * @throws PlumblineError association-invalid
 */
export function createDataCheck(): (pdu: Buffer) => void {
  let commandBytes = 0;
  let inData = false;
  return (pdu) => {
    for (let at = 6; at < pdu.length;) {
      if (pdu.length - at < 6) throw broken('a P-DATA-TF whose last PDV has no header');
      const length = pdu.readUInt32BE(at);
      const control = pdu[at + 5]!;
      if (length < 2 || length > pdu.length - at - 4) throw broken(`a PDV of ${length} bytes`);
      at += 4 + length;
      if ((control & 1) === 0) {
        inData = (control & 2) === 0;
        if (!inData && at < pdu.length) throw broken('more after the end of a data set, without being answered');
        continue;
      }
      if (inData) throw broken('a command in the middle of a data set');
      commandBytes += length - 2;
      if (commandBytes > maxCommandBytes) throw broken(`a command of more than ${maxCommandBytes} bytes`);
      if (control & 2) commandBytes = 0;
    }
  };
}

/**
 * The same A-ASSOCIATE-RQ with its presentation contexts in the order of their ids, because the library gives other
 * ids to those that are not (PS3.8 9.3.2.2 asks for no order).
 * @throws PlumblineError association-invalid where items are cut, ids even, or two contexts have one id
 */
export function requestInOrder(pdu: Buffer): Buffer {
  if (pdu.length < 74) throw broken('an A-ASSOCIATE-RQ that is too short');
  const items: Buffer[] = [];
  for (let at = 74; at < pdu.length;) {
    const end = pdu.length - at < 4 ? Infinity : at + 4 + pdu.readUInt16BE(at + 2);
    if (end > pdu.length) throw broken('an A-ASSOCIATE-RQ whose last item is cut');
    items.push(pdu.subarray(at, end));
    at = end;
  }
  const contexts = items.filter((item) => item[0] === 0x20);
  const ids = contexts.map((item) => item[4] ?? 0);
  if (ids.some((id) => id % 2 === 0) || new Set(ids).size !== ids.length)
    throw broken('presentation context ids that are even or come twice');
  const ordered = contexts.toSorted((a, b) => a[4]! - b[4]!);
  const isContext = (item: Buffer): boolean => item[0] === 0x20;
  const before = items.filter((item, i) => !isContext(item) && i < items.findIndex(isContext));
  const after = items.filter((item) => !isContext(item) && !before.includes(item));
  return Buffer.concat([pdu.subarray(0, 74), ...before, ...ordered, ...after]);
}

/** Send an A-ABORT of the service provider (PS3.8 9.3.8; 0 not specified, 2 unexpected PDU) and close the connection. */
export function abort(socket: Socket, reason: 0 | 2): void {
  if (socket.writable) socket.write(Buffer.from([pduType.abort, 0, 0, 0, 0, 4, 0, 0, 2, reason]));
  socket.destroySoon();
}

export function broken(what: string): PlumblineError {
  return new PlumblineError('association-invalid', `the peer sent ${what}`);
}

function slow(milliseconds: number): PlumblineError {
  return new PlumblineError('sender-slow', `no whole PDU arrived for ${milliseconds / 1000} s`);
}

function gone(cause?: unknown): PlumblineError {
  return new PlumblineError('sender-gone', 'the peer closed the connection in the middle of an association', { cause });
}
