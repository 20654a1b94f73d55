import { join } from 'node:path';
import { recordAudit } from '../audit/index.ts';
import type { Clock, Config } from '../base/index.ts';
import { deliveriesOfStudy, dropDeadLetter, oldDeadLetters } from '../delivery/index.ts';
import { sweepBlobs, type Blobs, type Database, type Sql, type Swept } from '../store/index.ts';
import {
  dropMessages,
  dropOwn,
  dropReceived,
  hasLiveOrder,
  restingStudies,
  restsStill,
  storedSize,
} from '../studies/index.ts';
import { dropOutputs, letterDropped, workOfStudy } from '../work/index.ts';
import { sweepsHeld } from './backup.ts';
import { blobUses } from './references.ts';

export interface RetentionParts {
  readonly config: Pick<Config, 'dataDir' | 'retention'>;
  readonly db: Database;
  readonly blobs: Blobs;
  readonly clock: Clock;
}

/** What was removed, or in a dry run would be. */
export interface Retained {
  readonly deadLetters: number;
  readonly received: { readonly studies: number; readonly instances: number; readonly bytes: number };
  readonly results: { readonly studies: number; readonly objects: number };
  readonly messages: number;
  /** Blobs that no row refers to; undefined where a backup is under way. */
  readonly blobs: Swept | undefined;
}

const dayMs = 86_400_000;
/** A blob may be on its way into a row; none is for a day. */
const blobAgeMs = dayMs;

/**
 * Apply the policy of `retention` in the configuration. A study is touched only where everything of it is done: at rest at
 * the gate, its workitems delivered or cancelled, nothing left to send, no order that still asks for it, and all of that
 * for the days that the policy names. That is asked again in the transaction that removes.
 * @param options.blobAgeMs age from which a blob without a row is swept; a day by default
 */
export async function applyRetention(
  parts: RetentionParts,
  options: { readonly dryRun?: boolean; readonly blobAgeMs?: number } = {},
): Promise<Retained> {
  const { config, db, blobs, clock } = parts;
  const dryRun = options.dryRun === true;
  const policy = config.retention;
  const before = (days: number): number => clock.now() - days * dayMs;
  const run: Run = { db, dryRun, now: clock.now() };

  const deadLetters = policy.deadLettersDays === undefined ? 0 : await dropLetters(run, policy.deadLettersDays);
  let received = { studies: 0, instances: 0, bytes: 0 };
  if (policy.receivedDays !== undefined) {
    const days = policy.receivedDays;
    const sizes = await forEachDone(run, days, async (tx, study) => {
      const size = await storedSize(tx, study, 'received');
      if (size.instances === 0) return undefined;
      if (!dryRun) await dropReceived(tx, study, run.now, days);
      return size;
    });
    const sum = (key: 'instances' | 'bytes'): number => sizes.reduce((total, s) => total + s[key], 0);
    received = { studies: sizes.length, instances: sum('instances'), bytes: sum('bytes') };
  }
  let results = { studies: 0, objects: 0 };
  if (policy.resultsDays !== undefined) {
    const days = policy.resultsDays;
    const objects = await forEachDone(run, days, async (tx, study) => {
      const { instances } = await storedSize(tx, study, 'own');
      const { written } = await workOfStudy(tx, study);
      if (instances === 0 && written === 0) return undefined;
      if (!dryRun) {
        await dropOwn(tx, study, run.now, days);
        await dropOutputs(tx, study, run.now, days);
      }
      return instances;
    });
    results = { studies: objects.length, objects: objects.reduce((a, b) => a + b, 0) };
  }
  const messages =
    policy.messagesDays === undefined
      ? 0
      : await db.transaction((tx) => dropMessages(tx, before(policy.messagesDays!), dryRun));
  const swept = sweepsHeld(config.dataDir)
    ? undefined
    : await sweepBlobs(join(config.dataDir, 'blobs'), await blobUses(db, blobs), {
        ageMs: options.blobAgeMs ?? blobAgeMs,
        dryRun,
      });
  return { deadLetters, received, results, messages, blobs: swept };
}

interface Run {
  readonly db: Database;
  readonly dryRun: boolean;
  readonly now: number;
}

/** Each study of which everything has been done for so many days, in a transaction of its own. */
async function forEachDone<T>(
  { db, dryRun, now }: Run,
  days: number,
  remove: (tx: Sql, study: string) => Promise<T | undefined>,
): Promise<T[]> {
  const before = now - days * dayMs;
  const done: T[] = [];
  for (let after = ''; ;) {
    const studies = await restingStudies(db, before, after);
    for (const study of studies) {
      const result = await db.transaction(async (tx) => {
        if (!(await isDone(tx, study, before))) return undefined;
        const removed = await remove(tx, study);
        if (removed !== undefined && !dryRun)
          await recordAudit(tx, now, [
            { ...retentionEvent, study, detail: `removed after ${days} days by the retention policy` },
          ]);
        return removed;
      });
      if (result !== undefined) done.push(result);
    }
    if (studies.length === 0) return done;
    after = studies.at(-1)!;
  }
}

/** PS3.15 A.5.3.4 */
const retentionEvent = {
  kind: 'deleted',
  action: 'D',
  outcome: 0,
  door: 'server',
  who: 'retention',
  from: '',
} as const;

async function isDone(tx: Sql, study: string, before: number): Promise<boolean> {
  if (!(await restsStill(tx, study, before))) return false;
  const work = await workOfStudy(tx, study);
  const deliveries = await deliveriesOfStudy(tx, study);
  const lastAt = Math.max(work.lastAt, deliveries.lastAt);
  if (work.open > 0 || deliveries.open > 0 || lastAt >= before) return false;
  return !(await hasLiveOrder(tx, study, lastAt));
}

/** Dead letters of that age are given up for good; their workitems are done with what is left. */
async function dropLetters({ db, dryRun, now }: Run, days: number): Promise<number> {
  const letters = await oldDeadLetters(db, now - days * dayMs);
  if (dryRun) return letters.length;
  let dropped = 0;
  for (const row of letters) {
    await db.transaction(async (tx) => {
      const rest = await dropDeadLetter(tx, row);
      if (!rest) return;
      await letterDropped(tx, row.workitem, now, { destination: row.destination, days, ...rest });
      dropped++;
    });
  }
  return dropped;
}
