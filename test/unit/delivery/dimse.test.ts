import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { joined, PlumblineError, type DestinationConfig } from '../../../src/base/index.ts';
import {
  makeDestination,
  type DeliverContent,
  type DeliverObject,
  type Destination,
} from '../../../src/delivery/index.ts';
import { inspectPart10 } from '../../../src/dicom/index.ts';
import {
  datasetBytes,
  makeCertificates,
  startDoor,
  startPynetdicom,
  startStorescp,
  type Certificates,
  type Scp,
  type TestDoor,
} from '../../builders/dimse.ts';
import { encodeAll, sampleInput } from '../../builders/encodings.ts';
import { missing } from '../../peers/index.ts';
import { freePort, orthancMissing, startOrthanc, type Orthanc } from '../../peers/orthanc.ts';

const { segs, sr } = encodeAll(sampleInput());

function deliverable(role: 'seg' | 'sr', bytes: Uint8Array): DeliverObject {
  const { seriesUid, instanceUid, sopClass, dataDigest } = inspectPart10(bytes);
  return { role, seriesUid, instanceUid, sopClass, dataDigest, bytes: async () => bytes };
}
const seg = deliverable('seg', joined(segs[0]!.parts));
const report = deliverable('sr', joined(sr.parts));
const content = (...objects: DeliverObject[]): DeliverContent => ({
  workitem: 'w',
  studyUid: '1.2',
  patientId: 'P',
  issuer: '',
  objects,
  fhirR4: () => Promise.reject(new Error('unused')),
  fhirR5: () => Promise.reject(new Error('unused')),
});
const never = new AbortController().signal;
const destination = (port: number, over: Partial<DestinationConfig> = {}): Destination =>
  makeDestination({
    name: 'pacs',
    kind: 'dimse',
    host: '127.0.0.1',
    port,
    calledAet: 'PYSCP',
    fhirVersion: 'R4',
    timeoutSeconds: 10,
    ...over,
  });

async function refusal(work: Promise<unknown>): Promise<PlumblineError> {
  try {
    await work;
  } catch (e) {
    return e as PlumblineError;
  }
  throw new Error('it was taken');
}

describe.skipIf(missing('storescp'))('C-STORE to storescp of DCMTK', () => {
  let scp: Scp;
  beforeAll(async () => void (scp = await startStorescp()));
  afterAll(() => scp.stop());

  it('brings SEG and SR byte for byte, and again does no harm', async () => {
    const pacs = destination(scp.port);
    for (let i = 0; i < 2; i++) expect(await pacs.deliver(content(seg, report), never)).toEqual([]);
    const received = scp.received();
    expect(received.size).toBe(2);
    for (const object of [seg, report])
      expect(datasetBytes(received.get(object.instanceUid)!).equals(datasetBytes(await object.bytes()))).toBe(true);
  });

  it('is asked by C-ECHO whether it is there', async () => {
    expect(await destination(scp.port).check(never)).toBe('answers C-ECHO as PYSCP');
  });

  it('sends nothing where there is nothing', async () => {
    expect(await destination(1).deliver(content(), never)).toEqual([]);
  });
});

describe.skipIf(missing('python'))('a PACS that speaks DICOMweb too', () => {
  let scp: Awaited<ReturnType<typeof startPynetdicom>>;
  let web: HttpServer;
  let holds: Uint8Array;
  beforeAll(async () => {
    scp = await startPynetdicom();
    web = createHttpServer((_request, response) => {
      response.setHeader('content-type', 'multipart/related; type="application/dicom"; boundary=b');
      response.end(Buffer.concat([Buffer.from('--b\r\nContent-Type: application/dicom\r\n\r\n'), holds, Buffer.from('\r\n--b--\r\n')])); // prettier-ignore
    });
    await new Promise<void>((done) => web.listen(0, '127.0.0.1', done));
  });
  afterAll(async () => {
    await scp.stop();
    web.close();
  });
  const pacs = (status: string): Destination =>
    destination(scp.ports.statuses, {
      callingAet: `S${status}`,
      url: `http://127.0.0.1:${(web.address() as AddressInfo).port}`,
    });

  it('is read back by DICOMweb where the PACS speaks it: a duplicate that is the same object is plain success', async () => {
    holds = await seg.bytes();
    expect(await pacs('0111').deliver(content(seg), never)).toEqual([]);
    expect(await pacs('0000').deliver(content(seg), never)).toEqual([]);
  });

  it('that answers 0111 and holds another object is a conflict, found by reading back', async () => {
    holds = await report.bytes();
    expect(await refusal(pacs('0111').deliver(content(seg), never) as Promise<unknown>)).toMatchObject({
      code: 'uid-conflict',
    });
    expect((await refusal(pacs('0000').deliver(content(seg), never) as Promise<unknown>)).code).toBe(
      'read-back-differs',
    );
  });
});

describe.skipIf(missing('python'))('answers of a peer (pynetdicom)', () => {
  let scp: Awaited<ReturnType<typeof startPynetdicom>>;
  beforeAll(async () => void (scp = await startPynetdicom()));
  afterAll(() => scp.stop());

  it.each([
    ['0111', 'peer-had-it'],
    ['B000', 'peer-coerced'],
    ['B006', 'peer-discarded'],
    ['B007', 'peer-class-differs'],
  ])('%s is a success that a person hears of: %s', async (status, code) => {
    const pacs = destination(scp.ports.statuses, { callingAet: `S${status}` });
    const notices = (await pacs.deliver(content(seg), never)) ?? [];
    expect(notices).toMatchObject([{ code, about: [seg.instanceUid] }]);
    expect(notices[0]!.message).toContain(`${status}H: words of the peer`);
  });

  it.each([
    ['A700', 'peer-busy', 'retry'],
    ['A7FF', 'peer-busy', 'retry'],
    ['0110', 'peer-busy', 'retry'],
    ['0213', 'peer-busy', 'retry'],
    ['0124', 'peer-unauthorized', 'hold'],
    ['A900', 'peer-refused', 'reject'],
    ['C000', 'peer-refused', 'reject'],
    ['C122', 'peer-refused', 'reject'],
    ['0122', 'peer-refused', 'reject'],
    ['0117', 'peer-refused', 'reject'],
  ])('%s is %s, of class %s, with the words of the peer', async (status, code, kind) => {
    const pacs = destination(scp.ports.statuses, { callingAet: `S${status}` });
    const error = await refusal(pacs.deliver(content(seg, report), never));
    expect(error).toMatchObject({ code, class: kind, where: 'pacs' });
    expect(error.message).toBe(`pacs did not store SEG ${seg.instanceUid}: status ${status}H: words of the peer`);
  });

  it('a class that it does not take is final, and nothing is sent of the rest', async () => {
    const error = await refusal(destination(scp.ports.segOnly).deliver(content(seg, report), never));
    expect(error).toMatchObject({ code: 'peer-refused', class: 'reject' });
    expect(error.message).toContain(`takes no SR (SOP class ${report.sopClass}`);
    expect(error.remedy).toContain('encoding.srClass');
  });

  it.each([
    ['does not answer to the AE title WRONG', { calledAet: 'WRONG', callingAet: 'SOMEBODY' }],
    ['does not know our AE title PLUMBLINE', {}],
  ])('an association that is rejected for good is final, with the reason: %s', async (words, over) => {
    const strict = destination(scp.ports.strict, over);
    for (const attempt of [() => strict.deliver(content(seg), never), () => strict.check(never)]) {
      const error = await refusal(attempt());
      expect(error).toMatchObject({ code: 'peer-refused', class: 'reject' });
      expect(error.message).toContain(words);
    }
  });
});

describe.skipIf(orthancMissing)('C-STORE to Orthanc', () => {
  let orthanc: Orthanc;
  let port: number;
  beforeAll(async () => {
    port = await freePort();
    orthanc = await startOrthanc({ DicomPort: port, DicomAet: 'ORTHANC' });
  });
  afterAll(() => orthanc.stop());

  it('brings SEG and SR in their study', async () => {
    const pacs = destination(port, { calledAet: 'ORTHANC' });
    expect(await pacs.check(never)).toBe('answers C-ECHO as ORTHANC');
    expect(await pacs.deliver(content(seg, report), never)).toEqual([]);
    expect(await orthanc.get<string[]>('/instances')).toHaveLength(2);
    expect(await orthanc.get<string[]>('/studies')).toHaveLength(1);
  });
});

describe('a peer that is no good', () => {
  let server: Server | undefined;
  afterEach(() => void server?.close());
  /** Answers the first bytes with others. */
  const answering = async (bytes: Uint8Array | 'nothing' | 'close'): Promise<number> => {
    server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () =>
        bytes === 'close' ? socket.destroy() : bytes === 'nothing' ? undefined : socket.write(bytes),
      );
    });
    await new Promise<void>((done) => server!.listen(0, '127.0.0.1', done));
    return (server.address() as { port: number }).port;
  };

  it.each([
    ['that is not there', undefined, 'peer-unreachable'],
    ['that closes', 'close', 'peer-unreachable'],
    ['that says nothing', 'nothing', 'peer-unreachable'],
    ['that speaks HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), 'peer-answer-invalid'],
    ['that sends a length of 4 GiB', Buffer.from([2, 0, 0xff, 0xff, 0xff, 0xff]), 'peer-answer-invalid'],
    ['that aborts', Buffer.from([7, 0, 0, 0, 0, 4, 0, 0, 2, 0]), 'peer-unreachable'],
    ['that is congested', Buffer.from([3, 0, 0, 0, 0, 4, 0, 2, 3, 1]), 'peer-busy'],
    ['that rejects without a reason', Buffer.from([3, 0, 0, 0, 0, 4, 0, 1, 1, 1]), 'peer-refused'],
  ] as const)('gives an error with its name: %s', async (_what, bytes, code) => {
    const port = bytes === undefined ? await freePort() : await answering(bytes);
    const error = await refusal(destination(port, { timeoutSeconds: 0.5 }).deliver(content(seg), never));
    expect(error).toMatchObject({ code, where: 'pacs' });
    expect(error.message).toContain('pacs');
  });

  it('is let go of when the program stops', async () => {
    const port = await answering('nothing');
    const stopping = new AbortController();
    const delivery = refusal(destination(port).deliver(content(seg), stopping.signal));
    setTimeout(() => stopping.abort(), 50);
    expect((await delivery).code).toBe('peer-unreachable');
  });

  it('that announces no room for a PDU is not sent to for ever', async () => {
    // A-ASSOCIATE-AC with the context accepted and a maximum length of 6 (PS3.8 9.3.3).
    const item = (type: number, body: Buffer): Buffer => Buffer.concat([Buffer.from([type, 0, 0, body.length]), body]);
    const accepted = item(
      0x21,
      Buffer.concat([Buffer.from([1, 0, 0, 0]), item(0x40, Buffer.from('1.2.840.10008.1.2.1'))]),
    );
    const body = Buffer.concat([Buffer.alloc(68), accepted, item(0x50, item(0x51, Buffer.from([0, 0, 0, 6])))]);
    const port = await answering(Buffer.concat([Buffer.from([2, 0, 0, 0, 0, body.length]), body]));
    const error = await refusal(destination(port).deliver(content(seg), never));
    expect(error.code).toBe('peer-answer-invalid');
  });
});

describe.skipIf(missing('openssl'))('C-STORE over TLS', () => {
  let pem: Certificates;
  let door: TestDoor;
  beforeAll(async () => {
    pem = await makeCertificates();
    const tls = { certFile: pem.server.cert, keyFile: pem.server.key, caFile: pem.ca };
    door = await startDoor({ tls, aeTitle: 'PYSCP' });
  });
  afterAll(() => door.close());

  it('shows our certificate and looks at that of the peer', async () => {
    const tls = { caFile: pem.ca, certFile: pem.client.cert, keyFile: pem.client.key };
    expect(await destination(door.port, { tls }).deliver(content(seg, report), never)).toEqual([]);
    expect(await door.kept()).toHaveLength(2);
    const unknown = { certFile: pem.client.cert, keyFile: pem.client.key };
    expect(await refusal(destination(door.port, { tls: unknown }).check(never))).toMatchObject({
      code: 'peer-unreachable',
    });
    expect(
      await refusal(destination(door.port, { tls: { ...tls, serverName: 'pacs.example' } }).check(never)),
    ).toMatchObject({ code: 'peer-unreachable' });
  });

  it('names a file that is missing', async () => {
    expect(await refusal(destination(door.port, { tls: { caFile: '/nowhere/ca.pem' } }).check(never))).toMatchObject({
      code: 'config-missing',
      where: '/nowhere/ca.pem',
    });
  });
});
