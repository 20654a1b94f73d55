import express, { type Express } from 'express';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PlumblineError, type Config, type Log } from '../base/index.ts';
import { stowRouter } from '../doors/stow/index.ts';
import { cors, dicomwebRouter, pagesRouter, problemAnswer } from '../web/index.ts';
import { draftFiles } from './drafts.ts';
import { version } from './home.ts';
import { openRooms, type Rooms } from './wire.ts';

export interface Gateway {
  readonly rooms: Rooms;
  /** e.g. `http://127.0.0.1:8470` */
  readonly url: string;
  /** Service root for DICOMweb. */
  readonly dicomweb: string;
  stop(options?: { readonly abort?: boolean }): Promise<void>;
}

/** More work than this waits: doors answer 503, so that senders slow down instead of a queue growing without bound. */
const maxWaiting = 10_000;

/**
 * Start everything and listen.
 * @throws PlumblineError `address-in-use`, and those of `openRooms`
 */
export async function serve(config: Config, log: Log): Promise<Gateway> {
  const rooms = await openRooms(config, log);
  const app = makeApp(rooms, log);
  const server = await listen(app, config).catch(async (e: unknown) => {
    await rooms.stop({ abort: true });
    throw e;
  });
  // A slow STOW of a large study takes longer than Node's 300 s; the door has its own idle time.
  server.requestTimeout = 0;
  // With Node's 5 s a sender that pauses finds its connection closed under its next request, the more so while this
  // thread is busy; proxies keep theirs for 60 s.
  server.keepAliveTimeout = 65_000;
  rooms.start();
  const { port } = server.address() as AddressInfo;
  const url = `http://${config.http.host.includes(':') ? `[${config.http.host}]` : config.http.host}:${port}`;
  log.info('listening', { where: url });
  return {
    rooms,
    url,
    dicomweb: `${url}/dicom-web`,
    stop: async (options) => {
      const closed = new Promise((done) => server.close(done));
      server.closeIdleConnections();
      const patience = setTimeout(() => server.closeAllConnections(), options?.abort ? 0 : 5000);
      await closed;
      clearTimeout(patience);
      await rooms.stop(options);
    },
  };
}

function makeApp(rooms: Rooms, log: Log): Express {
  const { config, studies, blobs, work, reading } = rooms;
  const app = express();
  app.disable('x-powered-by');
  app.use(cors(config.http.corsOrigins));
  let waiting = 0;
  const recount = async (): Promise<void> => {
    const counts = await work.counts();
    waiting = counts.ready + counts.waiting;
  };
  app.get('/health', async (_req, res) => {
    await recount();
    const free = await blobs.free();
    const ok = free > config.store.reserveBytes;
    res
      .status(ok ? 200 : 503)
      .set('Cache-Control', 'no-store')
      .json({ status: ok ? 'ok' : 'short of space', version, waiting });
  });
  app.use('/dicom-web', async (req, _res, next) => {
    if (req.method === 'POST') await recount();
    next();
  });
  app.use(
    '/dicom-web',
    stowRouter({
      studies,
      blobs,
      log,
      limits: config.stow,
      reserveBytes: config.store.reserveBytes,
      expect: (studyUid, instances) => studies.expect(studyUid, instances),
      overloaded: () => (waiting > maxWaiting ? `${waiting} workitems wait` : undefined),
    }),
    dicomwebRouter({ studies, blobs, decoder: reading.decoder }),
  );
  app.use(pagesRouter({ studies, drafts: draftFiles(rooms) }));
  app.use((_req, _res, next) => next(new PlumblineError('not-found', 'no such page')));
  app.use(problemAnswer(log));
  return app;
}

function listen(app: Express, config: Config): Promise<Server> {
  const { host, port } = config.http;
  return new Promise((done, failed) => {
    const server = app.listen(port, host, (error?: Error) => {
      if (!error) return done(server);
      const code = (error as NodeJS.ErrnoException).code;
      failed(
        code === 'EADDRINUSE'
          ? new PlumblineError('address-in-use', `${host}:${port} is taken`, { where: `${host}:${port}`, cause: error })
          : new PlumblineError('config-invalid', `cannot listen on ${host}:${port}: ${error.message}`, {
              where: 'http',
              cause: error,
            }),
      );
    });
  });
}
