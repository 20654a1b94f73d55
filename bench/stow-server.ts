/** The STOW door and the DICOMweb read service over the real store, alone in a process: `node bench/stow-server.ts FOLDER`. Prints its port. */
import express from 'express';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { silentLog, systemClock } from '../src/base/index.ts';
import { createInspector } from '../src/dicom/index.ts';
import { stowRouter } from '../src/doors/stow/index.ts';
import { createDecoder } from '../src/imaging/index.ts';
import { openBlobs, openDatabase } from '../src/store/index.ts';
import { openStudies } from '../src/studies/index.ts';
import { dicomwebRouter, problemAnswer } from '../src/web/index.ts';

const folder = process.argv[2]!;
const db = await openDatabase(join(folder, 'plumbline.sqlite'));
const blobs = await openBlobs(join(folder, 'blobs'), { reserveBytes: 1 << 29 });
const gate = { quietMs: 3_600_000, deadlineMs: 3_600_000 };
const studies = await openStudies({ db, blobs, clock: systemClock, log: silentLog, gate, onReady: async () => {} });
const limits = {
  maxParts: 20_000,
  maxPartBytes: 2 ** 32,
  maxRequestBytes: 2 ** 36,
  maxHeaderBytes: 16_384,
  idleSeconds: 30,
  maxRequests: 16,
};
const app = express();
app.use(
  '/dicom-web',
  stowRouter({ studies, blobs, inspector: createInspector(), log: silentLog, limits, reserveBytes: 1 << 29 }),
);
const decoder = createDecoder({ seconds: 20, maxPixels: 1 << 26 });
app.use('/dicom-web', dicomwebRouter({ studies, blobs, decoder }));
app.use(problemAnswer(silentLog));
const server = app.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
