import { asPlumblineError } from '../base/index.ts';
import { openDatabase, type BlobUse, type Blobs, type Sql } from '../store/index.ts';
import { instanceBlobs, usedByInstances } from '../studies/index.ts';
import { workBlobs } from '../work/index.ts';

/**
 * Every blob that some row refers to; one may come more than once.
 * @param read the bytes of a list of encodings
 */
export async function* usedBlobs(
  sql: Sql,
  read: (digest: string) => Promise<Uint8Array | undefined>,
): AsyncIterable<BlobUse> {
  yield* instanceBlobs(sql);
  yield* workBlobs(sql, read);
}

/**
 * Tells which blobs are in use. What workitems refer to is read once, at the beginning: what is written later is young.
 * A list of encodings that cannot be read throws: what stands in it must not be taken for unused.
 */
export async function blobUses(
  sql: Sql,
  blobs: Pick<Blobs, 'read'>,
): Promise<(digests: readonly string[]) => Promise<ReadonlySet<string>>> {
  // The first 16 of 64 digits: a fourth of the memory, and a chance likeness only keeps one blob more.
  const ofWork = new Set<string>();
  for await (const { digest } of workBlobs(sql, (list) => blobs.read(list))) ofWork.add(digest.slice(0, 16));
  return async (digests) => {
    const used = await usedByInstances(sql, digests);
    for (const digest of digests) if (ofWork.has(digest.slice(0, 16))) used.add(digest);
    return used;
  };
}

export interface Verified {
  /** Blobs that rows refer to. */
  readonly blobs: number;
  readonly bytes: number;
  /** What is missing or damaged, and what refers to it. */
  readonly problems: readonly { readonly digest: string; readonly of: string; readonly message: string }[];
}

/**
 * Read every blob that a row of the database refers to, and hold it against its address.
 * @param from bytes of a blob, and the digest of what lies at its address
 */
export async function verifyBlobs(
  database: string,
  from: {
    readonly read: (digest: string) => Promise<Uint8Array>;
    readonly digest: (digest: string) => Promise<{ readonly digest: string; readonly bytes: number }>;
  },
): Promise<Verified> {
  const db = await openDatabase(database);
  const problems: { digest: string; of: string; message: string }[] = [];
  const seen = new Set<string>();
  let bytes = 0;
  // Whether a list can be read is found when its own turn comes.
  const list = (digest: string): Promise<Uint8Array | undefined> => from.read(digest).catch(() => undefined);
  try {
    for await (const { digest, of } of usedBlobs(db, list)) {
      if (seen.has(digest)) continue;
      seen.add(digest);
      try {
        const is = await from.digest(digest);
        bytes += is.bytes;
        if (is.digest !== digest) problems.push({ digest, of, message: 'the content does not match the address' });
      } catch (thrown) {
        const missing = (thrown as NodeJS.ErrnoException).code === 'ENOENT';
        problems.push({ digest, of, message: missing ? 'the blob is missing' : asPlumblineError(thrown).message });
      }
    }
  } finally {
    await db.close();
  }
  return { blobs: seen.size, bytes, problems };
}
