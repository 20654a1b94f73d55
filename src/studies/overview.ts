import { studyId } from '../base/index.ts';
import type { Sql } from '../store/index.ts';
import { isoTime } from './rows.ts';
import type { Arrivals, StudyBacklog } from './types.ts';

/** Over what is open alone, so that it costs the same however many studies are done. */
export function backlogOf(sql: Sql): Promise<StudyBacklog[]> {
  return sql.all<StudyBacklog>(
    `SELECT state, COALESCE(hold_code, '') AS code, COUNT(*) AS n, MIN(first_at) AS "oldestAt" FROM studies
     WHERE state IN ('arriving', 'held') GROUP BY state, hold_code`,
  );
}

export async function arrivalsOf(sql: Sql, studyUid: string): Promise<Arrivals[]> {
  const rows = await sql.all<Omit<Arrivals, 'firstAt' | 'lastAt'> & { first: number; last: number }>(
    `SELECT door, sender, origin, COUNT(DISTINCT series_uid) AS series, COUNT(*) AS instances, SUM(bytes) AS bytes,
       MIN(received_at) AS first, MAX(received_at) AS last FROM instances WHERE study_uid = ?
     GROUP BY door, sender, origin ORDER BY first, door, sender`,
    studyUid,
  );
  return rows.map(({ first, last, ...rest }) => ({ ...rest, firstAt: isoTime(first), lastAt: isoTime(last) }));
}

/** Looks through all studies: for a person who holds a line of the log, not for a program. */
export async function uidOf(sql: Sql, id: string): Promise<string | undefined> {
  for (let after = ''; ;) {
    const page = await sql.all<{ study_uid: string }>(
      'SELECT study_uid FROM studies WHERE study_uid > ? ORDER BY study_uid LIMIT 10000',
      after,
    );
    const found = page.find((row) => studyId(row.study_uid) === id);
    if (found || page.length === 0) return found?.study_uid;
    after = page.at(-1)!.study_uid;
  }
}
