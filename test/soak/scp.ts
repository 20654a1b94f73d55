import { createServer, type AddressInfo } from 'node:net';
import { serveAssociation } from '../../src/dimse/index.ts';

/** A C-STORE receiver that counts; with the upper layer of ours, which others’ programs judge elsewhere. */
export interface CountingScp {
  readonly port: number;
  /** SOP Instance UIDs. */
  readonly stored: ReadonlySet<string>;
  /** Objects that came, with those that came again. */
  received(): number;
  stop(): Promise<void>;
}

export async function startScp(): Promise<CountingScp> {
  const stored = new Set<string>();
  let received = 0;
  const server = createServer((socket) => {
    serveAssociation(
      socket,
      {
        associate: async ({ contexts }) => ({ contexts: contexts.map((c) => ({ accept: c.transferSyntaxes[0]! })) }),
        store: ({ instanceUid }) => ({
          write: async () => {},
          discard: async () => {},
          end: async () => {
            received++;
            stored.add(instanceUid);
            return { status: 0 };
          },
        }),
      },
      { maxPduBytes: 131_072, associationMs: 5000, idleMs: 5000 },
    ).catch(() => socket.destroy()); // a proxy has cut it
  });
  await new Promise<void>((up) => server.listen(0, '127.0.0.1', up));
  return {
    port: (server.address() as AddressInfo).port,
    stored,
    received: () => received,
    stop: () => new Promise((done) => server.close(() => done())),
  };
}
