export type SqlValue = string | number | bigint | Uint8Array | null;

/** Statements in the SQL that SQLite and PostgreSQL share; parameters are `?`. */
export interface Sql {
  all<T>(text: string, ...params: readonly SqlValue[]): Promise<T[]>;
  get<T>(text: string, ...params: readonly SqlValue[]): Promise<T | undefined>;
  /** @returns the number of rows changed */
  run(text: string, ...params: readonly SqlValue[]): Promise<number>;
}

/** Durable rows. Behind it SQLite now, PostgreSQL later; nothing above this room may know which. */
export interface Database extends Sql {
  /** All or nothing, one at a time; when the promise resolves the rows are on the disk (a sync of the log). */
  transaction<T>(work: (tx: Sql) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Bytes on their way in: hashed while they are written, without an address until `finish`. */
export interface StagedBlob {
  /** Resolves when the bytes are handed to the disk (back-pressure). */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Flush and start to sync; the file is complete but not yet addressed.
   * @param digest SHA-256 hex of all that was written; only for a blob that was staged as `hashed`
   */
  finish(digest?: string): Promise<{ readonly digest: string; readonly bytes: number }>;
  /** Read what was written (after `finish`). */
  read(start?: number, end?: number): Promise<Uint8Array>;
  /** Fill the place with what was written from `start` on, in this thread: for headers here and there, before `finish`. */
  readInto(place: Uint8Array, start: number): void;
  /** Remove it; harmless after `commit`. */
  discard(): Promise<void>;
}

/** Content-addressed bytes. Behind it files now, S3 later. */
export interface Blobs {
  /**
   * @param use `drain`: results of accepted work, which may use the reserve. `hashed`: the writer makes the digest while
   * the bytes come to it, and gives it to `finish`. @throws PlumblineError disk-full
   */
  stage(use?: { readonly drain?: boolean; readonly hashed?: boolean }): Promise<StagedBlob>;
  /**
   * Give finished blobs their address. Resolves only when all are durable: an fdatasync each, and one folder sync for all
   * commits that wait at the same moment.
   */
  commit(staged: readonly StagedBlob[]): Promise<void>;
  /** stage + finish + commit of small content. @returns its SHA-256 hex */
  put(bytes: Uint8Array): Promise<string>;
  has(digest: string): Promise<boolean>;
  size(digest: string): Promise<number>;
  /** @param end exclusive. @throws PlumblineError store-damaged where a whole read does not match its address */
  read(digest: string, start?: number, end?: number): Promise<Uint8Array>;
  stream(digest: string): AsyncIterable<Uint8Array>;
  remove(digest: string): Promise<void>;
  /** Free bytes on the volume. */
  free(): Promise<number>;
}
