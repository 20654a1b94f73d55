import { PlumblineError } from '../base/index.ts';
import type { Sql } from '../store/index.ts';
import { addEvent, inputOf, priorityNumber, questionOf, rowOf, workitemKey, type WorkitemColumns } from './rows.ts';
import type { Enqueued, NewWork } from './types.ts';
import type { WorkOptions } from './options.ts';

/**
 * Put a workitem. The same key is the same workitem, by whichever way it comes. Where the same question was asked of an
 * earlier list of instances, the route's policy decides: `new` puts another, `replace` also takes back what has not
 * left yet, `never` only leaves a note at the study. Each workitem reads one frozen list, never a mixture.
 */
export async function enqueue(options: WorkOptions, work: NewWork): Promise<Enqueued> {
  const { db, studies } = options;
  const input = inputOf(work.snapshot, work.route);
  if (input.instances.length === 0) {
    throw new PlumblineError('nothing-to-read', `rule ${work.route.rule} took no instance`, {
      where: work.snapshot.studyUid,
    });
  }
  const key = workitemKey(work, input.inputDigest);
  const question = questionOf(work);
  const earlier = await earlierOf(db, question, key);
  const known = await rowOf(db, key);
  if (!known && earlier.length > 0 && work.route.policy.late === 'never') {
    const message = `rule ${work.route.rule} reads a study once; ${input.instances.length} instances are here now`;
    await studies.note(work.snapshot.studyUid, 'late-instances', message, 'work');
    return { outcome: 'late' };
  }
  const replaceable = work.route.policy.late === 'replace' ? await withdrawn(options, earlier) : [];
  return db.transaction((tx) =>
    put(tx, options.clock.now(), work, { key, question, inputDigest: input.inputDigest, replaceable }),
  );
}

function earlierOf(sql: Sql, question: string, key: string): Promise<WorkitemColumns[]> {
  return sql.all<WorkitemColumns>(
    `SELECT * FROM workitems WHERE question = ? AND key <> ? AND state <> 'cancelled' ORDER BY created_at, key`,
    question,
    key,
  );
}

/** Those of which nothing has left: still with us, or taken back from delivery. */
async function withdrawn({ withdraw }: WorkOptions, earlier: readonly WorkitemColumns[]): Promise<string[]> {
  const keys: string[] = [];
  for (const row of earlier) {
    if (row.state === 'delivered') continue;
    if (row.handover === 0 || (await withdraw?.(row.key))) keys.push(row.key);
  }
  return keys;
}

interface Put {
  readonly key: string;
  readonly question: string;
  readonly inputDigest: string;
  readonly replaceable: readonly string[];
}

async function put(
  tx: Sql,
  now: number,
  work: NewWork,
  { key, question, inputDigest, replaceable }: Put,
): Promise<Enqueued> {
  const { snapshot, route } = work;
  const priority = priorityNumber(work.priority);
  if (await rowOf(tx, key)) {
    // An order that comes after the images may make them urgent; nothing makes them less so.
    await tx.run('UPDATE workitems SET priority = ? WHERE key = ? AND priority > ?', priority, key, priority);
    return { outcome: 'existing', key, replaced: [] };
  }
  const earlier = await earlierOf(tx, question, key);
  await tx.run(
    `INSERT INTO workitems (key, study_uid, snapshot_digest, input_digest, patient_id, issuer, task, bundle, bundle_digest,
       question, route, priority, state, not_before, replaces, created_at, updated_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'ready', ?, ?, ?, ?)`,
    key,
    snapshot.studyUid,
    snapshot.inputDigest,
    inputDigest,
    snapshot.patientId,
    snapshot.issuer,
    route.task,
    route.bundle,
    work.bundleDigest,
    question,
    JSON.stringify(route),
    priority,
    now,
    earlier.at(-1)?.key ?? null,
    now,
    now,
  );
  await addEvent(tx, key, now, 'created', `rule ${route.rule}`);
  const replaced: string[] = [];
  for (const old of replaceable) {
    // A worker that has it in hand loses its fence and stops at its next step.
    const changed = await tx.run(
      `UPDATE workitems SET state = 'cancelled', fence = fence + 1, lease_until = NULL, superseded_by = ?, updated_at = ?
       WHERE key = ? AND state NOT IN ('delivered', 'cancelled')`,
      key,
      now,
      old,
    );
    if (changed === 0) continue;
    await addEvent(tx, old, now, 'superseded', `by ${key}`);
    replaced.push(old);
  }
  return { outcome: 'created', key, replaced };
}
