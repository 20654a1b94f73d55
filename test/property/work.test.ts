import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PlumblineError, silentLog } from '../../src/base/index.ts';
import type { Blobs, Database, Sql } from '../../src/store/index.ts';
import { openWork, type Work, type Workitem } from '../../src/work/index.ts';
import { slices, testStudies, uid, type TestStudies } from '../builders/store.ts';
import { admissions, fromStow } from '../builders/store.ts';
import { bundleDigest, leaseMs, route, stubStages } from '../builders/work.ts';

/** One step of the world. */
type Step =
  /** The study, with so many instances so far, is asked to be read. */
  | { readonly kind: 'ask'; readonly study: number; readonly size: number; readonly late: 'new' | 'replace' }
  /** A worker runs; after so many calls to the store its process dies, or sleeps until it is woken. */
  | { readonly kind: 'run'; readonly after: number; readonly end: 'dies' | 'sleeps' | 'lives' }
  /** One of the sleepers goes on, and sleeps again after so many calls. */
  | { readonly kind: 'wake'; readonly which: number; readonly after: number }
  | { readonly kind: 'fail'; readonly stage: 'answer' | 'draft' | 'encode' }
  | { readonly kind: 'wait'; readonly ms: number };

const calls = fc.integer({ min: 1, max: 20 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      study: fc.nat({ max: 1 }),
      size: fc.integer({ min: 1, max: 3 }),
      late: fc.constantFrom('new' as const, 'replace' as const),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('run' as const),
      after: calls,
      end: fc.constantFrom('dies' as const, 'sleeps' as const, 'sleeps' as const, 'lives' as const),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('wake' as const), which: fc.nat({ max: 3 }), after: calls }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('fail' as const),
      stage: fc.constantFrom('answer' as const, 'draft' as const, 'encode' as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1000, leaseMs + 1, leaseMs + 1) }),
  },
);

interface Process {
  readonly work: Work;
  /** Resolves when it has come to the call at which it stops. */
  stuck(): Promise<void>;
  /** Go on, and stop again after so many calls. */
  resume(after: number): void;
}

/** A process whose n-th call to the store does not come back until it is resumed, if ever. */
function fragile(t: TestStudies, after: number): Process {
  let left = after;
  let stuck = Promise.withResolvers<void>();
  let woken = Promise.withResolvers<void>();
  const turn = async (): Promise<void> => {
    if (--left !== 0) return;
    stuck.resolve();
    await woken.promise;
  };
  const inTurn =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      await turn();
      return call(...args);
    };
  const sql = (of: Sql): Sql => ({ all: inTurn(of.all), get: inTurn(of.get), run: inTurn(of.run) }) as Sql;
  // Between transactions only: inside one a real death rolls back, which the store's own tests show.
  const transaction = inTurn(t.db.transaction) as Database['transaction'];
  const db: Database = { ...sql(t.db), transaction, close: t.db.close };
  const { put, read, commit } = t.blobs;
  const blobs: Blobs = { ...t.blobs, put: inTurn(put), read: inTurn(read), commit: inTurn(commit) };
  const retry = { attempts: 1000, random: () => 0 };
  const work = openWork({ db, blobs, clock: t.clock, log: silentLog, studies: t.studies, leaseMs, retry });
  return {
    work,
    stuck: () => stuck.promise,
    resume: (more) => {
      left = more;
      const { resolve } = woken;
      stuck = Promise.withResolvers();
      woken = Promise.withResolvers();
      resolve();
    },
  };
}

async function ask(t: TestStudies, work: Work, { study, size, late }: Extract<Step, { kind: 'ask' }>): Promise<string> {
  const sketches = slices(size, { study: uid(`${study + 1}`) });
  await t.studies.admit(await admissions(t.blobs, sketches), fromStow);
  const snapshot = await t.studies.snapshot(uid(`${study + 1}`));
  const result = await work.enqueue({ snapshot, route: route({ late }), bundleDigest });
  return 'key' in result ? result.key : '';
}

/**
 * All that a workitem shows to the world: nothing of it may ever change. Its encodings are those of its draft.
 */
async function shown(work: Work, blobs: Blobs, { key }: Workitem): Promise<string> {
  const { draft } = await work.draft(key);
  const { files } = await work.encodings(key);
  const report = await blobs.read(files.find((f) => f.name === 'report.html')!.digest);
  expect(Buffer.from(report).toString()).toBe(`<p>${Buffer.from(draft).toString()}</p>`);
  return JSON.stringify(files);
}

it('however workers die, sleep and fail, no workitem is lost and none is encoded twice with different content', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 20 }), async (steps) => {
      const t = await testStudies();
      const { work } = fragile(t, -1);
      const asked = new Set<string>();
      const seen = new Map<string, string>();
      const sleeping: { process: Process; run: Promise<unknown> }[] = [];
      const look = async (): Promise<void> => {
        for (const item of await work.list({ state: 'drafted' })) {
          const now = await shown(work, t.blobs, item);
          expect(seen.get(item.key) ?? now).toBe(now);
          seen.set(item.key, now);
        }
      };

      for (const s of steps) {
        if (s.kind === 'ask') asked.add(await ask(t, work, s));
        if (s.kind === 'wait') t.clock.advance(s.ms);
        if (s.kind === 'wake' && sleeping.length > 0) {
          const { process, run } = sleeping[s.which % sleeping.length]!;
          process.resume(s.after);
          await Promise.race([run, process.stuck()]);
        }
        if (s.kind === 'fail') {
          await work.runOne(
            stubStages(async (stage) => {
              if (stage === s.stage) throw new PlumblineError('model-crashed', 'killed');
            }),
          );
        }
        if (s.kind === 'run') {
          const process = fragile(t, s.end === 'lives' ? -1 : s.after);
          const run = process.work.runOne(stubStages());
          await Promise.race([run, process.stuck()]);
          if (s.end === 'sleeps') sleeping.push({ process, run });
        }
        await look();
      }

      // What the failures held goes on by hand, as a person would do; then all must come to its end.
      for (let i = 0; i < 40; i++) {
        for (const item of await work.list({ state: 'held' })) await work.retry(item.key, 'again', 'test');
        t.clock.advance(leaseMs + 1);
        if (!(await work.runOne(stubStages()))) break;
      }
      for (const { process } of sleeping) process.resume(-1);
      await Promise.all(sleeping.map((s) => s.run));
      await look();
      const items = await work.list();
      expect(new Set(items.map((i) => i.key))).toEqual(asked);
      for (const item of items) {
        expect(['drafted', 'cancelled']).toContain(item.state);
        if (item.state === 'cancelled') expect(asked).toContain(item.supersededBy);
        else expect((await work.timeline(item.key)).filter((e) => e.event === 'encoded')).toHaveLength(1);
      }
      // At most one result of each workitem among the instances.
      const own = (await Promise.all([1, 2].map((n) => t.studies.instances(uid(`${n}`)))))
        .flat()
        .filter((i) => i.origin === 'own');
      expect(own.length).toBeLessThanOrEqual(items.length);
      await t.remove();
    }),
    { numRuns: Number(process.env['PLUMBLINE_RUNS'] ?? 30) },
  );
});
