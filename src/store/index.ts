// Durable state behind two small interfaces: rows (Database) and content-addressed bytes (Blobs).
// It never knows what the rows mean beyond their migrations.
// Main types: Database, Blobs.
export type * from './types.ts';
export { openDatabase, type DatabaseCounters, type DatabaseOptions, type SqliteDatabase } from './sqlite.ts';
export { addressOf, openBlobs, readBlob, type BlobOptions, type FileBlobs } from './blobs.ts';
export type { BlobCounters } from './staged.ts';
export { blobsIn, sweepBlobs, type BlobUse, type Swept } from './inventory.ts';
export { copyBlob, copyDatabase, digestOf, syncFile } from './copy.ts';
export { syncFolder } from './files.ts';
