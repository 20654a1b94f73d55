import type { DicomJson } from '../base/index.ts';
import type { Sql, SqlValue } from '../store/index.ts';
import { matchOf, type SqlMatch } from './matching.ts';
import { instancesWhere, listLength } from './rows.ts';
import type { Found, SearchQuery, StoredInstance } from './types.ts';

type Level = 'study' | 'series' | 'instance';

/** What is looked at in one go where a match cannot be put into SQL. */
const pageLength = 100;

/**
 * QIDO-RS matching (PS3.18 8.3.4, PS3.4 C.2.2.2). Newest study first, then by UID, so that pages do not shift.
 *
 * Limit, offset and the attributes that have a column are the database's work, over one row for all instances of a
 * series that say the same. Other attributes are looked up in one instance of each series, which stands for it.
 * @throws PlumblineError query-invalid
 */
export async function search(sql: Sql, level: Level, query: SearchQuery): Promise<Found[]> {
  const matches = query.match.flatMap((m) => matchOf(m.tag, m.value) ?? []);
  const where = sqlWhere(
    query,
    matches.filter((m) => m.kind === 'sql'),
  );
  const tests = matches.flatMap((m) => (m.kind === 'summary' ? [m.test] : []));
  const page = (limit: number, offset: number): Promise<Group[]> => groupsOf(sql, level, where, limit, offset);
  if (tests.length === 0) return (await page(query.limit, query.offset)).map((g) => g.found);

  const passes = ({ samples }: Group): boolean => samples.some((s) => tests.every((test) => test(s.summary)));
  const found: Found[] = [];
  for (let at = 0; found.length < query.offset + query.limit; at += pageLength) {
    const groups = await page(pageLength, at);
    found.push(...groups.filter(passes).map((g) => g.found));
    if (groups.length < pageLength) break;
  }
  return found.slice(query.offset, query.offset + query.limit);
}

interface Group {
  readonly found: Found;
  /** Of a study, an instance of each of its series; else the one that stands for it. */
  readonly samples: readonly { readonly summary: DicomJson }[];
}

interface Where {
  readonly text: string;
  readonly params: readonly SqlValue[];
  /** An index leads to the few rows that can match; else studies are looked through, newest first, until there are enough. */
  readonly indexed: boolean;
}

function sqlWhere(query: SearchQuery, matches: readonly SqlMatch[]): Where {
  const scope = [
    ...(query.studyUid ? [{ text: 'k.study_uid = ?', params: [query.studyUid], indexed: true }] : []),
    ...(query.seriesUid ? [{ text: 'k.series_uid = ?', params: [query.seriesUid], indexed: true }] : []),
  ];
  const parts = [...scope, ...matches];
  return {
    text: parts.map((p) => `(${p.text})`).join(' AND ') || '1 = 1',
    params: parts.flatMap((p) => p.params),
    indexed: parts.some((p) => p.indexed),
  };
}

function groupsOf(sql: Sql, level: Level, where: Where, limit: number, offset: number): Promise<Group[]> {
  const page = [...where.params, limit, offset];
  if (level === 'instance') return instancesOf(sql, where, page);
  return level === 'series' ? seriesOf(sql, where, page) : studiesOf(sql, where, page);
}

async function studiesOf(sql: Sql, where: Where, page: readonly SqlValue[]): Promise<Group[]> {
  const test = where.indexed
    ? `st.study_uid IN (SELECT k.study_uid FROM search_keys k WHERE ${where.text})`
    : `EXISTS (SELECT 1 FROM search_keys k WHERE k.study_uid = st.study_uid AND ${where.text})`;
  const rows = await sql.all<{ uid: string }>(
    `SELECT st.study_uid AS uid FROM studies st WHERE ${test} ORDER BY st.first_at DESC, st.study_uid LIMIT ? OFFSET ?`,
    ...page,
  );
  const uids = rows.map((r) => r.uid);
  const series = Map.groupBy(await seriesIn(sql, 'study_uid', uids), (s) => s.sample.ref.studyUid);
  return uids.map((uid) => {
    const own = series.get(uid)!;
    const samples = own.map((s) => s.sample);
    const instances = own.reduce((sum, s) => sum + s.instances, 0);
    const modalities = [...new Set(own.flatMap((s) => s.modalities))].sort();
    return { found: { first: samples[0]!, series: own.length, instances, modalities }, samples };
  });
}

async function seriesOf(sql: Sql, where: Where, page: readonly SqlValue[]): Promise<Group[]> {
  const rows = await sql.all<{ study: string; series: string }>(
    `SELECT k.study_uid AS study, k.series_uid AS series FROM ${joined('search_keys', where)}
     GROUP BY st.first_at, k.study_uid, k.series_uid
     ORDER BY st.first_at DESC, k.study_uid, k.series_uid LIMIT ? OFFSET ?`,
    ...page,
  );
  const all = await seriesIn(sql, 'series_uid', [...new Set(rows.map((r) => r.series))]);
  const byUids = new Map(all.map((s) => [`${s.sample.ref.studyUid}/${s.sample.ref.seriesUid}`, s]));
  return rows.map(({ study, series }) => {
    const { sample, instances, modalities } = byUids.get(`${study}/${series}`)!;
    return { found: { first: sample, series: 1, instances, modalities }, samples: [sample] };
  });
}

async function instancesOf(sql: Sql, where: Where, page: readonly SqlValue[]): Promise<Group[]> {
  const rows = await sql.all<{ uid: string }>(
    `SELECT k.instance_uid AS uid FROM ${joined('instances', where)}
     ORDER BY st.first_at DESC, k.study_uid, k.instance_uid LIMIT ? OFFSET ?`,
    ...page,
  );
  const uids = rows.map((r) => r.uid);
  const byUid = new Map<string, StoredInstance>();
  for (const part of partsOf(uids))
    for (const i of await instancesWhere(sql, `i.instance_uid IN (${marks(part)})`, ...part))
      byUid.set(i.ref.instanceUid, i);
  return uids.map((uid) => {
    const first = byUid.get(uid)!;
    return { found: { first, series: 1, instances: 1, modalities: [] }, samples: [first] };
  });
}

/** Without a match that an index serves, the studies come first, in the order of the answer: so a limit ends the reading. */
function joined(table: 'search_keys' | 'instances', { text, indexed }: Where): string {
  return indexed
    ? `${table} k JOIN studies st ON st.study_uid = k.study_uid WHERE ${text}`
    : `studies st CROSS JOIN ${table} k WHERE k.study_uid = st.study_uid AND ${text}`;
}

interface FoundSeries {
  /** Stands for the series. */
  readonly sample: StoredInstance;
  readonly instances: number;
  readonly modalities: readonly string[];
}

/** Series whose `column` is in the list, by study and series; a statement for what they hold, and one for the samples. */
async function seriesIn(sql: Sql, column: 'study_uid' | 'series_uid', uids: readonly string[]): Promise<FoundSeries[]> {
  const found: FoundSeries[] = [];
  for (const part of partsOf(uids)) {
    const keys = await sql.all<{ study: string; series: string; modality: string; n: number }>(
      `SELECT study_uid AS study, series_uid AS series, modality, SUM(instances) AS n FROM search_keys
       WHERE ${column} IN (${marks(part)}) GROUP BY study_uid, series_uid, modality`,
      ...part,
    );
    const samples = await instancesWhere(
      sql,
      `i.instance_uid IN (SELECT (SELECT x.instance_uid FROM instances x
         WHERE x.study_uid = k.study_uid AND x.series_uid = k.series_uid LIMIT 1)
       FROM search_keys k WHERE k.${column} IN (${marks(part)}))`,
      ...part,
    );
    const held = Map.groupBy(keys, (k) => `${k.study}/${k.series}`);
    for (const sample of samples) {
      const own = held.get(`${sample.ref.studyUid}/${sample.ref.seriesUid}`) ?? [];
      const modalities = own.map((k) => k.modality).filter((m) => m !== '');
      found.push({ sample, instances: own.reduce((sum, k) => sum + k.n, 0), modalities });
    }
  }
  return found;
}

function* partsOf(uids: readonly string[]): Generator<readonly string[]> {
  for (let at = 0; at < uids.length; at += listLength) yield uids.slice(at, at + listLength);
}

function marks(list: readonly unknown[]): string {
  return list.map(() => '?').join(', ');
}
