import { PlumblineError } from '../base/index.ts';
import type { Database, Sql } from '../store/index.ts';
import type { DeliveryEvent, DeliveryRow, DeliveryState, DeliveryBacklog } from './types.ts';

const columns =
  'id, workitem, study, destination, state, attempts, next_at AS nextAt, code, message, created_at AS createdAt, updated_at AS updatedAt';

/** Make the rows of a workitem that are not there yet. */
export async function insertRows(
  db: Database,
  workitem: string,
  study: string,
  destinations: readonly string[],
  now: number,
): Promise<void> {
  await db.transaction(async (tx) => {
    for (const destination of destinations) {
      await tx.run(
        `INSERT INTO delivery (id, workitem, study, destination, state, attempts, next_at, created_at, updated_at)
         SELECT COALESCE(MAX(id), 0) + 1, ?, ?, ?, 'waiting', 0, ?, ?, ? FROM delivery WHERE 1 = 1
         ON CONFLICT (workitem, destination) DO NOTHING`,
        workitem,
        study,
        destination,
        now,
        now,
        now,
      );
    }
  });
}

/** The next row of a lane that is due, as `sending`. */
export function claimRow(db: Database, destination: string, now: number): Promise<DeliveryRow | undefined> {
  return db.get<DeliveryRow>(
    `UPDATE delivery SET state = 'sending', attempts = attempts + 1, updated_at = ? WHERE id = (
       SELECT id FROM delivery WHERE destination = ? AND state = 'waiting' AND next_at <= ? ORDER BY next_at, id LIMIT 1) RETURNING ${columns}`,
    now,
    destination,
    now,
  );
}

/** What a try came to: the row's new state, and one more line of its story. */
export async function recordTry(
  db: Database,
  row: DeliveryRow,
  now: number,
  outcome: {
    readonly state: Exclude<DeliveryState, 'sending'>;
    readonly code: string | null;
    readonly message: string | null;
    readonly nextAt?: number;
  },
): Promise<void> {
  const { state, code, message, nextAt = row.nextAt } = outcome;
  await db.transaction(async (tx) => {
    await tx.run(
      'UPDATE delivery SET state = ?, next_at = ?, code = ?, message = ?, updated_at = ? WHERE id = ?',
      state,
      nextAt,
      code,
      message,
      now,
      row.id,
    );
    const event = state === 'waiting' ? 'failed' : state;
    await addEvent(tx, row.id, now, { event, code: code ?? '', message: message ?? '', who: '' });
  });
}

/** One line more, or one time more of the last line where it says the same. */
async function addEvent(
  tx: Sql,
  id: number,
  now: number,
  { event, code, message, who }: Pick<DeliveryEvent, 'event' | 'code' | 'message' | 'who'>,
): Promise<void> {
  const again = await tx.run(
    `UPDATE delivery_events SET times = times + 1, last_at = ? WHERE delivery = ? AND event = ? AND code = ? AND message = ? AND who = ?
       AND number = (SELECT MAX(number) FROM delivery_events WHERE delivery = ?)`,
    now,
    id,
    event,
    code,
    message,
    who,
    id,
  );
  if (again > 0) return;
  await tx.run(
    `INSERT INTO delivery_events (delivery, number, at, last_at, times, event, code, message, who)
     SELECT ?, COALESCE(MAX(number), 0) + 1, ?, ?, 1, ?, ?, ?, ? FROM delivery_events WHERE delivery = ?`,
    id,
    now,
    now,
    event,
    code,
    message,
    who,
    id,
  );
}

/** Give a held or dead delivery another life. @throws PlumblineError not-found */
export async function reviveRow(db: Database, id: number, now: number, reason: string, who: string): Promise<void> {
  await db.transaction(async (tx) => {
    const changed = await tx.run(
      // Its last try is past in any case, whichever clock it was written by.
      "UPDATE delivery SET state = 'waiting', message = ?, updated_at = ? WHERE id = ? AND state IN ('dead', 'held')",
      `tried again: ${reason}`,
      now,
      id,
    );
    if (changed === 0) throw new PlumblineError('not-found', `no held or dead delivery ${id}`);
    await addEvent(tx, id, now, { event: 'tried-again', code: '', message: reason, who });
  });
}

/** Take the rows of a workitem back where none was tried. @returns whether that was so */
export function withdrawRows(db: Database, workitem: string): Promise<boolean> {
  return db.transaction(async (tx) => {
    const tried = await tx.get<{ n: number }>(
      'SELECT COUNT(*) AS n FROM delivery WHERE workitem = ? AND attempts > 0',
      workitem,
    );
    if (Number(tried?.n ?? 0) > 0) return false;
    await deleteRows(tx, 'workitem = ?', workitem);
    return true;
  });
}

/** Rows and their stories. @param where a condition on the table `delivery` */
export async function deleteRows(tx: Sql, where: string, param: string | number): Promise<number> {
  await tx.run(`DELETE FROM delivery_events WHERE delivery IN (SELECT id FROM delivery WHERE ${where})`, param);
  return tx.run(`DELETE FROM delivery WHERE ${where}`, param);
}

export interface RowFilter {
  readonly state?: DeliveryState;
  readonly workitem?: string;
  readonly study?: string;
  readonly destination?: string;
}

export function listRows(sql: Sql, filter: RowFilter): Promise<DeliveryRow[]> {
  const given = Object.entries(filter).filter(([, value]) => value !== undefined) as [keyof RowFilter, string][];
  const where = given.map(([column]) => `${column} = ?`).join(' AND ') || '1 = 1';
  return sql.all<DeliveryRow>(
    `SELECT ${columns} FROM delivery WHERE ${where} ORDER BY id`,
    ...given.map(([, value]) => value),
  );
}

export async function eventsOf(sql: Sql, id: number): Promise<DeliveryEvent[]> {
  const rows = await sql.all<Omit<DeliveryEvent, 'at' | 'lastAt'> & { at: number; last_at: number }>(
    'SELECT at, last_at, times, event, code, message, who FROM delivery_events WHERE delivery = ? ORDER BY number',
    id,
  );
  return rows.map(({ at, last_at: lastAt, ...rest }) => ({
    ...rest,
    at: new Date(at).toISOString(),
    lastAt: new Date(lastAt).toISOString(),
  }));
}

/** One statement, over what is open alone. */
export function backlogOf(sql: Sql): Promise<DeliveryBacklog[]> {
  return sql.all<DeliveryBacklog>(
    `SELECT destination, state, COALESCE(code, '') AS code, COUNT(*) AS n, MIN(created_at) AS "oldestAt" FROM delivery
     WHERE state IN ('waiting', 'sending', 'held', 'dead') GROUP BY destination, state, code`,
  );
}
