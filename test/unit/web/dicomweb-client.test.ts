import { api } from 'dicomweb-client';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ctFile, uidOf } from '../../builders/files.ts';
import { startTestServer, type TestServer } from '../../builders/read-write-server.ts';

/** The library's own types ask for arguments that it does not need. */
interface Client {
  storeInstances(options: object): Promise<unknown>;
  searchForStudies(options: object): Promise<Record<string, { Value: unknown[] }>[]>;
  searchForSeries(options: object): Promise<unknown[]>;
  searchForInstances(options: object): Promise<unknown[]>;
  retrieveInstance(options: object): Promise<ArrayBuffer>;
  retrieveSeries(options: object): Promise<ArrayBuffer[]>;
  retrieveSeriesMetadata(options: object): Promise<Record<string, { BulkDataURI: string }>[]>;
  retrieveInstanceFrames(options: object): Promise<ArrayBuffer[]>;
  retrieveBulkData(options: object): Promise<ArrayBuffer[]>;
}

/** An independent client: the one inside of OHIF and Slim. It wants the XMLHttpRequest of a browser. */
let server: TestServer;
let client: Client;
const [studyInstanceUID, seriesInstanceUID] = [uidOf('study', 'a'), uidOf('series', 'a/a')];
const sopInstanceUID = uidOf('instance', '1');
const files = ['1', '2'].map((instance) => ctFile({ instance }));
const buffer = (file: Uint8Array): ArrayBuffer => new Uint8Array(file).buffer;

beforeAll(async () => {
  Object.assign(globalThis, { XMLHttpRequest: createRequire(import.meta.url)('xhr2') as unknown });
  server = await startTestServer();
  const options = { url: server.dicomweb, singlepart: '', verbose: false };
  client = new api.DICOMwebClient(options) as unknown as Client;
});
afterAll(() => server.close());

it('stores, finds and gets back instances with dicomweb-client', async () => {
  await client.storeInstances({ datasets: files.map(buffer) });

  const [study] = await client.searchForStudies({ queryParams: { PatientID: 'P1' } });
  expect(study!['0020000D']!.Value).toEqual([studyInstanceUID]);
  expect(await client.searchForStudies({ queryParams: { PatientID: 'nobody' } })).toEqual([]);
  expect(await client.searchForSeries({ studyInstanceUID })).toHaveLength(1);
  expect(await client.searchForInstances({ studyInstanceUID, seriesInstanceUID })).toHaveLength(2);

  const whole = await client.retrieveInstance({ studyInstanceUID, seriesInstanceUID, sopInstanceUID });
  expect(Buffer.from(whole).equals(files[0]!)).toBe(true);
  const series = await client.retrieveSeries({ studyInstanceUID, seriesInstanceUID });
  const hex = (file: ArrayBuffer | Uint8Array): string => Buffer.from(file as Uint8Array).toString('hex');
  expect(series.map(hex).toSorted()).toEqual(files.map(hex).toSorted());
});

it('gives metadata, frames and bulk data to dicomweb-client', async () => {
  const metadata = await client.retrieveSeriesMetadata({ studyInstanceUID, seriesInstanceUID });
  expect(metadata).toHaveLength(2);
  const address = { studyInstanceUID, seriesInstanceUID, sopInstanceUID };
  const [frame] = await client.retrieveInstanceFrames({ ...address, frameNumbers: [1] });
  expect([...new Uint8Array(frame!)]).toEqual(Array.from({ length: 32 }, (_, i) => i));
  const { BulkDataURI } = metadata[0]!['7FE00010']!;
  const [bulk] = await client.retrieveBulkData({ BulkDataURI });
  expect(bulk!.byteLength).toBe(32);
});
