// Instances become studies: identity, duplicates and conflicts, the gate that decides that a study is complete enough.
// It never reads pixels, never runs a model and knows no protocol.
// Main types: Studies, StudySnapshot.
export type * from './types.ts';
