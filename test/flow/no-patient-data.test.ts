import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoStudies } from '../../src/cli/demo/studies.ts';
import { adt, orm } from '../builders/hl7.ts';
import { ask, dial, frame } from '../builders/hl7-receiver.ts';
import { makeImage } from '../builders/dicom.ts';
import { mappingsTo } from '../builders/mappings.ts';
import { stow } from '../builders/multipart.ts';
import { serveChild, tempFolder, until, type ServedGateway } from '../builders/program.ts';
import { missing, peers, runPeer } from '../peers/index.ts';
import { freePort } from '../peers/orthanc.ts';

/** Words that stand nowhere but in the data of patients. `QX` is in each, as long as what it replaces in the demo study. */
const secrets = ['QXNAM', 'QXID', 'QXACC', 'QXDES', 'QXREF', 'QXISS', 'QXBOR', 'QXPRC', 'QXPLC', 'QXCMT', '19631122'];
const attributes = {
  PatientName: 'QXNAM^QXNAMFIRST', PatientID: 'QXID-77', IssuerOfPatientID: 'QXISS', AccessionNumber: 'QXACC-5',
  StudyDescription: 'QXDES of study', SeriesDescription: 'QXDES of series', ReferringPhysicianName: 'QXREF^DR', PatientBirthDate: '19631122',
  PatientComments: 'QXCMT', ImageComments: 'QXCMT',
}; // prettier-ignore
const patient = 'QXID-77^^^QXISS^MR';

/** The demo study with other words of the same length in it. */
function renamed(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes).toString('latin1');
  const other = text
    .replaceAll('DEMO-CT', 'QXID-99')
    .replaceAll('19700101', '19631122')
    .replace(/DEMO\^[A-Z]+/g, (name) => 'QXNAM^'.padEnd(name.length, 'A'));
  return Buffer.from(other, 'latin1');
}

describe('a gateway over studies, orders and errors of all kinds', () => {
  let gateway: ServedGateway;
  let echo: Server;
  let stdout = '';
  const dimsePort = Promise.withResolvers<number>();

  beforeAll(async () => {
    // A peer that refuses everything and repeats what it was sent, as some do.
    echo = createServer((req, res) => {
      let body = '';
      req.setEncoding('latin1').on('data', (d: string) => (body += d));
      req.on('end', () => res.writeHead(400).end(`no: ${body.slice(0, 5000)} QXNAM^QXNAMFIRST ${req.url ?? ''}`));
    });
    await new Promise<void>((done) => echo.listen(0, '127.0.0.1', done));
    const url = `http://127.0.0.1:${(echo.address() as AddressInfo).port}`;
    const port = await freePort();
    dimsePort.resolve(port);
    gateway = await serveChild(
      JSON.stringify({
        dataDir: tempFolder('data'),
        mappingsDir: mappingsTo(['pacs', 'ehr', 'gone', 'ris']),
        http: { port: 0 },
        gate: { quietSeconds: 0.3 },
        delivery: { firstPauseSeconds: 1, maxPauseSeconds: 5 },
        log: { level: 'info' },
        dimse: { listeners: [{ port }] },
        hl7: { listeners: [{ name: 'orders', port: 0 }] },
        destinations: [
          { name: 'pacs', kind: 'dicomweb', url },
          { name: 'ehr', kind: 'fhir', url },
          { name: 'gone', kind: 'dicomweb', url: `http://127.0.0.1:${await freePort()}` },
          { name: 'ris', kind: 'hl7', url: url.replace('http', 'mllp'), timeoutSeconds: 1 },
        ],
      }),
    );
    gateway.child.stdout!.on('data', (d: Buffer) => (stdout += d.toString()));
  });
  afterAll(async () => {
    await gateway?.stop();
    echo?.closeAllConnections();
    echo?.close();
  });

  const post = async (files: readonly Uint8Array[], path = '/studies'): Promise<number> =>
    (await stow(`${gateway.dicomweb}${path}`, files)).status;
  const get = async (path: string): Promise<string> => (await fetch(`${gateway.url}${path}`)).text();

  it('shows them to who asks', async () => {
    const [ct] = demoStudies();
    expect(await post(ct!.files.map(renamed))).toBe(200);
    expect(await post([makeImage({ study: 'small', attributes })])).toBe(200);
    expect(await get('/dicom-web/studies?PatientID=QXID-77')).toContain('QXACC-5');
    expect(await get('/dicom-web/studies?PatientID=QXID-99')).toContain('QXNAM');
    // read to its end and refused by its peers, one way or another
    await until(
      async () => {
        const text = await get(`/api/studies/${ct!.studyUid}`);
        return /pacs: (held|dead)/.test(text) && /ehr: (held|dead)/.test(text) ? true : undefined;
      },
      'the refusals',
      90,
    );
  }, 120_000);

  it('takes broken, contradicting and misplaced studies', async () => {
    const image = Buffer.from(makeImage({ study: 'broken', attributes }));
    expect(await post([image.subarray(0, image.length - 100)])).toBe(409);
    expect(await post([Buffer.from('QXNAM, no DICOM at all')])).toBe(409);
    expect(await post([makeImage({ study: 'small', attributes: { ...attributes, StudyDescription: 'QXDES other' } })])).toBe(409);
    expect(await post([image], '/studies/1.2.3')).toBe(409);
    expect(await post([image], '/studies/QXNAM')).toBe(400);
    const another = { ...attributes, PatientID: 'QXID-78', PatientName: 'QXNAM^OTHER' };
    for (const [instance, a] of [[1, attributes], [2, another]] as const)
      expect(await post([makeImage({ study: 'two patients', instance, attributes: a })])).toBe(200);
    await until(async () => ((await get('/')).includes('patient-contradiction') ? true : undefined), 'the hold');
  }, 60_000); // prettier-ignore

  it('is asked in wrong ways', async () => {
    for (const path of ['/dicom-web/studies?PatientName=QXNAM&QXNAM=QXID-77', '/dicom-web/studies/QXNAM', '/QXNAM', '/studies/QXID-77',
      '/drafts/QXNAM/QXNAM.html', '/dicom-web/studies?00100010=QXNAM*&limit=QXID', '/%QXNAM']) await get(path); // prettier-ignore
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    socket.resume().on('error', () => undefined).end('QXNAM QXID-77\r\n\r\n');
    await new Promise((done) => socket.once('close', done));
  });

  it('hears orders, good and bad', async () => {
    const found = await until(async () => /mllp:\/\/127\.0\.0\.1:(\d+)/.exec(gateway.log())?.[1], 'the listener');
    const say = async (...messages: string[]): Promise<void> => {
      const socket = await dial(Number(found));
      await ask(socket, messages.map(frame), messages.length);
      socket.destroy();
    };
    const sketch = { patient, born: '19631122', placer: 'QXPLC1', accession: 'QXACC-5' };
    const named = (message: string): string =>
      message.replaceAll('DOE^JANE', 'QXNAM^QXNAMFIRST').replaceAll('CT CHEST', 'QXPRC');
    await say(
      named(orm(sketch)),
      named(orm({ ...sketch, control: 'CA', placer: 'QXPLC9', filler: 'QXPLC9' })),
      named(orm({ ...sketch, studyUid: 'QXNAM' })),
      named(orm({ ...sketch, control: 'QX' })),
      named(orm(sketch)).replace('ORM^O01', 'QXNAM^O01'),
      adt('A08', `PID|1||${patient}||QXNAM^B||19631122|F`),
      adt('A40', `PID|1||${patient}||QXNAM^B`, 'MRG|QXID-78^^^QXISS^MR'),
      adt('A08', `PID|1||${patient}||QXNAM^B||QXBOR|F`),
    );
    const socket = await dial(Number(found));
    socket.end('QXNAM is no frame\x1c\r');
    await new Promise((done) => socket.once('close', done));
  });

  it.skipIf(missing('storescu', 'echoscu'))('is called by DICOM, also in wrong ways', async () => {
    const to = ['127.0.0.1', String(await dimsePort.promise)];
    await runPeer(peers.echoscu!, ['-aec', 'PLUMBLINE', ...to]);
    await runPeer(peers.echoscu!, ['-aec', 'QXNAM', ...to]);
  });

  it('writes none of it to standard output, to its log at any level, or to its metrics', async () => {
    await new Promise((done) => setTimeout(done, 1500)); // what is said late
    const metrics = await get('/metrics');
    const lines = [gateway.log(), stdout, metrics].flatMap((text) => text.toUpperCase().split('\n'));
    expect(lines.filter((line) => secrets.some((secret) => line.includes(secret)))).toEqual([]);
    const events = gateway
      .log()
      .trim()
      .split('\n')
      .map((l) => (JSON.parse(l) as { msg: string }).msg);
    expect(events).toEqual(expect.arrayContaining(['stow refused', 'instance refused', 'delivery failed', 'stow']));
  });
});
