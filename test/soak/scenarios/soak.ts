import { setTimeout as pause } from 'node:timers/promises';
import { seeded } from '../../builders/dicom.ts';
import { prove, refusalsOf } from '../proof.ts';
import { reportsOf, startReceivers } from '../receivers.ts';
import { untilReleased } from '../release.ts';
import { newTally, sendDimse, sendHl7, sendStow, type Tally } from '../senders.ts';
import { makeSite, type Site } from '../site.ts';
import { makeStudy, orderOf, type SentStudy } from '../studies.ts';
import type { Report, Scenario } from '../types.ts';

/** Connections of the RIS. */
const lanes = 4;
/** Resident size may differ so much between two quarters of the run without a kill, MiB: garbage comes and goes. */
const flatMb = 96;

/**
 * Many orders, associations and requests with random kills of the gateway and senders that cut: what was acknowledged is
 * what was worked on. Kills end after three fifths of the messages; memory is measured in the life after the last one.
 */
export const soak: Scenario = async (plan): Promise<Report> => {
  const { short, seed, minutes } = plan;
  const messages = short ? Math.min(plan.messages, 300) : plan.messages;
  const associations = short ? Math.min(plan.associations, 8) : plan.associations;
  const kills = short ? 1 : 12;
  const random = seeded(seed);
  const peers = await startReceivers();
  const site = await makeSite({ destinations: peers.destinations });
  const studies = Array.from({ length: associations + Math.ceil(associations / 4) }, (_, n) => makeStudy(n, 1));
  const [images, orders] = [newTally(), newTally()];
  try {
    await site.start();
    const ids = noise(messages - studies.length);
    const sending = [
      ...split(ids, lanes).map((some) => sendHl7(site.hl7Port, some, { tally: orders, random, cutRate: 0.02 })),
      ...split(studies, 3).map((some) => sendStudies(site, some, associations, { images, orders, random })),
    ];
    const done = Promise.all(sending).then(() => 'done' as const);
    for (let k = 1; k <= kills; k++) {
      while (orders.acknowledged.size < (0.6 * messages * k) / kills) await pause(20);
      await pause(random() * 300);
      await site.kill();
      await site.start();
    }
    const memory = watchMemory(site);
    await done;
    const released = await untilReleased(site, studies.length, 'everything to be delivered', 1200);
    await keepOn(site, minutes, { orders, random });
    const { words, grownMb } = memory.stop();
    await site.stop();
    const { kept, atPeers, breaches } = prove(site, { studies, images, orders }, peers);
    const { reports, messages: sent } = reportsOf(peers.ris);
    const numbered = [...reports.values()].filter((m) => /\rORC\|RE\|P(\d+)\|F\1\r/.test(m)).length;
    if (numbered !== studies.length)
      breaches.push(`${studies.length} studies had an order, ${numbered} reports name it`);
    if (kept.orders !== orders.acknowledged.size)
      breaches.push(`${orders.acknowledged.size} orders acknowledged, ${kept.orders} kept`);
    if (!short && grownMb > flatMb) breaches.push(`memory has grown by ${grownMb} MiB: ${words}`);
    return {
      name: 'soak',
      breaches,
      rows: [
        {
          fault: `${messages} HL7 messages, ${associations} associations, ${studies.length - associations} STOW-RS requests; ${kills} kills (SIGKILL), ${images.cuts + orders.cuts} connections cut by their senders`,
          asked:
            'acknowledged = processed, by the store and by the receivers; nothing twice; memory flat; no half-written file',
          answered: `${orders.acknowledged.size} messages and ${images.acknowledged.size} instances acknowledged in ${orders.tries + images.tries} tries; besides: ${refusalsOf(images, orders)}; ${released} workitems held after 5 lives and released`,
          left: `${kept.messages} messages, ${kept.orders} orders, ${kept.received.size} instances, ${kept.halfWritten.length} half-written files; at the peers ${atPeers} (${sent} messages, ${numbered} with the number of their order); ${words}`,
        },
      ],
    };
  } finally {
    await site.kill();
    await peers.stop();
    site.remove();
  }
};

interface Sending {
  readonly images?: Tally;
  readonly orders: Tally;
  readonly random: () => number;
}

/** Orders whose study never comes; each tenth is sent a second time, as a RIS does that is not sure. */
function noise(count: number): { id: string; text: string }[] {
  const all: { id: string; text: string }[] = [];
  for (let i = 0; i < count; i++) {
    const one = { id: `N${i}`, text: orderOf(1_000_000 + i, `N${i}`) };
    all.push(one, ...(i % 10 === 0 ? [one] : []));
  }
  return all;
}

async function sendStudies(
  site: Site,
  studies: readonly SentStudy[],
  associations: number,
  by: Sending,
): Promise<void> {
  for (const study of studies) {
    const id = `ORDER${study.n}`;
    await sendHl7(site.hl7Port, [{ id, text: orderOf(study.n, id) }], { tally: by.orders, random: by.random, cutRate: 0.05 }); // prettier-ignore
    const manner = { tally: by.images!, random: by.random, cutRate: 0.1 };
    await (study.n < associations ? sendDimse(site.dimsePort, study, manner) : sendStow(site.dicomweb, study, manner));
  }
}

/** More orders until the minutes are over. */
async function keepOn(site: Site, minutes: number, by: Sending): Promise<void> {
  let next = 2_000_000;
  for (const end = performance.now() + minutes * 60_000; performance.now() < end;) {
    const some = Array.from({ length: 100 }, () => next++).map((n) => ({ id: `N${n}`, text: orderOf(n, `N${n}`) }));
    await sendHl7(site.hl7Port, some, { tally: by.orders, random: by.random });
  }
}

function split<T>(all: readonly T[], into: number): T[][] {
  return Array.from({ length: into }, (_, lane) => all.filter((_x, i) => i % into === lane));
}

/** Resident size of the gateway's process twice a second. */
function watchMemory(site: Site): { stop(): { words: string; grownMb: number } } {
  const sizes: number[] = [];
  const timer = setInterval(() => sizes.push(site.rssMb()), 500);
  return {
    stop: () => {
      clearInterval(timer);
      const quarter = Math.max(1, Math.floor(sizes.length / 4));
      const [second, last] = [median(sizes.slice(quarter, 2 * quarter)), median(sizes.slice(-quarter))];
      const slope = slopeOf(sizes.slice(quarter)) * 120;
      const words = `resident size ${second} MiB in the second quarter, ${last} MiB in the last (${slope.toFixed(1)} MiB a minute over ${Math.round(sizes.length / 2)} s)`;
      return { words, grownMb: last - second };
    },
  };
}

function median(values: readonly number[]): number {
  return Math.round([...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0);
}

/** Least squares, per sample. */
function slopeOf(values: readonly number[]): number {
  const n = values.length;
  const [meanX, meanY] = [(n - 1) / 2, values.reduce((a, b) => a + b, 0) / n];
  let [above, below] = [0, 0];
  for (const [x, y] of values.entries()) {
    above += (x - meanX) * (y - meanY);
    below += (x - meanX) ** 2;
  }
  return below === 0 ? 0 : above / below;
}
