import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { asPlumblineError, checkpoint, PlumblineError } from '../../base/index.ts';
import { createMllpDecoder, makeAck, mllpFrame } from '../../hl7/index.ts';
import { messagesOf, takeMessage, type TakeOptions } from './answer.ts';
import { createInOrder } from './in-order.ts';

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
  /** Messages of one connection that are in work and not yet answered; beyond them nothing is read from it. */
  readonly maxInFlight: number;
  /** A word where nothing can be taken now. */
  readonly full?: () => Promise<string | undefined>;
}

export interface Hl7Door {
  readonly port: number;
  /** Take no more connections, end what is in hand, close. */
  stop(): Promise<void>;
}

const spaceEveryMs = 500;

/**
 * Listen for MLLP. On each connection messages are taken in their order, and each is answered on it, in that order, after
 * it is durable; a sender that does not wait for answers has several in work at the same time. Where the store cannot take it nobody is answered and the connection closes: the sender repeats.
 * @throws PlumblineError `address-in-use`, `config-missing`, `config-invalid`
 */
export async function openHl7Listener(options: Hl7ListenerOptions): Promise<Hl7Door> {
  const sockets = new Set<Socket>();
  const lines = new Set<Line>();
  const mayBegin = spaceCheck(options.full);
  const onSocket = (socket: Socket): void => {
    const line = serveLine(socket, options, mayBegin);
    lines.add(line);
    socket.once('close', () => lines.delete(line));
  };
  const server = options.tls
    ? createTlsServer(tlsOptions(options.tls), onSocket)
    : createServer({ allowHalfOpen: true, noDelay: true }, onSocket);
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
      await Promise.all([...lines].map((line) => line.stop()));
      for (const socket of sockets) socket.destroySoon();
      const patience = setTimeout(() => sockets.forEach((s) => s.destroy()), 1000);
      await closed;
      clearTimeout(patience);
    },
  };
}

/** One connection. */
interface Line {
  /** Read no more; resolves when what was read is answered. */
  stop(): Promise<void>;
}

function serveLine(socket: Socket, options: Hl7ListenerOptions, mayBegin: () => Promise<void>): Line {
  const decoder = createMllpDecoder({ maxBytes: options.maxBytes });
  let waiting: NodeJS.Timeout | undefined;
  let spoken = false;
  let ending = false;
  let bytesInWork = 0;

  /** Answers that are ready at the same moment leave together. */
  const write = (bytes: Uint8Array): void => {
    if (socket.destroyed) return;
    if (socket.writableCorked === 0) {
      socket.cork();
      process.nextTick(() => {
        socket.uncork();
        checkpoint('hl7.answered');
      });
    }
    socket.write(bytes);
  };
  const inOrder = createInOrder<readonly Uint8Array[]>({
    most: options.maxInFlight,
    mayBegin,
    tell: (answers) => {
      for (const answer of answers) write(mllpFrame(answer));
    },
    fail: (thrown) => {
      options.log.error('hl7 message not kept', { door: options.name, code: asPlumblineError(thrown).code });
      // Those before it are answered.
      socket.destroySoon();
    },
  });
  /** Nothing is read while so much is in work, or while the sender does not read its answers. */
  const breathe = (): void => {
    const full = inOrder.count >= options.maxInFlight || bytesInWork > options.maxBytes;
    if (!ending && (full || socket.writableNeedDrain)) socket.pause();
    else if (!socket.destroyed) socket.resume();
  };
  const take = (message: Uint8Array): void => {
    bytesInWork += message.length;
    inOrder.push(() => takeMessage(message, options));
    void inOrder.idle().then(() => {
      bytesInWork -= message.length;
      breathe();
    });
  };
  /** Answer what has come, then close; what still comes is read and dropped, lest the answer be lost with a reset. */
  const finish = async (): Promise<void> => {
    ending = true;
    breathe();
    await inOrder.idle();
    socket.end();
    setTimeout(() => socket.destroy(), options.endMs).unref();
  };
  const handle = (events: ReturnType<typeof decoder.push>): void => {
    for (const event of events) {
      if (ending) return;
      if (event.kind === 'frame') {
        spoken = true;
        for (const message of messagesOf(event.bytes, options)) take(message);
        continue;
      }
      options.log.warn('bytes dropped', { door: options.name, bytes: event.bytes, code: 'hl7-invalid' });
      if (event.why === 'too-large') {
        inOrder.push(async () => [tooLarge(options)]);
        void finish();
      }
      // Whoever begins with something else speaks another protocol.
      else if (!spoken && event.why === 'outside' && event.bytes > 16) socket.destroy();
    }
  };

  let late: NodeJS.Timeout | undefined;
  /** From the first byte of a message to its last: else one byte now and then would hold a connection for ever. */
  const mustEnd = (anew: boolean): void => {
    if (anew || decoder.pending === 0) {
      clearTimeout(late);
      late = undefined;
    }
    if (decoder.pending > 0)
      late ??= setTimeout(() => (socket.isPaused() ? mustEnd(true) : socket.destroy()), options.idleMs);
  };

  socket.setTimeout(options.idleMs, () => socket.destroy());
  socket.on('error', (e: Error) => options.log.warn('connection lost', { door: options.name, where: errorCode(e) }));
  socket.on('drain', breathe);
  socket.on('data', (chunk: Buffer) => {
    clearTimeout(waiting);
    if (ending) return;
    const events = decoder.push(chunk);
    handle(events);
    mustEnd(events.length > 0);
    if (decoder.ending) waiting = setTimeout(() => handle(decoder.settle()), options.endMs);
    breathe();
  });
  socket.once('close', () => {
    clearTimeout(waiting);
    clearTimeout(late);
  });
  // A sender may close its half and still wait for the answers.
  socket.once('end', () => {
    handle(decoder.settle());
    void finish();
  });
  return {
    stop: () => {
      ending = true;
      return inOrder.idle();
    },
  };
}

/** Whether there is room, asked of the store now and then: its reserve is far more than comes in between. */
function spaceCheck(full: Hl7ListenerOptions['full']): () => Promise<void> {
  let good = -Infinity;
  return async () => {
    if (!full || performance.now() - good < spaceEveryMs) return;
    const why = await full();
    if (why !== undefined) throw new PlumblineError('busy', why);
    good = performance.now();
  };
}

/** The answer to a message without end, whose control id may never be known; after it the line is closed. */
function tooLarge({ now, maxBytes }: Hl7ListenerOptions): Uint8Array {
  const text = `a message is larger than ${maxBytes} bytes`;
  return Buffer.from(makeAck(undefined, 'AR', now(), { condition: 207, location: '', text }), 'latin1');
}

function errorCode(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.name;
}

function tlsOptions(tls: NonNullable<Hl7ListenerOptions['tls']>) {
  return {
    allowHalfOpen: true,
    noDelay: true,
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
