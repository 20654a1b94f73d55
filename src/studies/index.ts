// Instances become studies: identity, duplicates and conflicts, the gate that decides that a study is complete enough.
// It never reads pixels, never runs a model and knows no protocol.
// Main types: Studies, StudySnapshot.
export type * from './types.ts';
export type * from './order-types.ts';
export { urgencyOf } from './orders.ts';
export { openStudies, type StudiesOptions } from './open.ts';
export { inputDigestOf } from './snapshot.ts';
export { summaryOf, summaryTags } from './summary.ts';
export { contradict } from './gate-rows.ts';
export {
  dropMessages,
  dropOwn,
  dropReceived,
  hasLiveOrder,
  instanceBlobs,
  restingStudies,
  restsStill,
  storedSize,
  usedByInstances,
  type StoredSize,
} from './retire.ts';
