import { afterEach, beforeEach, expect, it } from 'vitest';
import { followOrder, priorityOf } from '../../../src/server/orders.ts';
import type { StoredOrder } from '../../../src/studies/index.ts';
import { slices, uid } from '../../builders/store.ts';
import { bundleDigest, route, stubStages, testWork, type TestWork } from '../../builders/work.ts';

let t: TestWork;
beforeEach(async () => void (t = await testWork()));
afterEach(() => t.remove());

async function enqueue(study: string): Promise<void> {
  const snapshot = await t.snapshotOf(slices(2, { study: uid(study) }));
  await t.work.enqueue({ snapshot, route: route(), bundleDigest });
  t.clock.advance(1);
}
const effect = (kind: 'urgent' | 'cancelled' | 'held', study = '2') =>
  ({ studyUid: uid(study), kind, priority: 0, reason: 'its order' }) as const;

it('an urgent order lets its study be read before older ones, and a later one makes it no less urgent', async () => {
  await enqueue('1');
  await enqueue('2');
  await followOrder(t.work, effect('urgent'));
  await followOrder(t.work, { ...effect('urgent'), priority: 2 });
  expect(await t.work.runOne(stubStages())).toMatchObject({ studyUid: uid('2'), priority: 'stat' });
});

it('a cancelled order takes back work that has not been drafted, and none of another study', async () => {
  await enqueue('1');
  await enqueue('2');
  await followOrder(t.work, effect('cancelled'));
  await followOrder(t.work, effect('cancelled'));
  expect((await t.work.list()).map((i) => [i.studyUid, i.state]).toSorted()).toEqual([
    [uid('1'), 'ready'],
    [uid('2'), 'cancelled'],
  ]);
});

it('what is drafted stays, whatever its order says', async () => {
  await enqueue('2');
  await t.work.runOne(stubStages());
  await followOrder(t.work, effect('held'));
  expect((await t.work.list()).map((i) => i.state)).toEqual(['drafted']);
});

it('a study is as urgent as its order, and medium without one', async () => {
  const orders = (priority?: 0 | 1): Promise<StoredOrder[]> =>
    Promise.resolve(priority === undefined ? [] : [{ priority } as StoredOrder]);
  expect(await priorityOf({ orders: () => orders() }, '1')).toBe('medium');
  expect(await priorityOf({ orders: () => orders(0) }, '1')).toBe('stat');
  expect(await priorityOf({ orders: () => orders(1) }, '1')).toBe('high');
});
