// Work: routes decide what is read by what, workitems carry it durably through the four stages.
// It never speaks a protocol; what arrives and what leaves are other rooms.
// Main types: Work, Workitem, RouteDecision.
export type * from './types.ts';
export { openWork } from './work.ts';
export type { WorkOptions } from './options.ts';
export type { RetryPolicy } from './claims.ts';
export { inputInstances, inputOf, workitemKey } from './rows.ts';
export { readAndEncode, answerStudy, draftStudy, encodeStudy, encodingFiles } from './pipeline.ts';
export type { Answered, OnProgress, PipelineInput, PipelineResult, ReadInput } from './pipeline.ts';
export { pipelineStages, type PipelineParts } from './stages.ts';
export { unpackMasks } from './pack.ts';
export { dropOutputs, endClaims, letterDropped, workBlobs, workOfStudy, type WorkOfStudy } from './retire.ts';
export { questionsOf } from './questions.ts';
export * from './routes.ts';
