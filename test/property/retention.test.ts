import fc from 'fast-check';
import { readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { endTag, PlumblineError, processTag, silentLog, type ErrorCode } from '../../src/base/index.ts';
import { openDelivery, type Delivery } from '../../src/delivery/index.ts';
import { sweepsHeld } from '../../src/server/backup.ts';
import { verifyBlobs } from '../../src/server/references.ts';
import { applyRetention, type Retained } from '../../src/server/retention.ts';
import { addressOf, blobsIn, digestOf, readBlob } from '../../src/store/index.ts';
import { openStudies, type Studies, type StudyGate } from '../../src/studies/index.ts';
import { openWork, type Work } from '../../src/work/index.ts';

import { doorDefaults, orm } from '../builders/hl7.ts';
import { takeMessage } from '../../src/doors/hl7/index.ts';
import { admissions, fromStow, slices, testClock, testStore, uid, type TestStore } from '../builders/store.ts';
import { bundleDigest, route, stubStages } from '../builders/work.ts';

const dayMs = 86_400_000;
const destinations = ['pacs', 'ehr'];

interface World extends TestStore {
  readonly clock: ReturnType<typeof testClock>;
  readonly studies: Studies & StudyGate;
  readonly work: Work;
  readonly delivery: Delivery;
  /** What the next tries of a destination fail with. */
  readonly troubles: Map<string, ErrorCode[]>;
  /** What the next stage fails with. */
  readonly stageTrouble: ErrorCode[];
  runOne(): Promise<unknown>;
}

/** Gate, work and lanes over one store, with stages and peers that do as they are told. */
async function openWorld(): Promise<World> {
  const store = await testStore();
  const clock = testClock();
  const troubles = new Map<string, ErrorCode[]>();
  const stageTrouble: ErrorCode[] = [];
  const fail = (codes: ErrorCode[] | undefined): void => {
    const code = codes?.shift();
    if (code) throw new PlumblineError(code, 'as told');
  };
  const studies: Studies & StudyGate = await openStudies({
    ...store,
    clock,
    log: silentLog,
    gate: { quietMs: 0, deadlineMs: 60_000 },
    onReady: async (snapshot) => void (await work.enqueue({ snapshot, route: route({ destinations }), bundleDigest })),
  });
  const work: Work = openWork({
    ...store,
    clock,
    log: silentLog,
    studies,
    retry: { attempts: 3, random: () => 0 },
    onDrafted: (item) => delivery.enqueue(item.key, item.studyUid, item.route.destinations),
    withdraw: (key) => delivery.withdraw(key),
  });
  const delivery: Delivery = openDelivery({
    ...store,
    clock,
    log: silentLog,
    destinations: destinations.map((name) => ({
      name,
      kind: 'dicomweb' as const,
      check: async () => '',
      deliver: async () => fail(troubles.get(name)),
    })),
    firstPauseMs: 1,
    maxPauseMs: 1,
    giveUpAfterMs: 1e12,
    content: async (workitem) => {
      // What is sent is read from the store: a blob that is gone would show here.
      for (const { digest } of (await work.encodings(workitem)).files) await store.blobs.read(digest);
      return { workitem } as never;
    },
    onDelivered: async (key) => void (await work.markDelivered(key)),
    random: () => 1,
  });
  const stages = stubStages(async () => fail(stageTrouble));
  return { ...store, clock, studies, work, delivery, troubles, stageTrouble, runOne: () => work.runOne(stages) };
}

type Act =
  | { readonly kind: 'arrive'; readonly study: number; readonly patient: string }
  | { readonly kind: 'order'; readonly study: number; readonly control: 'NW' | 'HD' | 'CA' }
  | { readonly kind: 'work'; readonly trouble?: ErrorCode }
  | { readonly kind: 'deliver'; readonly to: string; readonly trouble?: ErrorCode }
  | { readonly kind: 'cancel'; readonly study: number }
  | { readonly kind: 'days'; readonly n: number };

const study = fc.integer({ min: 1, max: 5 });
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('arrive' as const),
      study,
      patient: fc.constantFrom('P1', 'P1', 'P1', 'P2'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('order' as const),
      study,
      control: fc.constantFrom('NW' as const, 'HD' as const, 'CA' as const),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record(
      {
        kind: fc.constant('work' as const),
        trouble: fc.constantFrom<ErrorCode | undefined>(
          undefined,
          undefined,
          undefined,
          'burned-in',
          'internal',
          'model-crashed',
        ),
      },
      { requiredKeys: ['kind'] },
    ) as fc.Arbitrary<Act>,
  },
  {
    weight: 5,
    arbitrary: fc.record(
      {
        kind: fc.constant('deliver' as const),
        to: fc.constantFrom(...destinations),
        trouble: fc.constantFrom<ErrorCode | undefined>(
          undefined,
          undefined,
          'peer-unreachable',
          'peer-refused',
          'peer-unauthorized',
          'superseded',
        ),
      },
      { requiredKeys: ['kind', 'to'] },
    ) as fc.Arbitrary<Act>,
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), study }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('days' as const), n: fc.integer({ min: 1, max: 9 }) }) },
);

let arrivals = 0;

async function perform(world: World, one: Act): Promise<void> {
  const { studies, work, delivery, clock, blobs, troubles, stageTrouble } = world;
  switch (one.kind) {
    case 'arrive':
      await studies.admit(
        await admissions(blobs, slices(1, { study: uid(`${one.study}`), patientId: one.patient }, arrivals++)),
        fromStow,
      );
      return void (await studies.tick());
    case 'order': {
      const text = orm({
        control: one.control,
        studyUid: uid(`${one.study}`),
        patient: 'P1',
        accession: `A${one.study}`,
        placer: `P${one.study}`,
        filler: `F${one.study}`,
      });
      await takeMessage(Buffer.from(text), { ...doorDefaults, studies, now: () => new Date(clock.now()) });
      return void (await studies.tick());
    }
    case 'work':
      if (one.trouble) stageTrouble.push(one.trouble);
      return void (await world.runOne());
    case 'deliver':
      troubles.set(one.to, one.trouble ? [one.trouble] : []);
      clock.advance(70_000);
      return void (await delivery.runDue());
    case 'cancel': {
      const [item] = await work.list({ studyUid: uid(`${one.study}`) });
      if (item && ['waiting', 'ready', 'held', 'failed'].includes(item.state)) await work.cancel(item.key, 'test', 'x');
      return;
    }
    case 'days':
      clock.advance(one.n * dayMs);
  }
}

/** Everything that stands still is let go, and all of it runs to its end. */
async function finish(world: World): Promise<void> {
  const { studies, work, delivery, clock, troubles, stageTrouble } = world;
  troubles.clear();
  stageTrouble.length = 0;
  for (let round = 0; round < 6; round++) {
    for (const s of await studies.studies(100, 0))
      if (s.state === 'held' && !['order-held', 'order-cancelled'].includes(s.holdCode ?? ''))
        await studies.release(s.studyUid, 'test', 'x');
    for (const item of await work.list())
      if (item.state === 'held' || item.state === 'failed') await work.retry(item.key, 'test', 'x');
    for (const state of ['dead', 'held'] as const)
      for (const row of await delivery.rows({ state })) await delivery.retry(row.id, 'test');
    clock.advance(70_000);
    await studies.tick();
    while (await world.runOne());
    await delivery.runDue();
  }
}

const isDone = (state: string): boolean => state === 'delivered' || state === 'cancelled';

function verify(world: World) {
  const path = (d: string): string => addressOf(join(world.dir, 'blobs'), d);
  return verifyBlobs(join(world.dir, 'plumbline.db'), {
    read: (d) => readBlob(path(d), d),
    digest: (d) => digestOf(path(d)),
  });
}

const sweep = (world: World, policy: object, dryRun = false): Promise<Retained> =>
  applyRetention({ ...world, config: { dataDir: world.dir, retention: policy } }, { blobAgeMs: -1000, dryRun });

async function filesOf({ dir }: World): Promise<number> {
  let n = 0;
  for await (const digests of blobsIn(join(dir, 'blobs'))) n += digests.length;
  return n;
}

describe('retention', () => {
  it('takes nothing from what is not done, whatever happened before, and all that the policy names from what is', async () => {
    const policy = fc.record(
      { receivedDays: fc.integer({ min: 1, max: 6 }), resultsDays: fc.integer({ min: 1, max: 6 }) },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 40 }), policy, async (acts, days) => {
        const world = await openWorld();
        try {
          for (const one of acts) await perform(world, one);
          const before = await world.work.list();
          const openStudies = new Set([
            ...before.filter((i) => !isDone(i.state)).map((i) => i.studyUid),
            ...(await world.studies.studies(100, 0)).filter((s) => s.state !== 'ready').map((s) => s.studyUid),
          ]);
          const instances = async (s: string): Promise<string[]> =>
            (await world.studies.instances(s)).map((i) => i.ref.instanceUid);
          const kept = new Map(await Promise.all([...openStudies].map(async (s) => [s, await instances(s)] as const)));

          const would = await sweep(world, days, true);
          expect(await verify(world)).toMatchObject({ problems: [] });
          const removed = await sweep(world, days);
          expect({ ...removed, blobs: undefined }).toEqual({ ...would, blobs: undefined });

          // Nothing that a row names is gone, and nothing is left that none names.
          const verified = await verify(world);
          expect(verified.problems).toEqual([]);
          expect(await filesOf(world)).toBe(verified.blobs);
          for (const [s, uids] of kept) expect(await instances(s), s).toEqual(uids);
          for (const { key, outputs, state } of before.filter((i) => !isDone(i.state)))
            expect(await world.work.get(key)).toMatchObject({ outputs, state });

          // What the policy names is gone: a second sweep finds nothing more.
          expect(await sweep(world, days)).toMatchObject({
            received: { studies: 0 },
            results: { studies: 0 },
            blobs: { files: 0 },
          });
          await finish(world);
          const after = await world.work.list();
          expect(after.filter((i) => !isDone(i.state)).map((i) => [i.state, i.code])).toEqual([]);
          for (const { key } of before.filter((i) => !isDone(i.state)))
            expect((await world.work.get(key))?.state).toMatch(/delivered|cancelled/);
        } finally {
          await world.remove();
        }
      }),
      { numRuns: 10, verbose: 1 },
    );
  }, 120_000);

  it('removes images and results of a delivered study after their days, and reads the study no second time', async () => {
    const world = await openWorld();
    try {
      const batch = () => admissions(world.blobs, slices(3, { study: uid('7') }));
      await world.studies.admit(await batch(), fromStow);
      await world.studies.tick();
      await world.runOne();
      await world.delivery.runDue();
      world.clock.advance(10 * dayMs);
      expect(await sweep(world, {})).toMatchObject({
        received: { studies: 0 },
        results: { studies: 0 },
        blobs: { files: 0 },
      });
      expect(await sweep(world, { receivedDays: 11 })).toMatchObject({ received: { studies: 0 } });
      expect(await sweep(world, { receivedDays: 9 })).toMatchObject({
        received: { studies: 1, instances: 3 },
        blobs: { files: 3 },
      });
      const [item] = await world.work.list();
      expect((await world.work.encodings(item!.key)).files).toHaveLength(2);
      expect(await sweep(world, { resultsDays: 9 })).toMatchObject({ results: { studies: 1, objects: 1 } });
      expect(await filesOf(world)).toBe(0);
      expect((await world.studies.events(uid('7'))).map((e) => e.code)).toContain('retention');

      await world.studies.admit(await batch(), fromStow);
      await world.studies.tick();
      expect(await world.runOne()).toBeUndefined();
      expect(await world.work.list()).toHaveLength(1);
    } finally {
      await world.remove();
    }
  });

  it('keeps HL7 messages until the policy names their days, also when the gateway starts anew', async () => {
    const world = await openWorld();
    try {
      await perform(world, { kind: 'order', study: 1, control: 'NW' });
      const messages = (): Promise<unknown[]> => world.db.all('SELECT key FROM hl7_messages');
      world.clock.advance(40 * dayMs);
      world.studies.start();
      await world.studies.tick();
      await world.studies.stop();
      expect(await messages()).toHaveLength(1);
      expect(await sweep(world, {})).toMatchObject({ messages: 0 });
      expect(await sweep(world, { messagesDays: 41 })).toMatchObject({ messages: 0 });
      expect(await messages()).toHaveLength(1);
      expect(await sweep(world, { messagesDays: 39 })).toMatchObject({ messages: 1 });
      expect(await messages()).toEqual([]);
    } finally {
      await world.remove();
    }
  });

  it('gives dead letters up after their days: the workitem is delivered where another destination has it, else cancelled', async () => {
    const world = await openWorld();
    try {
      for (const n of ['1', '2']) {
        await world.studies.admit(await admissions(world.blobs, slices(1, { study: uid(n) })), fromStow);
        await world.studies.tick();
        await world.runOne();
        world.troubles.set('pacs', ['peer-refused']);
        world.troubles.set('ehr', n === '2' ? ['peer-refused'] : []);
        await world.delivery.runDue();
      }
      world.clock.advance(3 * dayMs);
      expect(await sweep(world, { deadLettersDays: 4 })).toMatchObject({ deadLetters: 0 });
      expect(await sweep(world, { deadLettersDays: 2 })).toMatchObject({ deadLetters: 3 });
      const states = (await world.work.list()).map((i) => [i.studyUid, i.state]).sort();
      expect(states).toEqual([
        [uid('1'), 'delivered'],
        [uid('2'), 'cancelled'],
      ]);
      const [lost] = await world.work.list({ studyUid: uid('2') });
      expect((await world.work.timeline(lost!.key)).map((e) => e.detail).join()).toContain(
        'dead letter to ehr given up',
      );
    } finally {
      await world.remove();
    }
  });

  it('sweeps a blob without a row only when it is old, and none while a backup is under way', async () => {
    const world = await openWorld();
    try {
      const digest = await world.blobs.put(new TextEncoder().encode('nobody refers to it'));
      const keep = () => applyRetention({ ...world, config: { dataDir: world.dir, retention: {} } });
      expect((await keep()).blobs).toEqual({ files: 0, bytes: 0 });
      const path = addressOf(join(world.dir, 'blobs'), digest);
      const old = new Date(Date.now() - 25 * 3_600_000);
      utimesSync(path, old, old);
      const tag = processTag();
      writeFileSync(join(world.dir, `backing-up-${tag}`), '');
      expect((await keep()).blobs).toBeUndefined();
      expect(readdirSync(world.dir)).toContain(`backing-up-${tag}`);
      writeFileSync(join(world.dir, 'backing-up-other.999999.dead'), '');
      endTag(tag);
      expect(sweepsHeld(world.dir)).toBe(false);
      expect((await keep()).blobs).toEqual({ files: 1, bytes: 19 });
    } finally {
      await world.remove();
    }
  });

  it('leaves a blob that a commit finds there in the meantime: it is young again', async () => {
    const world = await openWorld();
    try {
      const bytes = new TextEncoder().encode('twice');
      const digest = await world.blobs.put(bytes);
      const path = addressOf(join(world.dir, 'blobs'), digest);
      const old = new Date(Date.now() - 30 * dayMs);
      utimesSync(path, old, old);
      await world.blobs.put(bytes);
      const { blobs } = await applyRetention({ ...world, config: { dataDir: world.dir, retention: {} } });
      expect(blobs).toEqual({ files: 0, bytes: 0 });
    } finally {
      await world.remove();
    }
  });
});
