import fc from 'fast-check';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openBlobs, type FileBlobs, type StagedBlob } from '../../../src/store/index.ts';

let dir: string;
let blobs: FileBlobs;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (b: Uint8Array): string => new TextDecoder().decode(b);
/** FIPS 180-2, appendix B.1: the digest of "abc". */
const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

async function staged(content: string): Promise<StagedBlob> {
  const blob = await blobs.stage();
  await blob.write(bytes(content));
  await blob.finish();
  return blob;
}
async function drain(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}
const waiting = (): string[] =>
  readdirSync(join(dir, 'staging'), { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => e.name);

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'plumbline-blobs-'));
  blobs = await openBlobs(dir, { reserveBytes: 0 });
});
afterEach(async () => {
  await blobs.close();
  rmSync(dir, { recursive: true, force: true });
});

describe('blobs', () => {
  it('have the SHA-256 of their content as address, two folders deep', async () => {
    expect(await blobs.put(bytes('abc'))).toBe(abc);
    expect(existsSync(join(dir, 'ba', '78', abc))).toBe(true);
    expect(await blobs.has(abc)).toBe(true);
    expect(await blobs.size(abc)).toBe(3);
    expect(text(await blobs.read(abc))).toBe('abc');
  });

  it('have the same digest however they are cut into chunks', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }), async (chunks) => {
        const blob = await blobs.stage();
        for (const chunk of chunks) await blob.write(chunk);
        const { digest, bytes: n } = await blob.finish();
        const whole = Buffer.concat(chunks);
        expect(digest).toBe(createHash('sha256').update(whole).digest('hex'));
        expect(n).toBe(whole.length);
        expect(Buffer.from(await blob.read())).toEqual(whole);
        await blob.discard();
      }),
      { numRuns: 30 },
    );
  });

  it('are not there before they are committed', async () => {
    const blob = await staged('abc');
    expect(await blobs.has(abc)).toBe(false);
    await blobs.commit([blob]);
    expect(await blobs.has(abc)).toBe(true);
    expect(waiting()).toEqual([]);
  });

  it('cost one file sync each and one folder sync a commit', async () => {
    const batch = await Promise.all(Array.from({ length: 100 }, (_, i) => staged(`blob ${i}`)));
    await blobs.commit(batch);
    expect(blobs.counters).toEqual({ files: 100, bytes: 10 * 6 + 90 * 7, fileSyncs: 100, folderSyncs: 1, existing: 0 });
  });

  it('share a folder sync where their commits wait at the same moment', async () => {
    const batches = await Promise.all(['a', 'b', 'c', 'd'].map(async (name) => [await staged(name)]));
    await Promise.all(batches.map((batch) => blobs.commit(batch)));
    // The first begins at once, for its own; the others wait for it and share the next.
    expect(blobs.counters).toMatchObject({ files: 4, fileSyncs: 4, folderSyncs: 2 });
  });

  it('are not hashed again where their writer has done it', async () => {
    const blob = await blobs.stage({ hashed: true });
    await blob.write(bytes('abc'));
    await expect(blob.finish()).rejects.toMatchObject({ code: 'internal' });
    expect(await blob.finish(abc)).toEqual({ digest: abc, bytes: 3 });
    await blobs.commit([blob]);
    expect(text(await blobs.read(abc))).toBe('abc');
  });

  it('are kept once where the same bytes come twice', async () => {
    await blobs.put(bytes('abc'));
    const again = await staged('abc');
    const folderSyncs = blobs.counters.folderSyncs;
    await blobs.commit([again]);
    expect(blobs.counters).toMatchObject({ existing: 1, folderSyncs });
    expect(waiting()).toEqual([]);
  });

  it('are kept once where the same bytes come twice in one commit', async () => {
    await blobs.commit([await staged('abc'), await staged('abc')]);
    expect(text(await blobs.read(abc))).toBe('abc');
    expect(waiting()).toEqual([]);
  });

  it('are read in part, from staging and from their address', async () => {
    const blob = await staged('0123456789');
    expect(text(await blob.read(2, 5))).toBe('234');
    await blobs.commit([blob]);
    const digest = createHash('sha256').update('0123456789').digest('hex');
    expect(text(await blobs.read(digest, 2, 5))).toBe('234');
    expect(text(await blobs.read(digest, 7))).toBe('789');
    expect(text(await blobs.read(digest, 8, 99))).toBe('89');
    expect(text(await blobs.read(digest, 50))).toBe('');
  });

  it('are streamed whole', async () => {
    const big = Buffer.alloc(3_000_003, 'plumb');
    const digest = await blobs.put(big);
    const chunks = await drain(blobs.stream(digest));
    expect(Buffer.concat(chunks).equals(big)).toBe(true);
    expect(chunks.length).toBeGreaterThan(1);
  });

  it('that were changed on the disk are store-damaged', async () => {
    await blobs.put(bytes('abc'));
    writeFileSync(join(dir, 'ba', '78', abc), 'abd');
    await expect(blobs.read(abc)).rejects.toMatchObject({ code: 'store-damaged', where: abc });
    await expect(drain(blobs.stream(abc))).rejects.toMatchObject({ code: 'store-damaged' });
  });

  it('that were cut on the disk are put right when the same bytes come again', async () => {
    await blobs.put(bytes('abc'));
    truncateSync(join(dir, 'ba', '78', abc), 1);
    await blobs.put(bytes('abc'));
    expect(text(await blobs.read(abc))).toBe('abc');
  });

  it('that are missing are store-damaged', async () => {
    await expect(blobs.read(abc)).rejects.toMatchObject({ code: 'store-damaged' });
    await expect(blobs.size(abc)).rejects.toMatchObject({ code: 'store-damaged' });
    await expect(drain(blobs.stream(abc))).rejects.toMatchObject({ code: 'store-damaged' });
    expect(await blobs.has(abc)).toBe(false);
  });

  it('are gone after remove, which may be said twice', async () => {
    await blobs.put(bytes('abc'));
    await blobs.remove(abc);
    await blobs.remove(abc);
    expect(await blobs.has(abc)).toBe(false);
  });

  it.each(['', '../../etc/passwd', abc.toUpperCase(), `${abc}/x`, abc.slice(1), `${abc}\0`])(
    'never make a path of what is no digest: %j',
    async (address) => {
      await expect(blobs.read(address)).rejects.toMatchObject({ code: 'internal' });
      await expect(blobs.has(address)).rejects.toMatchObject({ code: 'internal' });
      await expect(blobs.remove(address)).rejects.toMatchObject({ code: 'internal' });
    },
  );
});

describe('staging', () => {
  it('is empty after a discard, before or after finish', async () => {
    const open = await blobs.stage();
    await open.write(bytes('abc'));
    await open.discard();
    await (await staged('abc')).discard();
    expect(waiting()).toEqual([]);
  });

  it('lets a discard after the commit change nothing', async () => {
    const blob = await staged('abc');
    await blobs.commit([blob]);
    await blob.discard();
    expect(await blobs.has(abc)).toBe(true);
  });

  it('refuses to commit what is not finished, and to write after finish', async () => {
    const blob = await blobs.stage();
    await expect(blobs.commit([blob])).rejects.toMatchObject({ code: 'internal' });
    await blob.finish();
    await expect(blob.write(bytes('x'))).rejects.toMatchObject({ code: 'internal' });
    await blob.discard();
  });

  it('keeps the reserve from doors and gives it to work', async () => {
    const tight = await openBlobs(dir, { reserveBytes: Number.MAX_SAFE_INTEGER });
    await expect(tight.stage()).rejects.toMatchObject({ code: 'disk-full', class: 'retry' });
    expect(await tight.put(bytes('abc'))).toBe(abc);
    await (await tight.stage({ drain: true })).discard();
    await tight.close();
    expect(await blobs.free()).toBeGreaterThan(0);
  });

  /** As an ended process leaves it: process number 999999999 is beyond what Linux gives. */
  const leave = (folder: string, name: string, content: string): void => {
    mkdirSync(join(dir, 'staging', folder), { recursive: true });
    writeFileSync(join(dir, 'staging', folder, name), content);
  };

  it('of an ended process is cleaned up, and what was on its way to its address arrives', async () => {
    leave('someboot.999999999.aaaaaaaa', 'one.part', 'half a fi');
    leave('someboot.999999999.aaaaaaaa', `${abc}~one`, 'abc');
    const again = await openBlobs(dir, { reserveBytes: 0 });
    expect(text(await again.read(abc))).toBe('abc');
    expect(waiting()).toEqual([]);
    await again.close();
  });

  it('of an ended process loses what has the name of its bytes, but not the bytes: a power cut before their sync', async () => {
    leave('someboot.999999999.aaaaaaaa', `${abc}~one`, 'ab');
    leave('someboot.999999999.aaaaaaaa', `${abc}~two`, '');
    await (await openBlobs(dir, { reserveBytes: 0 })).close();
    expect(await blobs.has(abc)).toBe(false);
    expect(waiting()).toEqual([]);
  });

  it('of an earlier start with our process number is cleaned up too', async () => {
    leave(`someboot.${process.pid}.aaaaaaaa`, 'one.part', 'half a fi');
    await (await openBlobs(dir, { reserveBytes: 0 })).close();
    expect(waiting()).toEqual([]);
  });

  it('of a living process, and of ours, is left alone', async () => {
    const boot = readdirSync(join(dir, 'staging'))[0]!.split('.')[0]!;
    leave(`${boot}.${process.ppid}.aaaaaaaa`, 'theirs.part', 'half a fi');
    const mine = await staged('abc');
    await (await openBlobs(dir, { reserveBytes: 0 })).close();
    expect(waiting().sort()).toEqual([expect.stringMatching(/\.part$/), 'theirs.part'].sort());
    await blobs.commit([mine]);
    expect(statSync(join(dir, 'ba', '78', abc)).size).toBe(3);
  });
});
