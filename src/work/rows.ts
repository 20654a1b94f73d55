import { canonicalJson, sha256, type InstanceRef } from '../base/index.ts';
import { sopClass } from '../dicom/index.ts';
import type { Sql } from '../store/index.ts';
import { inputDigestOf, type StudySnapshot } from '../studies/index.ts';
import type { RouteDecision } from './routes.ts';
import type { NewWork, Priority, WorkEvent, Workitem, WorkitemState } from './types.ts';

export interface WorkitemColumns {
  readonly key: string;
  readonly study_uid: string;
  readonly snapshot_digest: string;
  readonly input_digest: string;
  readonly patient_id: string;
  readonly issuer: string;
  readonly bundle_digest: string;
  readonly route: string;
  readonly priority: number;
  readonly state: WorkitemState;
  readonly answered: string | null;
  readonly draft: string | null;
  readonly masks: string | null;
  readonly encodings: string | null;
  readonly fence: number;
  readonly lease_until: number | null;
  readonly attempts: number;
  readonly not_before: number;
  readonly code: string | null;
  readonly message: string | null;
  readonly remedy: string | null;
  readonly handover: number;
  readonly replaces: string | null;
  readonly superseded_by: string | null;
  readonly created_at: number;
  readonly updated_at: number;
}

const priorities: readonly Priority[] = ['stat', 'high', 'medium', 'low'];

export function priorityNumber(priority: Priority = 'medium'): number {
  return priorities.indexOf(priority);
}

export function workitemOf(row: WorkitemColumns): Workitem {
  const given = <K extends string>(values: Record<K, string | null>): Partial<Record<K, string>> =>
    Object.fromEntries(Object.entries(values).filter(([, v]) => v !== null)) as Partial<Record<K, string>>;
  return {
    key: row.key,
    studyUid: row.study_uid,
    patientId: row.patient_id,
    issuer: row.issuer,
    snapshotDigest: row.snapshot_digest,
    inputDigest: row.input_digest,
    route: JSON.parse(row.route) as RouteDecision,
    bundleDigest: row.bundle_digest,
    priority: priorities[row.priority] ?? 'medium',
    state: row.state,
    outputs: given({ answered: row.answered, draft: row.draft, masks: row.masks, encodings: row.encodings }),
    fence: row.fence,
    attempts: row.attempts,
    notBefore: isoTime(row.not_before),
    ...given({ code: row.code, message: row.message, remedy: row.remedy }),
    ...given({ replaces: row.replaces, supersededBy: row.superseded_by }),
    createdAt: isoTime(row.created_at),
    updatedAt: isoTime(row.updated_at),
  };
}

/**
 * What of a study a route reads: its series, without objects that are known to be no pictures. So a dose report or a
 * result of another program that comes later does not make the same pictures be read again.
 */
export function inputInstances<T extends { readonly ref: InstanceRef }>(
  instances: readonly T[],
  route: RouteDecision,
): readonly T[] {
  const routed = instances.filter((i) => route.series.length === 0 || route.series.includes(i.ref.seriesUid));
  const pictures = routed.filter((i) => sopClass(i.ref.sopClass)?.image !== false);
  return pictures.length > 0 ? pictures : routed;
}

export function inputOf(snapshot: StudySnapshot, route: RouteDecision): StudySnapshot {
  const instances = inputInstances(snapshot.instances, route);
  return { ...snapshot, instances, inputDigest: inputDigestOf(instances) };
}

/** The workitem's key; the prompt counts with the values of its slots and the region that it is about. */
export function workitemKey(work: NewWork, inputDigest: string): string {
  const { snapshot, route, bundleDigest } = work;
  return sha256(
    canonicalJson({
      patientId: snapshot.patientId,
      issuer: snapshot.issuer,
      study: snapshot.studyUid,
      task: route.task,
      prompt: route.prompt ?? '',
      ...(Object.keys(route.slots ?? {}).length > 0 ? { slots: route.slots } : {}),
      ...(route.region ? { region: route.region } : {}),
      bundle: bundleDigest,
      input: inputDigest,
    }),
  );
}

/** Equal for two readings of which the later may take the place of the earlier. */
export function questionOf({ snapshot, route }: NewWork): string {
  const { bundle, task, prompt, slots, destinations, region } = route;
  const asked = [snapshot.studyUid, bundle, task, prompt ?? '', slots ?? {}, destinations];
  return sha256(canonicalJson(region ? [...asked, region] : asked));
}

export async function addEvent(tx: Sql, key: string, now: number, event: string, detail = ''): Promise<void> {
  await tx.run(
    `INSERT INTO work_events (key, number, at, event, detail)
     SELECT ?, COALESCE(MAX(number), 0) + 1, ?, ?, ? FROM work_events WHERE key = ?`,
    key,
    now,
    event,
    detail,
    key,
  );
}

export async function eventsOf(sql: Sql, key: string): Promise<WorkEvent[]> {
  const rows = await sql.all<{ at: number; event: string; detail: string }>(
    'SELECT at, event, detail FROM work_events WHERE key = ? ORDER BY number',
    key,
  );
  return rows.map((r) => ({ ...r, at: isoTime(r.at) }));
}

export function rowOf(sql: Sql, key: string): Promise<WorkitemColumns | undefined> {
  return sql.get<WorkitemColumns>('SELECT * FROM workitems WHERE key = ?', key);
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
