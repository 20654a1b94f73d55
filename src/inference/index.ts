// Stage 2: a bundle is checked and opened, and its model answers about pictures with text and masks.
// It never parses what the model says, never reads DICOM, never touches network, database or clock.
// Main type: Runtime; it takes Picture and gives Answer (base/model.ts).
export { loadBundle, listBundles, type Bundle, type BundleListing } from './bundle.ts';
export { manifestSchema, type Manifest, type Task } from './manifest.ts';
export { createRuntime, type Runtime, type RuntimeOptions } from './runtime.ts';
export { labelsOf } from './labels.ts';
export { verifyBundle, type GoldenCheck, type Verified } from './verify.ts';
export { benchBundle, type BundleBench } from './bench.ts';
export { filesOf, skeletonOf, unsaidOf, withFacts, type Draftlike, type Unsaid } from './skeleton.ts';
export { promptOf, type Question, type Request } from './prompt.ts';
export type { Box } from './region.ts';
export { providers, type Provider } from './graphs.ts';
