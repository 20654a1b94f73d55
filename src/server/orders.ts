import type { OrderEcho } from '../outputs/index.ts';
import { urgencyOf, type OrderEffect, type Studies } from '../studies/index.ts';
import type { Priority, Work, WorkitemState } from '../work/index.ts';

const priorities: readonly Priority[] = ['stat', 'high', 'medium', 'low'];

/** As urgent as the study's most urgent order; without one, medium. */
export async function priorityOf(studies: Pick<Studies, 'orders'>, studyUid: string): Promise<Priority> {
  return priorities[urgencyOf(await studies.orders(studyUid)) ?? 2]!;
}

/** What can still be stopped without anybody outside having seen it. */
const stoppable = new Set<WorkitemState>(['waiting', 'ready', 'claimed']);

/** What a report on a study echoes: its first order, else only a new number of its patient. */
export async function orderEcho(
  studies: Pick<Studies, 'orders' | 'mergedPatient'>,
  studyUid: string,
): Promise<OrderEcho | undefined> {
  const [order] = await studies.orders(studyUid);
  if (order) return order;
  const patient = await studies.mergedPatient(studyUid);
  return patient && { placer: '', filler: '', procedure: { code: '', text: '', scheme: '' }, patient };
}

export interface OrderHands {
  readonly work: Work;
  readonly studies: Pick<Studies, 'study' | 'hold'>;
  /** Take back the deliveries of a workitem. @returns false where one was tried already */
  readonly withdraw: (key: string) => Promise<boolean>;
}

/** What an order means for the work on its study; harmless to repeat. */
export async function followOrder(hands: OrderHands, effect: OrderEffect): Promise<void> {
  const { work } = hands;
  const { studyUid, kind, priority, reason } = effect;
  if (kind === 'urgent') return work.urge(studyUid, priorities[priority]!);
  if (kind === 'rekeyed') return rekey(hands, studyUid, reason);
  for (const item of await work.list({ studyUid })) {
    if (!stoppable.has(item.state)) continue;
    if (kind === 'cancelled') await work.cancel(item.key, reason, 'order');
    else await work.hold(item.key, reason, 'order');
  }
}

/**
 * The patient has a new number. What is not encoded yet will name it; what is encoded and has not left is encoded again.
 * Where something has left under the old number, the study is held: only a person can put that right at its receivers.
 */
async function rekey({ work, studies, withdraw }: OrderHands, studyUid: string, reason: string): Promise<void> {
  let left = false;
  for (const { key, state } of await work.list({ studyUid })) {
    if (state === 'claimed' || (state === 'drafted' && (await withdraw(key))))
      await work.encodeAgain(key, reason, 'order');
    else if (state === 'drafted' || state === 'delivered') left = true;
  }
  const study = left ? await studies.study(studyUid) : undefined;
  if (study && study.state !== 'held')
    await studies.hold(studyUid, 'results-old-number', `${reason}; results went out under the old number`, 'order');
}
