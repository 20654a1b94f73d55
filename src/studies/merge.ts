import type { Sql } from '../store/index.ts';
import { addEffect, ordersWhere, samePatient } from './order-rows.ts';
import type { OrderAct, OrderPatient } from './order-types.ts';
import { addEvent } from './rows.ts';

type PatientNumber = Pick<OrderPatient, 'id' | 'issuer'>;

/**
 * The old number lives on as the new one. Orders get it at once; so do reports on images of the old number that have not
 * left. Where one has left, a person must look (the images themselves are never changed).
 * @returns the studies that it may concern
 */
export async function merge(
  tx: Sql,
  { patient, prior }: Extract<OrderAct, { kind: 'merge' }>,
  now: number,
): Promise<string[]> {
  if (patient.id === prior.id && patient.issuer === prior.issuer) return [];
  const before = [prior, ...(await numbersBefore(tx, prior))];
  await link(tx, patient, prior, now);
  for (const o of await ordersWhere(tx, 'patient_id = ?', prior.id)) {
    if (!samePatient(o.patient, prior)) continue;
    await tx.run(
      'UPDATE orders SET patient_id = ?, issuer = ?, issuer_oid = ?, updated_at = ? WHERE id = ?',
      patient.id,
      patient.issuer,
      patient.issuerOid,
      now,
      o.id,
    );
  }
  const message = `patient ${textOf(prior)} is now ${textOf(patient)}`;
  const studies = new Set<string>();
  for (const number of before) for (const uid of await studiesOfNumber(tx, number)) studies.add(uid);
  for (const studyUid of studies) {
    await addEvent(tx, studyUid, now, { code: 'patient-merged', message, who: 'order' });
    await addEffect(tx, { studyUid, kind: 'rekeyed', priority: 2, reason: message });
  }
  return [...studies];
}

async function link(tx: Sql, patient: PatientNumber, prior: PatientNumber, now: number): Promise<void> {
  // A number that lives again leads nowhere else.
  await tx.run('DELETE FROM patient_links WHERE prior_id = ? AND prior_issuer = ?', patient.id, patient.issuer);
  await tx.run(
    `INSERT INTO patient_links (prior_id, prior_issuer, patient_id, issuer, at) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (prior_id, prior_issuer) DO UPDATE SET patient_id = excluded.patient_id, issuer = excluded.issuer, at = excluded.at`,
    prior.id,
    prior.issuer,
    patient.id,
    patient.issuer,
    now,
  );
}

/** Numbers that were merged into this one earlier, directly or by others. */
async function numbersBefore(tx: Sql, number: PatientNumber, found: PatientNumber[] = []): Promise<PatientNumber[]> {
  const rows = await tx.all<{ prior_id: string; prior_issuer: string; issuer: string }>(
    'SELECT prior_id, prior_issuer, issuer FROM patient_links WHERE patient_id = ?',
    number.id,
  );
  for (const { prior_id: id, prior_issuer: issuer, issuer: into } of rows) {
    if (!agree(into, number.issuer) || found.some((f) => f.id === id && f.issuer === issuer)) continue;
    found.push({ id, issuer });
    await numbersBefore(tx, { id, issuer }, found);
  }
  return found;
}

async function studiesOfNumber(tx: Sql, { id, issuer }: PatientNumber): Promise<string[]> {
  const rows = await tx.all<{ study_uid: string; issuer: string }>(
    'SELECT study_uid, issuer FROM study_identities WHERE patient_id = ?',
    id,
  );
  return rows.filter((r) => agree(r.issuer, issuer)).map((r) => r.study_uid);
}

/** An issuer that one side does not name contradicts nothing. */
function agree(a: string, b: string): boolean {
  return a === '' || b === '' || a === b;
}

function textOf({ id, issuer }: PatientNumber): string {
  return `"${id}"${issuer ? ` of ${issuer}` : ''}`;
}
