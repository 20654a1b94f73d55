import type { Log } from '../base/index.ts';
import type { Sql } from '../store/index.ts';
import { addEvent, identitiesOf, type StudyColumns } from './rows.ts';
import type { GateOptions, StudyIdentity } from './types.ts';

export type GateTimes = Pick<GateOptions, 'quietMs' | 'deadlineMs'>;

/** A study that has just been held, for the log: it is told of when the row is on the disk, not before. */
export interface Held {
  readonly studyUid: string;
  readonly code: string;
}

export function logHeld(log: Log, held: readonly Held[]): void {
  for (const { studyUid: study, code } of held) log.info('study held', { study, code });
}

/** A study that waits for a person because of these is looked at again when more of it arrives. */
const releasedByArrival = new Set<string | null>(['no-route', 'nothing-to-read']);

/**
 * New instances of a study were received (in the same transaction): it is arriving again, and when it is due is decided
 * anew. Two patients in one study hold it.
 */
export async function arrived(tx: Sql, studyUid: string, now: number, gate: GateTimes): Promise<Held[]> {
  const study = (await tx.get<StudyColumns>('SELECT * FROM studies WHERE study_uid = ?', studyUid))!;
  const identities = await identitiesOf(tx, studyUid);
  if (study.identity_released === 0 && contradict(identities)) {
    return study.hold_code === 'patient-contradiction' ? [] : [await holdContradiction(tx, studyUid, now, identities)];
  }
  if (study.state === 'held' && !releasedByArrival.has(study.hold_code)) return [];
  await awaitMore(tx, studyUid, now, gate);
  return [];
}

/** Set when the study is due, from how much of it is there and how much was announced. */
export async function awaitMore(tx: Sql, studyUid: string, now: number, gate: GateTimes): Promise<void> {
  const study = (await tx.get<StudyColumns>('SELECT * FROM studies WHERE study_uid = ?', studyUid))!;
  const announced = await announcedCount(tx, studyUid);
  const deadline = study.deadline_at ?? now + gate.deadlineMs;
  await tx.run(
    `UPDATE studies SET state = 'arriving', hold_code = NULL, hold_message = NULL, due_at = ?, deadline_at = ? WHERE study_uid = ?`,
    dueAt(study.received, announced, now, deadline, gate),
    deadline,
    studyUid,
  );
}

/**
 * Exactly the announced number: now. Fewer: they are still to come, so wait for the deadline. More, or none announced:
 * when it was quiet for long enough.
 */
export function dueAt(
  received: number,
  announced: number | undefined,
  now: number,
  deadline: number,
  gate: GateTimes,
): number {
  if (received === announced) return now;
  if (announced !== undefined && received < announced) return deadline;
  return Math.min(now + gate.quietMs, deadline);
}

export async function announcedCount(sql: Sql, studyUid: string): Promise<number | undefined> {
  const row = await sql.get<{ instances: number }>(
    'SELECT instances FROM expected_counts WHERE study_uid = ?',
    studyUid,
  );
  return row?.instances;
}

/** Two IDs, or two issuers of one ID. What is empty says nothing and contradicts nothing. */
export function contradict(identities: readonly StudyIdentity[]): boolean {
  const ids = new Set(identities.map((i) => i.patientId).filter(Boolean));
  const issuers = new Set(
    identities
      .filter((i) => i.patientId)
      .map((i) => i.issuer)
      .filter(Boolean),
  );
  return ids.size > 1 || issuers.size > 1;
}

async function holdContradiction(
  tx: Sql,
  studyUid: string,
  now: number,
  identities: readonly StudyIdentity[],
): Promise<Held> {
  const named = identities.map(
    (i) => `"${i.patientId}"${i.issuer ? ` of ${i.issuer}` : ''} (${i.instances} instances)`,
  );
  return setHeld(
    tx,
    studyUid,
    now,
    'patient-contradiction',
    `the study names different patients: ${named.join(', ')}`,
    'gate',
  );
}

export async function setHeld(
  tx: Sql,
  studyUid: string,
  now: number,
  code: string,
  message: string,
  who: string,
): Promise<Held> {
  await tx.run(
    `UPDATE studies SET state = 'held', hold_code = ?, hold_message = ?, due_at = NULL, deadline_at = NULL WHERE study_uid = ?`,
    code,
    message,
    studyUid,
  );
  await addEvent(tx, studyUid, now, { code, message, who });
  return { studyUid, code };
}
