/** The C-STORE door over the real store, alone in a process: `node bench/dimse-server.ts FOLDER [LISTENER, as JSON]`. Prints its port. */
import { join } from 'node:path';
import { parseConfig, silentLog, systemClock } from '../src/base/index.ts';
import { openDimseDoor } from '../src/doors/dimse/index.ts';
import { openBlobs, openDatabase } from '../src/store/index.ts';
import { openStudies } from '../src/studies/index.ts';

const folder = process.argv[2]!;
const db = await openDatabase(join(folder, 'plumbline.sqlite'));
const blobs = await openBlobs(join(folder, 'blobs'), { reserveBytes: 1 << 29 });
const gate = { quietMs: 3_600_000, deadlineMs: 3_600_000 };
const studies = await openStudies({ db, blobs, clock: systemClock, log: silentLog, gate, onReady: async () => {} });
const listener = { port: 0, ...(JSON.parse(process.argv[3] ?? '{}') as object) };
const { listeners } = parseConfig(JSON.stringify({ dimse: { listeners: [listener] } }), 'bench', '/').dimse;
const door = await openDimseDoor({ listeners, studies, blobs, log: silentLog });
console.log(door.addresses[0]!.port);
