// Stage 3: what a model answered becomes a Draft: sentences, findings, masks on the source grid, codes, measurements.
// It never reads pixels or files and never writes an encoding; data in, data out.
// Main type: Draft.
export type * from './draft.ts';
