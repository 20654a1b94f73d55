import { decode as decodePng } from 'fast-png';
import { writeFileSync } from 'node:fs';
import { get as httpGet } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDecoder, type Decoder } from '../../../src/imaging/index.ts';
import { ctFile, uidOf } from '../../builders/files.ts';
import { partsOf, stow } from '../../builders/multipart.ts';
import { startTestServer, type TestServer } from '../../builders/read-write-server.ts';
import { missing, python } from '../../peers/index.ts';

let server: TestServer;
let decoder: Decoder;
const files = ['1', '2', '3'].map((instance) => ctFile({ instance }));
const study = `/studies/${uidOf('study', 'a')}`;
const series = `${study}/series/${uidOf('series', 'a/a')}`;
const instance = `${series}/instances/${uidOf('instance', '1')}`;
/** 64 x 32, value = column, window exactly over it. */
const ramp = { Rows: 32, Columns: 64, WindowCenter: '32', WindowWidth: '64', VOILUTFunction: 'LINEAR_EXACT' };
const rampPixels = new Uint8Array(new Uint16Array(64 * 32).map((_, i) => i % 64).buffer);

beforeAll(async () => {
  decoder = createDecoder({ seconds: 20, maxPixels: 1 << 24 });
  server = await startTestServer({ dicomweb: { decoder } });
  await stow(`${server.dicomweb}/studies`, files);
  await stow(`${server.dicomweb}/studies`, [
    ctFile({ study: 'ramp', instance: 'ramp', attributes: ramp, pixels: rampPixels }),
  ]);
});
afterAll(async () => {
  await server.close();
  await decoder.close();
});

const get = (path: string, accept?: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(server.dicomweb + path, { headers: { ...(accept !== undefined && { Accept: accept }), ...headers } });
/** `fetch` adds `Cache-Control: no-cache` to a conditional request. */
const statusOf = (path: string, headers: Record<string, string>): Promise<number | undefined> =>
  new Promise((done, fail) =>
    httpGet(server.dicomweb + path, { headers }, (res) => done(res.resume().statusCode)).on('error', fail),
  );
const dicomParts = 'multipart/related; type="application/dicom"';

describe('WADO-RS instances', () => {
  it.each([
    ['a study', study, 3],
    ['a series', series, 3],
    ['an instance', instance, 1],
  ])('gives %s byte for byte, each part with its transfer syntax', async (_, path, count) => {
    const parts = await partsOf(await get(path, dicomParts));
    expect(parts.map((p) => p.body.toString('base64')).toSorted()).toEqual(
      files
        .slice(0, count)
        .map((f) => Buffer.from(f).toString('base64'))
        .toSorted(),
    );
    expect(parts[0]!.headers['content-type']).toBe('application/dicom; transfer-syntax=1.2.840.10008.1.2.1');
    expect(parts[0]!.headers['content-location']).toMatch(/^http:.*\/instances\//);
  });

  it.each([
    undefined,
    '*/*',
    'multipart/related',
    'multipart/related; type=application/dicom; transfer-syntax=*',
    'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1',
    'text/html, multipart/related; type="application/dicom"; q=0.5',
    'multipart/related; type="application/dicom"; transfer-syntax="1.2.840.10008.1.2.4.90", multipart/related; type="application/dicom"',
  ])('takes Accept: %s', async (accept) => {
    expect(await partsOf(await get(instance, accept))).toHaveLength(1);
  });

  it('takes the accept parameter in place of the header', async () => {
    const response = await get(`${instance}?accept=${encodeURIComponent('application/dicom')}`, 'text/html');
    expect(response.headers.get('content-type')).toBe('application/dicom; transfer-syntax=1.2.840.10008.1.2.1');
  });

  it('gives one instance as a file, and says when it has not changed', async () => {
    const response = await get(instance, 'application/dicom');
    expect(Buffer.from(await response.arrayBuffer()).equals(files[0]!)).toBe(true);
    const etag = response.headers.get('etag')!;
    expect(await statusOf(instance, { Accept: 'application/dicom', 'If-None-Match': etag })).toBe(304);
    expect(await statusOf(instance, { Accept: 'application/dicom', 'If-None-Match': '"other"' })).toBe(200);
  });

  it.each([
    [study, 'application/dicom'],
    [instance, 'image/png'],
    [instance, 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.90'],
    [`${study}/metadata`, 'application/dicom+xml'],
  ])('answers 406 to %s as %s, and says what can be given', async (path, accept) => {
    const response = await get(path, accept);
    const { code, message } = (await response.json()) as { code: string; message: string };
    expect([response.status, code]).toEqual([406, 'not-acceptable']);
    expect(message).toContain('application/dicom');
  });

  it.each([
    `/studies/${uidOf('study', 'c')}`,
    `/studies/${uidOf('study', 'c')}/metadata`,
    `${study}/series/1.2.3`,
    `${study}/series/1.2.3/instances/${uidOf('instance', '1')}`,
    `/studies/${uidOf('study', 'ramp')}/series/${uidOf('series', 'a/a')}/instances/${uidOf('instance', '1')}`,
    '/studies/..%2F..%2Fetc%2Fpasswd',
    '/studies/1.2.3%00',
  ])('answers 404 to %s', async (path) => {
    expect((await get(path)).status).toBe(404);
  });

  it('answers 400 to an escape that is none, not 500', async () => {
    expect((await get('/studies/%')).status).toBe(400);
  });

  it.each(['DELETE', 'PUT', 'PATCH'])('offers no %s', async (method) => {
    expect((await fetch(server.dicomweb + study, { method })).status).toBe(404);
    expect((await get(study)).status).toBe(200);
  });
});

describe('WADO-RS metadata', () => {
  it.skipIf(missing('python'))('is what pydicom reads in the file, but for the pixels', async () => {
    const [ours] = (await (await get(`${instance}/metadata`, 'application/dicom+json')).json()) as Record<
      string,
      unknown
    >[];
    const path = join(server.folder, 'one.dcm');
    writeFileSync(path, files[0]!);
    const script = `
import sys, pydicom
d = pydicom.dcmread(sys.argv[1]); del d.PixelData
print(d.to_json())`;
    const { stdout, stderr } = await python(script, [path]);
    expect(stderr).toBe('');
    const { '7FE00010': pixels, ...rest } = ours!;
    expect(rest).toEqual(JSON.parse(stdout));
    expect(pixels).toEqual({ vr: 'OW', BulkDataURI: `${server.dicomweb}${instance}/bulkdata/7FE00010` });
  });

  it('leads to the pixels by its Bulk Data URI', async () => {
    const [ours] = (await (await get(`${instance}/metadata`)).json()) as Record<string, { BulkDataURI?: string }>[];
    const [part] = await partsOf(
      await fetch(ours!['7FE00010']!.BulkDataURI!, {
        headers: { Accept: 'multipart/related; type="application/octet-stream"' },
      }),
    );
    expect([...part!.body]).toEqual(Array.from({ length: 32 }, (_, i) => i));
  });

  it.each([
    [study, 3],
    [series, 3],
    [instance, 1],
  ])('of %s has a data set an instance, the same again from the cache', async (path, count) => {
    for (let asked = 0; asked < 2; asked++) {
      const list = (await (await get(`${path}/metadata`, 'application/json')).json()) as Record<
        string,
        { Value: string[] }
      >[];
      expect(new Set(list.map((d) => d['00080018']!.Value[0])).size).toBe(count);
    }
  });
});

describe('WADO-RS rendered', () => {
  const path = `/studies/${uidOf('study', 'ramp')}/series/${uidOf('series', 'ramp/a')}/instances/${uidOf('instance', 'ramp')}`;

  it('as PNG has the grey of the window, pixel for pixel', async () => {
    const png = decodePng(new Uint8Array(await (await get(`${path}/rendered`, 'image/png')).arrayBuffer()));
    expect([png.width, png.height, png.channels]).toEqual([64, 32, 3]);
    // PS3.3 C.11.2.1.3.2: (x - 32) / 64 + 0.5, times 255.
    for (const x of [0, 1, 16, 32, 63]) expect(Math.abs(png.data[x * 3]! - (x / 64) * 255)).toBeLessThanOrEqual(0.5);
  });

  it.skipIf(missing('python'))('is JPEG by default, near to the PNG, as Pillow reads it', async () => {
    const response = await get(`${path}/rendered`);
    expect(response.headers.get('content-type')).toBe('image/jpeg');
    const file = join(server.folder, 'one.jpg');
    writeFileSync(file, new Uint8Array(await response.arrayBuffer()));
    const { stdout } = await python(`
import sys
from PIL import Image
i = Image.open(sys.argv[1]); print(i.format, i.size, [i.getpixel((x, 16))[0] for x in (0, 16, 32, 63)])`, [file]); // prettier-ignore
    const [, ...greys] = /JPEG \(64, 32\) \[(\d+), (\d+), (\d+), (\d+)\]/.exec(stdout) ?? [];
    expect(greys).toHaveLength(4);
    for (const [i, x] of [0, 16, 32, 63].entries()) expect(Math.abs(Number(greys[i]) - (x / 64) * 255)).toBeLessThan(4);
  });

  it('takes a window and a viewport', async () => {
    const png = async (query: string) =>
      decodePng(new Uint8Array(await (await get(`${path}/rendered?${query}`, 'image/png')).arrayBuffer()));
    const dark = await png('window=1000,10,linear');
    expect(Math.max(...dark.data)).toBe(0);
    const small = await png('viewport=16,16');
    expect([small.width, small.height]).toEqual([16, 8]);
    // The mean of four neighbouring columns.
    expect(Math.abs(small.data[3 * 4]! - (17.5 / 64) * 255)).toBeLessThanOrEqual(1);
    expect((await png('viewport=999,999')).width).toBe(64);
  });

  it.each(['window=1', 'window=a,b,linear', 'window=1,0,linear', 'window=1,2,cubic', 'viewport=0,0', 'viewport=1'])(
    'answers 400 to %s',
    async (query) => {
      expect((await get(`${path}/rendered?${query}`, 'image/png')).status).toBe(400);
    },
  );

  it('of one frame, and a thumbnail, are given; of a frame that is not there, 404', async () => {
    expect((await get(`${path}/frames/1/rendered`, 'image/png')).status).toBe(200);
    expect((await get(`${path}/thumbnail`, 'image/png')).status).toBe(200);
    expect((await get(`${path}/frames/2/rendered`, 'image/png')).status).toBe(404);
  });
});
