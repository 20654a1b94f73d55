import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { seeded } from '../../builders/dicom.ts';
import { tempFolder } from '../../builders/program.ts';
import { startArchive } from '../../builders/archive.ts';
import { accepts, startReceiver } from '../../builders/hl7-receiver.ts';
import { untilRest } from '../audit.ts';
import { sendAll } from '../load.ts';
import { prove, refusalsOf } from '../proof.ts';
import { destinationsOf } from '../receivers.ts';
import { newTally } from '../senders.ts';
import { makeSite, type Site } from '../site.ts';
import { makeStudy } from '../studies.ts';
import type { Report, Scenario } from '../types.ts';

const hour = 3_600_000;
interface Jump {
  readonly words: string;
  readonly ms: number;
  /** The machine was off while its clock was set. */
  readonly restart: boolean;
}
const jumps: readonly Jump[] = [
  { words: 'one hour back', ms: -hour, restart: false },
  { words: 'one hour on', ms: hour, restart: false },
  { words: 'one day on', ms: 24 * hour, restart: false },
  { words: 'one hour back, while the gateway is down', ms: -hour, restart: true },
  { words: 'one day on, while the gateway is down', ms: 24 * hour, restart: true },
];

/**
 * The wall clock of the gateway's process is set while studies arrive, wait for quiet, are read, and while deliveries wait
 * for their next try (the first answer of each peer is a 503, or AE).
 */
export const clock: Scenario = async ({ short, seed }): Promise<Report> => {
  const chosen = short ? [jumps[0]!, jumps[4]!] : jumps;
  const each = short ? 1 : 4;
  const random = seeded(seed);
  const wallClock = makeWallClock();
  const [pacs, ris] = await Promise.all([
    startArchive(),
    startReceiver((n) => (n % 3 === 1 ? { kind: 'ack', code: 'AE' } : accepts)),
  ]);
  const peers = { pacs, ris, destinations: destinationsOf(pacs.url, ris.url), stop: async () => {} };
  const site = await makeSite({ destinations: peers.destinations, env: wallClock.env });
  const [images, orders] = [newTally(), newTally()];
  const studies = Array.from({ length: chosen.length * each }, (_, i) => makeStudy(i));
  const rows: Report['rows'][number][] = [];
  try {
    await site.start();
    for (const [n, jump] of chosen.entries()) {
      pacs.next('stow', { status: 503, body: '' }, { status: 503, body: '' });
      const all = sendAll(site, studies.slice(n * each, n * each + each), {
        images,
        orders,
        random,
        cutRate: 0.2,
        pace: 200,
      });
      await pause(300 + random() * 400);
      const began = performance.now();
      await set(site, wallClock, jump);
      await all;
      await untilRest(
        site.dataDir,
        n * each + each,
        `everything to be delivered although the clock was set ${jump.words}`,
        120,
      );
      const seconds = (performance.now() - began) / 1000;
      rows.push({
        fault: `the clock is set ${jump.words}, under load`,
        asked:
          'quiet time, leases, back-off and repeated messages are as before: nothing lost, nothing twice, nobody starves',
        answered: `all of it delivered ${seconds < 30 ? 'within 30 s' : `after ${Math.round(seconds)} s`}`,
        left: '',
      });
    }
    const repeated = newTally();
    await sendAll(site, studies, { images: newTally(), orders: repeated, random, cutRate: 0, pace: 0 });
    await untilRest(site.dataDir, studies.length, 'everything to rest after all was sent a second time');
    await site.stop();
    const { kept, atPeers, breaches } = prove(site, { studies, images, orders }, peers);
    const left = `${kept.received.size} instances, ${kept.messages} messages (each sent twice, the second ${refusalsOf(repeated)}), at the peers ${atPeers}`;
    return { name: 'clock', breaches, rows: rows.map((r) => ({ ...r, left })) };
  } finally {
    await site.kill();
    await Promise.all([pacs.stop(), ris.stop()]);
    site.remove();
    wallClock.remove();
  }
};

interface WallClock {
  readonly env: NodeJS.ProcessEnv;
  /** How far off it is now, ms. */
  offset: number;
  write(): void;
  seen(): boolean;
  remove(): void;
}

function makeWallClock(): WallClock {
  const dir = tempFolder('clock');
  const file = join(dir, 'offset');
  const preload = new URL('../set-clock.mjs', import.meta.url);
  const self: WallClock = {
    env: { SOAK_CLOCK: file, NODE_OPTIONS: `--import ${preload.href}` },
    offset: 0,
    write: () => writeFileSync(file, String(self.offset)),
    seen: () => existsSync(`${file}.seen`) && readFileSync(`${file}.seen`, 'utf8') === String(self.offset),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
  self.write();
  return self;
}

async function set(site: Site, wallClock: WallClock, { ms, restart }: Jump): Promise<void> {
  wallClock.offset += ms;
  if (restart) await site.kill();
  wallClock.write();
  if (restart) await site.start();
  else process.kill(site.pid(), 'SIGUSR2');
  while (!wallClock.seen()) await pause(10);
}
