import { recordAudit } from '../audit/index.ts';
import { checkpoint, isOwnResult, type Clock, type Log } from '../base/index.ts';
import type { Blobs, Database, Sql } from '../store/index.ts';
import { eventsOfBatch } from './audit-events.ts';
import { arrived, logHeld, type GateTimes, type Held } from './gate-rows.ts';
import { addEvent, identityOf, insertInstance, instancesIn } from './rows.ts';
import type { Admission, Admitted, Origin } from './types.ts';

export interface AdmitOptions {
  readonly db: Database;
  readonly blobs: Blobs;
  readonly clock: Clock;
  readonly log: Log;
  readonly gate: GateTimes;
}

interface From {
  readonly origin: Origin;
  readonly door: string;
  readonly sender: string;
  /** Who that is, where it is known. */
  readonly who?: string;
}

type Known = ReadonlyMap<string, Admission['ref']>;

/**
 * Keep a batch: what is known already is sorted out, new blobs become durable together, then all rows in one
 * transaction. Two batches with the same SOP Instance UID wait for each other, so that the second finds the first.
 *
 * Cost: one folder sync, one transaction, one statement per new instance and a few per study.
 */
export function createAdmission(
  options: AdmitOptions,
): (batch: readonly Admission[], from: From) => Promise<Admitted[]> {
  const { db, blobs, log } = options;
  const inTurn = createUidLocks();

  const admit = async (batch: readonly Admission[], from: From): Promise<Admitted[]> => {
    const known = await knownRefs(db, batch);
    const outcomes = sortOut(batch, known);
    const fresh = batch.filter((_, i) => outcomes[i]!.outcome === 'stored');
    await Promise.all(batch.map((a, i) => (outcomes[i]!.outcome === 'stored' ? undefined : a.blob.discard())));
    await blobs.commit(fresh.map((a) => a.blob));
    checkpoint('stow.blobs-durable');
    const { result, held } = await db.transaction((tx) => record(tx, options, batch, outcomes, from));
    logHeld(log, held);
    checkpoint('stow.admitted');
    return result;
  };

  return (batch, from) =>
    inTurn(
      batch.map((a) => a.ref.instanceUid),
      async () => {
        try {
          return await admit(batch, from);
        } catch (e) {
          await Promise.all(batch.map((a) => a.blob.discard()));
          throw e;
        }
      },
    );
}

async function knownRefs(sql: Sql, batch: readonly Admission[]): Promise<Known> {
  const found = await instancesIn(sql, 'instance_uid', [...new Set(batch.map((a) => a.ref.instanceUid))]);
  return new Map(found.map((f) => [f.ref.instanceUid, f.ref]));
}

/** What becomes of each: the first with its UID stays, be it stored or earlier in the batch. */
function sortOut(batch: readonly Admission[], known: Known): Admitted[] {
  const first = new Map(known);
  return batch.map(({ ref }) => {
    const before = first.get(ref.instanceUid);
    if (!before) {
      first.set(ref.instanceUid, ref);
      return { outcome: 'stored', ref };
    }
    return before.dataDigest === ref.dataDigest ? { outcome: 'duplicate', ref: before } : { outcome: 'conflict', ref };
  });
}

async function record(
  tx: Sql,
  { clock, gate }: AdmitOptions,
  batch: readonly Admission[],
  planned: readonly Admitted[],
  from: From,
): Promise<{ readonly result: Admitted[]; readonly held: readonly Held[] }> {
  const now = clock.now();
  const held: Held[] = [];
  const result = [...planned];
  const studies = new Set(batch.filter((_, i) => planned[i]!.outcome === 'stored').map((a) => a.ref.studyUid));
  for (const studyUid of studies) await openStudy(tx, studyUid, now);
  for (const [i, admission] of batch.entries()) {
    if (planned[i]!.outcome !== 'stored') continue;
    // Another process may have been faster; then the row that is there decides.
    if (!(await insertInstance(tx, admission, { ...from, now }))) {
      result[i] = sortOut([admission], await knownRefs(tx, [admission]))[0]!;
    }
  }
  const added = Map.groupBy(
    batch.filter((_, i) => result[i]!.outcome === 'stored'),
    (a) => a.ref.studyUid,
  );
  for (const [studyUid, instances] of added) {
    await countIn(tx, studyUid, instances, from.origin, now);
    // Results of ours that an archive sends back are kept, but wake nobody.
    const news = instances.some((a) => !isOwnResult(a.attributes, a.ref.sopClass, a.ref.instanceUid));
    if (from.origin === 'received' && news) held.push(...(await arrived(tx, studyUid, now, gate)));
  }
  for (const { outcome, ref } of result) {
    if (outcome !== 'conflict') continue;
    const message = `another object with SOP Instance UID ${ref.instanceUid} is stored; this one was refused`;
    await addEvent(tx, ref.studyUid, now, { code: 'instance-conflict', message, who: from.sender });
  }
  await recordAudit(tx, now, eventsOfBatch(batch, result, from));
  return { result, held };
}

async function openStudy(tx: Sql, studyUid: string, now: number): Promise<void> {
  await tx.run(
    `INSERT INTO studies (study_uid, state, first_at, last_at) VALUES (?, 'ready', ?, ?) ON CONFLICT (study_uid) DO NOTHING`,
    studyUid,
    now,
    now,
  );
}

async function countIn(
  tx: Sql,
  studyUid: string,
  added: readonly Admission[],
  origin: Origin,
  now: number,
): Promise<void> {
  await tx.run(
    `UPDATE studies SET ${origin === 'own' ? 'own = own' : 'received = received'} + ?, last_at = ? WHERE study_uid = ?`,
    added.length,
    now,
    studyUid,
  );
  // A result names the patient that it was made for: it can contradict nobody.
  if (origin === 'own') return;
  const counts = new Map<string, number>();
  for (const { attributes } of added) {
    const { patientId, issuer } = identityOf(attributes);
    const key = JSON.stringify([patientId, issuer]);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const [key, n] of counts) {
    const [patientId, issuer] = JSON.parse(key) as [string, string];
    await tx.run(
      `INSERT INTO study_identities (study_uid, patient_id, issuer, instances) VALUES (?, ?, ?, ?)
       ON CONFLICT (study_uid, patient_id, issuer) DO UPDATE SET instances = study_identities.instances + excluded.instances`,
      studyUid,
      patientId,
      issuer,
      n,
    );
  }
}

/** Runs at once unless one of the UIDs is in work elsewhere in this process; then after that. */
function createUidLocks(): <T>(uids: readonly string[], work: () => Promise<T>) => Promise<T> {
  const busy = new Map<string, Promise<void>>();
  return async (uids, work) => {
    for (let blocker; (blocker = uids.map((u) => busy.get(u)).find(Boolean));) await blocker;
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const uid of uids) busy.set(uid, promise);
    try {
      return await work();
    } finally {
      for (const uid of uids) busy.delete(uid);
      resolve();
    }
  };
}
