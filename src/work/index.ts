// Work: routes decide what is read by what, workitems carry it durably through the four stages.
// It never speaks a protocol; what arrives and what leaves are other rooms.
// Main types: Work, Workitem, RouteDecision.
export type * from './types.ts';
export { openWork, type WorkOptions } from './work.ts';
export type { RetryPolicy } from './claims.ts';
export { inputOf, workitemKey } from './rows.ts';
export * from './routes.ts';
