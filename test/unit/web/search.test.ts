import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ctFile, uidOf } from '../../builders/files.ts';
import { stow } from '../../builders/multipart.ts';
import { startTestServer, type TestServer } from '../../builders/read-write-server.ts';

type Row = Record<string, { readonly vr: string; readonly Value?: unknown[] }>;

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
  await stow(`${server.dicomweb}/studies`, [
    ctFile({ instance: '1', attributes: { InstanceNumber: '1' } }),
    ctFile({ instance: '2', attributes: { InstanceNumber: '2' } }),
    ctFile({ instance: '3', series: 'b', attributes: { Modality: 'SR', SeriesNumber: '4' } }),
  ]);
  const other = { PatientName: 'Muster^Bertram', PatientID: 'P2', StudyDate: '20240607', AccessionNumber: 'ACC2' };
  await stow(`${server.dicomweb}/studies`, [ctFile({ study: 'b', instance: '4', attributes: other })]);
});
afterAll(() => server.close());

const get = (path: string, headers = {}): Promise<Response> => fetch(server.dicomweb + path, { headers });
async function rows(path: string): Promise<Row[]> {
  const response = await get(path);
  expect(response.headers.get('content-type')).toMatch(/^application\/dicom\+json/);
  return (await response.json()) as Row[];
}
const values = (list: readonly Row[], tag: string): unknown[] => list.map((r) => r[tag]?.Value?.[0]);
const a = uidOf('study', 'a');
const b = uidOf('study', 'b');

describe('QIDO-RS', () => {
  it('gives each study once, with what PS3.18 Table 10.6.3-3 asks for', async () => {
    const list = await rows('/studies');
    expect(values(list, '0020000D').toSorted()).toEqual([a, b].toSorted());
    const study = list.find((r) => r['0020000D']?.Value?.[0] === a)!;
    expect(study).toMatchObject({
      '00080020': { vr: 'DA', Value: ['20250102'] },
      '00080030': { vr: 'TM', Value: ['101112'] },
      '00080050': { vr: 'SH', Value: ['ACC1'] },
      '00080056': { vr: 'CS', Value: ['ONLINE'] },
      '00080061': { vr: 'CS', Value: ['CT', 'SR'] },
      '00080090': { vr: 'PN' },
      '00081190': { vr: 'UR', Value: [`${server.dicomweb}/studies/${a}`] },
      '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Example^Ada' }] },
      '00100020': { vr: 'LO', Value: ['P1'] },
      '00100030': { vr: 'DA' },
      '00100040': { vr: 'CS' },
      '00200010': { vr: 'SH' },
      '00201206': { vr: 'IS', Value: [2] },
      '00201208': { vr: 'IS', Value: [3] },
    });
  });

  it('gives attributes in ascending order of their tags (PS3.18 F.2.2)', async () => {
    const [study] = await rows('/studies');
    expect(Object.keys(study!)).toEqual(Object.keys(study!).toSorted());
  });

  it.each([
    ['a keyword', 'PatientID=P1', [a]],
    ['a tag', '00100020=P2', [b]],
    ['a wild card', 'PatientName=Exa*', [a]],
    ['a name in any case', 'PatientName=muster^bertram', [b]],
    ['a date range', 'StudyDate=20240101-20241231', [b]],
    ['an open date range', 'StudyDate=20250101-', [a]],
    ['a modality of any of its series', 'ModalitiesInStudy=SR', [a]],
    ['a list of UIDs', `StudyInstanceUID=${a},${b}`, [a, b]],
    ['two attributes', 'PatientID=P1&AccessionNumber=ACC1', [a]],
    ['anything', 'PatientID=', [a, b]],
    ['an escaped value', 'PatientName=Example%5EAda', [a]],
  ])('matches by %s', async (_, query, expected) => {
    expect(values(await rows(`/studies?${query}`), '0020000D').toSorted()).toEqual([...expected].toSorted());
  });

  it.each([
    '/studies?PatientID=P9',
    '/studies?PatientID=P1&AccessionNumber=ACC2',
    `/studies/${uidOf('study', 'c')}/series`,
  ])('%s, which matches nothing, is answered 204 without content', async (path) => {
    const response = await get(path);
    expect([response.status, await response.text()]).toEqual([204, '']);
  });

  it('gives series of a study, with what Table 10.6.3-4 asks for', async () => {
    const list = await rows(`/studies/${a}/series`);
    expect(values(list, '0020000E').toSorted()).toEqual([uidOf('series', 'a/a'), uidOf('series', 'a/b')].toSorted());
    const series = list.find((r) => r['00080060']?.Value?.[0] === 'CT')!;
    expect(series).toMatchObject({
      '00081190': { Value: [`${server.dicomweb}/studies/${a}/series/${uidOf('series', 'a/a')}`] },
      '00200011': { Value: [3] },
      '00201209': { Value: [2] },
    });
    expect(series).not.toHaveProperty('00100010');
  });

  it('gives instances of a series, with what Table 10.6.3-5 asks for', async () => {
    const list = await rows(`/studies/${a}/series/${uidOf('series', 'a/a')}/instances`);
    expect(values(list, '00080018').toSorted()).toEqual([uidOf('instance', '1'), uidOf('instance', '2')].toSorted());
    expect(list[0]).toMatchObject({
      '00080016': { Value: ['1.2.840.10008.5.1.4.1.1.2'] },
      '00280010': { Value: [4] },
      '00280011': { Value: [4] },
      '00280100': { Value: [16] },
    });
    expect(values(list, '00200013').toSorted()).toEqual([1, 2]);
  });

  it('says of series and instances of all studies also whose they are', async () => {
    expect((await rows('/series?Modality=SR'))[0]).toMatchObject({
      '00100020': { Value: ['P1'] },
      '0020000D': { Value: [a] },
    });
    expect((await rows(`/instances?SOPInstanceUID=${uidOf('instance', '4')}`))[0]).toMatchObject({
      '00100020': { Value: ['P2'] },
      '00080060': { Value: ['CT'] },
    });
  });

  it('gives a page by limit and offset, and all pages give all', async () => {
    const pages = [await rows('/instances?limit=2'), await rows('/instances?limit=2&offset=2')];
    expect(pages.map((p) => p.length)).toEqual([2, 2]);
    expect(new Set(values(pages.flat(), '00080018')).size).toBe(4);
    expect((await get('/instances?limit=2&offset=4')).status).toBe(204);
  });

  it('adds the fields that are asked for, by keyword or tag, repeated or with commas, and all', async () => {
    const plain = (await rows('/studies?PatientID=P1'))[0]!;
    expect(plain).not.toHaveProperty('00080070');
    expect(plain).not.toHaveProperty('00280010');
    for (const query of [
      'includefield=Rows&includefield=0020000E',
      'includefield=00280010,SeriesInstanceUID',
      'includefield=all',
    ]) {
      const [row] = await rows(`/studies?PatientID=P1&${query}`);
      expect(row).toMatchObject({ '00280010': { Value: [4] }, '0020000E': { vr: 'UI' } });
    }
  });

  it('matches literally and says so where fuzzy matching is asked for (PS3.18 8.3.4.2)', async () => {
    const response = await get('/studies?PatientName=Example^Ada&fuzzymatching=true');
    expect(response.headers.get('warning')).toContain('299');
    expect(response.headers.get('warning')).toContain(
      'The fuzzymatching parameter is not supported. Only literal matching has been performed.',
    );
    expect(await response.json()).toHaveLength(1);
    expect((await get('/studies?fuzzymatching=false')).headers.get('warning')).toBeNull();
  });

  it.each([
    'NoSuchKeyword=1',
    'includefield=NoSuchKeyword',
    'limit=x',
    'limit=-1',
    'offset=1&offset=2',
    'PatientID=1&00100020=2',
    'StudyDate=yesterday',
    'RequestAttributesSequence.ScheduledProcedureStepID=1',
    '__proto__=1',
  ])('answers 400 to %s', async (query) => {
    const response = await get(`/studies?${query}`);
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([400, 'query-invalid']);
  });
});

describe('CORS', () => {
  it('lets viewers of configured origins read, and no other', async () => {
    const open = await startTestServer({ corsOrigins: ['https://viewer.example'] });
    const from = (origin: string, method = 'GET'): Promise<Response> =>
      fetch(`${open.dicomweb}/studies`, { method, headers: { Origin: origin } });
    expect((await from('https://viewer.example')).headers.get('access-control-allow-origin')).toBe(
      'https://viewer.example',
    );
    expect((await from('https://viewer.example', 'OPTIONS')).headers.get('access-control-allow-headers')).toContain(
      'Accept',
    );
    expect((await from('https://evil.example')).headers.get('access-control-allow-origin')).toBeNull();
    await open.close();
  });
});
