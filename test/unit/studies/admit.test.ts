import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  admission,
  admissions,
  fromStow,
  slices,
  testStudies,
  uid,
  type InstanceSketch,
  type TestStudies,
} from '../../builders/store.ts';

let t: TestStudies;
beforeEach(async () => void (t = await testStudies()));
afterEach(() => t.remove());

const admit = async (...sketches: InstanceSketch[]): Promise<string[]> => {
  const outcomes = await t.studies.admit(await admissions(t.blobs, sketches), fromStow);
  return outcomes.map((o) => o.outcome);
};
const one: InstanceSketch = { instance: uid('1', '1', '1') };
const stagedFiles = (): string[] =>
  readdirSync(join(t.dir, 'blobs', 'staging'), { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => e.name);

describe('admission', () => {
  it('keeps instances with their blobs and counts them in their study', async () => {
    expect(await admit(...slices(3))).toEqual(['stored', 'stored', 'stored']);
    const kept = await t.studies.instances(uid('1'));
    expect(kept.map((k) => k.ref.instanceUid)).toEqual([1, 2, 3].map((n) => uid('1', '1', `${n}`)));
    expect(kept[0]).toMatchObject({ origin: 'received', sender: '10.0.0.1', receivedAt: '2026-01-01T00:00:00.000Z' });
    for (const { ref } of kept) expect(await t.blobs.size(ref.digest)).toBe(ref.bytes);
    expect(await t.studies.study(uid('1'))).toMatchObject({ state: 'arriving', received: 3, own: 0 });
  });

  it('calls the same data a duplicate and changes nothing, whatever stands before the data set', async () => {
    await admit({ ...one, head: 'head of the first sender' });
    const first = await t.studies.instance(one.instance);
    t.clock.advance(5000);
    expect(await admit({ ...one, head: 'another head' })).toEqual(['duplicate']);
    expect(await t.studies.instance(one.instance)).toEqual(first);
    expect(await t.studies.study(uid('1'))).toMatchObject({ received: 1, lastAt: '2026-01-01T00:00:00.000Z' });
    expect(stagedFiles()).toEqual([]);
  });

  it('refuses other data under a known UID, keeps the first and remembers who tried', async () => {
    await admit(one);
    const first = await t.studies.instance(one.instance);
    expect(await admit({ ...one, content: 'other' })).toEqual(['conflict']);
    expect(await t.studies.instance(one.instance)).toEqual(first);
    expect(await t.studies.events(uid('1'))).toMatchObject([{ code: 'instance-conflict', who: '10.0.0.1' }]);
    expect(stagedFiles()).toEqual([]);
  });

  it('sees duplicates and conflicts inside one batch', async () => {
    expect(await admit(one, one, { ...one, content: 'other' })).toEqual(['stored', 'duplicate', 'conflict']);
    expect(await t.studies.study(uid('1'))).toMatchObject({ received: 1 });
  });

  it('stores one of two batches that bring the same at the same time', async () => {
    const both = await Promise.all([admit(...slices(20)), admit(...slices(20, { head: 'by another door' }))]);
    // Whichever of the two was first to its turn.
    expect(new Set(both.map((b) => [...new Set(b)].join(' ')))).toEqual(new Set(['stored', 'duplicate']));
    expect(await t.studies.study(uid('1'))).toMatchObject({ received: 20 });
    expect(t.blobs.counters).toMatchObject({ folderSyncs: 1 });
  });

  it('stores nothing of a batch whose blobs cannot be made durable, and leaves nothing in staging', async () => {
    const batch = await admissions(t.blobs, slices(3));
    const broken = { ...batch[2]!, blob: await t.blobs.stage() };
    await expect(t.studies.admit([...batch.slice(0, 2), broken], fromStow)).rejects.toMatchObject({ code: 'internal' });
    expect(await t.studies.studies(10, 0)).toEqual([]);
    expect(stagedFiles().length).toBe(1);
    await batch[2]!.blob.discard();
    expect(await admit(...slices(3))).toEqual(['stored', 'stored', 'stored']);
  });

  it('costs one folder sync, one transaction and one statement an instance', async () => {
    const cost = async (
      n: number,
      study: string,
    ): Promise<{ statements: number; transactions: number; reads: number }> => {
      const batch = await admissions(t.blobs, slices(n, { study }));
      const before = { ...t.db.counters };
      await t.studies.admit(batch, fromStow);
      const after = t.db.counters;
      return {
        statements: after.statements - before.statements,
        transactions: after.transactions - before.transactions,
        reads: after.reads - before.reads,
      };
    };
    const ten = await cost(10, uid('1'));
    const hundred = await cost(100, uid('2'));
    expect(ten).toMatchObject({ transactions: 1, reads: 1 });
    expect(hundred).toMatchObject({ transactions: 1, reads: 1 });
    expect(hundred.statements - ten.statements).toBe(90);
    expect(ten.statements).toBeLessThanOrEqual(10 + 10);
    expect(t.blobs.counters).toMatchObject({ fileSyncs: 110, folderSyncs: 2 });
  });

  it('keeps what the gateway wrote beside what it received, without waking the study', async () => {
    await admit(one);
    t.clock.advance(20_000);
    await t.studies.tick();
    const own = { instance: uid('9', '1'), series: uid('9'), modality: 'SEG' };
    expect(await t.studies.keepOwn([await admission(t.blobs, own)])).toMatchObject([{ outcome: 'stored' }]);
    expect(await t.studies.study(uid('1'))).toMatchObject({ state: 'ready', received: 1, own: 1 });
    expect(await t.studies.instance(own.instance)).toMatchObject({ origin: 'own' });
  });

  it('knows a result of its own that comes back, and does not wake for it', async () => {
    await admit(one);
    t.clock.advance(20_000);
    await t.studies.tick();
    const own = { instance: uid('9', '1'), series: uid('9'), modality: 'SEG' };
    await t.studies.keepOwn([await admission(t.blobs, own)]);
    expect(await admit(own)).toEqual(['duplicate']);
    expect(await admit({ ...own, content: 'changed by an archive' })).toEqual(['conflict']);
    expect(await t.studies.study(uid('1'))).toMatchObject({ state: 'ready', received: 1, own: 1 });
    expect((await t.studies.snapshot(uid('1'))).instances.map((i) => i.ref.instanceUid)).toEqual([one.instance]);
  });

  it('lists studies newest first, in pages', async () => {
    for (const n of ['1', '2', '3']) {
      await admit(...slices(1, { study: uid(n) }));
      t.clock.advance(1000);
    }
    expect((await t.studies.studies(2, 0)).map((s) => s.studyUid)).toEqual([uid('3'), uid('2')]);
    expect((await t.studies.studies(2, 2)).map((s) => s.studyUid)).toEqual([uid('1')]);
  });
});
