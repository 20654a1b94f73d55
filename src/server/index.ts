// The one place where rooms are wired: configuration to stores to rooms to HTTP; start, readiness, drain.
// It never decides anything about a study.
// Main types: Gateway, Rooms, Reading.
export { serve, type Gateway } from './serve.ts';
export { openRooms, seriesOf, type Rooms } from './wire.ts';
export { openReading, type Reading } from './reading.ts';
export { foundText } from './drafts.ts';
export { home, version } from './home.ts';
