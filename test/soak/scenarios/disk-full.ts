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
import { mountVolume, type Volume } from '../volume.ts';

const reserveBytes = 12 << 20;
const asked =
  'STOW-RS 503, C-STORE A700, MLLP no answer and the connection closed; what was accepted is read and delivered from the reserve; nothing ends; with space all goes on';

interface Fullness {
  readonly words: string;
  /** Make it so. */
  readonly fill: (volume: Volume) => void;
  /** Whether accepted work can still end: it has the reserve. */
  readonly drains: boolean;
}

const fullnesses: readonly Fullness[] = [
  { words: 'free space falls under the reserve', fill: (v) => v.fill(reserveBytes - (1 << 20)), drains: true },
  { words: 'the volume is really full (0 bytes free)', fill: (v) => v.fill(0), drains: false },
  { words: 'the volume has no inode left', fill: (v) => void v.fillWithFiles(), drains: false },
];

/** A small file system of its own that fills up in three ways, each with accepted work in hand and senders that go on. */
export const diskFull: Scenario = async ({ short, seed }): Promise<Report> => {
  const volume = mountVolume(64, 1500);
  if (!volume) {
    const why = 'not run here: this process may not mount a file system (needs root)';
    return { name: 'disk-full', breaches: [], rows: [{ fault: 'the volume is full', asked, answered: why, left: '' }] };
  }
  const chosen = short ? [fullnesses[1]!] : fullnesses;
  const random = seeded(seed);
  const peers = await startReceivers();
  const config = { store: { reserveBytes } };
  const site = await makeSite({ destinations: peers.destinations, dataDir: volume.dir, config });
  const [images, orders] = [newTally(), newTally()];
  const studies = Array.from({ length: chosen.length * 4 }, (_, i) => makeStudy(i));
  const rows: Report['rows'][number][] = [];
  const faults: string[] = [];
  try {
    const gateway = await site.start();
    for (const [n, { words, fill, drains }] of chosen.entries()) {
      const [before, during] = [studies.slice(n * 4, n * 4 + 2), studies.slice(n * 4 + 2, n * 4 + 4)];
      const told = { images: newTally(), orders: newTally() };
      await sendAll(site, before, { images, orders, random, cutRate: 0, pace: 0 });
      fill(volume);
      const later = sendAll(site, during, { ...told, random, cutRate: 0, pace: 0, together: true });
      if (drains) await untilRest(volume.dir, n * 4 + 2, `work to drain while ${words}`, 120);
      else await pause(short ? 1200 : 2500);
      const taken = told.images.acknowledged.size + told.orders.acknowledged.size;
      const alive = gateway.child.exitCode === null;
      const refusals = refusalsOf(told.images, told.orders);
      volume.clear();
      if (!alive) throw new Error(`the gateway ended while ${words}: ${gateway.log()}`);
      await later;
      await untilRest(volume.dir, n * 4 + 4, `everything to go on after ${words}`, 90);
      for (const uid of told.images.acknowledged) images.acknowledged.add(uid);
      for (const id of told.orders.acknowledged) orders.acknowledged.add(id);
      if (taken > 0 && drains) faults.push(`${taken} acknowledged while ${words}`);
      if (/\b500\b|0110/.test(refusals)) faults.push(`while ${words} a sender was told of a defect: ${refusals}`);
      rows.push({
        fault: words,
        asked,
        answered: `${taken} acknowledged meanwhile; told: ${refusals}; ${drains ? `${before.length} accepted studies delivered meanwhile` : 'accepted work waited'}`,
        left: `after it 8 instances more, each once`,
      });
    }
    await site.stop();
    const { kept, atPeers, breaches } = prove(site, { studies, images, orders }, peers);
    const left = `${kept.received.size} instances, ${kept.messages} messages, ${kept.halfWritten.length} half-written files; at the peers ${atPeers}`;
    return { name: 'disk-full', breaches: [...faults, ...breaches], rows: rows.map((r) => ({ ...r, left })) };
  } finally {
    await site.kill();
    await peers.stop();
    site.remove();
    volume.remove();
  }
};
