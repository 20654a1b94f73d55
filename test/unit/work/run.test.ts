import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PlumblineError, type ErrorCode } from '../../../src/base/index.ts';
import { openWork, type Priority, type Workitem } from '../../../src/work/index.ts';
import { silentLog } from '../../../src/base/index.ts';
import type { Database } from '../../../src/store/index.ts';
import { slices, uid } from '../../builders/store.ts';
import {
  bundleDigest,
  leaseMs,
  route,
  stubStages,
  testWork,
  type StubStages,
  type TestWork,
} from '../../builders/work.ts';

let t: TestWork;
beforeEach(async () => void (t = await testWork()));
afterEach(() => t.remove());

async function enqueue(study = '1', priority?: Priority): Promise<string> {
  const snapshot = await t.snapshotOf(slices(2, { study: uid(study) }));
  const result = await t.work.enqueue({ snapshot, route: route(), bundleDigest, ...(priority ? { priority } : {}) });
  t.clock.advance(1);
  return 'key' in result ? result.key : '';
}
const events = async (key: string): Promise<string[]> => (await t.work.timeline(key)).map((e) => e.event);
const item = async (key: string): Promise<Workitem> => (await t.work.get(key))!;
const fail = (stage: string, code: ErrorCode, times = Infinity): StubStages => {
  let left = times;
  return stubStages(async (s) => {
    if (s === stage && left-- > 0) throw new PlumblineError(code, `${code} in ${stage}`);
  });
};

describe('a run', () => {
  it('takes a workitem through its stages and keeps what each wrote', async () => {
    const key = await enqueue();
    const stages = stubStages();
    expect(await t.work.runOne(stages)).toMatchObject({ key, state: 'drafted' });
    expect(stages.begun).toEqual(['answer', 'draft', 'encode']);
    expect(await events(key)).toEqual(['created', 'claimed', 'answered', 'drafted', 'encoded']);
    const { draft, masks } = await t.work.draft(key);
    expect(Buffer.from(draft).toString()).toBe('answer 1, draft 2');
    expect(Buffer.from(masks).toString()).toBe('masks of answer 1, draft 2');
    const manifest = await t.work.encodings(key);
    expect(manifest.files.map((f) => f.name)).toEqual(['seg-1.dcm', 'report.html']);
    expect(Buffer.from(await t.blobs.read(manifest.files[1]!.digest)).toString()).toBe('<p>answer 1, draft 2</p>');
  });

  it('puts DICOM encodings among the instances, as our own', async () => {
    const key = await enqueue();
    await t.work.runOne(stubStages());
    const { dicom, digest } = (await t.work.encodings(key)).files[0]!;
    expect(await t.studies.instance(dicom!.instanceUid)).toMatchObject({ origin: 'own', ref: { digest } });
    expect(await t.studies.study(uid('1'))).toMatchObject({ own: 1, received: 2 });
  });

  it('is undefined where nothing is due', async () => {
    expect(await t.work.runOne(stubStages())).toBeUndefined();
  });

  it('takes STAT first, then what is oldest', async () => {
    const keys = [await enqueue('1'), await enqueue('2', 'low'), await enqueue('3', 'stat'), await enqueue('4')];
    const order: string[] = [];
    for (let i = 0; i < 4; i++) order.push((await t.work.runOne(stubStages()))!.key);
    expect(order).toEqual([keys[2], keys[0], keys[3], keys[1]]);
  });

  it('takes what is ready although the clock has gone back since it came', async () => {
    await enqueue();
    t.clock.advance(-3_600_000);
    expect(await t.work.runOne(stubStages())).toMatchObject({ state: 'drafted' });
  });

  it('does not do again what ended well', async () => {
    const key = await enqueue();
    await t.work.runOne(fail('encode', 'disk-full', 1));
    expect(await item(key)).toMatchObject({ state: 'waiting', code: 'disk-full' });
    t.clock.advance(leaseMs);
    const stages = stubStages();
    expect(await t.work.runOne(stages)).toMatchObject({ state: 'drafted' });
    expect(stages.begun).toEqual(['encode']);
    expect(await item(key)).not.toHaveProperty('code');
  });
});

describe('a failure', () => {
  it('of class retry waits longer each time, and is held after the last try', async () => {
    const key = await enqueue();
    const stages = fail('answer', 'provider-missing');
    const pauses: number[] = [];
    for (let i = 0; i < 2; i++) {
      await t.work.runOne(stages);
      const { state, notBefore } = await item(key);
      expect(state).toBe('waiting');
      pauses.push(Date.parse(notBefore) - t.clock.now());
      expect(await t.work.runOne(stages)).toBeUndefined();
      t.clock.advance(pauses[i]!);
    }
    // Full jitter with a random of 1: the base, then twice the base.
    expect(pauses).toEqual([2000, 4000]);
    expect(await t.work.runOne(stages)).toMatchObject({ state: 'held', code: 'provider-missing' });
    expect(await events(key)).toEqual(['created', 'claimed', 'retry', 'claimed', 'retry', 'claimed', 'held']);
  });

  it('of the model is tried once more', async () => {
    await enqueue();
    const stages = fail('answer', 'model-crashed');
    expect(await t.work.runOne(stages)).toMatchObject({ state: 'waiting' });
    t.clock.advance(leaseMs);
    expect(await t.work.runOne(stages)).toMatchObject({ state: 'held', code: 'model-crashed' });
  });

  it('of the machine is tried for ever', async () => {
    await enqueue();
    const stages = fail('answer', 'disk-full', 20);
    for (let i = 0; i < 20; i++) {
      expect(await t.work.runOne(stages)).toMatchObject({ state: 'waiting' });
      t.clock.advance(600_000);
    }
    expect(await t.work.runOne(stages)).toMatchObject({ state: 'drafted' });
  });

  it('of the machine is tried again within half a minute, however long it has lasted', async () => {
    const key = await enqueue();
    const stages = fail('answer', 'disk-full', 20);
    for (let i = 0; i < 20; i++) {
      await t.work.runOne(stages);
      expect(Date.parse((await item(key)).notBefore) - t.clock.now()).toBeLessThanOrEqual(30_000);
      t.clock.advance(30_000);
    }
  });

  it('that the store cannot take down is taken down when it can, and does not wait for the lease', async () => {
    let full = false;
    let refused = 0;
    const db: Database = {
      ...t.db,
      transaction: (work) => {
        if (!full) return t.db.transaction(work);
        full = ++refused < 2;
        return Promise.reject(new PlumblineError('disk-full', 'the database could not grow'));
      },
    };
    const work = openWork({ ...t, db, log: silentLog, leaseMs });
    const key = await enqueue();
    const stages = fail('answer', 'disk-full');
    await work.runOne({ ...stages, answer: (input) => ((full = true), stages.answer(input)) });
    expect(refused).toBe(2);
    expect(await item(key)).toMatchObject({ state: 'waiting', code: 'disk-full' });
  });

  it('that waits goes on where the clock has gone back before the program starts again', async () => {
    const key = await enqueue();
    const stages = fail('answer', 'disk-full', 1);
    await t.work.runOne(stages);
    t.clock.advance(-24 * 3_600_000);
    const workers = t.work.startWorkers({ concurrency: 1, stages });
    await expect.poll(() => item(key)).toMatchObject({ state: 'drafted' });
    await workers.stop();
  });

  it.each<[ErrorCode, string]>([
    ['geometry', 'held'],
    ['inconsistent', 'held'],
    ['draft-invalid', 'failed'],
    ['task-unknown', 'failed'],
  ])('with %s leaves the workitem %s, with reason and remedy', async (code, state) => {
    await enqueue();
    const after = (await t.work.runOne(fail('answer', code)))!;
    expect(after).toMatchObject({ state, code, message: `${code} in answer` });
    expect(after.remedy!.length).toBeGreaterThan(10);
    t.clock.advance(10 * leaseMs);
    expect(await t.work.runOne(stubStages())).toBeUndefined();
  });

  it('that is none of ours is a bug with its text', async () => {
    await enqueue();
    const stages = stubStages(async () => Promise.reject(new TypeError('x is undefined')));
    expect(await t.work.runOne(stages)).toMatchObject({ state: 'failed', code: 'internal', message: 'x is undefined' });
  });

  it('is over when a person tries again', async () => {
    const key = await enqueue();
    await t.work.runOne(fail('draft', 'geometry'));
    await t.work.retry(key, 'sent again', 'someone');
    const stages = stubStages();
    expect(await t.work.runOne(stages)).toMatchObject({ state: 'drafted' });
    expect(stages.begun).toEqual(['draft', 'encode']);
    await expect(t.work.retry(key, 'again', 'someone')).rejects.toMatchObject({ code: 'not-found' });
  });

  it('to encode the same twice is a bug that overwrites nothing', async () => {
    const key = await enqueue();
    await t.work.runOne(stubStages());
    const first = await t.work.encodings(key);
    // As if the row of the last stage had been lost and the encoders had changed meanwhile.
    await t.db.run(`UPDATE workitems SET state = 'ready', encodings = NULL WHERE key = ?`, key);
    const stages = stubStages();
    const changed = {
      ...stages,
      encode: async (...args: Parameters<typeof stages.encode>) => {
        const [seg, ...rest] = await stages.encode(...args);
        const ref = { ...seg!.dicom!.ref, dataDigest: '0'.repeat(64) };
        return [{ ...seg!, bytes: new Uint8Array(3), dicom: { ref, attributes: {} } }, ...rest];
      },
    };
    expect(await t.work.runOne(changed)).toMatchObject({ state: 'failed', code: 'internal' });
    expect(await t.studies.instance(first.files[0]!.dicom!.instanceUid)).toMatchObject({
      ref: { digest: first.files[0]!.digest },
    });
  });
});

describe('a lease', () => {
  it('that ran out gives the workitem to another worker, and the first changes nothing any more', async () => {
    const key = await enqueue();
    const asleep = Promise.withResolvers<void>();
    const slow = stubStages((stage) => (stage === 'answer' ? asleep.promise : Promise.resolve()));
    const first = t.work.runOne(slow, 'slow');
    await expect.poll(() => slow.begun.length).toBe(1);
    expect(await t.work.runOne(stubStages(), 'other')).toBeUndefined();
    t.clock.advance(leaseMs + 1);
    expect(await t.work.runOne(stubStages(), 'other')).toMatchObject({ state: 'drafted' });
    const before = await t.work.encodings(key);
    asleep.resolve();
    expect(await first).toMatchObject({ state: 'drafted' });
    expect(slow.begun).toEqual(['answer']);
    expect(await t.work.encodings(key)).toEqual(before);
    expect(await events(key)).toEqual(['created', 'claimed', 'claimed', 'answered', 'drafted', 'encoded']);
  });

  it('that was lost lets a stage record nothing, even while the next worker is in the middle', async () => {
    const key = await enqueue();
    const [wakeFirst, wakeSecond] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const firstStages = stubStages((stage) => (stage === 'draft' ? wakeFirst.promise : Promise.resolve()));
    const first = t.work.runOne(firstStages, 'first');
    await expect.poll(() => firstStages.begun).toEqual(['answer', 'draft']);
    t.clock.advance(leaseMs + 1);
    const secondStages = stubStages((stage) => (stage === 'encode' ? wakeSecond.promise : Promise.resolve()));
    const second = t.work.runOne(secondStages, 'second');
    await expect.poll(() => secondStages.begun).toEqual(['draft', 'encode']);
    const recorded = (await item(key)).outputs.draft;
    wakeFirst.resolve();
    expect(await first).toMatchObject({ state: 'claimed', outputs: { draft: recorded } });
    expect(firstStages.begun).toEqual(['answer', 'draft']);
    wakeSecond.resolve();
    expect(await second).toMatchObject({ state: 'drafted', outputs: { draft: recorded } });
  });

  it('is renewed while the worker lives', async () => {
    const short = openWork({ ...t, log: silentLog, leaseMs: 30 });
    const key = await enqueue();
    const asleep = Promise.withResolvers<void>();
    const running = short.runOne(stubStages(() => asleep.promise));
    await expect.poll(() => item(key)).toMatchObject({ state: 'claimed' });
    t.clock.advance(20);
    await expect.poll(() => t.db.get('SELECT lease_until AS at FROM workitems')).toEqual({ at: t.clock.now() + 30 });
    asleep.resolve();
    await running;
  });

  it('is not lost because the store is locked for some beats', async () => {
    let locked = 0;
    const db: Database = {
      ...t.db,
      run: (text, ...params) =>
        text.includes('SET lease_until') && locked++ < 3
          ? Promise.reject(new PlumblineError('store-locked', 'another process holds the database'))
          : t.db.run(text, ...params),
    };
    const short = openWork({ ...t, db, log: silentLog, leaseMs: 30 });
    await enqueue();
    const stages = stubStages(async (stage) => {
      if (stage === 'answer') await expect.poll(() => locked).toBeGreaterThan(3);
    });
    expect(await short.runOne(stages)).toMatchObject({ state: 'drafted' });
  });

  it('tells a worker that has lost it to stop', async () => {
    const short = openWork({ ...t, log: silentLog, leaseMs: 30 });
    const key = await enqueue();
    const told = Promise.withResolvers<unknown>();
    const running = short.runOne(
      stubStages(
        (_, { signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => (told.resolve(signal.reason), reject(signal.reason as Error)));
          }),
      ),
    );
    await expect.poll(() => item(key)).toMatchObject({ state: 'claimed' });
    await t.work.cancel(key, 'not needed', 'someone');
    expect(await told.promise).toMatchObject({ code: 'fence-lost' });
    expect(await running).toMatchObject({ state: 'cancelled' });
  });

  it('that runs out again and again holds the workitem', async () => {
    const key = await enqueue();
    for (let i = 0; i < 3; i++) {
      void t.work.runOne(stubStages(() => new Promise(() => {})));
      await expect.poll(() => item(key)).toMatchObject({ state: 'claimed', attempts: i + 1 });
      t.clock.advance(leaseMs + 1);
    }
    expect(await t.work.runOne(stubStages())).toBeUndefined();
    expect(await item(key)).toMatchObject({ state: 'held', code: 'worker-lost' });
  });
});

describe('handing over to delivery', () => {
  it('happens when the draft is encoded, and again where it failed', async () => {
    await t.remove();
    const told: string[] = [];
    let broken = true;
    t = await testWork({
      onDrafted: async (i) => {
        told.push(i.key);
        if (broken) throw new PlumblineError('store-locked', 'busy');
      },
    });
    const key = await enqueue();
    await t.work.runOne(stubStages());
    expect(told).toEqual([key]);
    broken = false;
    const workers = t.work.startWorkers({ concurrency: 1, stages: stubStages() });
    await expect.poll(() => told).toEqual([key, key]);
    await workers.stop();
    expect(await t.db.get('SELECT handover FROM workitems')).toEqual({ handover: 2 });
  });

  it('ends with the workitem delivered, once', async () => {
    const key = await enqueue();
    expect(await t.work.markDelivered(key)).toBe(false);
    await t.work.runOne(stubStages());
    expect(await t.work.markDelivered(key)).toBe(true);
    expect(await t.work.markDelivered(key)).toBe(false);
    expect(await t.work.counts()).toMatchObject({ delivered: 1, drafted: 0 });
  });
});

describe('workers', () => {
  it('do all that is there and what comes, each workitem once', async () => {
    await enqueue('1');
    await enqueue('2');
    const stages = stubStages();
    const workers = t.work.startWorkers({ concurrency: 2, stages });
    await enqueue('3');
    await expect.poll(() => t.work.counts()).toMatchObject({ drafted: 3 });
    await workers.stop();
    expect(stages.begun.filter((s) => s === 'answer')).toHaveLength(3);
    await enqueue('4');
    expect(await t.work.counts()).toMatchObject({ ready: 1 });
  });

  it('end what they have in hand before they stop', async () => {
    const key = await enqueue();
    const asleep = Promise.withResolvers<void>();
    const stages = stubStages(() => asleep.promise);
    const workers = t.work.startWorkers({ concurrency: 1, stages });
    await expect.poll(() => stages.begun.length).toBe(1);
    const stopped = workers.stop();
    asleep.resolve();
    await stopped;
    expect(await item(key)).toMatchObject({ state: 'drafted' });
  });

  it('wait for no stage that hangs where they must stop at once', async () => {
    const key = await enqueue();
    const stages = stubStages(() => new Promise(() => {}));
    const workers = t.work.startWorkers({ concurrency: 1, stages });
    await expect.poll(() => stages.begun.length).toBe(1);
    await workers.stop({ abort: true });
    expect(await item(key)).toMatchObject({ state: 'ready' });
  });

  it('give back what they have in hand where they must stop at once', async () => {
    const key = await enqueue();
    const stages = stubStages(
      (_, { signal }) =>
        new Promise((_r, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error));
        }),
    );
    const workers = t.work.startWorkers({ concurrency: 1, stages });
    await expect.poll(() => stages.begun.length).toBe(1);
    await workers.stop({ abort: true });
    expect(await item(key)).toMatchObject({ state: 'ready', attempts: 0 });
    expect((await events(key)).at(-1)).toBe('released');
  });
});

describe('a person', () => {
  it('can hold a workitem and let it go on', async () => {
    const key = await enqueue();
    await t.work.hold(key, 'wait for the priors', 'someone');
    expect(await t.work.runOne(stubStages())).toBeUndefined();
    expect(await item(key)).toMatchObject({ state: 'held', message: 'wait for the priors' });
    await t.work.retry(key, 'they are here', 'someone');
    expect(await t.work.runOne(stubStages())).toMatchObject({ key, state: 'drafted' });
  });

  it('can cancel what is not drafted yet', async () => {
    const key = await enqueue();
    await t.work.cancel(key, 'sent by mistake', 'someone');
    expect(await t.work.runOne(stubStages())).toBeUndefined();
    await expect(t.work.cancel(key, 'again', 'someone')).rejects.toMatchObject({ code: 'not-found' });
    await expect(t.work.cancel('unknown', '', 'someone')).rejects.toMatchObject({ code: 'not-found' });
  });
});
