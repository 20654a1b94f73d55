import { setTimeout as pause } from 'node:timers/promises';
import { seeded } from '../../builders/dicom.ts';
import { untilRest } from '../audit.ts';
import { prove } from '../proof.ts';
import { startReceivers } from '../receivers.ts';
import { newTally, sendDimse, sendHl7, sendStow } from '../senders.ts';
import { makeSite } from '../site.ts';
import { makeStudy, orderOf } from '../studies.ts';
import type { Report, Scenario } from '../types.ts';

/** The same study by STOW-RS and by C-STORE at the same time, twice each, and its order by HL7 at the same moment. */
export const doors: Scenario = async ({ short, seed }): Promise<Report> => {
  const random = seeded(seed);
  const peers = await startReceivers();
  const site = await makeSite({ destinations: peers.destinations });
  const studies = Array.from({ length: short ? 2 : 20 }, (_, i) => makeStudy(i, 3));
  const [stow, dimse, orders] = [newTally(), newTally(), newTally()];
  try {
    await site.start();
    await Promise.all(
      studies.flatMap((study) => {
        const id = `ORDER${study.n}`;
        const ways = [
          () => sendStow(site.dicomweb, study, { tally: stow, random }),
          () => sendStow(site.dicomweb, study, { tally: stow, random }),
          () => sendDimse(site.dimsePort, study, { tally: dimse, random }),
          () => sendDimse(site.dimsePort, study, { tally: newTally(), random }),
          () => sendHl7(site.hl7Port, [{ id, text: orderOf(study.n, id) }], { tally: orders, random }),
        ];
        return ways.map(async (way) => {
          await pause(random() * 100);
          await way();
        });
      }),
    );
    await untilRest(site.dataDir, studies.length, 'everything to be delivered');
    await site.stop();
    const images = { ...newTally(), acknowledged: new Set([...stow.acknowledged, ...dimse.acknowledged]) };
    const { kept, atPeers, breaches } = prove(site, { studies, images, orders }, peers);
    if (kept.received.size !== studies.length * 3) breaches.push(`${kept.received.size} instances are kept`);
    return {
      name: 'doors',
      breaches,
      rows: [
        {
          fault: `${studies.length} studies of 3 instances, each by STOW-RS twice and by C-STORE twice at the same time, with its order by MLLP`,
          asked: 'one workitem, one SEG, one SR, one report for each study',
          answered: `${stow.acknowledged.size} instances acknowledged by STOW-RS, ${dimse.acknowledged.size} by C-STORE, ${orders.acknowledged.size} orders by MLLP`,
          left: `${kept.received.size} instances, ${kept.workitems['delivered'] ?? 0} workitems; at the peers ${atPeers}`,
        },
      ],
    };
  } finally {
    await site.kill();
    await peers.stop();
    site.remove();
  }
};
