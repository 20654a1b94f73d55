import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dataset } from '../../../src/dicom/index.ts';
import { ctFile, uidOf } from '../../builders/files.ts';
import { partsOf, stow } from '../../builders/multipart.ts';
import { startTestServer, type TestServer } from '../../builders/read-write-server.ts';

const profile = new Uint8Array(6000).map((_, i) => (i * 7) & 0xff);
const overlay = new Uint8Array(8192).map((_, i) => (i * 13) & 0xff);
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
  const path = dataset({ OpticalPathIdentifier: '2', ICCProfile: profile });
  const attributes = {
    OpticalPathSequence: [dataset({ OpticalPathIdentifier: '1' }), path],
    ICCProfile: overlay,
    PixelPaddingValue: 0,
  };
  expect((await stow(`${server.dicomweb}/studies`, [ctFile({ attributes })])).status).toBe(200);
});
afterAll(() => server.close());

const instance = `/studies/${uidOf('study', 'a')}/series/${uidOf('series', 'a/a')}/instances/${uidOf('instance', 'a')}`;
type Json = Record<string, { readonly vr: string; readonly Value?: Json[]; readonly BulkDataURI?: string }>;
const metadata = async (): Promise<Json> => {
  const [first] = (await (await fetch(`${server.dicomweb}${instance}/metadata`)).json()) as Json[];
  return first!;
};
const get = (url: string, accept: string): Promise<Response> => fetch(url, { headers: { Accept: accept } });

describe('long binary values', () => {
  it('stand in metadata as Bulk Data URIs, at the top and inside of sequences, and lead to their bytes', async () => {
    const json = await metadata();
    const own = json['00282000']!;
    const inner = json['00480105']!.Value![1]!['00282000']!;
    expect(own).toEqual({ vr: 'OB', BulkDataURI: `${server.dicomweb}${instance}/bulkdata/00282000` });
    expect(inner.BulkDataURI).toBe(`${server.dicomweb}${instance}/bulkdata/00480105.2.00282000`);
    for (const [uri, bytes] of [
      [own.BulkDataURI!, overlay],
      [inner.BulkDataURI!, profile],
    ] as const) {
      const [part] = await partsOf(await get(uri, 'multipart/related; type="application/octet-stream"'));
      expect([...part!.body]).toEqual([...bytes]);
      const single = await get(uri, 'application/octet-stream');
      expect([...new Uint8Array(await single.arrayBuffer())]).toEqual([...bytes]);
    }
  });

  it('keep the metadata in the order of tags, pixels among them', async () => {
    const tags = Object.keys(await metadata());
    expect(tags).toEqual(tags.toSorted());
    expect(tags).toContain('7FE00010');
  });

  it.each(['00282001', '00480105', '00480105.1.00282000', '00480105.9.00282000', '00480105.0', 'x', '00480105.2'])(
    'that are not there, or are none, are answered 404: %s',
    async (path) => {
      expect((await fetch(`${server.dicomweb}${instance}/bulkdata/${path}`)).status).toBe(404);
    },
  );

  it('are answered 406 as a picture', async () => {
    expect((await get(`${server.dicomweb}${instance}/bulkdata/00282000`, 'image/png')).status).toBe(406);
  });
});
