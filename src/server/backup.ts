import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { copyFile, mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { asPlumblineError, endTag, PlumblineError, processTag, schemaProblems, tagLives } from '../base/index.ts';
import {
  addressOf,
  copyBlob,
  copyDatabase,
  digestOf,
  openDatabase,
  readBlob,
  syncFile,
  syncFolder,
} from '../store/index.ts';
import { endClaims } from '../work/index.ts';
import { version } from './home.ts';
import { usedBlobs, verifyBlobs, type Verified } from './references.ts';

const database = 'plumbline.db';
const list = 'blobs.txt';
const manifest = 'backup.json';

const manifestSchema = {
  type: 'object',
  required: ['schema', 'version', 'createdAt', 'database', 'blobs'],
  properties: {
    schema: { const: 'plumbline.backup/1' },
    version: { type: 'string' },
    createdAt: { type: 'string' },
    database: {
      type: 'object',
      required: ['bytes', 'sha256'],
      properties: { bytes: { type: 'integer' }, sha256: { type: 'string' } },
    },
    blobs: {
      type: 'object',
      required: ['count', 'bytes', 'listSha256'],
      properties: { count: { type: 'integer' }, bytes: { type: 'integer' }, listSha256: { type: 'string' } },
    },
  },
} as const;

/** `backup.json`, written last: a folder without it is no backup. */
export interface BackupManifest {
  readonly schema: 'plumbline.backup/1';
  /** Of the program that made it. */
  readonly version: string;
  readonly createdAt: string;
  readonly database: { readonly bytes: number; readonly sha256: string };
  /** `blobs.txt` has a line `<SHA-256> <bytes>` for each. */
  readonly blobs: { readonly count: number; readonly bytes: number; readonly listSha256: string };
}

/**
 * Copy a store while the gateway works: first the database, at one moment, then every blob that this copy of it names;
 * blobs never change, and none is removed meanwhile.
 * @param to a folder that is empty or not there
 * @param options.link link blobs instead of copying them where both folders are on one volume
 * @throws PlumblineError folder-not-empty, not-found, store-damaged, disk-full
 */
export async function backupStore(
  dataDir: string,
  to: string,
  options: { readonly link?: boolean } = {},
): Promise<BackupManifest> {
  refuseFull(to);
  if (!existsSync(join(dataDir, database)))
    throw new PlumblineError('not-found', 'there is no store to back up', { where: dataDir });
  const createdAt = new Date().toISOString();
  const free = holdSweeps(dataDir);
  try {
    await mkdir(join(to, 'blobs'), { recursive: true });
    await copyDatabase(join(dataDir, database), join(to, database));
    const blobs = await copyUsed(join(dataDir, 'blobs'), to, options.link ?? true);
    const copied = await digestOf(join(to, database));
    const made: BackupManifest = {
      schema: 'plumbline.backup/1',
      version,
      createdAt,
      database: { bytes: copied.bytes, sha256: copied.digest },
      blobs,
    };
    await writeDurably(join(to, manifest), `${JSON.stringify(made, null, 2)}\n`);
    return made;
  } finally {
    free();
  }
}

/** Blobs that the copied database names, and their list. */
async function copyUsed(from: string, to: string, link: boolean): Promise<BackupManifest['blobs']> {
  const db = await openDatabase(join(to, database));
  const lines = await open(join(to, list), 'w');
  const seen = new Set<string>();
  const folders = new Set<string>([to, join(to, 'blobs')]);
  let bytes = 0;
  try {
    for await (const { digest, of } of usedBlobs(db, (d) => readBlob(addressOf(from, d), d))) {
      if (seen.has(digest)) continue;
      seen.add(digest);
      const size = await copyBlob(digest, from, join(to, 'blobs'), { link, verify: false }).catch((thrown: unknown) => {
        const e = asPlumblineError(thrown);
        throw new PlumblineError(e.code, `${e.message}: ${of}`, { where: digest, cause: thrown });
      });
      await lines.write(`${digest} ${size}\n`);
      bytes += size;
      const leaf = dirname(addressOf(join(to, 'blobs'), digest));
      folders.add(leaf).add(dirname(leaf));
    }
    await lines.sync();
  } finally {
    await lines.close();
    await db.close();
  }
  for (const folder of folders) await syncFolder(folder);
  return { count: seen.size, bytes, listSha256: (await digestOf(join(to, list))).digest };
}

/**
 * Bring a backup into a data folder that is empty or not there. Each blob is read and held against its address on the
 * way; the database comes last, so that a restore that was cut is never taken for a store.
 * @throws PlumblineError folder-not-empty, backup-invalid, disk-full
 */
export async function restoreStore(from: string, dataDir: string): Promise<BackupManifest> {
  const made = await readManifest(from);
  refuseFull(dataDir);
  await mkdir(join(dataDir, 'blobs'), { recursive: true });
  try {
    const folders = new Set<string>([dataDir, join(dataDir, 'blobs')]);
    for (const line of (await readFile(join(from, list), 'utf8')).split('\n').filter((l) => l !== '')) {
      const [digest = '', size = ''] = line.split(' ');
      const got = await copyBlob(digest, join(from, 'blobs'), join(dataDir, 'blobs'), { link: false, verify: true });
      if (got !== Number(size)) throw new PlumblineError('backup-invalid', `${digest} has ${got} bytes, not ${size}`);
      const leaf = dirname(addressOf(join(dataDir, 'blobs'), digest));
      folders.add(leaf).add(dirname(leaf));
    }
    const part = join(dataDir, `${database}.part`);
    // Nobody writes to it, so the file as it is: opened, it would want a log beside it.
    await copyFile(join(from, database), part);
    await syncFile(part);
    await endClaimsOf(part);
    for (const folder of folders) await syncFolder(folder);
    await rename(part, join(dataDir, database));
    await syncFolder(dataDir);
  } catch (thrown) {
    for (const name of readdirSync(dataDir)) rmSync(join(dataDir, name), { recursive: true, force: true });
    const e = asPlumblineError(thrown);
    if (e.code !== 'store-damaged') throw thrown;
    throw new PlumblineError('backup-invalid', e.message, { where: e.where ?? from, cause: thrown });
  }
  return made;
}

async function endClaimsOf(path: string): Promise<void> {
  const db = await openDatabase(path);
  try {
    await endClaims(db);
  } finally {
    await db.close();
  }
}

/** @throws PlumblineError backup-invalid where something is missing, or not as it was written */
export async function readManifest(from: string): Promise<BackupManifest> {
  const invalid = (message: string, cause?: unknown): PlumblineError =>
    new PlumblineError('backup-invalid', message, { where: from, cause });
  let made: BackupManifest;
  try {
    made = JSON.parse(await readFile(join(from, manifest), 'utf8')) as BackupManifest;
  } catch (cause) {
    throw invalid(`${manifest} is missing or no JSON: the backup was not ended`, cause);
  }
  const [problem] = schemaProblems(manifestSchema, made);
  if (problem) throw invalid(`${manifest}: ${problem.path} ${problem.message}`);
  const expected = { [database]: made.database.sha256, [list]: made.blobs.listSha256 };
  for (const [name, digest] of Object.entries(expected)) {
    const is = await digestOf(join(from, name)).catch((cause: unknown) =>
      Promise.reject(invalid(`${name} is missing`, cause)),
    );
    if (is.digest !== digest) throw invalid(`${name} is not as it was written`);
  }
  return made;
}

/** Every blob of a store, or of a backup, against its address. @throws PlumblineError not-found */
export function verifyStore(dataDir: string): Promise<Verified> {
  if (!existsSync(join(dataDir, database)))
    throw new PlumblineError('not-found', 'there is no store', { where: dataDir });
  const path = (digest: string): string => addressOf(join(dataDir, 'blobs'), digest);
  return verifyBlobs(join(dataDir, database), {
    read: (digest) => readBlob(path(digest), digest),
    digest: (digest) => digestOf(path(digest)),
  });
}

/** @throws PlumblineError folder-not-empty */
function refuseFull(dir: string): void {
  if (!existsSync(dir) || readdirSync(dir).length === 0) return;
  throw new PlumblineError('folder-not-empty', 'the folder is not empty', { where: dir });
}

async function writeDurably(path: string, text: string): Promise<void> {
  await writeFile(path, text);
  await syncFile(path);
  await syncFolder(dirname(path));
}

const holdName = 'backing-up';

/** Let no sweep remove blobs until the result is called, or this process has ended. */
function holdSweeps(dataDir: string): () => void {
  const tag = processTag();
  const file = join(dataDir, `${holdName}-${tag}`);
  writeFileSync(file, '');
  return () => {
    endTag(tag);
    rmSync(file, { force: true });
  };
}

/** Whether a backup is under way. What processes that died left is removed. */
export function sweepsHeld(dataDir: string): boolean {
  const names = readdirSync(dataDir).filter((name) => name.startsWith(`${holdName}-`));
  const alive = names.filter((name) => tagLives(name.slice(holdName.length + 1)));
  for (const name of names) if (!alive.includes(name)) rmSync(join(dataDir, name), { force: true });
  return alive.length > 0;
}
