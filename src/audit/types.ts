/** Kinds of audit events of PS3.15 A.5.3; codes and words are those of PS3.16 CID 400. */
export const eventKinds = {
  activity: { code: '110100', display: 'Application Activity' },
  'log-used': { code: '110101', display: 'Audit Log Used' },
  accessed: { code: '110103', display: 'DICOM Instances Accessed' },
  transferred: { code: '110104', display: 'DICOM Instances Transferred' },
  deleted: { code: '110105', display: 'DICOM Study Deleted' },
  export: { code: '110106', display: 'Export' },
  order: { code: '110109', display: 'Order Record' },
  patient: { code: '110110', display: 'Patient Record' },
  procedure: { code: '110111', display: 'Procedure Record' },
  query: { code: '110112', display: 'Query' },
  alert: { code: '110113', display: 'Security Alert' },
  login: { code: '110114', display: 'User Authentication' },
} as const;

export type EventKind = keyof typeof eventKinds;

/** One audit event. The only place, beside the store of studies and orders, where patients and persons are named. */
export interface AuditEvent {
  readonly kind: EventKind;
  /** Create, read, update, delete, execute (RFC 3881 5.1.2). */
  readonly action: 'C' | 'R' | 'U' | 'D' | 'E';
  /** 0 success, 4 minor failure (who asks may not), 8 serious failure (RFC 3881 5.1.4). */
  readonly outcome: 0 | 4 | 8;
  /** Where it came in or went out: `stow dimse hl7 dicomweb pages delivery http cli server`. */
  readonly door: string;
  /** Who: subject of a token or certificate, AE title, sending application, a person at the command line. */
  readonly who: string;
  /** Network address of the other side, or name of the destination. */
  readonly from: string;
  readonly study?: string;
  readonly patient?: { readonly id: string; readonly issuer: string };
  /** Instances, or requests of one second that are alike. */
  readonly count?: number;
  /** Path and query of a search. */
  readonly query?: string;
  /** What was done, or the code of the error that it ended with. */
  readonly detail?: string;
}

/** As it is kept. */
export interface AuditRow {
  /** From 1, without a gap. */
  readonly number: number;
  /** ISO 8601 UTC. */
  readonly at: string;
  readonly event: AuditEvent;
  /** SHA-256 hex over the digest before, number, time and event. */
  readonly digest: string;
}
