import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { asPlumblineError, isUid, PlumblineError, type DimseListenerConfig, type Log } from '../../base/index.ts';
import { storeStatus } from '../../dicom/index.ts';
import { fileTls, serveAssociation, type Provider, type Reception, type StoreRequest } from '../../dimse/index.ts';
import type { Blobs } from '../../store/index.ts';
import type { Admitted, Studies } from '../../studies/index.ts';
import { answerContext, createAdmits } from './negotiate.ts';
import { createScratch, receiveObject, type Receiving, type Scratch } from './receive.ts';
import { createSharedAdmission } from './share-commits.ts';

export interface DimseDoorOptions {
  readonly listeners: readonly DimseListenerConfig[];
  readonly studies: Pick<Studies, 'admit'>;
  readonly blobs: Blobs;
  readonly log: Log;
  /** Says in words why nothing can be taken now (too much work waits), or undefined. Asked once an association. */
  readonly overloaded?: () => Promise<string | undefined>;
}

export interface DimseDoor {
  /** Where it listens, in the order of the configuration. */
  readonly addresses: readonly { readonly host: string; readonly port: number; readonly aeTitle: string }[];
  /** Take no new association; let those that are open go on for a while, then cut them. What was acknowledged stays. */
  close(patienceMs: number): Promise<void>;
}

/**
 * Listen for C-ECHO and C-STORE (PS3.4 annexes A and B). A status 0000H leaves only after `studies.admit` has resolved.
 * The sender of an instance is `AET@address`.
 * @throws PlumblineError address-in-use, config-invalid, config-missing (TLS files)
 */
export async function openDimseDoor(options: DimseDoorOptions): Promise<DimseDoor> {
  const admission = createSharedAdmission(options.studies);
  const opened: Listener[] = [];
  try {
    for (const config of options.listeners) opened.push(await openListener(config, options, admission));
  } catch (e) {
    await Promise.all(opened.map((l) => l.close(0)));
    throw e;
  }
  return {
    addresses: opened.map((l) => l.address),
    close: async (patienceMs) => void (await Promise.all(opened.map((l) => l.close(patienceMs)))),
  };
}

interface Listener {
  readonly address: DimseDoor['addresses'][number];
  close(patienceMs: number): Promise<void>;
}

type Admission = ReturnType<typeof createSharedAdmission>;

async function openListener(
  config: DimseListenerConfig,
  options: DimseDoorOptions,
  admission: Admission,
): Promise<Listener> {
  const admits = createAdmits(config);
  const connections = new Map<Socket, Promise<void>>();
  const state = { associations: 0 };
  const connected = (socket: Socket): void => {
    const done = serve(socket, { config, options, admission, admits, state }).finally(() => connections.delete(socket));
    connections.set(socket, done);
  };
  const server = makeServer(config, options.log, connected);
  // Some may wait for their rejection beside those that are served; more are closed before a byte is read.
  server.maxConnections = config.maxAssociations * 2 + 16;
  await listen(server, config);
  const { port } = server.address() as AddressInfo;
  const { host, aeTitle } = config;
  options.log.info('listening for DICOM', { door: 'dimse', where: `${aeTitle} ${host}:${port}` });
  return {
    address: { host, port, aeTitle },
    close: async (patienceMs) => {
      const closed = new Promise((done) => server.close(done));
      const patience = setTimeout(() => connections.forEach((_, socket) => socket.destroy()), patienceMs);
      await Promise.all(connections.values());
      clearTimeout(patience);
      await closed;
    },
  };
}

function makeServer(config: DimseListenerConfig, log: Log, connected: (socket: Socket) => void): Server {
  const base = { noDelay: true, keepAlive: true };
  if (!config.tls) return createTcpServer(base, connected);
  const mutual = config.tls.caFile !== undefined;
  const server = createTlsServer(
    {
      ...base,
      ...fileTls(config.tls),
      requestCert: mutual,
      rejectUnauthorized: mutual,
      handshakeTimeout: config.associationSeconds * 1000,
    },
    connected,
  );
  server.on('tlsClientError', (e) =>
    log.warn('TLS refused', {
      door: 'dimse',
      code: 'association-refused',
      where: (e as NodeJS.ErrnoException).code ?? '',
    }),
  );
  return server;
}

interface Serving {
  readonly config: DimseListenerConfig;
  readonly options: DimseDoorOptions;
  readonly admission: Admission;
  readonly admits: ReturnType<typeof createAdmits>;
  readonly state: { associations: number };
}

/** One connection to its end. Never rejects: what goes wrong is logged. */
async function serve(socket: Socket, serving: Serving): Promise<void> {
  const { config, options, state } = serving;
  const began = performance.now();
  const tally = { open: false, stored: 0, sender: senderAddress(socket) };
  let code: string | undefined;
  try {
    await serveAssociation(socket, createProvider(serving, tally), {
      maxPduBytes: config.maxPduBytes,
      associationMs: config.associationSeconds * 1000,
      idleMs: config.idleSeconds * 1000,
    });
  } catch (thrown) {
    code = asPlumblineError(thrown).code;
    if (code === 'internal') options.log.error('association failed', { door: 'dimse', code, where: frames(thrown) });
  }
  if (tally.open) state.associations--;
  const fields = { door: 'dimse', where: tally.sender, count: tally.stored, ms: Math.round(performance.now() - began) };
  if (code !== undefined) options.log.warn('association broken', { ...fields, code });
  else if (tally.open) options.log.info('association', fields);
}

interface Tally {
  open: boolean;
  stored: number;
  sender: string;
}

function createProvider({ config, options, admission, admits, state }: Serving, tally: Tally): Provider {
  const address = tally.sender;
  let aet = '';
  let scratch: Scratch | undefined;
  return {
    associate: async ({ callingAet, calledAet, contexts }) => {
      let rejected = admits(callingAet, calledAet, address);
      if (rejected)
        options.log.warn('association refused', {
          door: 'dimse',
          code: 'association-refused',
          where: `${rejected} ${address}`,
        });
      else if (state.associations >= config.maxAssociations) rejected = 'local-limit';
      else {
        // Counted before anything is waited for, so that many at once cannot slip past the limit together.
        state.associations++;
        tally.open = true;
        if ((await options.overloaded?.()) !== undefined) rejected = 'congestion';
      }
      if (rejected) return { rejected };
      aet = callingAet;
      tally.sender = `${callingAet}@${address}`;
      return { contexts: contexts.map((c) => answerContext(c, config.sopClasses)) };
    },
    store: (request) => {
      scratch ??= createScratch();
      const receiving = receiveObject(request, {
        blobs: options.blobs,
        maxObjectBytes: config.maxObjectBytes,
        sourceAeTitle: aet,
        scratch,
      });
      return reception(request, receiving, admission(tally.sender), options.log, tally);
    },
  };
}

/** What the sender is told: success when the instance is durable or was there already, else why not. */
function reception(
  request: StoreRequest,
  receiving: Receiving,
  admit: ReturnType<Admission>,
  log: Log,
  tally: Tally,
): Reception {
  return {
    write: receiving.write,
    discard: receiving.discard,
    end: async () => {
      try {
        const admitted = await admit(await receiving.end());
        if (admitted.outcome === 'conflict') throw conflict(admitted);
        tally.stored++;
        return { status: 0 };
      } catch (thrown) {
        const error = asPlumblineError(thrown);
        const fields = {
          door: 'dimse',
          code: error.code,
          where: error.class === 'bug' ? frames(error) : uidOrNothing(request.instanceUid),
        };
        if (error.class === 'bug') log.error('instance refused', fields);
        else log.warn('instance refused', fields);
        const words = error.class === 'bug' ? 'internal error' : error.message;
        return { status: storeStatus(error.code), comment: `${error.code}: ${words}` };
      }
    },
  };
}

/** For a log: what stands in a command may be anything. */
function uidOrNothing(text: string): string {
  return isUid(text) ? text : '';
}

function conflict({ ref }: Admitted): PlumblineError {
  return new PlumblineError('instance-conflict', 'other data is stored under this SOP Instance UID', {
    where: ref.instanceUid,
  });
}

function senderAddress(socket: Socket): string {
  return (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
}

/** Where a defect came from, without its message, which might hold words of a data set. */
function frames(thrown: unknown): string {
  const error = thrown instanceof PlumblineError ? (thrown.cause ?? thrown) : thrown;
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  return stack
    .split('\n')
    .filter((line) => line.startsWith('    at '))
    .slice(0, 6)
    .join('');
}

function listen(server: Server, { host, port }: DimseListenerConfig): Promise<void> {
  return new Promise((done, failed) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const taken = cause.code === 'EADDRINUSE';
      failed(
        new PlumblineError(
          taken ? 'address-in-use' : 'config-invalid',
          taken ? `${host}:${port} is taken` : `cannot listen on ${host}:${port}: ${cause.message}`,
          { where: 'dimse.listeners', cause },
        ),
      );
    });
    server.listen(port, host, () => done());
  });
}
