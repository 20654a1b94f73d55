// What every room stands on: errors, schemas, log, clock, ids, bits, and the nouns that rooms share.
// It never imports another room and never knows what the program is for.
// Main type: PlumblineError; the nouns are in model.ts.
export * from './model.ts';
export * from './window.ts';
export * from './bits.ts';
export * from './ids.ts';
export * from './parts.ts';
export * from './clock.ts';
export * from './checkpoint.ts';
export * from './log.ts';
export * from './own-result.ts';
export * from './process-tag.ts';
export * from './schema.ts';
export * from './config.ts';
export { catalogue, type CatalogueEntry, type ErrorClass, type ErrorCode } from './catalogue.ts';
export { PlumblineError, asPlumblineError, explainError } from './errors.ts';
