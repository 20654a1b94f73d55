import { setTimeout as pause } from 'node:timers/promises';
import { seeded } from '../../builders/dicom.ts';
import { untilRest } from '../audit.ts';
import { sendAll } from '../load.ts';
import { prove, refusalsOf } from '../proof.ts';
import { startReceivers } from '../receivers.ts';
import { newTally } from '../senders.ts';
import { makeSite } from '../site.ts';
import { makeStudy } from '../studies.ts';
import type { Report, Scenario } from '../types.ts';

/** SIGKILL at random moments while orders and images come by all doors, and while work and delivery run. */
export const kill: Scenario = async ({ short, seed }): Promise<Report> => {
  const kills = short ? 2 : 30;
  const random = seeded(seed);
  const peers = await startReceivers();
  const site = await makeSite({ destinations: peers.destinations });
  const studies = Array.from({ length: short ? 3 : 40 }, (_, i) => makeStudy(i));
  try {
    await site.start();
    const images = newTally();
    const orders = newTally();
    const all = sendAll(site, studies, { images, orders, random, cutRate: 0.1, pace: short ? 250 : 800 });
    for (let n = 0; n < kills; n++) {
      await pause(random() * 1500);
      await site.kill();
      await site.start();
    }
    await all;
    await untilRest(site.dataDir, studies.length, 'everything to be delivered');
    await site.stop();
    const { kept, atPeers, breaches } = prove(site, { studies, images, orders }, peers);
    return {
      name: 'kill',
      breaches,
      rows: [
        {
          fault: `the gateway is killed (SIGKILL) ${kills} times at random moments under load`,
          asked:
            'everything acknowledged is there, everything is delivered once; a sender without an answer sends again',
          answered: `${images.acknowledged.size} instances and ${orders.acknowledged.size} orders acknowledged; besides: ${refusalsOf(images, orders)}`,
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
