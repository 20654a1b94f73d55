import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/base/index.ts';
import { stow } from '../../src/cli/stow-client.ts';
import { backupStore, restoreStore, serve, verifyStore, type Gateway } from '../../src/server/index.ts';
import { readManifest } from '../../src/server/backup.ts';
import { servePacs, siteConfig, smallImage, studyUidOf } from '../builders/data-folder.ts';
import { plumbline, tempFolder, until } from '../builders/program.ts';

/** Modalities of what the PACS has of a study. */
async function inPacs(pacs: Gateway, study: string): Promise<string[]> {
  const instances = await pacs.rooms.studies.instances(studyUidOf(study));
  return instances.map((i) => i.summary['00080060']?.Value?.[0] as string).sort();
}

const studies = Array.from({ length: 12 }, (_, n) => `load ${n}`);

describe('a gateway that is backed up under load', () => {
  let pacs: Gateway;
  let dataDir: string;
  const backup = join(tempFolder('backup'), 'copy');
  /** Acknowledged before the backup began. */
  const before: string[] = [];

  beforeAll(async () => {
    pacs = await servePacs();
    dataDir = tempFolder('live');
    const gateway = await serve(siteConfig(dataDir, pacs.dicomweb), silentLog);
    try {
      const sending = (async () => {
        for (const study of studies) {
          expect((await stow(gateway.dicomweb, [smallImage(study)])).status).toBe(200);
          before.push(study);
        }
      })();
      await until(async () => (before.length >= 4 ? true : undefined), 'some load');
      const acknowledged = [...before];
      // As another process does it, while this one goes on.
      const config = join(tempFolder('config'), 'plumbline.yaml');
      writeFileSync(config, JSON.stringify({ dataDir }));
      const made = await plumbline(['backup', backup, '--config', config, '--json']);
      expect([made.stderr, made.code]).toEqual(['', 0]);
      before.splice(0, before.length, ...acknowledged);
      await sending;
      before.splice(acknowledged.length);
    } finally {
      await gateway.stop();
    }
  }, 120_000);
  afterAll(() => pacs?.stop());

  it('leaves a backup whose every file is as its manifest says', async () => {
    const manifest = await readManifest(backup);
    expect(manifest.blobs.count).toBeGreaterThanOrEqual(before.length);
    expect(globSync('blobs/*/*/*', { cwd: backup })).toHaveLength(manifest.blobs.count);
    expect(await verifyStore(backup)).toMatchObject({ blobs: manifest.blobs.count, problems: [] });
  });

  it('goes on from it elsewhere: nothing acknowledged is missing, and nothing is delivered twice', async () => {
    const elsewhere = join(tempFolder('elsewhere'), 'data');
    await restoreStore(backup, elsewhere);
    expect((await verifyStore(elsewhere)).problems).toEqual([]);
    const gateway = await serve(siteConfig(elsewhere, pacs.dicomweb), silentLog);
    try {
      await until(async () => {
        const rows = await Promise.all(before.map((s) => gateway.rooms.work.list({ studyUid: studyUidOf(s) })));
        return rows.every((items) => items[0]?.state === 'delivered') ? true : undefined;
      }, 'the restored work to be delivered');
    } finally {
      await gateway.stop();
    }
    expect(before.length).toBeGreaterThanOrEqual(4);
    // The first gateway has delivered most of these too: derived identifiers make both the same objects.
    for (const study of before) expect(await inPacs(pacs, study), study).toEqual(['SEG', 'SR']);
    expect(await pacs.rooms.studies.events(studyUidOf(before[0]!))).not.toContainEqual(
      expect.objectContaining({ code: 'instance-conflict' }),
    );
  }, 120_000);

  it('never restores over something, and never backs up into something', async () => {
    const full = tempFolder('full');
    writeFileSync(join(full, 'a'), '');
    await expect(restoreStore(backup, full)).rejects.toMatchObject({ code: 'folder-not-empty' });
    await expect(backupStore(dataDir, full)).rejects.toMatchObject({ code: 'folder-not-empty' });
    expect(globSync('*', { cwd: full })).toEqual(['a']);
  });

  it('finds a blob that was damaged or lost, and restores nothing of such a backup', async () => {
    const copy = join(tempFolder('backup'), 'copy');
    await backupStore(dataDir, copy, { link: false });
    const [first, second] = globSync('blobs/*/*/*', { cwd: copy }).sort();
    const bytes = readFileSync(join(copy, first!));
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(join(copy, first!), bytes);
    rmSync(join(copy, second!));
    const { problems } = await verifyStore(copy);
    expect(problems.map((p) => p.message).sort()).toEqual([
      'the blob is missing',
      'the content does not match the address',
    ]);
    expect(problems.every((p) => /^(instance|.* of workitem) /.test(p.of))).toBe(true);
    const target = join(tempFolder('target'), 'data');
    await expect(restoreStore(copy, target)).rejects.toMatchObject({ code: 'backup-invalid' });
    expect(globSync('**/*', { cwd: target })).toEqual([]);
    // The live store shares nothing with a copy.
    expect((await verifyStore(dataDir)).problems).toEqual([]);
  });

  it('takes no folder for a backup that was not ended, or whose database is another', async () => {
    await expect(restoreStore(dataDir, tempFolder('x'))).rejects.toMatchObject({ code: 'backup-invalid' });
    const copy = join(tempFolder('backup'), 'copy');
    await backupStore(dataDir, copy);
    writeFileSync(join(copy, 'plumbline.db'), 'x');
    await expect(restoreStore(copy, tempFolder('x'))).rejects.toMatchObject({
      code: 'backup-invalid',
      message: 'plumbline.db is not as it was written',
    });
  });

  it('says so on the command line too', async () => {
    const elsewhere = join(tempFolder('cli'), 'data');
    const config = join(tempFolder('config'), 'plumbline.yaml');
    writeFileSync(config, JSON.stringify({ dataDir: elsewhere }));
    const restored = await plumbline(['restore', backup, '--config', config]);
    expect(restored.stdout).toMatch(/^Restored the store of \S+ \(version \S+\): \d+ blobs of .+\.\n$/);
    const verified = await plumbline(['store', 'verify', '--config', config]);
    expect([verified.code, verified.stdout]).toEqual([0, expect.stringMatching(/: all as they were written\.\n$/)]);
    const again = await plumbline(['restore', backup, '--config', config]);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('folder-not-empty')]);
  });
});
