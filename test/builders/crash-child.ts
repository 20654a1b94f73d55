/**
 * A process that may be killed at any moment: admits batches, lets the gate run, takes workitems through stub stages.
 * Prints `acknowledged <study>` when a batch may be acknowledged. Ends by itself when everything it finds is drafted.
 * Arguments: folder of the store, number of studies.
 */
import { writeSync } from 'node:fs';
import { silentLog, systemClock } from '../../src/base/index.ts';
import { openStudies } from '../../src/studies/index.ts';
import { openWork } from '../../src/work/index.ts';
import { admissions, fromStow, openStore, slices, uid } from './store.ts';
import { bundleDigest, route, stubStages } from './work.ts';

const [dir, studyCount] = process.argv.slice(2);
const { db, blobs } = await openStore(dir!);
const studies = await openStudies({
  db,
  blobs,
  clock: systemClock,
  log: silentLog,
  gate: { quietMs: 0, deadlineMs: 60_000 },
  onReady: async (snapshot) => void (await work.enqueue({ snapshot, route: route(), bundleDigest })),
});
// The lease of a killed worker must not outlast the test.
const work = openWork({
  db,
  blobs,
  clock: systemClock,
  log: silentLog,
  studies,
  leaseMs: 300,
  retry: { attempts: 100 },
});

for (let n = 1; n <= Number(studyCount); n++) {
  await studies.admit(await admissions(blobs, slices(4, { study: uid(`${n}`) })), fromStow);
  writeSync(1, `acknowledged ${uid(`${n}`)}\n`);
  await studies.tick();
  await work.runOne(stubStages());
}
for (;;) {
  await studies.tick();
  await work.runOne(stubStages());
  const items = await work.list();
  if (items.length >= Number(studyCount) && items.every((i) => i.state === 'drafted')) break;
  await new Promise((resolve) => setTimeout(resolve, 20));
}
await blobs.close();
await db.close();
