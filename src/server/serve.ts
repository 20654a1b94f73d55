import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createGuard, guardOutbound } from '../access/index.ts';
import { asPlumblineError, PlumblineError, type Config, type Log } from '../base/index.ts';
import { fileTls } from '../dimse/index.ts';
import { openDimseDoor, type DimseDoor } from '../doors/dimse/index.ts';
import { openHl7Listener, type Hl7Door } from '../doors/hl7/index.ts';
import { makeApp, maxWaiting } from './app.ts';
import { auditRefusal } from './audited.ts';
import { checkBundles } from './check-bundles.ts';
import { createHealth, type Health } from './health.ts';
import { routeRules } from './route-rules.ts';
import { openRooms, type Rooms } from './wire.ts';

export interface Gateway {
  readonly rooms: Rooms;
  readonly health: Health;
  /** e.g. `http://127.0.0.1:8470` */
  readonly url: string;
  /** Service root for DICOMweb. */
  readonly dicomweb: string;
  /** Where C-STORE and C-ECHO are taken. */
  readonly dimse: DimseDoor['addresses'];
  /** Ports of the HL7 v2 listeners, in order of the configuration. */
  readonly hl7Ports: readonly number[];
  stop(options?: { readonly abort?: boolean }): Promise<void>;
}

/**
 * Start everything and listen.
 * @throws PlumblineError `address-in-use`, and those of `openRooms` and `checkBundles`
 */
export async function serve(config: Config, plainLog: Log): Promise<Gateway> {
  guardOutbound(config.outbound);
  const rooms = await openRooms(config, plainLog);
  const { log } = rooms;
  const notices = await checkBundles(rooms.reading).catch(async (e: unknown) => {
    await rooms.stop({ abort: true });
    throw e;
  });
  if (notices.length > 0)
    log.warn('bundles name labels without a code; plumbline check lists them', { code: notices[0]!.code });
  const listeners = namedListeners(config);
  const health = createHealth(rooms, () => listeners);
  const server = await listenHttp(rooms, health).catch(async (e: unknown) => {
    await rooms.stop({ abort: true });
    throw e;
  });
  const dimse = await openDimse(rooms, log).catch(async (e: unknown) => {
    server.close();
    await rooms.stop({ abort: true });
    throw e;
  });
  // A slow STOW of a large study takes longer than Node's 300 s; the door has its own idle time.
  server.requestTimeout = 0;
  // With Node's 5 s a sender that pauses finds its connection closed under its next request, the more so while this
  // thread is busy; proxies keep theirs for 60 s.
  server.keepAliveTimeout = 65_000;
  const hl7 = await listenHl7(rooms, log).catch(async (e: unknown) => {
    server.close();
    await dimse.close(0);
    await rooms.stop({ abort: true });
    throw e;
  });
  for (const name of listeners.keys()) listeners.set(name, true);
  rooms.start();
  const { port } = server.address() as AddressInfo;
  const url = `${config.http.tls ? 'https' : 'http'}://${config.http.host.includes(':') ? `[${config.http.host}]` : config.http.host}:${port}`;
  log.info('listening', { where: url });
  rooms.audit.note({ ...ownActivity, detail: 'start' });
  return {
    rooms,
    health,
    url,
    dicomweb: `${url}/dicom-web`,
    dimse: dimse.addresses,
    hl7Ports: hl7.map((door) => door.port),
    stop: async (options) => {
      for (const name of listeners.keys()) listeners.set(name, false);
      const associations = dimse.close(options?.abort ? 0 : 5000);
      await Promise.all(hl7.map((door) => door.stop()));
      const closed = new Promise((done) => server.close(done));
      server.closeIdleConnections();
      const patience = setTimeout(() => server.closeAllConnections(), options?.abort ? 0 : 5000);
      await closed;
      clearTimeout(patience);
      await associations;
      rooms.audit.note({ ...ownActivity, detail: 'stop' });
      health.close();
      await rooms.stop(options);
    },
  };
}

/** Every door by name; closed until all are open. */
function namedListeners({ dimse, hl7 }: Config): Map<string, boolean> {
  const names = [
    'http',
    ...dimse.listeners.map((l) => `dimse ${l.aeTitle}`),
    ...hl7.listeners.map((l) => `hl7 ${l.name}`),
  ];
  return new Map(names.map((name) => [name, false]));
}

function openDimse({ config, studies, blobs, work }: Rooms, log: Log): Promise<DimseDoor> {
  const overloaded = async (): Promise<string | undefined> => {
    const { ready, waiting } = await work.counts();
    return ready + waiting > maxWaiting ? `${ready + waiting} workitems wait` : undefined;
  };
  return openDimseDoor({ listeners: config.dimse.listeners, studies, blobs, log, overloaded });
}

/** One door for each configured listener; where one cannot open, none does. */
async function listenHl7({ config, studies, blobs }: Rooms, log: Log): Promise<Hl7Door[]> {
  const doors: Hl7Door[] = [];
  try {
    for (const { idleSeconds, ...listener } of config.hl7.listeners) {
      const door = await openHl7Listener({
        ...(listener as Omit<typeof listener, 'tls'>),
        ...(listener.tls ? { tls: listener.tls } : {}),
        studies,
        log,
        now: () => new Date(),
        idleMs: idleSeconds * 1000,
        endMs: 5000,
        full: async () =>
          (await blobs.free()) > config.store.reserveBytes ? undefined : 'the store is short of space',
      });
      log.info('listening', { door: listener.name, where: `mllp://${listener.host}:${door.port}` });
      doors.push(door);
    }
    return doors;
  } catch (e) {
    await Promise.all(doors.map((d) => d.stop()));
    throw e;
  }
}

/** PS3.15 A.5.3.1. */
const ownActivity = { kind: 'activity', action: 'E', outcome: 0, door: 'server', who: 'Plumbline', from: '' } as const;

/** @throws PlumblineError address-in-use, config-invalid, config-missing (TLS files, keys of the provider) */
async function listenHttp(rooms: Rooms, health: Health): Promise<Server> {
  const { access, http } = rooms.config;
  const { host, port, tls } = http;
  const { log } = rooms;
  const guard = createGuard({
    access,
    rules: routeRules,
    log,
    onRefused: (req, identity, error) => auditRefusal(rooms.audit, req, identity, error),
  });
  const app = makeApp(rooms, guard, health);
  const server = tls
    ? createTlsServer(
        {
          ...fileTls(tls),
          requestCert: tls.caFile !== undefined,
          rejectUnauthorized: tls.required,
          ALPNProtocols: ['http/1.1'],
        },
        app,
      )
    : createServer(app);
  // The guard says Continue when it knows who asks; until then nothing of the body is sent.
  server.on('checkContinue', app);
  server.on('tlsClientError', (e: NodeJS.ErrnoException) =>
    log.warn('TLS refused', { door: 'http', where: e.code ?? '' }),
  );
  await new Promise<void>((done, failed) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      const words = taken ? `${host}:${port} is taken` : `cannot listen on ${host}:${port}: ${error.message}`;
      failed(
        new PlumblineError(taken ? 'address-in-use' : 'config-invalid', words, {
          where: taken ? `${host}:${port}` : 'http',
          cause: error,
        }),
      );
    });
    server.listen(port, host, done);
  });
  // A provider that is down now may be up when the first token comes: tokens are answered 503 until then.
  guard.check().catch((e: unknown) => log.warn('tokens cannot be checked yet', { code: asPlumblineError(e).code }));
  return server;
}
