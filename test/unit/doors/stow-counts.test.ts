import { afterEach, describe, expect, it, vi } from 'vitest';
import { createInspector, inspectPart10, type Inspector } from '../../../src/dicom/index.ts';
import { ctFile } from '../../builders/files.ts';
import { stow, stowBody } from '../../builders/multipart.ts';
import { startTestServer, type TestServer } from '../../builders/read-write-server.ts';

let server: TestServer;
let inspector: Inspector;
afterEach(async () => {
  vi.restoreAllMocks();
  await server.close();
  await inspector.close();
});

async function start(): Promise<void> {
  inspector = createInspector(1);
  server = await startTestServer({ stow: { inspector } });
}

/** 512 x 512 x 16 bits; no CR among the pixels, at which a chunk that ends with it would be joined to the next. */
const slices = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) =>
    ctFile({
      instance: String(i),
      attributes: { Rows: 512, Columns: 512 },
      pixels: new Uint8Array(512 * 512 * 2).fill(100 + i),
    }),
  );

/** What a request of so many slices asked of disk and database. */
async function costOf(count: number): Promise<Record<string, number>> {
  const before = { ...server.blobs.counters, ...server.db.counters };
  expect((await stow(`${server.dicomweb}/studies`, slices(count))).status).toBe(200);
  const after = { ...server.blobs.counters, ...server.db.counters };
  return Object.fromEntries(Object.entries(after).map(([name, n]) => [name, n - before[name as keyof typeof before]]));
}

describe('what a STOW request costs', () => {
  it.each([1, 20])('is, for %i slices: a file and a file sync each, one folder sync, one commit', async (count) => {
    await start();
    expect(await costOf(count)).toMatchObject({ files: count, fileSyncs: count, folderSyncs: 1, transactions: 1 });
  });

  it('is one statement more for each slice more', async () => {
    await start();
    const few = await costOf(2);
    server.db.counters.statements = 0;
    await server.close();
    await start();
    const many = await costOf(22);
    expect(many['statements']! - few['statements']!).toBe(20);
    expect(many['reads']).toBe(few['reads']);
  });

  it('is one copy of each byte in this thread, and a part that lies in one chunk is joined to nothing', async () => {
    await start();
    const files = slices(20);
    const received = stowBody(files).body.length;
    // A request before it, so that only what each request copies is counted.
    await stow(`${server.dicomweb}/studies`, [ctFile({ study: 'b', instance: 'b' })]);
    const request = stow.bind(undefined, `${server.dicomweb}/studies`, files);
    const copied = await countCopies(request);
    expect(copied / received).toBeLessThan(1.02);
  });
});

const large = (pixels: number): Uint8Array =>
  ctFile({ attributes: { Rows: pixels / 4000, Columns: 2000 }, pixels: new Uint8Array(pixels).fill(7) });

describe('what a part larger than its place costs', () => {
  it.each([12_000_000, 40_000_000])('is, of %i bytes of pixels, at most two pages read back', async (pixels) => {
    await start();
    const cost = countReadBack();
    expect((await stow(`${server.dicomweb}/studies`, [large(pixels)])).status).toBe(200);
    // One page holds the headers of this file, another what the pixel data's header reaches into.
    expect(cost).toEqual({ files: 1, bytes: expect.any(Number) });
    expect(cost.bytes).toBeGreaterThan(0);
    expect(cost.bytes).toBeLessThanOrEqual(2 * 4096);
  });

  it('is nothing on the disk where its beginning is no DICOM file', async () => {
    await start();
    const cost = countReadBack();
    const [bad, good] = [new Uint8Array(12_000_000).fill(7), ctFile({ pixels: new Uint8Array(32 * 32 * 2) })];
    expect((await stow(`${server.dicomweb}/studies`, [bad, good])).status).toBe(202);
    expect(cost).toEqual({ files: 1, bytes: 0 });
  });

  it('is named as the same data that came whole: data digest and attributes are alike', async () => {
    await start();
    const file = large(12_000_000);
    await stow(`${server.dicomweb}/studies`, [file]);
    const { dataDigest, instanceUid } = inspectPart10(file);
    expect((await server.studies.instance(instanceUid))?.ref.dataDigest).toBe(dataDigest);
  });
});

describe('a part larger than its place', () => {
  it('is no damaged file where the disk does not read it back: 0110, and nothing of it is kept', async () => {
    await start();
    const { stage } = server.blobs;
    let discarded = 0;
    vi.spyOn(server.blobs, 'stage').mockImplementation(async (options) => {
      const blob = await stage(options);
      const discard = async (): Promise<void> => {
        discarded++;
        await blob.discard();
      };
      // A position that no file has: the system refuses to read.
      return { ...blob, discard, readInto: (place) => blob.readInto(place, -2) };
    });
    const response = await stow(`${server.dicomweb}/studies`, [large(12_000_000)]);
    expect(response.status).toBe(409);
    // Processing failure (PS3.18 table I.2-2).
    expect(await response.text()).toContain(`"00081197":{"vr":"US","Value":[${0x0110}]}`);
    expect(discarded).toBe(1);
    expect(server.blobs.counters.files).toBe(0);
  });
});

/** Files that are staged from now on, and bytes of them that are read before they are kept. */
function countReadBack(): { files: number; bytes: number } {
  const cost = { files: 0, bytes: 0 };
  const { stage } = server.blobs;
  vi.spyOn(server.blobs, 'stage').mockImplementation(async (options) => {
    const blob = await stage(options);
    cost.files++;
    return {
      ...blob,
      readInto: (place, start) => {
        cost.bytes += place.length;
        blob.readInto(place, start);
      },
      read: async (...range) => {
        const bytes = await blob.read(...range);
        cost.bytes += bytes.length;
        return bytes;
      },
    };
  });
  return cost;
}

/** Bytes that our code and Node's streams copy between arrays while `work` runs; the sender makes its body before. */
async function countCopies(work: () => Promise<Response>): Promise<number> {
  let copied = 0;
  const { concat } = Buffer;
  vi.spyOn(Buffer, 'concat').mockImplementation((list, length) => {
    const joined = concat(list, length);
    // The sender's own body is larger than anything that the door may join.
    if (joined.length < 1 << 20) copied += joined.length;
    return joined;
  });
  const set = Uint8Array.prototype.set;
  vi.spyOn(Uint8Array.prototype, 'set').mockImplementation(function (this: Uint8Array, from, at) {
    if (this.buffer instanceof SharedArrayBuffer) copied += from.length;
    return set.call(this, from, at);
  });
  expect((await work()).status).toBe(200);
  return copied;
}
