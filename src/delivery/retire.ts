import type { Sql } from '../store/index.ts';
import { deleteRows, listRows } from './rows.ts';
import type { DeliveryRow } from './types.ts';

/** Dead letters that have not changed since `before`, oldest first. */
export async function oldDeadLetters(sql: Sql, before: number): Promise<DeliveryRow[]> {
  return (await listRows(sql, { state: 'dead' })).filter((row) => row.updatedAt < before);
}

/** @returns what is left of the workitem's deliveries after it; undefined where it is no dead letter any more */
export async function dropDeadLetter(
  tx: Sql,
  row: DeliveryRow,
): Promise<{ readonly left: number; readonly delivered: number } | undefined> {
  const [now] = (await listRows(tx, { workitem: row.workitem })).filter((r) => r.id === row.id);
  if (now?.state !== 'dead' || now.updatedAt !== row.updatedAt) return undefined;
  await deleteRows(tx, 'id = ?', row.id);
  const rest = await listRows(tx, { workitem: row.workitem });
  const done = rest.filter((r) => r.state === 'delivered' || r.state === 'superseded').length;
  return { left: rest.length - done, delivered: done };
}

/** Deliveries of a study that are not done, and when the last of all changed. */
export async function deliveriesOfStudy(
  sql: Sql,
  study: string,
): Promise<{ readonly open: number; readonly lastAt: number }> {
  const rows = await listRows(sql, { study });
  const open = rows.filter((r) => r.state !== 'delivered' && r.state !== 'superseded').length;
  return { open, lastAt: Math.max(0, ...rows.map((r) => r.updatedAt)) };
}
