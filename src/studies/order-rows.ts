import type { Sql, SqlValue } from '../store/index.ts';
import type { OrderEffect, OrderFacts, OrderPatient, OrderPriority, StoredOrder } from './order-types.ts';

interface OrderColumns {
  readonly id: number;
  readonly sender: string;
  readonly placer: string;
  readonly filler: string;
  readonly accession: string;
  readonly study_uid: string;
  readonly requested_procedure: string;
  readonly step: string;
  readonly patient_id: string;
  readonly issuer: string;
  readonly issuer_oid: string;
  readonly birth_date: string;
  readonly sex: string;
  readonly procedure_code: string;
  readonly procedure_text: string;
  readonly procedure_scheme: string;
  readonly modality: string;
  readonly priority: number;
  readonly state: StoredOrder['state'];
}

export async function ordersWhere(sql: Sql, where: string, ...params: readonly SqlValue[]): Promise<StoredOrder[]> {
  const rows = await sql.all<OrderColumns>(`SELECT * FROM orders WHERE ${where} ORDER BY id`, ...params);
  return rows.map((r) => ({
    id: r.id,
    sender: r.sender,
    state: r.state,
    placer: r.placer,
    filler: r.filler,
    accession: r.accession,
    studyUid: r.study_uid,
    requestedProcedure: r.requested_procedure,
    step: r.step,
    procedure: { code: r.procedure_code, text: r.procedure_text, scheme: r.procedure_scheme },
    modality: r.modality,
    priority: r.priority as OrderPriority,
    patient: {
      id: r.patient_id,
      issuer: r.issuer,
      issuerOid: r.issuer_oid,
      birthDate: r.birth_date,
      sex: r.sex,
    },
  }));
}

const columns = [
  'placer',
  'filler',
  'accession',
  'study_uid',
  'requested_procedure',
  'step',
  'patient_id',
  'issuer',
  'issuer_oid',
  'birth_date',
  'sex',
  'procedure_code',
  'procedure_text',
  'procedure_scheme',
  'modality',
  'priority',
];

function valuesOf(order: OrderFacts): SqlValue[] {
  const { patient, procedure } = order;
  return [
    order.placer,
    order.filler,
    order.accession,
    order.studyUid,
    order.requestedProcedure,
    order.step,
    patient.id,
    patient.issuer,
    patient.issuerOid,
    patient.birthDate,
    patient.sex,
    procedure.code,
    procedure.text,
    procedure.scheme,
    order.modality,
    order.priority ?? '',
  ];
}

export async function insertOrder(tx: Sql, sender: string, order: OrderFacts, now: number): Promise<void> {
  await tx.run(
    `INSERT INTO orders (id, sender, ${columns.join(', ')}, state, created_at, updated_at)
     SELECT COALESCE(MAX(id), 0) + 1, ?, ${columns.map(() => '?').join(', ')}, 'open', ?, ? FROM orders`,
    sender,
    ...valuesOf({ ...order, priority: order.priority ?? 2 }),
    now,
    now,
  );
}

/** What the sender leaves empty stays as it was (2.5.3). @param reopen whether a cancelled or held order is open again */
export async function updateOrder(
  tx: Sql,
  old: StoredOrder,
  order: OrderFacts,
  now: number,
  reopen: boolean,
): Promise<void> {
  const before = valuesOf(old);
  const accession = ownAccession(order) || old.accession || order.accession;
  const values = valuesOf({ ...order, accession }).map((v, i) => (v === '' ? before[i]! : v));
  await tx.run(
    `UPDATE orders SET ${columns.map((c) => `${c} = ?`).join(', ')}, state = ?, updated_at = ? WHERE id = ?`,
    ...values,
    reopen ? 'open' : old.state,
    now,
    old.id,
  );
}

/** The accession number, unless the filler number stands in its place for want of one. */
export function ownAccession({ accession, filler }: OrderFacts): string {
  return accession === filler ? '' : accession;
}

/** Whether two numbers are one patient's. An issuer that one side does not name contradicts nothing. */
export function samePatient(
  a: Pick<OrderPatient, 'id' | 'issuer' | 'issuerOid'>,
  b: { readonly id: string; readonly issuer: string },
): boolean {
  if (a.id !== b.id) return false;
  if (b.issuer === '' || (a.issuer === '' && a.issuerOid === '')) return true;
  const theirs = b.issuer.replace(/^urn:oid:/, '');
  return theirs === a.issuer || theirs === a.issuerOid;
}

/** Kept until whoever does it has done it. */
export async function addEffect(tx: Sql, effect: OrderEffect): Promise<void> {
  await tx.run(
    `INSERT INTO order_effects (id, study_uid, kind, priority, reason)
     SELECT COALESCE(MAX(id), 0) + 1, ?, ?, ?, ? FROM order_effects`,
    effect.studyUid,
    effect.kind,
    effect.priority,
    effect.reason,
  );
}
