import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { asPlumblineError, checkpoint, PlumblineError } from '../../base/index.ts';
import { createMllpDecoder, makeAck, mllpFrame } from '../../hl7/index.ts';
import { takeFrame, type TakeOptions } from './answer.ts';

export interface Hl7ListenerOptions extends TakeOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly tls?: {
    readonly certFile: string;
    readonly keyFile: string;
    /** Authorities whose clients are let in; without it any client is. */
    readonly clientCaFile?: string;
  };
  /** Of one message. */
  readonly maxBytes: number;
  readonly idleMs: number;
  /** Wait for the carriage return after an end block, then take the frame without it. */
  readonly endMs: number;
  readonly maxConnections: number;
  /** A word where nothing can be taken now. */
  readonly full?: () => Promise<string | undefined>;
}

export interface Hl7Door {
  readonly port: number;
  /** Take no more connections, end what is in hand, close. */
  stop(): Promise<void>;
}

/**
 * Listen for MLLP. On each connection messages are taken one after the other, and each is answered on it after it is
 * durable. Where the store cannot take it nobody is answered and the connection closes: the sender repeats.
 * @throws PlumblineError `address-in-use`, `config-missing`, `config-invalid`
 */
export async function openHl7Listener(options: Hl7ListenerOptions): Promise<Hl7Door> {
  const sockets = new Set<Socket>();
  const busy = new Set<Promise<void>>();
  const onSocket = (socket: Socket): void => serveSocket(socket, options, busy);
  const server = options.tls
    ? createTlsServer(tlsOptions(options.tls), onSocket)
    : createServer({ allowHalfOpen: true }, onSocket);
  server.maxConnections = options.maxConnections;
  // With TLS these are the connections below it, so that those whose handshake never ends are known too.
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  // A handshake that fails is the client's affair; the listener goes on.
  server.on('tlsClientError', (_error: Error, socket: Socket) => {
    options.log.warn('tls refused', { door: options.name });
    socket.destroy();
  });
  await listen(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    stop: async () => {
      const closed = new Promise<void>((done) => server.close(() => done()));
      for (const socket of sockets) socket.pause();
      await Promise.all(busy);
      for (const socket of sockets) socket.destroySoon();
      const patience = setTimeout(() => sockets.forEach((s) => s.destroy()), 1000);
      await closed;
      clearTimeout(patience);
    },
  };
}

function serveSocket(socket: Socket, options: Hl7ListenerOptions, busy: Set<Promise<void>>): void {
  const decoder = createMllpDecoder({ maxBytes: options.maxBytes });
  let tail: Promise<void> = Promise.resolve();
  let waiting: NodeJS.Timeout | undefined;
  let spoken = false;

  const take = async (bytes: Uint8Array): Promise<void> => {
    if (socket.destroyed) return;
    try {
      const full = await options.full?.();
      if (full !== undefined) throw new PlumblineError('busy', full);
      for (const answer of await takeFrame(bytes, options)) {
        socket.write(mllpFrame(answer));
        checkpoint('hl7.answered');
      }
    } catch (thrown) {
      options.log.error('hl7 message not kept', { door: options.name, code: asPlumblineError(thrown).code });
      socket.destroy();
    }
  };
  /** One message at a time, and no more bytes until it is answered. */
  const enqueue = (bytes: Uint8Array): void => {
    socket.pause();
    const mine = tail.then(() => take(bytes));
    tail = mine;
    busy.add(mine);
    void mine.finally(() => {
      busy.delete(mine);
      if (tail === mine && !socket.destroyed) socket.resume();
    });
  };
  const handle = (events: ReturnType<typeof decoder.push>): void => {
    for (const event of events) {
      if (event.kind === 'frame') {
        spoken = true;
        enqueue(event.bytes);
      } else {
        options.log.warn('bytes dropped', { door: options.name, bytes: event.bytes, code: 'hl7-invalid' });
        if (event.why === 'too-large') refuseLarge(socket, options);
        // Whoever begins with something else speaks another protocol.
        else if (!spoken && event.why === 'outside' && event.bytes > 16) socket.destroy();
      }
    }
  };

  socket.setTimeout(options.idleMs, () => socket.destroy());
  socket.on('error', (e: Error) => options.log.warn('connection lost', { door: options.name, where: errorCode(e) }));
  socket.on('data', (chunk: Buffer) => {
    clearTimeout(waiting);
    handle(decoder.push(chunk));
    if (decoder.ending) waiting = setTimeout(() => handle(decoder.settle()), options.endMs);
  });
  socket.once('close', () => clearTimeout(waiting));
  // A sender may close its half and still wait for the answers.
  socket.once('end', () => {
    handle(decoder.settle());
    void tail.then(() => socket.end());
  });
}

/** A message without end: its control id may never be known, so the answer names none, and the line is closed. */
function refuseLarge(socket: Socket, { now, maxBytes }: Hl7ListenerOptions): void {
  const answer = makeAck(undefined, 'AR', now(), {
    condition: 207,
    location: '',
    text: `a message is larger than ${maxBytes} bytes`,
  });
  socket.end(mllpFrame(Buffer.from(answer, 'latin1')));
}

function errorCode(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.name;
}

function tlsOptions(tls: NonNullable<Hl7ListenerOptions['tls']>) {
  return {
    allowHalfOpen: true,
    handshakeTimeout: 10_000,
    cert: readPem(tls.certFile),
    key: readPem(tls.keyFile),
    minVersion: 'TLSv1.2' as const,
    ...(tls.clientCaFile === undefined
      ? {}
      : { ca: readPem(tls.clientCaFile), requestCert: true, rejectUnauthorized: true }),
  };
}

function readPem(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new PlumblineError('config-missing', `cannot read ${file}`, { where: file, cause });
  }
}

function listen(server: Server, { host, port }: Hl7ListenerOptions): Promise<void> {
  return new Promise((done, failed) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      failed(
        new PlumblineError(
          cause.code === 'EADDRINUSE' ? 'address-in-use' : 'config-invalid',
          `cannot listen on ${host}:${port}: ${cause.message}`,
          { where: `${host}:${port}`, cause },
        ),
      ),
    );
    server.listen(port, host, done);
  });
}
