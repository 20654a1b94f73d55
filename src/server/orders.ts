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
  /** Whether this destination gets objects or resources that name the patient as the images do, not as the order does. */
  readonly namesImages: (destination: string) => boolean;
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
 * The patient has a new number. HL7 reports that are not encoded yet will name it; what is encoded and has not left is
 * encoded again. SEG, SR and FHIR keep the number of their images, which are never changed: an archive files a result with
 * its images, whatever number they have there now, and a FHIR server knows that the old number was replaced. Where a
 * receiver gets or has got the old number the study is held with both: only a person can see that it is put right there.
 */
async function rekey(hands: OrderHands, studyUid: string, reason: string): Promise<void> {
  const { work, studies, withdraw, namesImages } = hands;
  let left = false;
  let leaves = false;
  for (const { key, state, route } of await work.list({ studyUid })) {
    if (state === 'cancelled') continue;
    const gone = state === 'delivered' || (state === 'drafted' && !(await withdraw(key)));
    if (gone) left = true;
    else if (route.destinations.some(namesImages)) leaves = true;
    if (!gone && (state === 'claimed' || state === 'drafted')) await work.encodeAgain(key, reason, 'order');
  }
  if (!left && !leaves) return;
  const study = await studies.study(studyUid);
  if (!study || study.state === 'held') return;
  const what = left ? 'results went out under the old number' : 'SEG, SR and FHIR go out under that of their images';
  await studies.hold(studyUid, 'results-old-number', `${reason}; ${what}`, 'order');
}
