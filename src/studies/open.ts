import { recordAudit } from '../audit/index.ts';
import { PlumblineError } from '../base/index.ts';
import type { Blobs } from '../store/index.ts';
import { createAdmission } from './admit.ts';
import { awaitMore, logHeld, setHeld } from './gate-rows.ts';
import { createGate, type GateParts } from './gate.ts';
import { receive, refusedMessages } from './orders.ts';
import { mergedPatient, reconcile } from './reconcile.ts';
import { addEvent, eventsOf, identitiesOf, instancesWhere, studyOf, type StudyColumns } from './rows.ts';
import { arrivalsOf, backlogOf, uidOf } from './overview.ts';
import { search } from './search.ts';
import { freeze, frozen } from './snapshot.ts';
import type { Studies, StudyGate } from './types.ts';

export interface StudiesOptions extends GateParts {
  readonly blobs: Blobs;
}

/** The studies of this store, and their gate, which sleeps until `start`. */
export async function openStudies(options: StudiesOptions): Promise<Studies & StudyGate> {
  const { db, clock, log } = options;
  const keep = createAdmission(options);

  const { poke, ...gate } = createGate(options);
  return {
    ...gate,
    admit: async (batch, from) => {
      const outcomes = await keep(batch, { origin: 'received', ...from });
      poke();
      return outcomes;
    },
    keepOwn: (batch) => keep(batch, { origin: 'own', door: 'work', sender: '' }),
    study: async (studyUid) => {
      const row = await db.get<StudyColumns>('SELECT * FROM studies WHERE study_uid = ?', studyUid);
      return row && studyOf(row);
    },
    studies: async (limit, offset) => {
      const rows = await db.all<StudyColumns>(
        'SELECT * FROM studies ORDER BY last_at DESC, study_uid LIMIT ? OFFSET ?',
        limit,
        offset,
      );
      return rows.map(studyOf);
    },
    backlog: () => backlogOf(db),
    arrivals: (studyUid) => arrivalsOf(db, studyUid),
    uidOf: (id) => uidOf(db, id),
    instances: (studyUid, seriesUid) =>
      seriesUid === undefined
        ? instancesWhere(db, 'i.study_uid = ?', studyUid)
        : instancesWhere(db, 'i.study_uid = ? AND i.series_uid = ?', studyUid, seriesUid),
    instance: async (instanceUid) => (await instancesWhere(db, 'i.instance_uid = ?', instanceUid))[0],
    search: (level, query) => search(db, level, query),
    snapshot: (studyUid) => db.transaction((tx) => freeze(tx, studyUid, clock.now(), true)),
    snapshotOf: (studyUid, inputDigest) => frozen(db, studyUid, inputDigest),
    events: (studyUid) => eventsOf(db, studyUid),
    identities: (studyUid) => identitiesOf(db, studyUid),
    receiveOrder: async (message) => {
      const answer = await receive(options, message);
      poke();
      return answer;
    },
    refusedMessages: (limit) => refusedMessages(options, limit),
    orders: async (studyUid) => {
      const verdict = await reconcile(db, studyUid);
      return verdict?.kind === 'match' ? verdict.orders : [];
    },
    mergedPatient: (studyUid) => mergedPatient(db, studyUid),
    note: (studyUid, code, message, who) =>
      db.transaction((tx) => addEvent(tx, studyUid, clock.now(), { code, message, who })),
    hold: async (studyUid, code, message, who) =>
      logHeld(log, [await db.transaction((tx) => setHeld(tx, studyUid, clock.now(), code, message, who))]),
    release: async (studyUid, reason, who) => {
      await release(options, studyUid, reason, who);
      poke();
    },
  };
}

/** The study goes on at once; that a person vouched for its identity is remembered. */
async function release(
  { db, clock, gate }: StudiesOptions,
  studyUid: string,
  reason: string,
  who: string,
): Promise<void> {
  await db.transaction(async (tx) => {
    const study = await tx.get<StudyColumns>('SELECT * FROM studies WHERE study_uid = ?', studyUid);
    if (study?.state !== 'held')
      throw new PlumblineError('not-found', 'no held study of that UID', { where: studyUid });
    const vouched = study.hold_code === 'patient-contradiction' ? 1 : study.identity_released;
    const belongs = study.hold_code?.startsWith('order-') ? 1 : study.order_released;
    await tx.run(
      'UPDATE studies SET identity_released = ?, order_released = ? WHERE study_uid = ?',
      vouched,
      belongs,
      studyUid,
    );
    await awaitMore(tx, studyUid, clock.now(), { ...gate, quietMs: 0 });
    await addEvent(tx, studyUid, clock.now(), { code: 'released', message: reason, who });
    const about = { kind: 'procedure', action: 'U', outcome: 0, door: 'cli', from: '' } as const;
    await recordAudit(tx, clock.now(), [
      { ...about, who, study: studyUid, detail: `released: ${study.hold_code ?? ''}` },
    ]);
  });
}
