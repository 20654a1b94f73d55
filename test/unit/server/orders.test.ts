import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { followOrder as follow, orderEcho, priorityOf, type OrderHands } from '../../../src/server/orders.ts';
import type { OrderEffect, StoredOrder } from '../../../src/studies/index.ts';
import { slices, uid } from '../../builders/store.ts';
import { bundleDigest, route, stubStages, testWork, type TestWork } from '../../builders/work.ts';

let t: TestWork;
beforeEach(async () => void (t = await testWork()));
afterEach(() => t.remove());

async function enqueue(study: string, destinations: readonly string[] = []): Promise<void> {
  const snapshot = await t.snapshotOf(slices(2, { study: uid(study) }));
  await t.work.enqueue({ snapshot, route: route({ destinations }), bundleDigest });
  t.clock.advance(1);
}
const followOrder = (what: OrderEffect, hands: Partial<OrderHands> = {}): Promise<void> =>
  follow(
    { work: t.work, studies: t.studies, withdraw: async () => false, namesImages: (d) => d !== 'ris', ...hands },
    what,
  );
const effect = (kind: OrderEffect['kind'], study = '2') =>
  ({ studyUid: uid(study), kind, priority: 0, reason: 'its order' }) as const;

it('an urgent order lets its study be read before older ones, and a later one makes it no less urgent', async () => {
  await enqueue('1');
  await enqueue('2');
  await followOrder(effect('urgent'));
  await followOrder({ ...effect('urgent'), priority: 2 });
  expect(await t.work.runOne(stubStages())).toMatchObject({ studyUid: uid('2'), priority: 'stat' });
});

it('a cancelled order takes back work that has not been drafted, and none of another study', async () => {
  await enqueue('1');
  await enqueue('2');
  await followOrder(effect('cancelled'));
  await followOrder(effect('cancelled'));
  expect((await t.work.list()).map((i) => [i.studyUid, i.state]).toSorted()).toEqual([
    [uid('1'), 'ready'],
    [uid('2'), 'cancelled'],
  ]);
});

it('what is drafted stays, whatever its order says', async () => {
  await enqueue('2');
  await t.work.runOne(stubStages());
  await followOrder(effect('held'));
  expect((await t.work.list()).map((i) => i.state)).toEqual(['drafted']);
});

it('a study is as urgent as its order, and medium without one', async () => {
  const orders = (priority?: 0 | 1): Promise<StoredOrder[]> =>
    Promise.resolve(priority === undefined ? [] : [{ priority } as StoredOrder]);
  expect(await priorityOf({ orders: () => orders() }, '1')).toBe('medium');
  expect(await priorityOf({ orders: () => orders(0) }, '1')).toBe('stat');
  expect(await priorityOf({ orders: () => orders(1) }, '1')).toBe('high');
});

describe('a merge of the patient', () => {
  const states = async (): Promise<string[]> => (await t.work.list()).map((i) => i.state);
  const studyNow = async () => (await t.studies.study(uid('2')))!;

  it('leaves what is not encoded yet alone: it will name the new number', async () => {
    await enqueue('2');
    await followOrder(effect('rekeyed'));
    expect([await states(), (await studyNow()).state]).toEqual([['ready'], 'arriving']);
  });

  it('has what was encoded and has not left encoded again, once', async () => {
    await enqueue('2');
    await t.work.runOne(stubStages());
    const asked: string[] = [];
    const withdraw = async (key: string): Promise<boolean> => asked.push(key) > 0;
    await followOrder(effect('rekeyed'), { withdraw });
    expect([await states(), asked.length]).toEqual([['ready'], 1]);
    let answered = 0;
    const stages = stubStages();
    const counting = {
      ...stages,
      answer: (input: Parameters<typeof stages.answer>[0]) => (answered++, stages.answer(input)),
    };
    await t.work.runOne(counting);
    expect([await states(), answered]).toEqual([['drafted'], 0]);
    expect((await studyNow()).state).not.toBe('held');
  });

  it('takes what is being encoded from its worker, which writes nothing any more', async () => {
    await enqueue('2');
    const stages = stubStages();
    const encode: typeof stages.encode = async (...args) => {
      await followOrder(effect('rekeyed'));
      return stages.encode(...args);
    };
    await t.work.runOne({ ...stages, encode });
    expect(await states()).toEqual(['ready']);
  });

  it('holds the study where results have left, with both numbers, until a person releases it', async () => {
    await enqueue('2');
    await t.work.runOne(stubStages());
    await t.work.markDelivered((await t.work.list())[0]!.key);
    await followOrder({ ...effect('rekeyed'), reason: 'patient "P1" is now "P2"' });
    expect(await studyNow()).toMatchObject({ state: 'held', holdCode: 'results-old-number' });
    const held = (await t.studies.events(uid('2'))).findLast(
      (e) => e.code === 'results-old-number' || e.code === 'held',
    )!;
    expect(held.message).toContain('patient "P1" is now "P2"');
    await t.studies.release(uid('2'), 'corrected by hand', 'somebody');
    await t.studies.tick();
    expect([(await studyNow()).state, await states()]).toEqual(['ready', ['delivered']]);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['waits to be read', async () => undefined],
    ['is encoded and has not left', () => t.work.runOne(stubStages())],
  ])(
    'holds the study with both numbers where what %s goes to a PACS or an EHR: its objects keep the old one',
    async (_what, prepare) => {
      await enqueue('2', ['ris', 'pacs']);
      await prepare();
      const reason = 'patient "P1" is now "P2"';
      await followOrder({ ...effect('rekeyed'), reason }, { withdraw: async () => true });
      expect(await studyNow()).toMatchObject({
        state: 'held',
        holdCode: 'results-old-number',
        holdMessage: `${reason}; SEG, SR and FHIR go out under that of their images`,
      });
      // The work itself goes on: an archive that knows the merge files it with its images.
      expect(await states()).toEqual(['ready']);
    },
  );

  it('holds nothing where only reports are still to go, which name the new number, or where the work was cancelled', async () => {
    await enqueue('2', ['ris']);
    await followOrder(effect('rekeyed'));
    await enqueue('3', ['pacs']);
    await followOrder(effect('cancelled', '3'));
    await followOrder(effect('rekeyed', '3'));
    const held = await Promise.all(['2', '3'].map(async (s) => (await t.studies.study(uid(s)))!.state));
    expect(held).toEqual(['arriving', 'arriving']);
  });

  it('is what a report echoes where there is no order', async () => {
    const patient = { id: 'P2', issuer: 'HOSP' };
    const none = { orders: async () => [], mergedPatient: async () => undefined };
    expect(await orderEcho(none, '1')).toBeUndefined();
    expect(await orderEcho({ ...none, mergedPatient: async () => patient }, '1')).toMatchObject({
      patient,
      placer: '',
    });
  });
});
