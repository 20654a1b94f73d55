import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { derivedUid, PlumblineError, silentLog, type LogFields } from '../../../src/base/index.ts';
import { dataset } from '../../../src/dicom/index.ts';
import { openStudies } from '../../../src/studies/index.ts';
import {
  admissions,
  deadlineMs,
  fromStow,
  openStore,
  quietMs,
  slices,
  testStudies,
  uid,
  type InstanceSketch,
  type TestStudies,
} from '../../builders/store.ts';

let t: TestStudies;
/** What the next hand-overs throw, in turn. */
let failures: PlumblineError[];
/** What was logged: event, study, and code or count. */
let logged: unknown[][];
beforeEach(async () => {
  failures = [];
  logged = [];
  const say = (event: string, { study, code, count }: LogFields = {}): void =>
    void logged.push([event, study, code ?? count]);
  t = await testStudies(
    async () => {
      const failure = failures.shift();
      if (failure) throw failure;
    },
    { info: say, warn: say, error: say },
  );
});
afterEach(() => t.remove());

const admit = async (sketches: readonly InstanceSketch[]): Promise<void> => {
  await t.studies.admit(await admissions(t.blobs, sketches), fromStow);
};
const state = async (study = uid('1')): Promise<string | undefined> => (await t.studies.study(study))?.state;
const codes = async (): Promise<string[]> => (await t.studies.events(uid('1'))).map((e) => e.code);
const sizes = (): number[] => t.handed.map((h) => h.instances.length);

describe('the study gate', () => {
  it('hands a study over once when it has been quiet', async () => {
    await admit(slices(2));
    t.clock.advance(quietMs - 1);
    expect(await t.studies.tick()).toBe(0);
    expect(await state()).toBe('arriving');
    t.clock.advance(1);
    expect(await t.studies.tick()).toBe(1);
    expect(await state()).toBe('ready');
    expect(await t.studies.tick()).toBe(0);
    expect(t.handed).toMatchObject([{ studyUid: uid('1'), patientId: 'P1', issuer: '' }]);
    expect(sizes()).toEqual([2]);
  });

  it('begins to wait anew with each arrival', async () => {
    for (let i = 0; i < 4; i++) {
      await admit(slices(1, {}, i));
      t.clock.advance(quietMs - 1);
      await t.studies.tick();
    }
    expect(t.handed).toEqual([]);
    t.clock.advance(1);
    await t.studies.tick();
    expect(sizes()).toEqual([4]);
  });

  it('is not woken by results of its own that come back, by equipment and UID, and is by what only looks like them', async () => {
    await admit(slices(1));
    t.clock.advance(quietMs);
    await t.studies.tick();
    const seg = '1.2.840.10008.5.1.4.1.1.66.4';
    const ours = dataset({ Manufacturer: 'Plumbline', Modality: 'SEG' });
    await admit([{ instance: derivedUid('back', 1), sopClass: seg, attributes: ours }]);
    expect(await state()).toBe('ready');
    t.clock.advance(quietMs);
    await t.studies.tick();
    expect(sizes()).toEqual([1]);
    await admit([{ instance: uid('1', '9', '9'), sopClass: seg, attributes: ours }]);
    expect(await state()).toBe('arriving');
  });

  it('waits no longer than the deadline, however much comes', async () => {
    let sent = 0;
    while (sent * 5000 < deadlineMs) {
      await admit(slices(1, {}, sent++));
      t.clock.advance(5000);
      await t.studies.tick();
    }
    expect(sizes()).toEqual([sent]);
  });

  it('does not wait when the announced number is there', async () => {
    await t.studies.expect(uid('1'), 3);
    await admit(slices(2));
    await t.studies.tick();
    expect(t.handed).toEqual([]);
    await admit(slices(1, {}, 2));
    expect(await t.studies.tick()).toBe(1);
    expect(sizes()).toEqual([3]);
  });

  it('is told at once where the announcement comes after the instances', async () => {
    await admit(slices(3));
    await t.studies.expect(uid('1'), 3);
    expect(await t.studies.tick()).toBe(1);
  });

  it('waits for announced instances until the deadline, then reads what is there and says so', async () => {
    await t.studies.expect(uid('1'), 3);
    await admit(slices(2));
    t.clock.advance(quietMs * 3);
    await t.studies.tick();
    expect(t.handed).toEqual([]);
    t.clock.advance(deadlineMs);
    await t.studies.tick();
    expect(sizes()).toEqual([2]);
    expect(await codes()).toEqual(['incomplete', 'ready']);
  });

  it('waits for quiet, and not for each single one, where more come than were announced', async () => {
    await t.studies.expect(uid('1'), 1);
    await admit(slices(1));
    await t.studies.tick();
    await admit(slices(1, {}, 1));
    await admit(slices(1, {}, 2));
    await t.studies.tick();
    expect(sizes()).toEqual([1]);
    t.clock.advance(quietMs);
    await t.studies.tick();
    expect(sizes()).toEqual([1, 3]);
  });

  it('hands over a new whole list when instances come late, and leaves the first as it was', async () => {
    await admit(slices(2));
    t.clock.advance(quietMs);
    await t.studies.tick();
    const first = t.handed[0]!;
    await admit(slices(1, {}, 2));
    expect(await state()).toBe('arriving');
    t.clock.advance(quietMs);
    await t.studies.tick();
    expect(sizes()).toEqual([2, 3]);
    expect(t.handed[1]!.inputDigest).not.toBe(first.inputDigest);
    expect(await t.studies.snapshotOf(uid('1'), first.inputDigest)).toEqual(first);
  });

  it('digests the sorted pairs of UID and data digest', async () => {
    await admit([...slices(2)].reverse());
    const { instances, inputDigest } = await t.studies.snapshot(uid('1'));
    const lines = instances.map((i) => `${i.ref.instanceUid} ${i.ref.dataDigest}\n`).sort();
    expect(inputDigest).toBe(createHash('sha256').update(lines.join('')).digest('hex'));
  });

  it('knows after a restart what it was waiting for', async () => {
    await admit(slices(2));
    await t.db.close();
    await t.blobs.close();
    const { db, blobs } = await openStore(t.dir);
    const handed: number[] = [];
    const studies = await openStudies({
      db,
      blobs,
      clock: t.clock,
      log: silentLog,
      gate: { quietMs, deadlineMs },
      onReady: async (s) => void handed.push(s.instances.length),
    });
    expect(await studies.tick()).toBe(0);
    t.clock.advance(quietMs);
    await studies.tick();
    expect(handed).toEqual([2]);
    t = { ...t, db, blobs, remove: async () => (await blobs.close(), await db.close()) };
  });

  it('tells again of a study whose taker failed for a passing reason', async () => {
    failures.push(new PlumblineError('store-locked', 'busy'));
    await admit(slices(2));
    t.clock.advance(quietMs);
    expect(await t.studies.tick()).toBe(0);
    expect(await t.studies.tick()).toBe(1);
    expect(sizes()).toEqual([2]);
  });

  it('tells only of the newest list where the taker could not take an earlier one', async () => {
    failures.push(new PlumblineError('store-locked', 'busy'));
    await admit(slices(2));
    t.clock.advance(quietMs);
    await t.studies.tick();
    await admit(slices(2, {}, 2));
    t.clock.advance(quietMs);
    await t.studies.tick();
    await t.studies.tick();
    expect(sizes()).toEqual([4]);
  });

  it('holds a study that no rule takes, and looks again when more of it comes', async () => {
    failures.push(new PlumblineError('no-route', 'no rule matches'));
    await admit(slices(2));
    t.clock.advance(quietMs);
    await t.studies.tick();
    expect(await t.studies.study(uid('1'))).toMatchObject({
      state: 'held',
      holdCode: 'no-route',
      holdMessage: 'no rule matches',
    });
    expect(await t.studies.tick()).toBe(0);
    await admit(slices(1, {}, 2));
    t.clock.advance(quietMs);
    await t.studies.tick();
    expect(sizes()).toEqual([3]);
    expect(await state()).toBe('ready');
  });

  it('is not kept from one study by another that fails', async () => {
    failures.push(new PlumblineError('internal', 'a defect'));
    await admit([...slices(1, { study: uid('1') }), ...slices(1, { study: uid('2') })]);
    t.clock.advance(quietMs);
    expect(await t.studies.tick()).toBe(1);
    const held = (await t.studies.studies(10, 0)).filter((s) => s.state === 'held');
    expect([...t.handed, ...held].map((s) => s.studyUid).sort()).toEqual([uid('1'), uid('2')]);
  });

  it('gives the senders of a study that was arriving its quiet time again after a restart', async () => {
    await admit(slices(2));
    await admit(slices(2, { study: uid('2') }));
    await t.studies.expect(uid('2'), 2);
    t.clock.advance(24 * 3_600_000);
    const handed: [string, number][] = [];
    const next = await openStudies({
      ...t,
      log: silentLog,
      gate: { quietMs, deadlineMs },
      onReady: async (s) => void handed.push([s.studyUid, s.instances.length]),
    });
    next.start();
    try {
      // The one whose announced instances are all there waits for nobody.
      await expect.poll(() => handed).toEqual([[uid('2'), 2]]);
      await next.admit(await admissions(t.blobs, slices(1, {}, 2)), fromStow);
      t.clock.advance(quietMs);
      await expect.poll(() => handed).toEqual([[uid('2'), 2], [uid('1'), 3]]); // prettier-ignore
    } finally {
      await next.stop();
    }
  });

  it('does not wait for years where the clock went back', async () => {
    t.clock.advance(365 * 86_400_000);
    await admit(slices(2));
    t.clock.advance(-365 * 86_400_000);
    await t.studies.tick();
    expect(t.handed).toEqual([]);
    t.clock.advance(quietMs);
    await t.studies.tick();
    expect(sizes()).toEqual([2]);
  });

  it('runs by itself once started, and no more once stopped', async () => {
    const store = await openStore(`${t.dir}/second`);
    let told = Promise.withResolvers<number>();
    const studies = await openStudies({
      ...store,
      clock: { now: () => Date.now() },
      log: silentLog,
      gate: { quietMs: 30, deadlineMs: 1000 },
      onReady: async (s) => told.resolve(s.instances.length),
    });
    studies.start();
    await studies.admit(await admissions(store.blobs, slices(2)), fromStow);
    expect(await told.promise).toBe(2);
    await studies.stop();
    told = Promise.withResolvers();
    await studies.admit(await admissions(store.blobs, slices(1, {}, 2)), fromStow);
    expect(await Promise.race([told.promise, new Promise((resolve) => setTimeout(resolve, 150, 'nothing'))])).toBe(
      'nothing',
    );
    await store.blobs.close();
    await store.db.close();
  });
});

describe('two patients in one study', () => {
  const mixed = (): InstanceSketch[] => [...slices(2, { patientId: 'P1' }), ...slices(1, { patientId: 'P2' }, 2)];

  it('hold it, with both names kept', async () => {
    await admit(mixed());
    t.clock.advance(deadlineMs);
    expect(await t.studies.tick()).toBe(0);
    expect(await t.studies.study(uid('1'))).toMatchObject({
      state: 'held',
      holdCode: 'patient-contradiction',
      received: 3,
    });
    expect(await t.studies.identities(uid('1'))).toEqual([
      { patientId: 'P1', issuer: '', instances: 2 },
      { patientId: 'P2', issuer: '', instances: 1 },
    ]);
    await admit(slices(1, { patientId: 'P1' }, 5));
    expect(await codes()).toEqual(['patient-contradiction']);
  });

  it('hold it even after it was read', async () => {
    await admit(slices(2, { patientId: 'P1' }));
    t.clock.advance(quietMs);
    await t.studies.tick();
    await admit(slices(1, { patientId: 'P2' }, 2));
    expect(await state()).toBe('held');
  });

  it('are two issuers of one ID as well', async () => {
    await admit([...slices(1, { issuer: 'A' }), ...slices(1, { issuer: 'B' }, 1)]);
    expect(await state()).toBe('held');
  });

  it('are not an ID that is missing, or an issuer that only some name', async () => {
    const empty = { '00100020': { vr: 'LO' } };
    await admit([...slices(1, { issuer: 'A' }), ...slices(1, {}, 1), ...slices(3, { attributes: empty }, 2)]);
    t.clock.advance(quietMs);
    await t.studies.tick();
    expect(t.handed).toMatchObject([{ patientId: 'P1', issuer: 'A' }]);
  });

  it('go on when a person vouches for them, also when more comes', async () => {
    await admit(mixed());
    await t.studies.release(uid('1'), 'same person, corrected ID', 'someone');
    await t.studies.tick();
    expect(t.handed).toMatchObject([{ patientId: 'P1' }]);
    await admit(slices(1, { patientId: 'P2' }, 9));
    t.clock.advance(quietMs);
    await t.studies.tick();
    expect(sizes()).toEqual([3, 4]);
    expect(await codes()).toEqual(['patient-contradiction', 'released', 'ready', 'ready']);
  });
});

describe('the log', () => {
  it('tells once that a study is ready, with the number of its instances, however often it is handed over', async () => {
    failures = [new PlumblineError('peer-busy', 'not now')];
    await admit(slices(2));
    expect(logged).toEqual([]);
    t.clock.advance(quietMs);
    await t.studies.tick();
    await t.studies.tick();
    expect(sizes()).toEqual([2]);
    expect(logged.filter(([event]) => event === 'study ready')).toEqual([['study ready', uid('1'), 2]]);
  });

  it('tells once that a study is held, and why, whoever holds it', async () => {
    failures = [new PlumblineError('no-route', 'no rule')];
    await admit(slices(1));
    t.clock.advance(quietMs);
    await t.studies.tick();
    await admit(slices(1, { study: uid('2'), patientId: 'P1' }));
    await admit(slices(1, { study: uid('2'), patientId: 'P2' }, 1));
    await admit(slices(1, { study: uid('2'), patientId: 'P2' }, 2));
    await t.studies.hold(uid('3'), 'results-old-number', 'patient "P1" is now "P2"', 'order');
    expect(logged.filter(([event]) => event === 'study held')).toEqual([
      ['study held', uid('1'), 'no-route'],
      ['study held', uid('2'), 'patient-contradiction'],
      ['study held', uid('3'), 'results-old-number'],
    ]);
    expect(JSON.stringify(logged)).not.toMatch(/P1|P2/);
  });
});

describe('a hold', () => {
  it('keeps a study from being read until it is released', async () => {
    await admit(slices(1));
    await t.studies.hold(uid('1'), 'burned-in', 'names in the picture', 'someone');
    await admit(slices(1, {}, 1));
    t.clock.advance(deadlineMs);
    await t.studies.tick();
    expect(t.handed).toEqual([]);
    await t.studies.release(uid('1'), 'looked at', 'someone');
    await t.studies.tick();
    expect(sizes()).toEqual([2]);
    expect(await t.studies.events(uid('1'))).toMatchObject([
      { code: 'burned-in', message: 'names in the picture', who: 'someone' },
      { code: 'released', message: 'looked at', who: 'someone' },
      { code: 'ready' },
    ]);
  });

  it('can only be released where there is one', async () => {
    await expect(t.studies.release(uid('1'), '', 'someone')).rejects.toMatchObject({ code: 'not-found' });
    await admit(slices(1));
    await expect(t.studies.release(uid('1'), '', 'someone')).rejects.toMatchObject({ code: 'not-found' });
  });
});
