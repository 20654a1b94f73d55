import { PlumblineError, sha256 } from '../base/index.ts';
import type { Sql } from '../store/index.ts';
import { identityOf, instancesIn, instancesWhere } from './rows.ts';
import type { StoredInstance, StudySnapshot } from './types.ts';

/** SHA-256 over the sorted pairs of SOP Instance UID and data digest, one a line. */
export function inputDigestOf(instances: readonly Pick<StoredInstance, 'ref'>[]): string {
  const lines = instances.map(({ ref }) => `${ref.instanceUid} ${ref.dataDigest}\n`);
  return sha256(lines.sort().join(''));
}

/** Freeze what was received of a study so far; freezing the same again changes nothing but `handled`. */
export async function freeze(tx: Sql, studyUid: string, now: number, handled: boolean): Promise<StudySnapshot> {
  const instances = await instancesWhere(tx, `i.study_uid = ? AND i.origin = 'received'`, studyUid);
  if (instances.length === 0)
    throw new PlumblineError('not-found', 'nothing was received of the study', { where: studyUid });
  const snapshot = snapshotFrom(studyUid, instances);
  await tx.run(
    `INSERT INTO snapshots (study_uid, input_digest, made_at, instance_uids, handled) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (study_uid, input_digest) DO UPDATE SET ${handled ? 'handled = snapshots.handled' : 'handled = 0, made_at = excluded.made_at'}`,
    studyUid,
    snapshot.inputDigest,
    now,
    JSON.stringify(instances.map((i) => i.ref.instanceUid)),
    handled ? 1 : 0,
  );
  return snapshot;
}

/** @throws PlumblineError not-found */
export async function frozen(sql: Sql, studyUid: string, inputDigest: string): Promise<StudySnapshot> {
  const row = await sql.get<{ instance_uids: string }>(
    'SELECT instance_uids FROM snapshots WHERE study_uid = ? AND input_digest = ?',
    studyUid,
    inputDigest,
  );
  if (!row)
    throw new PlumblineError('not-found', `no snapshot ${inputDigest.slice(0, 12)} of the study`, { where: studyUid });
  const instances = await instancesIn(sql, 'instance_uid', JSON.parse(row.instance_uids) as string[]);
  return snapshotFrom(studyUid, instances);
}

function snapshotFrom(studyUid: string, instances: readonly StoredInstance[]): StudySnapshot {
  return { studyUid, ...likeliestIdentity(instances), instances, inputDigest: inputDigestOf(instances) };
}

/** What most instances say; one with a Patient ID before one without, one with an issuer before one without. */
function likeliestIdentity(instances: readonly StoredInstance[]): {
  readonly patientId: string;
  readonly issuer: string;
} {
  const counts = new Map<string, { readonly patientId: string; readonly issuer: string; n: number }>();
  for (const { summary } of instances) {
    const identity = identityOf(summary);
    const key = JSON.stringify(identity);
    const counted = counts.get(key) ?? { ...identity, n: 0 };
    counted.n++;
    counts.set(key, counted);
  }
  const rank = (c: { patientId: string; issuer: string }): number => (c.patientId ? 2 : 0) + (c.issuer ? 1 : 0);
  const [best] = [...counts.entries()].sort(([k, x], [l, y]) => rank(y) - rank(x) || y.n - x.n || (k < l ? -1 : 1));
  return { patientId: best?.[1].patientId ?? '', issuer: best?.[1].issuer ?? '' };
}
