import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { basicTextSr, slices, uid } from '../../builders/store.ts';
import { bundleDigest, route, stubStages, testWork, type TestWork } from '../../builders/work.ts';

let t: TestWork;
beforeEach(async () => void (t = await testWork()));
afterEach(() => t.remove());

const keyOf = (result: Awaited<ReturnType<TestWork['work']['enqueue']>>): string => ('key' in result ? result.key : '');

describe('a workitem', () => {
  it('has the digest of patient, study, task, prompt, bundle and input as its key', async () => {
    const snapshot = await t.snapshotOf(slices(2, { issuer: 'H' }));
    const key = keyOf(await t.work.enqueue({ snapshot, route: route({ prompt: 'Describe.' }), bundleDigest }));
    // Canonical JSON: sorted keys, no white space.
    const canonical =
      `{"bundle":"${bundleDigest}","input":"${snapshot.inputDigest}","issuer":"H","patientId":"P1",` +
      `"prompt":"Describe.","study":"${uid('1')}","task":"describe"}`;
    expect(key).toBe(createHash('sha256').update(canonical).digest('hex'));
  });

  it('is the same by whichever way the same is asked', async () => {
    const snapshot = await t.snapshotOf(slices(2));
    const first = await t.work.enqueue({ snapshot, route: route(), bundleDigest });
    const again = await t.work.enqueue({
      snapshot,
      route: route({ rule: 'another-rule' }),
      bundleDigest,
      priority: 'stat',
    });
    expect(first).toMatchObject({ outcome: 'created' });
    expect(again).toMatchObject({ outcome: 'existing', key: keyOf(first) });
    expect(await t.work.list()).toMatchObject([{ priority: 'stat' }]);
    await t.work.enqueue({ snapshot, route: route(), bundleDigest, priority: 'low' });
    expect(await t.work.list()).toMatchObject([{ priority: 'stat' }]);
  });

  it('is another for another task, prompt, slot or bundle', async () => {
    const snapshot = await t.snapshotOf(slices(2));
    const asked = [
      { route: route(), bundleDigest },
      { route: route({ task: 'measure' }), bundleDigest },
      { route: route({ prompt: 'Else.' }), bundleDigest },
      { route: route({ slots: { target: 'liver' } }), bundleDigest },
      { route: route(), bundleDigest: bundleDigest.replace(/./, '0') },
    ];
    const keys = new Set<string>();
    for (const a of asked) keys.add(keyOf(await t.work.enqueue({ snapshot, ...a })));
    expect(keys.size).toBe(asked.length);
  });

  it('reads only the series of its route, and of these only what may be a picture', async () => {
    const snapshot = await t.snapshotOf([
      ...slices(2),
      ...slices(2, { series: uid('1', '2') }),
      ...slices(1, { series: uid('1', '3'), sopClass: basicTextSr }),
    ]);
    const read: string[] = [];
    await t.work.enqueue({ snapshot, route: route({ series: [uid('1', '2'), uid('1', '3')] }), bundleDigest });
    const stages = stubStages(async (_, { snapshot: s }) => void read.push(...s.instances.map((i) => i.ref.seriesUid)));
    await t.work.runOne({ ...stages, draft: () => Promise.reject(new Error('enough')) });
    expect(read).toEqual([uid('1', '2'), uid('1', '2')]);
  });

  it('cannot be made where the route took nothing', async () => {
    const snapshot = await t.snapshotOf(slices(1));
    const asking = t.work.enqueue({ snapshot, route: route({ series: ['2.25.99'] }), bundleDigest });
    await expect(asking).rejects.toMatchObject({ code: 'nothing-to-read' });
  });
});

describe('late instances', () => {
  const late = async (policy: 'new' | 'replace' | 'never') => {
    const snapshot = await t.snapshotOf(slices(3));
    return t.work.enqueue({ snapshot, route: route({ late: policy }), bundleDigest });
  };
  const early = async (policy: 'new' | 'replace' | 'never' = 'new'): Promise<string> => {
    const snapshot = await t.snapshotOf(slices(2));
    const key = keyOf(await t.work.enqueue({ snapshot, route: route({ late: policy }), bundleDigest }));
    t.clock.advance(1000);
    return key;
  };

  it('make another workitem over the whole study by the policy `new`, and leave the first', async () => {
    const first = await early();
    const second = keyOf(await late('new'));
    expect(second).not.toBe(first);
    expect(await t.work.get(second)).toMatchObject({ state: 'ready', replaces: first });
    expect(await t.work.get(first)).toMatchObject({ state: 'ready' });
    const sizes: number[] = [];
    const stages = stubStages(
      async (stage, { snapshot }) => void (stage === 'answer' && sizes.push(snapshot.instances.length)),
    );
    while (await t.work.runOne(stages));
    expect(sizes).toEqual([2, 3]);
  });

  it('take back what nobody has begun by the policy `replace`', async () => {
    const first = await early();
    expect(await late('replace')).toMatchObject({ outcome: 'created', replaced: [first] });
    expect(await t.work.get(first)).toMatchObject({ state: 'cancelled' });
    expect((await t.work.timeline(first)).map((e) => e.event)).toEqual(['created', 'superseded']);
  });

  it('take the workitem from a worker that has it in hand', async () => {
    const first = await early();
    const stages = stubStages(async (stage) => void (stage === 'draft' && (await late('replace'))));
    expect(await t.work.runOne(stages)).toMatchObject({ key: first, state: 'cancelled' });
    expect(stages.begun).toEqual(['answer', 'draft']);
    expect((await t.work.get(first))!.outputs).not.toHaveProperty('draft');
  });

  it('leave what was delivered, and make a new one beside it', async () => {
    const first = await early();
    await t.work.runOne(stubStages());
    expect(await t.work.markDelivered(first)).toBe(true);
    const result = await late('replace');
    expect(result).toMatchObject({ outcome: 'created', replaced: [] });
    expect(await t.work.get(first)).toMatchObject({ state: 'delivered' });
    expect(await t.work.get(keyOf(result))).toMatchObject({ replaces: first });
  });

  it.each([
    [true, 'cancelled'],
    [false, 'drafted'],
  ])('ask delivery whether nothing has left yet: %s', async (nothingLeft, state) => {
    await t.remove();
    t = await testWork({ onDrafted: async () => {}, withdraw: async () => nothingLeft });
    const first = await early();
    await t.work.runOne(stubStages());
    await late('replace');
    expect(await t.work.get(first)).toMatchObject({ state });
    expect(await t.work.markDelivered(first)).toBe(!nothingLeft);
  });

  it('are noted at the study and not read by the policy `never`', async () => {
    await early('never');
    expect(await late('never')).toEqual({ outcome: 'late' });
    expect(await t.work.list()).toHaveLength(1);
    expect(await t.studies.events(uid('1'))).toMatchObject([{ code: 'late-instances', who: 'work' }]);
  });

  it('that are no pictures change nothing', async () => {
    const first = await early();
    const snapshot = await t.snapshotOf(slices(1, { series: uid('1', '9'), sopClass: basicTextSr }));
    const again = await t.work.enqueue({ snapshot, route: route(), bundleDigest });
    expect(again).toMatchObject({ outcome: 'existing', key: first });
  });
});
