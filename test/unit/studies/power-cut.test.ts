import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/base/index.ts';
import { openStudies } from '../../../src/studies/index.ts';
import { admissions, fromStow, openStore, slices, testStudies, uid, type TestStudies } from '../../builders/store.ts';

let t: TestStudies;
const copies: string[] = [];
afterEach(async () => {
  await t.remove();
  for (const c of copies.splice(0)) rmSync(c, { recursive: true, force: true });
});

const filesUnder = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name));

/** Digests that a row names; a row comes only after the sync of its blob. */
function recorded(copy: string): ReadonlySet<unknown> {
  const db = new DatabaseSync(join(copy, 'plumbline.db'));
  const rows = db.prepare('SELECT digest FROM instances').all();
  db.close();
  return new Set(rows.map((r) => r['digest']));
}

/**
 * The disk as a power cut may leave it: a copy that is made without giving the program a turn, less what was never
 * synced. What is in staging and has no row yet may have lost its end, named by its digest or not: name and bytes are
 * synced at the same time. A rename to an address, whose folder is never synced, may not have happened.
 */
function cutPower(random: () => number): string {
  const copy = mkdtempSync(join(tmpdir(), 'plumbline-cut-'));
  copies.push(copy);
  cpSync(t.dir, copy, { recursive: true });
  const staging = join(copy, 'blobs', 'staging');
  const [folder] = readdirSync(staging);
  // A machine that starts again has another boot id.
  renameSync(join(staging, folder!), join(staging, `earlier-boot.1.${basename(folder!)}`));
  const synced = recorded(copy);
  for (const file of filesUnder(join(copy, 'blobs'))) {
    const named = /([0-9a-f]{64})~/.exec(file)?.[1];
    if (file.endsWith('.part') || (named && !synced.has(named) && random() < 0.5)) truncateSync(file, 0);
    else if (!dirname(file).includes('staging') && random() < 0.3) {
      renameSync(file, join(staging, readdirSync(staging)[0]!, `${basename(file)}~cut`));
    }
  }
  return copy;
}

async function verify(copy: string, acknowledged: readonly string[]): Promise<void> {
  const check = new DatabaseSync(join(copy, 'plumbline.db'));
  expect(check.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
  check.close();
  const { db, blobs } = await openStore(copy);
  const handed: string[] = [];
  const studies = await openStudies({
    db,
    blobs,
    clock: t.clock,
    log: silentLog,
    gate: { quietMs: 0, deadlineMs: 1000 },
    onReady: async (s) => void handed.push(s.studyUid),
  });
  for (const study of acknowledged) expect(await studies.study(study)).toMatchObject({ received: 5 });
  // Whatever has a row has its content, acknowledged or not.
  for (const { studyUid } of await studies.studies(1000, 0)) {
    const kept = await studies.instances(studyUid);
    expect(kept).toHaveLength(5);
    for (const { ref } of kept) expect((await blobs.read(ref.digest)).length).toBe(ref.bytes);
  }
  // Nothing stands at an address that is not its content.
  for (const file of filesUnder(join(copy, 'blobs')).filter((f) => !f.includes('staging')))
    expect(createHash('sha256').update(readFileSync(file)).digest('hex')).toBe(basename(file));
  expect(filesUnder(join(copy, 'blobs')).filter((f) => f.includes('.part') || f.includes('~'))).toEqual([]);
  const more = await studies.admit(await admissions(blobs, slices(5, { study: uid('999') })), fromStow);
  expect(more.every((m) => m.outcome === 'stored')).toBe(true);
  await blobs.close();
  await db.close();
}

describe('a power cut under load', () => {
  it('leaves a store that opens, has everything acknowledged, and goes on', async () => {
    t = await testStudies();
    const random = fc.sample(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), {
      numRuns: 4000,
      seed: 20260101,
    });
    const next = (): number => random.pop()!;
    const acknowledged: string[] = [];
    const cuts: { copy: string; acknowledged: string[] }[] = [];
    let running = true;
    const sender = async (lane: number): Promise<void> => {
      for (let n = 0; n < 12; n++) {
        const study = uid(`${lane}`, `${n + 1}`);
        await t.studies.admit(await admissions(t.blobs, slices(5, { study })), fromStow);
        acknowledged.push(study);
        t.clock.advance(1);
      }
    };
    const gate = async (): Promise<void> => {
      while (running) {
        await t.studies.tick();
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const cutter = async (): Promise<void> => {
      for (let seen = 0; running && cuts.length < 12; seen = acknowledged.length) {
        while (running && acknowledged.length < seen + 3)
          await new Promise((resolve) => setTimeout(resolve, next() * 10));
        cuts.push({ acknowledged: [...acknowledged], copy: cutPower(next) });
      }
    };
    const side = [gate(), cutter()];
    await Promise.all([sender(1), sender(2), sender(3)]);
    running = false;
    await Promise.all(side);
    expect(cuts.length).toBeGreaterThan(3);
    expect(new Set(cuts.map((c) => c.acknowledged.length)).size).toBeGreaterThan(2);
    for (const { copy, acknowledged: then } of cuts) await verify(copy, then);
  });
});
