import { recordAudit } from '../audit/index.ts';
import { checkpoint, type Clock, type Log } from '../base/index.ts';
import type { Database, Sql } from '../store/index.ts';
import { eventsOfMessage } from './audit-events.ts';
import { awaitMore, logHeld, setHeld, type GateTimes, type Held } from './gate-rows.ts';
import { merge } from './merge.ts';
import { addEffect, insertOrder, ordersWhere, ownAccession, samePatient, updateOrder } from './order-rows.ts';
import type {
  OrderAct,
  OrderAnswer,
  OrderEffect,
  OrderFacts,
  OrderMessage,
  OrderOutcome,
  OrderPriority,
  RefusedMessage,
  StoredOrder,
} from './order-types.ts';
import { reconcile } from './reconcile.ts';
import { addEvent, type StudyColumns } from './rows.ts';

/** A sender repeats within minutes; after so long its control ids may begin anew. The rows themselves stay (`retention`). */
const remembered = 30 * 24 * 3_600_000;

export interface OrdersOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly gate: GateTimes;
}

/**
 * Keep a message, do what it says, and keep its answer: one transaction, so that whoever is answered is heard. The same
 * message again gets the same answer and changes nothing.
 */
export async function receive(options: OrdersOptions, message: OrderMessage): Promise<OrderAnswer> {
  const now = options.clock.now();
  const { answer, held } = await options.db.transaction((tx) => keep(tx, options, message, now));
  logHeld(options.log, held);
  return answer;
}

async function keep(
  tx: Sql,
  options: OrdersOptions,
  message: OrderMessage,
  now: number,
): Promise<{ readonly answer: OrderAnswer; readonly held: readonly Held[] }> {
  const before = await tx.get<{ body_digest: string; state: string; answers: string; received_at: number }>(
    'SELECT body_digest, state, answers, received_at FROM hl7_messages WHERE key = ?',
    message.key,
  );
  if (before && before.state === 'accepted' && before.received_at > now - remembered) {
    const same = before.body_digest === message.bodyDigest;
    const answers = same ? (JSON.parse(before.answers) as string[]) : [];
    return { answer: { outcome: same ? 'repeated' : 'other-content', answers }, held: [] };
  }
  const { outcome, held } = await act(tx, options, message, now);
  const answers = message.answers(outcome);
  await tx.run(
    `INSERT INTO hl7_messages (key, body_digest, sender, type, state, answers, raw, received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET body_digest = excluded.body_digest, state = excluded.state, answers = excluded.answers,
         raw = excluded.raw, received_at = excluded.received_at`,
    message.key,
    message.bodyDigest,
    message.sender,
    message.type,
    outcome === 'accepted' ? 'accepted' : 'refused',
    JSON.stringify(answers),
    message.raw,
    now,
  );
  await recordAudit(tx, now, eventsOfMessage(message, outcome));
  checkpoint('hl7.kept');
  return { answer: { outcome, answers }, held };
}

/** Messages that were refused, newest first. */
export async function refusedMessages({ db }: OrdersOptions, limit: number): Promise<RefusedMessage[]> {
  const rows = await db.all<{ received_at: number; sender: string; type: string; answers: string }>(
    `SELECT received_at, sender, type, answers FROM hl7_messages WHERE state = 'refused' ORDER BY received_at DESC, key LIMIT ?`,
    limit,
  );
  return rows.map((r) => ({
    at: new Date(r.received_at).toISOString(),
    sender: r.sender,
    type: r.type,
    answers: JSON.parse(r.answers) as string[],
  }));
}

interface Done {
  readonly outcome: OrderOutcome;
  readonly held: readonly Held[];
}

async function act(tx: Sql, options: OrdersOptions, message: OrderMessage, now: number): Promise<Done> {
  if (message.refused) return { outcome: 'refused', held: [] };
  for (const one of message.acts) {
    if (one.kind === 'order' && one.control === 'cancel' && (await meant(tx, message.sender, one.order)).length === 0)
      return { outcome: 'unknown-order', held: [] };
  }
  const touched = new Set<string>();
  for (const one of message.acts) {
    for (const uid of await perform(tx, message, one, now)) touched.add(uid);
  }
  const held: Held[] = [];
  for (const studyUid of touched) held.push(...(await judgeAgain(tx, studyUid, now, options.gate)));
  return { outcome: 'accepted', held };
}

/** @returns the studies that it may concern */
async function perform(tx: Sql, message: OrderMessage, one: OrderAct, now: number): Promise<string[]> {
  switch (one.kind) {
    case 'order':
      await changeOrder(tx, message.sender, one.control, one.order, now);
      return studiesOf(tx, one.order);
    case 'demographics':
      return demographics(tx, one, now);
    case 'merge':
      return merge(tx, one, now);
    case 'report': {
      const studies = await studiesOf(tx, one);
      const text = `another program or person reported the study (status ${one.status || 'not given'})`;
      for (const uid of studies)
        await addEvent(tx, uid, now, { code: 'outside-report', message: text, who: message.sender });
      return [];
    }
  }
}

async function changeOrder(
  tx: Sql,
  sender: string,
  control: Extract<OrderAct, { kind: 'order' }>['control'],
  order: OrderFacts,
  now: number,
): Promise<void> {
  const found = await meant(tx, sender, order);
  const one = found.find((f) => sameStep(f, order));
  switch (control) {
    case 'note':
      return;
    case 'new':
    case 'update':
    case 'number': {
      const known = one ?? (control === 'number' ? found[0] : undefined);
      if (known) return updateOrder(tx, known, order, now, control !== 'number');
      return insertOrder(tx, sender, order, now);
    }
    case 'cancel':
    case 'hold':
    case 'release': {
      const state = { cancel: 'cancelled', hold: 'held', release: 'open' }[control];
      for (const { id } of one ? [one] : found)
        await tx.run('UPDATE orders SET state = ?, updated_at = ? WHERE id = ?', state, now, id);
    }
  }
}

/** The orders of a sender with these numbers; where both numbers are given, neither may contradict. */
async function meant(tx: Sql, sender: string, order: OrderFacts): Promise<StoredOrder[]> {
  const { placer, filler } = order;
  const found = await ordersWhere(
    tx,
    `sender = ? AND ((? <> '' AND placer = ?) OR (? <> '' AND filler = ?))`,
    sender,
    placer,
    placer,
    filler,
    filler,
  );
  return found.filter((f) => agree(f.placer, placer) && agree(f.filler, filler));
}

function sameStep(a: OrderFacts, b: OrderFacts): boolean {
  return (
    agree(ownAccession(a), ownAccession(b)) &&
    agree(a.step, b.step) &&
    agree(a.requestedProcedure, b.requestedProcedure)
  );
}

function agree(a: string, b: string): boolean {
  return a === '' || b === '' || a === b;
}

async function studiesOf(sql: Sql, order: Pick<OrderFacts, 'studyUid' | 'accession'>): Promise<string[]> {
  const rows = await sql.all<{ study_uid: string }>(
    `SELECT DISTINCT study_uid FROM instances WHERE origin = 'received' AND ((? <> '' AND study_uid = ?) OR (? <> '' AND accession = ?))`,
    order.studyUid,
    order.studyUid,
    order.accession,
    order.accession,
  );
  return rows.map((r) => r.study_uid);
}

async function demographics(
  tx: Sql,
  { patient, deleted }: Extract<OrderAct, { kind: 'demographics' }>,
  now: number,
): Promise<string[]> {
  const orders = (await ordersWhere(tx, 'patient_id = ?', patient.id)).filter((o) => samePatient(o.patient, patient));
  const touched: string[] = [];
  for (const o of orders) {
    const birthDate = deleted.includes('birthDate') ? '' : patient.birthDate || o.patient.birthDate;
    const sex = deleted.includes('sex') ? '' : patient.sex || o.patient.sex;
    if (birthDate === o.patient.birthDate && sex === o.patient.sex) continue;
    await tx.run('UPDATE orders SET birth_date = ?, sex = ?, updated_at = ? WHERE id = ?', birthDate, sex, now, o.id);
    touched.push(...(await studiesOf(tx, o)));
  }
  return touched;
}

/**
 * An order changed after its study came. A study that is still arriving is judged when the gate closes it; one that
 * waits for its order alone goes on when the contradiction is gone.
 */
async function judgeAgain(tx: Sql, studyUid: string, now: number, gate: GateTimes): Promise<Held[]> {
  const study = await tx.get<StudyColumns>('SELECT * FROM studies WHERE study_uid = ?', studyUid);
  if (!study || study.state === 'arriving' || study.order_released === 1) return [];
  const heldByOrder = study.state === 'held' && (study.hold_code ?? '').startsWith('order-');
  if (study.state === 'held' && !heldByOrder) return [];
  const verdict = await reconcile(tx, studyUid);
  if (verdict?.kind === 'hold') {
    const held: Held[] = [];
    if (study.hold_code !== verdict.code)
      held.push(await setHeld(tx, studyUid, now, verdict.code, verdict.message, 'order'));
    const kind = verdict.code === 'order-cancelled' ? 'cancelled' : 'held';
    await addEffect(tx, { studyUid, kind, priority: 2, reason: `${verdict.code}: ${verdict.message}` });
    return held;
  }
  if (heldByOrder) {
    await awaitMore(tx, studyUid, now, { ...gate, quietMs: 0 });
    await addEvent(tx, studyUid, now, { code: 'released', message: 'order and images agree now', who: 'order' });
  }
  const priority = urgencyOf(verdict?.orders ?? []);
  if (priority !== undefined) await addEffect(tx, { studyUid, kind: 'urgent', priority, reason: 'its order' });
  return [];
}

/** The most urgent of the orders. */
export function urgencyOf(orders: readonly StoredOrder[]): OrderPriority | undefined {
  return orders.length === 0 ? undefined : (Math.min(...orders.map((o) => o.priority)) as OrderPriority);
}

/** Hand over what orders mean for work; one that fails stays and is told again. */
export async function handOverEffects(db: Database, tell: (effect: OrderEffect) => Promise<void>): Promise<void> {
  const rows = await db.all<{
    id: number;
    study_uid: string;
    kind: OrderEffect['kind'];
    priority: number;
    reason: string;
  }>('SELECT id, study_uid, kind, priority, reason FROM order_effects WHERE handled = 0 ORDER BY id');
  for (const { id, study_uid: studyUid, kind, priority, reason } of rows) {
    await tell({ studyUid, kind, priority: priority as OrderPriority, reason });
    await db.run('UPDATE order_effects SET handled = 1 WHERE id = ?', id);
  }
}
