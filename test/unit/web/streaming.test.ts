import { get as httpGet, type IncomingMessage } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Blobs } from '../../../src/store/index.ts';
import { ctFile, uidOf } from '../../builders/files.ts';
import { partsOf, stow } from '../../builders/multipart.ts';
import { startTestServer, type TestServer } from '../../builders/read-write-server.ts';

const count = 24;
const side = 1024;
const fileBytes = side * side * 2;
let server: TestServer;
/** Bytes that left the store, and whole reads. */
const asked = { bytes: 0, whole: 0 };
const nothingAsked = (): void => void Object.assign(asked, { bytes: 0, whole: 0 });

beforeAll(async () => {
  const store = await startTestServer();
  const files = Array.from({ length: count }, (_, i) =>
    ctFile({
      instance: String(i),
      attributes: { Rows: side, Columns: side },
      pixels: new Uint8Array(fileBytes).fill(i),
    }),
  );
  await stow(`${store.dicomweb}/studies`, files);
  server = await startTestServer({ dicomweb: { studies: store.studies, blobs: watched(store.blobs) } });
  const close = server.close;
  server = { ...server, close: async () => void (await close(), await store.close()) };
});
afterAll(() => server.close());

function watched(blobs: Blobs): Blobs {
  return {
    ...blobs,
    read: (...args) => (asked.whole++, blobs.read(...args)),
    stream: async function* (digest) {
      for await (const chunk of blobs.stream(digest)) {
        asked.bytes += chunk.length;
        yield chunk;
      }
    },
  };
}

const study = `/studies/${uidOf('study', 'a')}`;
const headers = { Accept: 'multipart/related; type="application/dicom"' };

/** By Node's own client, which gives chunks as they come. */
function asIncoming(): Promise<IncomingMessage> {
  return new Promise((done, fail) => httpGet(server.dicomweb + study, { headers }, done).on('error', fail));
}

describe('a study that is retrieved', () => {
  it('is never in memory whole: a client that does not read stops the reading of files', async () => {
    nothingAsked();
    const response = await asIncoming();
    // Long enough for the sockets of both ends to fill; then nothing more may be read.
    let before = -1;
    while (asked.bytes !== before) {
      before = asked.bytes;
      await pause(200);
    }
    expect(before).toBeLessThan((count * fileBytes) / 2);
    let received = 0;
    for await (const chunk of response) received += (chunk as Buffer).length;
    expect(received).toBeGreaterThan(count * fileBytes);
    expect(asked.bytes).toBeGreaterThan(count * fileBytes);
    expect(asked.whole).toBe(0);
  });

  it('lets go of its files where the client hangs up', async () => {
    nothingAsked();
    const response = await asIncoming();
    response.destroy();
    await pause(200);
    const left = asked.bytes;
    await pause(200);
    expect(asked.bytes).toBe(left);
    expect(left).toBeLessThan((count * fileBytes) / 2);
  });

  it('is copied nowhere between the file and the socket', async () => {
    let copied = 0;
    const from = vi.spyOn(Uint8Array, 'from');
    const set = Uint8Array.prototype.set;
    vi.spyOn(Uint8Array.prototype, 'set').mockImplementation(function (this: Uint8Array, source, at) {
      copied += source.length;
      return set.call(this, source, at);
    });
    const { concat } = Buffer;
    vi.spyOn(Buffer, 'concat').mockImplementation((list, length) => {
      const joined = concat(list, length);
      copied += joined.length;
      return joined;
    });
    const response = await asIncoming();
    let received = 0;
    for await (const chunk of response) received += (chunk as Buffer).length;
    const copies = { copied, from: from.mock.calls.length };
    vi.restoreAllMocks();
    expect(received).toBeGreaterThan(count * fileBytes);
    expect(copies.copied / received).toBeLessThan(0.01);
    expect(copies.from).toBe(0);
  });

  it('comes whole', async () => {
    const parts = await partsOf(await fetch(server.dicomweb + study, { headers }));
    expect(parts.map((p) => p.body.length)).toEqual(Array.from({ length: count }, () => parts[0]!.body.length));
    expect(parts.map((p) => p.body.at(-1)).toSorted((x, y) => x! - y!)).toEqual(
      Array.from({ length: count }, (_, i) => i),
    );
  });
});
