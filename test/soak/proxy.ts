import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** What a proxy does with one connection. */
export type Trick =
  | 'pass'
  /** Nothing more after the first bytes of the request. */
  | 'cut-request'
  /** The peer has all of it; its answer is lost with the connection. */
  | 'cut-answer'
  /** The answer comes 300 ms late. */
  | 'delay'
  /** The answer comes twice. */
  | 'duplicate'
  /** Bytes that are no answer. */
  | 'garbage'
  /** The connection is taken and closed on one side; no answer. */
  | 'half-close'
  | 'http-500'
  | 'http-429';

export interface Proxy {
  readonly port: number;
  /** Connections by what was done with them. */
  readonly counts: ReadonlyMap<Trick, number>;
  stop(): Promise<void>;
}

const canned: Partial<Record<Trick, string>> = {
  garbage: '\x00\xff no answer of any protocol \r\n\r\n',
  'http-500': 'HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\nConnection: close\r\n\r\noops',
  'http-429': 'HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
};

/** Stands before a peer; each connection gets the next of the tricks, and after the last all pass. */
export async function startProxy(target: number, tricks: readonly Trick[]): Promise<Proxy> {
  const left = [...tricks];
  const counts = new Map<Trick, number>();
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const trick = left.shift() ?? 'pass';
    counts.set(trick, (counts.get(trick) ?? 0) + 1);
    const keep = (socket: Socket): void => {
      sockets.add(socket);
      socket.on('error', () => socket.destroy()); // cuts are what this is for
      socket.on('close', () => sockets.delete(socket));
    };
    keep(client);
    const said = canned[trick];
    if (said !== undefined) return void client.once('data', () => client.end(said, 'latin1'));
    if (trick === 'cut-request') return void client.once('data', () => client.destroy());
    if (trick === 'half-close') return void client.end();
    const peer = connect(target, '127.0.0.1');
    keep(peer);
    client.pipe(peer);
    client.on('close', () => peer.destroy());
    peer.on('close', () => client.destroySoon());
    peer.on('data', (answer: Buffer) => {
      if (trick === 'cut-answer') return client.destroy();
      const give = (): void => void (client.destroyed || client.write(trick === 'duplicate' ? Buffer.concat([answer, answer]) : answer)); // prettier-ignore
      if (trick === 'delay') void pause(300).then(give);
      else give();
    });
  });
  await new Promise<void>((up) => server.listen(0, '127.0.0.1', up));
  return {
    port: (server.address() as AddressInfo).port,
    counts,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}
