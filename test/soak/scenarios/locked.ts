import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { seeded } from '../../builders/dicom.ts';
import { untilRest } from '../audit.ts';
import { sendAll } from '../load.ts';
import { prove, refusalsOf } from '../proof.ts';
import { startReceivers } from '../receivers.ts';
import { newTally } from '../senders.ts';
import { makeSite, type Site } from '../site.ts';
import { makeStudy } from '../studies.ts';
import type { Report, Scenario } from '../types.ts';

/** Longer than a write of the gateway waits (5 s); in the short form all wait and none is refused. */
const heldMs = (short: boolean): number => (short ? 1_500 : 7_000);

/** Another process holds SQLite's write lock for longer than a write waits, while orders and images come. */
export const locked: Scenario = async ({ short, seed }): Promise<Report> => {
  const times = short ? 1 : 4;
  const random = seeded(seed);
  const peers = await startReceivers();
  const site = await makeSite({ destinations: peers.destinations });
  const each = short ? 2 : 4;
  const studies = Array.from({ length: times * each }, (_, i) => makeStudy(i));
  try {
    await site.start();
    const [images, orders] = [newTally(), newTally()];
    let longest = 0;
    for (let n = 0; n < times; n++) {
      const some = studies.slice(n * each, n * each + each);
      const all = sendAll(site, some, { images, orders, random, cutRate: 0, pace: 100 });
      longest = Math.max(longest, await holdLock(site, heldMs(short)));
      await all;
    }
    await untilRest(site.dataDir, studies.length, 'everything to be delivered');
    await site.stop();
    const { kept, atPeers, breaches } = prove(site, { studies, images, orders }, peers);
    const told = refusalsOf(images, orders);
    // Reading goes on beside a writer (write-ahead log): whoever only asks must not wait for the lock.
    if (longest > heldMs(short))
      breaches.push(`while the lock was held a question waited ${Math.round(longest)} ms for its answer`);
    if (!short && !/503|A700|no answer/.test(told)) breaches.push(`no sender was told to come again: ${told}`);
    return {
      name: 'locked',
      breaches,
      rows: [
        {
          fault: `another process holds the database’s write lock for ${heldMs(short) / 1000} s, ${times} times, under load`,
          asked:
            'STOW-RS 503, C-STORE A700, MLLP no answer and the connection closed; questions are answered; afterwards all goes on',
          answered: `${images.acknowledged.size} instances and ${orders.acknowledged.size} orders acknowledged in the end; before that: ${told}`,
          left: `${kept.received.size} instances, ${kept.messages} messages; at the peers ${atPeers}`,
        },
      ],
    };
  } finally {
    await site.kill();
    await peers.stop();
    site.remove();
  }
};

/** @returns the longest time for which the gateway's page about itself was silent meanwhile, ms */
async function holdLock(site: Site, forMs: number): Promise<number> {
  await pause(150);
  const db = new DatabaseSync(join(site.dataDir, 'plumbline.db'), { timeout: 10_000 });
  db.exec('BEGIN IMMEDIATE');
  let longest = 0;
  try {
    for (const end = performance.now() + forMs; performance.now() < end;) {
      const asked = performance.now();
      await (await fetch(`${site.url}/dicom-web/studies?limit=1`)).arrayBuffer();
      longest = Math.max(longest, performance.now() - asked);
      await pause(100);
    }
  } finally {
    db.exec('ROLLBACK');
    db.close();
  }
  return longest;
}
