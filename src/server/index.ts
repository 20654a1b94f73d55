// The one place where rooms are wired: configuration to stores to rooms to HTTP; start, readiness, drain.
// It never decides anything about a study.
// Main types: Gateway, Rooms, Reading.
export { serve, type Gateway } from './serve.ts';
export { openRooms, seriesOf, type Rooms } from './wire.ts';
export { openReading, type Reading } from './reading.ts';
export { checkBundle, checkBundles, uncodedLabels } from './check-bundles.ts';
export { foundText } from './drafts.ts';
export { heldOf, type Hold } from './backlog.ts';
export { backupStore, restoreStore, verifyStore, type BackupManifest } from './backup.ts';
export { type Retained } from './retention.ts';
export { askStudy } from './ask.ts';
export { storyOf, type Story, type StoryLine } from './story.ts';
export type { Readiness } from './health.ts';
export { home, version } from './home.ts';
