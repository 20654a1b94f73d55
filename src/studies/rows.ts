import type { DicomJson } from '../base/index.ts';
import type { Sql, SqlValue } from '../store/index.ts';
import { foldName } from './names.ts';
import { firstText, summaryOf } from './summary.ts';
import type { Admission, Origin, StoredInstance, StudyEvent, StudyIdentity, StudyRow } from './types.ts';

interface InstanceColumns {
  readonly instance_uid: string;
  readonly study_uid: string;
  readonly series_uid: string;
  readonly sop_class: string;
  readonly transfer_syntax: string;
  readonly digest: string;
  readonly data_digest: string;
  readonly bytes: number;
  readonly origin: Origin;
  readonly sender: string;
  readonly received_at: number;
  readonly summary: string;
}

const columns = `i.instance_uid, i.study_uid, i.series_uid, i.sop_class, i.transfer_syntax, i.digest, i.data_digest,
  i.bytes, i.origin, i.sender, i.received_at, i.summary`;

/** SQL has a limit on parameters; longer lists are asked for in parts. */
export const listLength = 500;

/** Insert one instance; the first with its UID stays. @returns whether it is new */
export async function insertInstance(
  tx: Sql,
  { ref, attributes }: Admission,
  from: { readonly origin: Origin; readonly door: string; readonly sender: string; readonly now: number },
): Promise<boolean> {
  const identity = identityOf(attributes);
  const name = foldName(attributes['00100010']?.Value?.[0]);
  const values: readonly SqlValue[] = [
    ref.instanceUid,
    ref.studyUid,
    ref.seriesUid,
    ref.sopClass,
    ref.transferSyntax,
    ref.digest,
    ref.dataDigest,
    ref.bytes,
    from.origin,
    from.door,
    from.sender,
    from.now,
    firstText(attributes, '00080060'),
    identity.patientId,
    identity.issuer,
    firstText(attributes, '00080050'),
    firstText(attributes, '00080020'),
    name.alphabetic,
    name.ideographic,
    name.phonetic,
    JSON.stringify(summaryOf(attributes)),
  ];
  const changed = await tx.run(
    `INSERT INTO instances (instance_uid, study_uid, series_uid, sop_class, transfer_syntax, digest, data_digest, bytes,
       origin, door, sender, received_at, modality, patient_id, issuer, accession, study_date,
       name_alphabetic, name_ideographic, name_phonetic, summary)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (instance_uid) DO NOTHING`,
    ...values,
  );
  return changed === 1;
}

/** Patient ID and its issuer: the plain attribute, or the universal id of the qualifiers (PS3.3 C.2.1). */
export function identityOf(attributes: DicomJson): { readonly patientId: string; readonly issuer: string } {
  const qualifiers = attributes['00100024']?.Value?.[0] as DicomJson | undefined;
  const issuer = firstText(attributes, '00100021') || (qualifiers ? firstText(qualifiers, '00400032') : '');
  return { patientId: firstText(attributes, '00100020'), issuer };
}

export async function instancesWhere(
  sql: Sql,
  where: string,
  ...params: readonly SqlValue[]
): Promise<StoredInstance[]> {
  const rows = await sql.all<InstanceColumns>(
    `SELECT ${columns} FROM instances i WHERE ${where} ORDER BY i.study_uid, i.series_uid, i.instance_uid`,
    ...params,
  );
  return rows.map(instanceOf);
}

/** Instances whose `column` is in the list. */
export async function instancesIn(
  sql: Sql,
  column: 'instance_uid' | 'series_uid' | 'study_uid',
  uids: readonly string[],
): Promise<StoredInstance[]> {
  const found: StoredInstance[] = [];
  for (let at = 0; at < uids.length; at += listLength) {
    const part = uids.slice(at, at + listLength);
    found.push(...(await instancesWhere(sql, `i.${column} IN (${part.map(() => '?').join(', ')})`, ...part)));
  }
  return found;
}

function instanceOf(row: InstanceColumns): StoredInstance {
  return {
    ref: {
      studyUid: row.study_uid,
      seriesUid: row.series_uid,
      instanceUid: row.instance_uid,
      sopClass: row.sop_class,
      transferSyntax: row.transfer_syntax,
      digest: row.digest,
      dataDigest: row.data_digest,
      bytes: row.bytes,
    },
    origin: row.origin,
    sender: row.sender,
    receivedAt: isoTime(row.received_at),
    summary: JSON.parse(row.summary) as DicomJson,
  };
}

export interface StudyColumns {
  readonly study_uid: string;
  readonly state: StudyRow['state'];
  readonly hold_code: string | null;
  readonly hold_message: string | null;
  readonly identity_released: number;
  readonly order_released: number;
  readonly first_at: number;
  readonly last_at: number;
  readonly received: number;
  readonly own: number;
  readonly due_at: number | null;
  readonly deadline_at: number | null;
}

export function studyOf(row: StudyColumns): StudyRow {
  return {
    studyUid: row.study_uid,
    state: row.state,
    ...(row.hold_code === null ? {} : { holdCode: row.hold_code, holdMessage: row.hold_message ?? '' }),
    firstAt: isoTime(row.first_at),
    lastAt: isoTime(row.last_at),
    received: row.received,
    own: row.own,
  };
}

/** Identities that received instances name, most instances first. */
export async function identitiesOf(sql: Sql, studyUid: string): Promise<StudyIdentity[]> {
  return sql.all<StudyIdentity>(
    `SELECT patient_id AS "patientId", issuer, instances FROM study_identities WHERE study_uid = ? ORDER BY instances DESC, patient_id, issuer`,
    studyUid,
  );
}

export async function addEvent(
  tx: Sql,
  studyUid: string,
  now: number,
  event: { readonly code: string; readonly message: string; readonly who: string },
): Promise<void> {
  await tx.run(
    `INSERT INTO study_events (study_uid, number, at, code, message, who)
     SELECT ?, COALESCE(MAX(number), 0) + 1, ?, ?, ?, ? FROM study_events WHERE study_uid = ?`,
    studyUid,
    now,
    event.code,
    event.message,
    event.who,
    studyUid,
  );
}

export async function eventsOf(sql: Sql, studyUid: string): Promise<StudyEvent[]> {
  const rows = await sql.all<{ at: number; code: string; message: string; who: string }>(
    'SELECT at, code, message, who FROM study_events WHERE study_uid = ? ORDER BY number',
    studyUid,
  );
  return rows.map((r) => ({ ...r, at: isoTime(r.at) }));
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
