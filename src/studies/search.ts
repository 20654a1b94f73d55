import type { Sql, SqlValue } from '../store/index.ts';
import { matchOf, type Match } from './matching.ts';
import { instancesIn } from './rows.ts';
import type { SearchQuery, StoredInstance } from './types.ts';

type Level = 'study' | 'series' | 'instance';
const uidOf: Readonly<Record<Level, 'study_uid' | 'series_uid' | 'instance_uid'>> = {
  study: 'study_uid',
  series: 'series_uid',
  instance: 'instance_uid',
};

/** Groups that are looked at in one go where a match cannot be put into SQL. */
const pageLength = 100;

/**
 * QIDO-RS matching (PS3.18 8.3.4, PS3.4 C.2.2.2). Newest study first, then by UID, so that pages do not shift.
 * @returns per match all its instances: of the study, of the series, or the one
 * @throws PlumblineError query-invalid
 */
export async function search(sql: Sql, level: Level, query: SearchQuery): Promise<StoredInstance[][]> {
  const matches = query.match.map((m) => matchOf(m.tag, m.value)).filter((m): m is Match => m !== undefined);
  const where = sqlWhere(query, matches);
  const tests = matches.flatMap((m) => (m.kind === 'summary' ? [m.test] : []));
  if (tests.length === 0) return groupsOf(sql, level, where, query.limit, query.offset);

  const found: StoredInstance[][] = [];
  for (let at = 0; found.length < query.offset + query.limit; at += pageLength) {
    const page = await groupsOf(sql, level, where, pageLength, at);
    found.push(...page.filter((group) => group.some((i) => tests.every((test) => test(i.summary)))));
    if (page.length < pageLength) break;
  }
  return found.slice(query.offset, query.offset + query.limit);
}

interface Where {
  readonly text: string;
  readonly params: readonly SqlValue[];
}

function sqlWhere(query: SearchQuery, matches: readonly Match[]): Where {
  const parts = matches.flatMap((m) => (m.kind === 'sql' ? [m] : []));
  if (query.studyUid) parts.push({ kind: 'sql', text: 'i.study_uid = ?', params: [query.studyUid] });
  if (query.seriesUid) parts.push({ kind: 'sql', text: 'i.series_uid = ?', params: [query.seriesUid] });
  return { text: parts.map((p) => `(${p.text})`).join(' AND ') || '1 = 1', params: parts.flatMap((p) => p.params) };
}

async function groupsOf(
  sql: Sql,
  level: Level,
  where: Where,
  limit: number,
  offset: number,
): Promise<StoredInstance[][]> {
  const uid = uidOf[level];
  const groups = await sql.all<{ uid: string }>(
    `SELECT i.${uid} AS uid FROM instances i JOIN studies st ON st.study_uid = i.study_uid WHERE ${where.text}
     GROUP BY i.${uid}, i.study_uid, st.first_at ORDER BY st.first_at DESC, i.study_uid, i.${uid} LIMIT ? OFFSET ?`,
    ...where.params,
    limit,
    offset,
  );
  const byUid = new Map<string, StoredInstance[]>(groups.map((g) => [g.uid, []]));
  const refKey = level === 'study' ? 'studyUid' : level === 'series' ? 'seriesUid' : 'instanceUid';
  for (const instance of await instancesIn(sql, uid, [...byUid.keys()]))
    byUid.get(instance.ref[refKey])!.push(instance);
  return [...byUid.values()];
}
