import express from 'express';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog, systemClock } from '../../src/base/index.ts';
import { stowRouter, type StowLimits, type StowOptions } from '../../src/doors/stow/index.ts';
import { openBlobs, openDatabase, type FileBlobs, type SqliteDatabase } from '../../src/store/index.ts';
import { openStudies, type Studies } from '../../src/studies/index.ts';
import {
  cors,
  dicomwebRouter,
  pagesRouter,
  problemAnswer,
  type DicomwebOptions,
  type DraftFiles,
} from '../../src/web/index.ts';

/** Bounds that no ordinary test meets. */
export const wideLimits: StowLimits = {
  maxParts: 1000,
  maxPartBytes: 1 << 28,
  maxRequestBytes: 1 << 30,
  maxHeaderBytes: 16384,
  idleSeconds: 30,
  maxRequests: 16,
};

export interface TestServer {
  readonly url: string;
  /** `<url>/dicom-web` */
  readonly dicomweb: string;
  readonly studies: Studies;
  readonly db: SqliteDatabase;
  readonly blobs: FileBlobs;
  readonly folder: string;
  close(): Promise<void>;
}

export interface TestServerOptions {
  readonly limits?: Partial<StowLimits>;
  readonly stow?: Partial<StowOptions>;
  readonly dicomweb?: Partial<DicomwebOptions>;
  readonly drafts?: DraftFiles;
  readonly corsOrigins?: readonly string[];
}

/** No drafts at all. */
export const noDrafts: DraftFiles = { list: async () => [], file: async () => undefined, timeline: async () => [] };

/** The doors and pages over the real store in a folder of its own, on a free port of this machine. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'plumbline-web-'));
  const db = await openDatabase(join(folder, 'plumbline.sqlite'));
  const blobs = await openBlobs(join(folder, 'blobs'), { reserveBytes: 0 });
  const gate = { quietMs: 3_600_000, deadlineMs: 3_600_000 };
  const studies = await openStudies({ db, blobs, clock: systemClock, log: silentLog, gate, onReady: async () => {} });
  const app = express();
  app.disable('x-powered-by');
  app.use(cors(options.corsOrigins ?? []));
  const limits = { ...wideLimits, ...options.limits };
  app.use('/dicom-web', stowRouter({ studies, blobs, log: silentLog, limits, reserveBytes: 0, ...options.stow }));
  app.use('/dicom-web', dicomwebRouter({ studies, blobs, ...options.dicomweb }));
  app.use(pagesRouter({ studies, drafts: options.drafts ?? noDrafts }));
  app.use(problemAnswer(silentLog));
  const server = await listen(app);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    dicomweb: `${url}/dicom-web`,
    studies,
    db,
    blobs,
    folder,
    async close() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
      await studies.stop();
      await blobs.close();
      await db.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function listen(app: express.Express): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = app.listen(0, '127.0.0.1', (error) => (error ? reject(error) : resolve(server)));
  });
}
