import type { ErrorCode } from '../base/index.ts';
import type { Sql } from '../store/index.ts';
import { ordersWhere, samePatient } from './order-rows.ts';
import type { StoredOrder } from './order-types.ts';
import { identityOf, instancesWhere } from './rows.ts';
import { firstText } from './summary.ts';
import type { StoredInstance } from './types.ts';

/** What the images of a study say of themselves. */
export interface StudyClaims {
  readonly studyUid: string;
  readonly accession: string;
  readonly patientId: string;
  readonly issuer: string;
  /** `YYYY-MM-DD`, '' where the images do not say. */
  readonly birthDate: string;
  readonly sex: string;
}

export type Verdict =
  /** The orders of the study; none is no fault. */
  | { readonly kind: 'match'; readonly orders: readonly StoredOrder[] }
  | { readonly kind: 'hold'; readonly code: ErrorCode; readonly message: string };

/** The received images of a study beside the orders that may be meant. @returns undefined where nothing was received */
export async function reconcile(sql: Sql, studyUid: string): Promise<Verdict | undefined> {
  const asked = await sql.get(
    `SELECT 1 FROM orders WHERE study_uid = ? OR accession IN (
       SELECT accession FROM instances WHERE study_uid = ? AND accession <> '') LIMIT 1`,
    studyUid,
    studyUid,
  );
  if (!asked) return { kind: 'match', orders: [] };
  const claims = claimsOf(await instancesWhere(sql, `i.study_uid = ? AND i.origin = 'received'`, studyUid));
  if (!claims) return undefined;
  const orders = await ordersWhere(
    sql,
    `study_uid = ? OR (? <> '' AND accession = ?)`,
    studyUid,
    claims.accession,
    claims.accession,
  );
  return judge(claims, orders, await priorNumbers(sql, claims));
}

/** The first instance speaks for the study: contradictions among images are the gate's own affair. */
function claimsOf(instances: readonly StoredInstance[]): StudyClaims | undefined {
  const named = instances.find((i) => identityOf(i.summary).patientId !== '') ?? instances[0];
  if (!named) return undefined;
  const { summary, ref } = named;
  const born = firstText(summary, '00100030');
  return {
    studyUid: ref.studyUid,
    accession: instances.map((i) => firstText(i.summary, '00080050')).find((a) => a !== '') ?? '',
    ...identityOf(summary),
    birthDate: /^\d{8}$/.test(born) ? `${born.slice(0, 4)}-${born.slice(4, 6)}-${born.slice(6)}` : '',
    sex: firstText(summary, '00100040'),
  };
}

/** The number that the patient of the images has now, where it was merged into another since. */
export async function mergedPatient(
  sql: Sql,
  studyUid: string,
): Promise<{ readonly id: string; readonly issuer: string } | undefined> {
  const merged = await sql.get(
    `SELECT 1 FROM study_identities i JOIN patient_links l ON l.prior_id = i.patient_id WHERE i.study_uid = ? LIMIT 1`,
    studyUid,
  );
  if (!merged) return undefined;
  const claims = claimsOf(await instancesWhere(sql, `i.study_uid = ? AND i.origin = 'received'`, studyUid));
  return claims && (await priorNumbers(sql, claims)).slice(1).at(-1);
}

/** The numbers that the patient of the images has now, after merges; their own first. */
async function priorNumbers(
  sql: Sql,
  claims: StudyClaims,
): Promise<{ readonly id: string; readonly issuer: string }[]> {
  const numbers = [{ id: claims.patientId, issuer: claims.issuer }];
  for (const number of numbers) {
    const next = await sql.all<{ patient_id: string; issuer: string; prior_issuer: string }>(
      'SELECT patient_id, issuer, prior_issuer FROM patient_links WHERE prior_id = ?',
      number.id,
    );
    for (const link of next) {
      const meant = link.prior_issuer === '' || number.issuer === '' || link.prior_issuer === number.issuer;
      if (meant && !numbers.some((n) => n.id === link.patient_id))
        numbers.push({ id: link.patient_id, issuer: link.issuer });
    }
  }
  return numbers;
}

/**
 * Which orders are meant, or why none may be taken. The Study Instance UID decides before the accession number; a name
 * never does. What one side leaves empty contradicts nothing.
 * @param numbers every number of the patient of the images, their own first
 */
export function judge(
  claims: StudyClaims,
  orders: readonly StoredOrder[],
  numbers: readonly { readonly id: string; readonly issuer: string }[],
): Verdict {
  const byUid = orders.filter((o) => o.studyUid === claims.studyUid);
  const candidates = byUid.length > 0 ? byUid : orders;
  const first = candidates[0];
  if (!first) return { kind: 'match', orders: [] };

  const ofPatient = candidates.filter((o) => numbers.some((n) => samePatient(o.patient, n)));
  if (ofPatient.length === 0) {
    const order = `"${first.patient.id}"${first.patient.issuer ? ` of ${first.patient.issuer}` : ''}`;
    const images = `"${claims.patientId}"${claims.issuer ? ` of ${claims.issuer}` : ''}`;
    return hold('order-patient', `the order is for patient ${order}, the images are of ${images}`);
  }
  if (byUid.length === 0 && isAmbiguous(ofPatient, candidates))
    return hold('order-ambiguous', `${candidates.length} orders have the accession number "${claims.accession}"`);
  const other = ofPatient.find((o) => differ(o.accession, claims.accession));
  if (other)
    return hold(
      'order-accession',
      `the order has the accession number "${other.accession}", the images have "${claims.accession}"`,
    );
  const wrong = ofPatient.find((o) => bornElsewhen(o.patient.birthDate, claims.birthDate) || sexDiffers(o, claims));
  if (wrong) {
    const said = (birth: string, sex: string): string => `${birth || 'no birth date'}, ${sex || 'no sex'}`;
    return hold(
      'order-demographics',
      `the order says ${said(wrong.patient.birthDate, wrong.patient.sex)}; the images say ${said(claims.birthDate, claims.sex)}`,
    );
  }
  const alive = ofPatient.filter((o) => o.state !== 'cancelled');
  if (alive.length === 0)
    return hold('order-cancelled', `the order ${ofPatient[0]!.placer || ofPatient[0]!.filler} was cancelled`);
  const active = alive.filter((o) => o.state !== 'held');
  if (active.length === 0)
    return hold('order-held', `the order ${alive[0]!.placer || alive[0]!.filler} is on hold at its sender`);
  return { kind: 'match', orders: active };
}

function hold(code: ErrorCode, message: string): Verdict {
  return { kind: 'hold', code, message };
}

/** Several studies, none of them this one; or several patients, of whom one is ours by number alone. */
function isAmbiguous(ofPatient: readonly StoredOrder[], candidates: readonly StoredOrder[]): boolean {
  if (ofPatient.length < candidates.length) return true;
  const studies = new Set(ofPatient.map((o) => o.studyUid).filter((u) => u !== ''));
  return studies.size > 1;
}

function differ(a: string, b: string): boolean {
  return a !== '' && b !== '' && a !== b;
}

/** A date may be less exact on one side: `1961` and `1961-04-12` agree. */
function bornElsewhen(a: string, b: string): boolean {
  return a !== '' && b !== '' && !a.startsWith(b) && !b.startsWith(a);
}

const sexes = new Set(['M', 'F']);

function sexDiffers(order: StoredOrder, claims: StudyClaims): boolean {
  return sexes.has(order.patient.sex) && sexes.has(claims.sex) && order.patient.sex !== claims.sex;
}
