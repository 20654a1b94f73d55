import { cpSync, mkdirSync, readdirSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { seeded } from '../../builders/dicom.ts';
import { tempFolder } from '../../builders/program.ts';
import { audit, untilRest } from '../audit.ts';
import { sendAll } from '../load.ts';
import { prove } from '../proof.ts';
import { resultsByStudy, startReceivers } from '../receivers.ts';
import { newTally } from '../senders.ts';
import { makeSite, type Site } from '../site.ts';
import { makeStudy } from '../studies.ts';
import type { Report, Scenario } from '../types.ts';

interface Cut {
  readonly dir: string;
  readonly instances: readonly string[];
  readonly orders: number;
}

/**
 * Pictures of the disk at random moments under load (the process stands still while its folder is copied), less what was
 * not synced yet. Each is opened by a gateway of its own, which must have everything acknowledged before the picture and
 * go on with new work.
 */
export const powerCut: Scenario = async ({ short, seed }): Promise<Report> => {
  const random = seeded(seed);
  const peers = await startReceivers();
  const site = await makeSite({ destinations: peers.destinations });
  const studies = Array.from({ length: short ? 2 : 20 }, (_, i) => makeStudy(i));
  const [images, orders] = [newTally(), newTally()];
  const cuts: Cut[] = [];
  try {
    await site.start();
    const all = sendAll(site, studies, { images, orders, random, cutRate: 0, pace: 300 });
    for (let n = 0; n < (short ? 1 : 12); n++) {
      await pause(200 + random() * 700);
      const before = { instances: [...images.acknowledged], orders: orders.acknowledged.size };
      cuts.push({ ...before, dir: cutPower(site, random) });
    }
    await all;
    await untilRest(site.dataDir, studies.length, 'everything to be delivered');
    await site.stop();
    const { breaches } = prove(site, { studies, images, orders }, peers);
    const counts = { instances: 0, orders: 0, delivered: 0 };
    for (const [n, cut] of cuts.entries()) {
      breaches.push(...(await goOn(cut, n, random)).map((b) => `picture ${n + 1}: ${b}`));
      counts.instances += cut.instances.length;
      counts.orders += cut.orders;
      counts.delivered++;
    }
    return {
      name: 'power-cut',
      breaches,
      rows: [
        {
          fault: `the power is cut at ${cuts.length} random moments under load (copies of the disk, less what was not synced)`,
          asked: 'the store opens, verifies, has everything acknowledged before, and goes on',
          answered: `${cuts.length} of ${cuts.length} opened; in them all of ${counts.instances} instances and ${counts.orders} orders acknowledged before`,
          left: `every row has its content; no half-written file; ${counts.delivered} new studies read and delivered after it`,
        },
      ],
    };
  } finally {
    await site.kill();
    await peers.stop();
    site.remove();
    for (const { dir } of cuts) rmSync(dir, { recursive: true, force: true });
  }
};

/** @returns a copy of the folder as a machine finds it that has lost its power now and starts again */
function cutPower(site: Site, random: () => number): string {
  const copy = tempFolder('cut');
  process.kill(site.pid(), 'SIGSTOP');
  try {
    cpSync(site.dataDir, copy, { recursive: true });
  } finally {
    process.kill(site.pid(), 'SIGCONT');
  }
  const staging = join(copy, 'blobs', 'staging');
  for (const name of readdirSync(staging)) renameSync(join(staging, name), join(staging, `earlier-boot.1.${name}`));
  const back = join(staging, 'earlier-boot.1.back');
  mkdirSync(back, { recursive: true });
  const files = readdirSync(join(copy, 'blobs'), { recursive: true, withFileTypes: true }).filter((e) => e.isFile());
  for (const path of files.map((e) => join(e.parentPath, e.name))) {
    // What has no digest in its name yet may have lost its end; a rename to an address, whose folder is not synced, may
    // not have happened.
    if (path.endsWith('.part')) truncateSync(path, 0);
    else if (!dirname(path).startsWith(staging) && random() < 0.3)
      renameSync(path, join(back, `${basename(path)}~cut`));
  }
  return copy;
}

/** @returns what is not as it should be */
async function goOn(cut: Cut, n: number, random: () => number): Promise<string[]> {
  const peers = await startReceivers();
  const site = await makeSite({ destinations: peers.destinations, dataDir: cut.dir });
  const study = makeStudy(10_000 + n);
  try {
    await site.start();
    await sendAll(site, [study], { images: newTally(), orders: newTally(), random, cutRate: 0, pace: 0 });
    await untilRest(cut.dir, 1, `the store of picture ${n + 1} to go on`);
    await site.stop();
    const kept = audit(cut.dir);
    const lost = cut.instances.filter((uid) => !kept.received.has(uid));
    return [
      ...(kept.integrity === 'ok' ? [] : [`the database is damaged: ${kept.integrity}`]),
      ...(lost.length === 0 ? [] : [`${lost.length} acknowledged instances are lost`]),
      ...(kept.messages > cut.orders ? [] : [`${kept.messages} messages, ${cut.orders} were acknowledged before`]),
      ...(kept.damaged.length === 0 ? [] : [`${kept.damaged.length} rows without their content`]),
      ...(kept.halfWritten.length === 0 ? [] : [`half-written: ${kept.halfWritten.slice(0, 3).join(', ')}`]),
      ...(resultsByStudy(peers.pacs).get(study.studyUid) === 'SEG SR' ? [] : ['the new study is not at the PACS']),
    ];
  } finally {
    await site.kill();
    await peers.stop();
    site.remove();
  }
}
