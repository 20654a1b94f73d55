import { urgencyOf, type OrderEffect, type Studies } from '../studies/index.ts';
import type { Priority, Work, WorkitemState } from '../work/index.ts';

const priorities: readonly Priority[] = ['stat', 'high', 'medium', 'low'];

/** As urgent as the study's most urgent order; without one, medium. */
export async function priorityOf(studies: Pick<Studies, 'orders'>, studyUid: string): Promise<Priority> {
  return priorities[urgencyOf(await studies.orders(studyUid)) ?? 2]!;
}

/** What can still be stopped without anybody outside having seen it. */
const stoppable = new Set<WorkitemState>(['waiting', 'ready', 'claimed']);

/** What an order means for the work on its study; harmless to repeat. */
export async function followOrder(work: Work, { studyUid, kind, priority, reason }: OrderEffect): Promise<void> {
  if (kind === 'urgent') return work.urge(studyUid, priorities[priority]!);
  for (const item of await work.list({ studyUid })) {
    if (!stoppable.has(item.state)) continue;
    if (kind === 'cancelled') await work.cancel(item.key, reason, 'order');
    else await work.hold(item.key, reason, 'order');
  }
}
