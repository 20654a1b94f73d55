import { audit, type Kept } from './audit.ts';
import { reportsOf, resultsByStudy, type Receivers } from './receivers.ts';
import type { Tally } from './senders.ts';
import type { Site } from './site.ts';
import type { SentStudy } from './studies.ts';

export interface Sent {
  readonly studies: readonly SentStudy[];
  readonly images: Tally;
  readonly orders: Tally;
}

export interface Proof {
  readonly kept: Kept;
  /** `12 SEG, 12 SR, 12 ORU`, each counted by the peer that has it. */
  readonly atPeers: string;
  readonly breaches: string[];
}

/**
 * Whether everything that was acknowledged is there and was worked on, and nothing twice: counted in the store of the
 * stopped gateway and at the peers.
 */
export function prove(site: Site, { studies, images, orders }: Sent, peers: Receivers): Proof {
  const kept = audit(site.dataDir);
  const breaches: string[] = [];
  const must = (holds: boolean, words: string): void => void (holds || breaches.push(words));
  must(kept.integrity === 'ok', `the database is damaged: ${kept.integrity}`);
  must(kept.damaged.length === 0, `${kept.damaged.length} rows without their content`);
  must(kept.halfWritten.length === 0, `half-written files: ${kept.halfWritten.slice(0, 3).join(', ')}`);
  const lost = [...images.acknowledged].filter((uid) => !kept.received.has(uid));
  must(lost.length === 0, `${lost.length} acknowledged instances are lost`);
  must(
    kept.messages === orders.acknowledged.size,
    `${orders.acknowledged.size} messages acknowledged, ${kept.messages} kept`,
  );
  const results = resultsByStudy(peers.pacs);
  const wrong = studies.filter((s) => results.get(s.studyUid) !== 'SEG SR');
  must(wrong.length === 0, `${wrong.length} studies whose results at the PACS are not one SEG and one SR: ${wrong.slice(0, 3).map((s) => `${s.n} has ${results.get(s.studyUid) ?? 'none'}`).join(', ')}`); // prettier-ignore
  must(results.size <= studies.length, `results of ${results.size} studies, ${studies.length} were sent`);
  must(kept.readTwice === 0, `${kept.readTwice} studies were read twice`);
  const { reports } = reportsOf(peers.ris);
  must(reports.size === studies.length, `${studies.length} studies, ${reports.size} reports at the RIS`);
  const stuck = Object.entries({ ...kept.workitems }).filter(([state]) => state !== 'delivered');
  must(stuck.length === 0, `workitems ${stuck.map(([s, n]) => `${n} ${s}`).join(', ')} (${kept.reasons.slice(0, 2).join('; ')})`); // prettier-ignore
  must(!/\bSOAK-|"internal"|uncaught/i.test(site.log()), `the log holds a patient or a defect: ${/.*(?:\bSOAK-|"internal"|uncaught).*/i.exec(site.log())?.[0]}`); // prettier-ignore
  const count = (modality: string): number => [...results.values()].join(' ').split(' ').filter((m) => m === modality).length; // prettier-ignore
  return { kept, breaches, atPeers: `${count('SEG')} SEG, ${count('SR')} SR, ${reports.size} ORU` };
}

/** What senders were told besides success, most often first. */
export function refusalsOf(...tallies: readonly Tally[]): string {
  const all = new Map<string, number>();
  for (const { refusals } of tallies) for (const [what, n] of refusals) all.set(what, (all.get(what) ?? 0) + n);
  const words = [...all].sort((a, b) => b[1] - a[1]).map(([what, n]) => `${n} × ${what}`);
  return words.length === 0 ? 'nothing but success' : words.join(', ');
}
