// STOW-RS: instances that a peer posts, streamed to disk and handed to studies; answered only when they are durable.
// It never decides what is read and never changes a byte of what it received.
// Main type: StowOptions.
export { stowRouter, type StowLimits, type StowOptions } from './router.ts';
