import { statSync, unlinkSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { addressOf } from './blobs.ts';
import { ignoreMissing } from './files.ts';

/** A row that refers to a blob. */
export interface BlobUse {
  readonly digest: string;
  /** What it is, for people: `instance 1.2.3`, `draft of 3f2a…`. */
  readonly of: string;
}

/** Addresses of all blobs in the folder, those of one leaf at a time. */
export async function* blobsIn(dir: string): AsyncIterable<readonly string[]> {
  for (const first of await namesIn(dir, /^[0-9a-f]{2}$/))
    for (const second of await namesIn(join(dir, first), /^[0-9a-f]{2}$/)) {
      const digests = await namesIn(join(dir, first, second), /^[0-9a-f]{64}$/);
      if (digests.length > 0) yield digests;
    }
}

async function namesIn(dir: string, form: RegExp): Promise<string[]> {
  try {
    return (await readdir(dir)).filter((name) => form.test(name)).sort();
  } catch (e) {
    ignoreMissing(e);
    return [];
  }
}

export interface Swept {
  readonly files: number;
  readonly bytes: number;
}

/**
 * Remove blobs that no row refers to and that are older than `ageMs`: a younger one may be on its way into a row.
 * @param used those of a list that some row refers to
 * @param dryRun only count
 */
export async function sweepBlobs(
  dir: string,
  used: (digests: readonly string[]) => Promise<ReadonlySet<string>>,
  options: { readonly ageMs: number; readonly dryRun?: boolean },
): Promise<Swept> {
  let [files, bytes] = [0, 0];
  for await (const digests of blobsIn(dir)) {
    const kept = await used(digests);
    for (const digest of digests) {
      if (kept.has(digest)) continue;
      const size = removeOld(addressOf(dir, digest), Date.now() - options.ageMs, options.dryRun === true);
      if (size === undefined) continue;
      files++;
      bytes += size;
    }
  }
  return { files, bytes };
}

/**
 * Looked at and removed in one go: a commit that finds the file there renews it first, in the same thread, so it is
 * either too young by now or gone before the commit looks. @returns its size, undefined where it stays
 */
function removeOld(path: string, before: number, dryRun: boolean): number | undefined {
  try {
    const { mtimeMs, size } = statSync(path);
    if (mtimeMs > before) return undefined;
    if (!dryRun) unlinkSync(path);
    return size;
  } catch (e) {
    ignoreMissing(e);
    return undefined;
  }
}
