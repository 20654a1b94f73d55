/** Associations that come to nothing, in numbers: refused, broken, and half-open ones. */
import { connect } from 'node:net';

/** Kinds that take turns. */
export type RefusedKind = 'wrong title' | 'no DICOM' | 'half a request' | 'reset';
const kinds: readonly RefusedKind[] = ['wrong title', 'wrong title', 'no DICOM', 'half a request', 'reset'];

/** What became of them: the type of the PDU that was answered (PS3.8 9.3.1), or how the connection ended. */
export type RefusedEnd = 'rejected' | 'aborted' | 'closed' | 'other';
export type RefusedCounts = Record<RefusedEnd | 'asked', number>;

/** Ask `total` times, `atOnce` at a time; resolves when all have ended. Nobody closes in good order. */
export async function askInVain(port: number, total: number, atOnce: number): Promise<RefusedCounts> {
  const counts: RefusedCounts = { asked: 0, rejected: 0, aborted: 0, closed: 0, other: 0 };
  const lane = async (): Promise<void> => {
    while (counts.asked < total) counts[await one(port, counts.asked++)]++;
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return counts;
}

function one(port: number, n: number): Promise<RefusedEnd> {
  const kind = kinds[n % kinds.length]!;
  return new Promise((done) => {
    // Many addresses, so that ports of connections that were there a minute ago do not run out.
    const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.0.${2 + (n % 200)}` });
    let end: RefusedEnd = kind === 'reset' ? 'other' : 'closed';
    socket.on('connect', () => {
      if (kind === 'reset') socket.resetAndDestroy();
      else socket.write(bytesOf(kind));
    });
    socket.on('data', (pdu) => {
      end = pdu[0] === 3 ? 'rejected' : pdu[0] === 7 ? 'aborted' : 'other';
      socket.resetAndDestroy();
    });
    socket.on('error', () => undefined);
    socket.on('end', () => socket.resetAndDestroy());
    socket.on('close', () => done(end));
  });
}

function bytesOf(kind: RefusedKind): Buffer {
  const request = associateRequest('SOMEBODY');
  if (kind === 'half a request') return request.subarray(0, 60);
  return kind === 'no DICOM' ? Buffer.from('GET / HTTP/1.1\r\nHost: gateway\r\n\r\n') : request;
}

/** A-ASSOCIATE-RQ for Verification (PS3.8 9.3.2). */
function associateRequest(calledAet: string): Buffer {
  const item = (type: number, body: Buffer): Buffer =>
    Buffer.concat([Buffer.from([type, 0, body.length >> 8, body.length & 255]), body]);
  const fixed = Buffer.alloc(68);
  fixed.writeUInt16BE(1);
  fixed.write(calledAet.padEnd(16) + 'NOBODY'.padEnd(16), 4, 'latin1');
  const context = Buffer.concat([
    Buffer.from([1, 0, 0, 0]),
    item(0x30, Buffer.from('1.2.840.10008.1.1')),
    item(0x40, Buffer.from('1.2.840.10008.1.2')),
  ]);
  const application = item(0x10, Buffer.from('1.2.840.10008.3.1.1.1'));
  const user = item(0x50, item(0x51, Buffer.from([0, 0, 64, 0])));
  const body = Buffer.concat([fixed, application, item(0x20, context), user]);
  return Buffer.concat([Buffer.from([1, 0, 0, 0, body.length >> 8, body.length & 255]), body]);
}
