import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { unpackBits } from '../../../src/base/index.ts';
import { createDecoder, type Decoder } from '../../../src/imaging/index.ts';
import { ctFile, uidOf } from '../../builders/files.ts';
import { partsOf, stow, type ReadPart } from '../../builders/multipart.ts';
import { startTestServer, type TestServer } from '../../builders/read-write-server.ts';
import { missing, python, sharedPath } from '../../peers/index.ts';

const octets = 'multipart/related; type="application/octet-stream"';
const anySyntax = `${octets}; transfer-syntax=*`;

async function framesOf(url: string, frames: string, accept: string): Promise<ReadPart[]> {
  return partsOf(await fetch(`${url}/frames/${frames}`, { headers: { Accept: accept } }));
}

/** The only instance of a store. */
async function onlyInstance(server: TestServer): Promise<string> {
  const [found] = (await (await fetch(`${server.dicomweb}/instances`)).json()) as Record<string, { Value: string[] }>[];
  return found!['00081190']!.Value[0]!;
}

interface Entry {
  readonly path: string;
  readonly frames?: number;
  readonly transferSyntax: string;
  readonly decoded?: { readonly sha256: string; readonly shape: readonly number[] };
}

describe.skipIf(missing('shared', 'python'))('frames of real files', () => {
  const entries: Entry[] = missing('shared')
    ? []
    : (JSON.parse(readFileSync(sharedPath('data/index.json'), 'utf8')) as { files: Entry[] }).files;
  let decoder: Decoder;
  let truth: Record<string, Truth>;

  /** By pydicom: Bits Allocated, samples, planar configuration, and SHA-256 of each frame as it is stored (encapsulated only). */
  interface Truth {
    readonly bits: number;
    readonly samples: number;
    readonly planar: number;
    readonly stored: readonly string[];
  }
  /** No frames can be given of a video stream (one fragment for all), nor is the private syntax of GE stored. */
  const without = /^1\.2\.840\.(113619\.5\.2|10008\.1\.2\.4\.10[0-7])$/;
  const chosen = entries.filter(
    (e) => /^dicom\/(transfer-syntax|SEG)\//.test(e.path) && e.decoded !== undefined && !without.test(e.transferSyntax),
  );

  beforeAll(async () => {
    decoder = createDecoder({ seconds: 20, maxPixels: 1 << 26 });
    const script = `
import sys, json, hashlib, pydicom
from pydicom.encaps import generate_frames
out = {}
for p in sys.argv[1:]:
    d = pydicom.dcmread(p)
    n = int(d.get('NumberOfFrames', 1) or 1)
    stored = []
    if 'PixelData' in d and d['PixelData'].is_undefined_length:
        stored = [hashlib.sha256(f).hexdigest() for f in generate_frames(d.PixelData, number_of_frames=n)]
    out[p] = dict(bits=d.BitsAllocated, samples=d.SamplesPerPixel, planar=d.get('PlanarConfiguration', 0), stored=stored)
print(json.dumps(out))`;
    const { stdout, stderr } = await python(
      script,
      chosen.map((e) => sharedPath('data', e.path)),
    );
    if (stdout === '') throw new Error(stderr);
    truth = JSON.parse(stdout) as Record<string, Truth>;
  });
  afterAll(() => decoder.close());

  /** One file alone in a store; undefined where a store must refuse it for want of UIDs. */
  async function withStored<T>(entry: Entry, work: (url: string) => Promise<T>): Promise<T | undefined> {
    const server = await startTestServer({ dicomweb: { decoder } });
    try {
      const { status } = await stow(`${server.dicomweb}/studies`, [readFileSync(sharedPath('data', entry.path))]);
      return status === 200 ? await work(await onlyInstance(server)) : undefined;
    } finally {
      await server.close();
    }
  }

  const list = (entry: Entry): string => Array.from({ length: Math.min(entry.frames ?? 1, 8) }, (_, i) => i + 1).join();
  const isNative = (e: Entry): boolean =>
    /^1\.2\.840\.(10008\.1\.2(\.1|\.2|\.1\.99)?|113619\.5\.2)$/.test(e.transferSyntax);

  it.each(chosen.filter(isNative))(
    '$path: octets are the stored values, each frame from its first pixel',
    async (entry) => {
      const { bits, planar } = truth[sharedPath('data', entry.path)]!;
      const parts = await withStored(entry, (url) => framesOf(url, allFrames(entry), octets));
      expect(parts).toHaveLength(entry.frames ?? 1);
      if (planar === 1) return; // the table's digest is of pixels, the frame is of planes
      expect(digest(joined(parts!, bits, entry))).toBe(entry.decoded!.sha256);
    },
  );

  it.each(chosen.filter((e) => !isNative(e)))(
    '$path: frames are given as stored, and decoded where octets are asked for',
    async (entry) => {
      const { bits, samples, stored } = truth[sharedPath('data', entry.path)]!;
      await withStored(entry, async (url) => {
        const parts = await framesOf(url, list(entry), anySyntax);
        expect(parts.map((p) => digest(p.body))).toEqual(stored.slice(0, 8));
        expect(parts[0]!.headers['content-type']).toBe(
          `application/octet-stream; transfer-syntax=${entry.transferSyntax}`,
        );
        const lossless = !/\.4\.(50|51|53|55|81|91|203|112|111)$/.test(entry.transferSyntax);
        if (samples !== 1 || !lossless) return;
        const decoded = await framesOf(url, allFrames(entry), octets);
        expect(decoded[0]!.headers['content-type']).toBe(
          'application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1',
        );
        expect(digest(joined(decoded, bits, entry))).toBe(entry.decoded!.sha256);
      });
    },
  );

  const allFrames = (entry: Entry): string => Array.from({ length: entry.frames ?? 1 }, (_, i) => i + 1).join();

  /** All frames as the table has them: 1-bit pixels as bytes. */
  function joined(parts: readonly ReadPart[], bits: number, { decoded, frames = 1 }: Entry): Uint8Array {
    const pixels = decoded!.shape.reduce((n, d) => n * d, 1) / frames;
    return Buffer.concat(
      parts.map((p) => (bits === 1 && p.body.length < pixels ? unpackBits(p.body, pixels) : p.body)),
    );
  }
});

describe('frames', () => {
  let server: TestServer;
  let url: string;
  // 3 frames of 3 x 3 pixels of 1 bit, 27 bits without a gap: frame 2 begins at bit 9, frame 3 at bit 18.
  const rows = ['101010101', '111000111', '010000001'];
  const bits = Uint8Array.from(rows.join('').match(/.{1,8}/g)!, (byte) =>
    Number.parseInt([...byte].reverse().join(''), 2),
  );

  beforeAll(async () => {
    server = await startTestServer();
    const attributes = { NumberOfFrames: '3', Rows: 3, Columns: 3, BitsAllocated: 1, BitsStored: 1, HighBit: 0 };
    await stow(`${server.dicomweb}/studies`, [ctFile({ attributes, pixels: bits })]);
    url = await onlyInstance(server);
  });
  afterAll(() => server.close());

  it('of one bit a pixel begin at a whole byte each, and what follows the last pixel is zero', async () => {
    const parts = await framesOf(url, '1,2,3', octets);
    // Written out by hand from the rows above, first pixel in the lowest bit (PS3.5 8.1.1).
    expect(parts.map((p) => [...p.body])).toEqual([[0b01010101, 1], [0b11000111, 1], [0b00000010, 1]]); // prettier-ignore
  });

  it('come in the order that is asked for, and again where they are asked for again', async () => {
    expect((await framesOf(url, '3,1,3', octets)).map((p) => p.body[0])).toEqual([0b00000010, 0b01010101, 0b00000010]);
  });

  it('name where each can be fetched', async () => {
    const parts = await framesOf(url, '2,3', octets);
    expect(parts.map((p) => p.headers['content-location'])).toEqual([`${url}/frames/2`, `${url}/frames/3`]);
  });

  it('come alone where one is asked for without multipart', async () => {
    const response = await fetch(`${url}/frames/2`, { headers: { Accept: 'application/octet-stream' } });
    expect(response.headers.get('content-type')).toBe('application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1');
    expect([...new Uint8Array(await response.arrayBuffer())]).toEqual([0b11000111, 1]);
  });

  it('are whole and without gap as bulk data', async () => {
    const response = await fetch(`${url}/bulkdata/7FE00010`, { headers: { Accept: 'application/octet-stream' } });
    expect([...new Uint8Array(await response.arrayBuffer())]).toEqual([...bits]);
  });

  it.each([
    ['/frames/4', 404, 'not-found', '*/*'],
    ['/frames/0', 400, 'query-invalid', '*/*'],
    ['/frames/1,x', 400, 'query-invalid', '*/*'],
    ['/frames/1', 406, 'not-acceptable', 'image/jp2'],
    ['/frames/1,2', 406, 'not-acceptable', 'application/octet-stream'],
    ['/bulkdata/00100010', 404, 'not-found', '*/*'],
  ])('%s is answered %i %s', async (path, status, code, accept) => {
    const response = await fetch(url + path, { headers: { Accept: accept } });
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([status, code]);
  });

  it('of an instance under another series than its own are not found', async () => {
    const response = await fetch(url.replace(uidOf('series', 'a/a'), uidOf('series', 'a/b')) + '/frames/1');
    expect(response.status).toBe(404);
  });
});

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
