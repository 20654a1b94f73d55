import { setTimeout as pause } from 'node:timers/promises';
import { seeded } from '../../builders/dicom.ts';
import { sendAll } from '../load.ts';
import { prove, refusalsOf } from '../proof.ts';
import { startReceivers } from '../receivers.ts';
import { untilReleased } from '../release.ts';
import { newTally } from '../senders.ts';
import { makeSite, type Site } from '../site.ts';
import { makeStudy } from '../studies.ts';
import type { Report, Scenario } from '../types.ts';

/**
 * SIGKILL at random moments while orders and images come by all doors, and while work and delivery run; then some lives
 * that each end as soon as a workitem is in hand, as with a study that ends whoever reads it.
 */
export const kill: Scenario = async ({ short, seed }): Promise<Report> => {
  const lives = short ? 1 : 5;
  const kills = short ? 1 : 25;
  const random = seeded(seed);
  const peers = await startReceivers();
  const site = await makeSite({ destinations: peers.destinations, config: { work: { attempts: lives } } });
  const studies = Array.from({ length: short ? 2 : 40 }, (_, i) => makeStudy(i));
  try {
    await site.start();
    const images = newTally();
    const orders = newTally();
    const all = sendAll(site, studies, { images, orders, random, cutRate: 0.1, pace: short ? 250 : 800 });
    for (let n = 0; n < kills; n++) {
      await pause(random() * 1500);
      await site.kill();
      if (n < kills - 1) await site.start();
    }
    for (let n = 0; n < lives; n++) await liveUntilClaim(site);
    await site.start();
    await all;
    const released = await untilReleased(site, studies.length, 'everything to be delivered');
    await site.stop();
    const { kept, atPeers, breaches } = prove(site, { studies, images, orders }, peers);
    if (released === 0) breaches.push(`no workitem was held, ${lives} lives ended with one in hand`);
    return {
      name: 'kill',
      breaches,
      rows: [
        {
          fault: `the gateway is killed (SIGKILL) under load, ${kills} times at random moments and ${lives} times when it has just begun to read`,
          asked:
            'everything acknowledged is there, everything is delivered once; a sender without an answer sends again; what was in hand in each of its lives is held until a person releases it',
          answered: `${images.acknowledged.size} instances and ${orders.acknowledged.size} orders acknowledged; besides: ${refusalsOf(images, orders)}; ${released} workitems held after ${lives} lives and released`,
          left: `${kept.received.size} instances, ${kept.messages} messages, ${kept.halfWritten.length} half-written files; at the peers ${atPeers}`,
        },
      ],
    };
  } finally {
    await site.kill();
    await peers.stop();
    site.remove();
  }
};

/** A life that ends by SIGKILL in the moment in which a workitem is claimed; after 90 s where none is. */
async function liveUntilClaim(site: Site): Promise<void> {
  const started = site.start({ PLUMBLINE_CRASH_AT: 'work.claimed' });
  // It may end before it says that it listens; what keeps it from starting at all, the next life tells.
  const ended = started.then((gateway) => gateway.ended).catch(() => undefined);
  await Promise.race([ended, pause(90_000, undefined, { ref: false })]);
  await site.kill();
}
