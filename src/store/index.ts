// Durable state behind two small interfaces: rows (Database) and content-addressed bytes (Blobs).
// It never knows what the rows mean beyond their migrations.
// Main types: Database, Blobs.
export type * from './types.ts';
