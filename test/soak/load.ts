import { setTimeout as pause } from 'node:timers/promises';
import { sendDimse, sendHl7, sendStow, type Tally } from './senders.ts';
import type { Site } from './site.ts';
import { orderOf, type SentStudy } from './studies.ts';

export interface Load {
  readonly images: Tally;
  readonly orders: Tally;
  readonly random: () => number;
  readonly cutRate: number;
  /** Milliseconds from one study to the next, on average. */
  readonly pace: number;
  /** Images do not wait for their order to be taken. */
  readonly together?: boolean;
}

/** Each study's order, then its images, by STOW-RS and by C-STORE in turn. */
export async function sendAll(site: Site, studies: readonly SentStudy[], load: Load): Promise<void> {
  const { images, orders, random, cutRate, pace, together = false } = load;
  await Promise.all(
    studies.map(async (study, i) => {
      await pause(i * pace);
      const id = `ORDER${study.n}`;
      const order = sendHl7(site.hl7Port, [{ id, text: orderOf(study.n, id) }], { tally: orders, random, cutRate });
      if (!together) await order;
      const manner = { tally: images, random, cutRate };
      await (study.n % 2 === 0 ? sendStow(site.dicomweb, study, manner) : sendDimse(site.dimsePort, study, manner));
      await order;
    }),
  );
}
