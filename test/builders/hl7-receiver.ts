/** A receiver of HL7 v2 of ours that behaves as it is told, message by message; and one that asks a door. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** What the receiver does with the n-th message. */
export type Behaviour =
  | { readonly kind: 'ack'; readonly code: string; readonly condition?: string; readonly controlId?: string }
  /** Send these bytes as they are. */
  | { readonly kind: 'bytes'; readonly bytes: string }
  | { readonly kind: 'cut' }
  | { readonly kind: 'silent' }
  /** Several in turn. */
  | { readonly kind: 'all'; readonly of: readonly Behaviour[] };

export interface Receiver {
  readonly url: string;
  readonly port: number;
  /** Every message that came, in order. */
  readonly messages: string[];
  /** How many connections were open at the same time, at most. */
  readonly mostOpen: () => number;
  stop(): Promise<void>;
}

export const accepts: Behaviour = { kind: 'ack', code: 'AA' };

/**
 * @param behaviour of the n-th message (from 1)
 * @param charset how it reads bytes
 */
export async function startReceiver(
  behaviour: (n: number, message: string) => Behaviour,
  charset: 'utf8' | 'latin1' = 'utf8',
): Promise<Receiver> {
  const messages: string[] = [];
  const sockets = new Set<Socket>();
  let most = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    most = Math.max(most, sockets.size);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined); // a peer that goes away is part of the tests
    let buffer = '';
    socket.on('data', (chunk) => {
      buffer += chunk.toString('latin1');
      for (let end; (end = buffer.indexOf('\x1c\r')) >= 0; buffer = buffer.slice(end + 2)) {
        const bytes = Buffer.from(buffer.slice(buffer.indexOf('\x0b') + 1, end), 'latin1');
        const message = bytes.toString(charset);
        messages.push(message);
        behave(socket, message, behaviour(messages.length, message));
      }
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise((done) => server.close(done));
  };
  return { url: `mllp://127.0.0.1:${port}`, port, messages, mostOpen: () => most, stop };
}

function behave(socket: Socket, message: string, what: Behaviour): void {
  if (what.kind === 'cut') socket.destroy();
  if (what.kind === 'bytes') socket.write(Buffer.from(what.bytes, 'latin1'));
  if (what.kind === 'all') for (const one of what.of) behave(socket, message, one);
  if (what.kind !== 'ack') return;
  const id = what.controlId ?? message.split('|')[9]!;
  const error = what.condition === undefined ? '' : `ERR||PID^1^3|${what.condition}^x^HL70357|E||||in their words\r`;
  socket.write(`\x0bMSH|^~\\&|RIS|HOSP|PLUMBLINE||2026||ACK|R1|P|2.5.1\rMSA|${what.code}|${id}\r${error}\x1c\r`);
}

/** Send bytes to a door in the given pieces, and wait for so many answers or for the end of the connection. */
export function ask(socket: Socket, pieces: readonly (string | Uint8Array)[], answers: number): Promise<string[]> {
  return new Promise((resolve) => {
    const got: string[] = [];
    let buffer = '';
    const done = (): void => {
      socket.off('data', onData);
      resolve(got);
    };
    const onData = (chunk: Buffer): void => {
      buffer += chunk.toString('latin1');
      for (let end; (end = buffer.indexOf('\x1c\r')) >= 0; buffer = buffer.slice(end + 2))
        got.push(buffer.slice(buffer.indexOf('\x0b') + 1, end));
      if (got.length >= answers) done();
    };
    socket.on('data', onData);
    socket.once('close', done);
    void (async () => {
      for (const piece of pieces) {
        if (socket.destroyed) return;
        await new Promise((written) => socket.write(piece, written));
        await new Promise((next) => setImmediate(next));
      }
    })();
  });
}

export function dial(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.on('error', () => undefined); // seen by the test as the end of the connection
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

export const frame = (message: string): string => `\x0b${message}\x1c\r`;
