// Audit events: who did what with data of patients, in rows that are only ever appended to and hold each other's digest.
// It never decides who may do what, and never removes a row.
// Main types: AuditEvent, AuditLog.
export { eventKinds, type AuditEvent, type AuditRow, type EventKind } from './types.ts';
export { listAudit, recordAudit, verifyAudit, type AuditFilter, type ChainHead } from './rows.ts';
export { openAuditLog, type AuditLog, type AuditLogOptions } from './log.ts';
export { auditToFhir, type AuditSource } from './fhir.ts';
