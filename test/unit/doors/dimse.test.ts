import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PlumblineError, type ErrorCode } from '../../../src/base/index.ts';
import { sopClasses, storeStatus, transferSyntaxes } from '../../../src/dicom/index.ts';
import { openAssociation, type DimsePeer, type ToStore } from '../../../src/dimse/index.ts';
import { answerContext, createAdmits } from '../../../src/doors/dimse/negotiate.ts';
import {
  datasetBytes,
  echoscu,
  makeCertificates,
  pynetdicomStore,
  rawExchange,
  rememberingLog,
  sendable,
  startCutter,
  startDoor,
  storescu,
  writeFiles,
  type Certificates,
  type TestDoor,
} from '../../builders/dimse.ts';
import { ctFile, uidOf } from '../../builders/files.ts';
import { missing, peers, runPeer, sharedPath } from '../../peers/index.ts';

let door: TestDoor;
afterEach(() => door?.close());
const start = async (...options: Parameters<typeof startDoor>): Promise<TestDoor> =>
  (door = await startDoor(...options));

const explicitLittle = '1.2.840.10008.1.2.1';
const ct = '1.2.840.10008.5.1.4.1.1.2';
const peer = (over: Partial<DimsePeer> = {}): DimsePeer => ({
  name: 'door',
  host: '127.0.0.1',
  port: door.port,
  calledAet: 'PLUMBLINE',
  callingAet: 'CALLER',
  timeoutMs: 10_000,
  ...over,
});
const never = new AbortController().signal;
const call = (over: Partial<DimsePeer> = {}): ReturnType<typeof openAssociation> =>
  openAssociation(peer(over), [{ sopClass: ct, transferSyntax: explicitLittle }], never);
const object = (file: Uint8Array, over: Partial<ToStore> = {}): ToStore => ({
  sopClass: ct,
  instanceUid: uidOf('instance', 'a'),
  transferSyntax: explicitLittle,
  dataset: datasetBytes(file),
  ...over,
});
/** Send one object and end the association. */
async function sendOne(what: ToStore): Promise<{ status: string; comment: string | undefined }> {
  const association = await call();
  const { status, comment } = await association.store(what);
  await association.release();
  return { status: status.toString(16).padStart(4, '0'), comment };
}
async function refusal(work: Promise<unknown>): Promise<PlumblineError> {
  try {
    await work;
  } catch (e) {
    return e as PlumblineError;
  }
  throw new Error('it was taken');
}
const large = (instance: string): Uint8Array =>
  ctFile({ instance, attributes: { Rows: 2400, Columns: 2000 }, pixels: Buffer.alloc(9_600_000, 'pixels') });
const middling = (instance: string): Uint8Array =>
  ctFile({ instance, attributes: { Rows: 1000, Columns: 1000 }, pixels: Buffer.alloc(2_000_000, 'pixels') });

describe('C-STORE that stores', () => {
  it('answers success when the instance is durable, at the address of a whole file with our group 2', async () => {
    await start();
    const file = ctFile();
    expect(await sendOne(object(file))).toEqual({ status: '0000', comment: undefined });
    const kept = (await door.studies.instance(uidOf('instance', 'a')))!;
    expect(kept).toMatchObject({ sender: 'CALLER@127.0.0.1', ref: { sopClass: ct, transferSyntax: explicitLittle } });
    const bytes = Buffer.from(await door.blobs.read(kept.ref.digest));
    expect(bytes.toString('latin1', 128, 132)).toBe('DICM');
    expect(bytes.includes('CALLER')).toBe(true); // Source Application Entity Title
    expect(datasetBytes(bytes).equals(datasetBytes(file))).toBe(true);
    const digest = createHash('sha256').update(explicitLittle).update('\0').update(datasetBytes(file)).digest('hex');
    expect(kept.ref.dataDigest).toBe(digest);
    expect(door.staged()).toEqual([]);
  });

  it('answers only after admission, however long that takes', async () => {
    const admitted = Promise.withResolvers<void>();
    await start(
      {},
      {
        studies: {
          admit: async (batch) => {
            await admitted.promise;
            return batch.map(({ ref }) => ({ outcome: 'stored' as const, ref }));
          },
        },
      },
    );
    const association = await call();
    let answered = false;
    const answer = association.store(object(ctFile())).finally(() => (answered = true));
    await new Promise((done) => setTimeout(done, 150));
    expect(answered).toBe(false);
    admitted.resolve();
    expect((await answer).status).toBe(0);
    await association.release();
  });

  it('takes an object that is larger than what it holds in memory, byte for byte, and refuses a damaged one alike', async () => {
    await start();
    const [good, bad] = [large('a'), large('b')];
    expect((await sendOne(object(good))).status).toBe('0000');
    const kept = (await door.studies.instance(uidOf('instance', 'a')))!;
    expect(datasetBytes(await door.blobs.read(kept.ref.digest)).equals(datasetBytes(good))).toBe(true);
    const cut = { instanceUid: uidOf('instance', 'b'), dataset: datasetBytes(bad).subarray(0, -1000) };
    expect((await sendOne(object(bad, cut))).status).toBe('c000');
    expect(await door.kept()).toEqual([uidOf('instance', 'a')]);
    expect(door.staged()).toEqual([]);
  });

  it('takes the same instance again without storing it, and never another one under its UID', async () => {
    await start();
    expect((await sendOne(object(ctFile()))).status).toBe('0000');
    expect((await sendOne(object(ctFile()))).status).toBe('0000');
    const other = await sendOne(object(ctFile({ attributes: { PatientName: 'Other^Person' } })));
    expect(other.status).toBe('0111');
    expect(other.comment).toMatch(/^instance-conflict: /);
    expect(await door.kept()).toHaveLength(1);
    expect(door.staged()).toEqual([]);
  });

  it('shares transactions between associations: those that wait for a commit are kept by the next one together', async () => {
    const batches: number[] = [];
    const first = Promise.withResolvers<void>();
    await start(
      {},
      {
        studies: {
          admit: async (batch) => {
            batches.push(batch.length);
            if (batches.length === 1) await first.promise;
            return batch.map(({ ref }) => ({ outcome: 'stored' as const, ref }));
          },
        },
      },
    );
    const all = await Promise.all(['1', '2', '3', '4'].map(() => call()));
    const answers = all.map((a, i) => {
      const instance = String(i);
      return a.store(object(ctFile({ instance }), { instanceUid: uidOf('instance', instance) }));
    });
    await new Promise((done) => setTimeout(done, 300));
    first.resolve();
    expect((await Promise.all(answers)).map((a) => a.status)).toEqual([0, 0, 0, 0]);
    expect(batches).toEqual([1, 3]);
    await Promise.all(all.map((a) => a.release()));
  });
});

describe('C-STORE that refuses', () => {
  it.each([
    ['a data set of another instance than the command names', { instanceUid: uidOf('instance', 'z') }, 'a900'],
    ['no legal instance UID in the command', { instanceUid: '1.2.x' }, 'a900'],
    ['a data set that ends too early', { dataset: datasetBytes(ctFile()).subarray(0, -7) }, 'c000'],
    ['bytes that are no data set', { dataset: Buffer.from('GET / HTTP/1.1\r\n\r\n'.repeat(20)) }, 'c000'],
    [
      'a data set without Study Instance UID',
      { dataset: datasetBytes(ctFile({ attributes: { StudyInstanceUID: undefined } })) },
      'a900',
    ],
    [
      'a data set of another class',
      { dataset: datasetBytes(ctFile({ attributes: { SOPClassUID: '1.2.840.10008.5.1.4.1.1.4' } })) },
      'a900',
    ],
  ] as const)('says so with its status, keeps nothing and goes on: %s', async (_what, over, status) => {
    await start();
    const association = await call();
    const answer = await association.store(object(ctFile(), over));
    expect(answer.status.toString(16)).toBe(status);
    expect(answer.comment).toMatch(/^[a-z-]+: [ -~]+$/);
    expect(answer.comment!.length).toBeLessThanOrEqual(64);
    expect(
      (await association.store(object(ctFile({ instance: 'good' }), { instanceUid: uidOf('instance', 'good') })))
        .status,
    ).toBe(0);
    await association.release();
    expect(await door.kept()).toEqual([uidOf('instance', 'good')]);
    expect(door.staged()).toEqual([]);
  });

  it('answers A700 to an object that is too large or finds no room, and goes on', async () => {
    await start({ maxObjectBytes: 100_000 });
    const association = await call();
    const big = object(large('a'));
    expect((await association.store(big)).status).toBe(0xa700);
    expect((await association.store(object(ctFile()))).status).toBe(0);
    await association.release();
    expect(door.staged()).toEqual([]);
    await door.close();

    const full = { stage: () => Promise.reject(new PlumblineError('disk-full', 'no room')) };
    await start({}, { blobs: full as never });
    expect(await sendOne(object(ctFile()))).toEqual({ status: 'a700', comment: 'disk-full: no room' });
  });

  it('has one status for each error, with the class of the error deciding the rest', () => {
    const expected: Partial<Record<ErrorCode, number>> = {
      'store-locked': 0xa700,
      busy: 0xa700,
      internal: 0x0110,
      'transfer-syntax-unknown': 0xc122,
      'class-not-storable': 0x0122,
    };
    for (const [code, status] of Object.entries(expected)) expect(storeStatus(code as ErrorCode), code).toBe(status);
  });
});

describe('negotiation', () => {
  const proposal = (sopClass: string, ...transferSyntaxes: string[]) =>
    answerContext({ sopClass, transferSyntaxes }, ['1.2.3.4']);

  it('takes every class and transfer syntax of the tables, newer storage classes, Verification, and private ones that are configured', () => {
    for (const uid of sopClasses.keys()) expect(proposal(uid, explicitLittle), uid).toEqual({ accept: explicitLittle });
    for (const uid of transferSyntaxes.keys()) expect(proposal(ct, uid), uid).toEqual({ accept: uid });
    for (const uid of ['1.2.840.10008.1.1', '1.2.840.10008.5.1.4.1.1.999.1', '1.2.3.4'])
      expect(proposal(uid, explicitLittle), uid).toEqual({ accept: explicitLittle });
  });

  it('takes what was proposed first, but what can be read before what can only be kept', () => {
    expect(proposal(ct, '1.2.840.10008.1.2', explicitLittle)).toEqual({ accept: '1.2.840.10008.1.2' });
    expect(proposal(ct, '1.2.840.10008.1.2.4.80', explicitLittle)).toEqual({ accept: '1.2.840.10008.1.2.4.80' });
    expect(proposal(ct, '1.2.840.10008.1.2.4.92', '1.2.840.10008.1.2.4.90')).toEqual({
      accept: '1.2.840.10008.1.2.4.90',
    });
  });

  it('refuses services, private classes and transfer syntaxes that it does not know', () => {
    for (const uid of [
      '1.2.840.10008.5.1.4.1.2.1.1',
      '1.2.840.10008.1.20.1',
      '1.2.840.10008.1.3.10',
      '1.2.3.5',
      '../x',
    ])
      expect(proposal(uid, explicitLittle), uid).toEqual({ reject: 'abstract-syntax' });
    expect(proposal(ct, '1.2.840.113619.5.2')).toEqual({ reject: 'transfer-syntaxes' });
  });

  it('knows callers by AE title and address', () => {
    const admits = createAdmits({
      aeTitle: 'PLUMBLINE',
      callers: [
        { aeTitle: 'CT1', addresses: ['10.1.0.0/16', '::1'] },
        { aeTitle: 'ANYWHERE', addresses: [] },
        { aeTitle: '*', addresses: ['192.0.2.7'] },
      ],
    });
    expect(admits('CT1', 'PLUMBLINE', '10.1.9.9')).toBeUndefined();
    expect(admits('CT1', 'PLUMBLINE', '::1')).toBeUndefined();
    expect(admits('CT1', 'PLUMBLINE', '10.2.0.1')).toBe('calling-aet');
    expect(admits('ANYWHERE', 'PLUMBLINE', '203.0.113.1')).toBeUndefined();
    expect(admits('CT2', 'PLUMBLINE', '192.0.2.7')).toBeUndefined();
    expect(admits('CT2', 'PLUMBLINE', '192.0.2.8')).toBe('calling-aet');
    expect(admits('CT1', 'OTHER', '10.1.9.9')).toBe('called-aet');
    expect(createAdmits({ aeTitle: 'A', callers: [] })('\u0000\n', 'A', '::1')).toBe('calling-aet');
  });

  it('refuses a configuration whose addresses are none', () => {
    for (const address of ['10.1.0.0/33', 'pacs', '10.1.0.0/x', '/8']) {
      const make = (): unknown => createAdmits({ aeTitle: 'A', callers: [{ aeTitle: 'B', addresses: [address] }] });
      expect(make, address).toThrow(PlumblineError);
    }
  });

  it('rejects who calls too many at a time, for the moment', async () => {
    await start({ maxAssociations: 2 });
    const [one, two] = [await call(), await call()];
    expect(await refusal(call())).toMatchObject({
      code: 'peer-busy',
      message: expect.stringContaining('as many associations'),
    });
    await one.release();
    await two.release();
    await (await call()).release();
  });

  it('rejects all for the moment while too much work waits', async () => {
    await start({}, { overloaded: async () => '10001 workitems wait' });
    expect(await refusal(call())).toMatchObject({ code: 'peer-busy', message: expect.stringContaining('congested') });
  });
});

describe('a connection that is not what it should be', () => {
  /** A-ASSOCIATE-RQ of 68 fixed bytes and items, from the standard (PS3.8 9.3.2). */
  const request = (called: string, ...items: Buffer[]): Buffer => {
    const fixed = Buffer.alloc(68);
    fixed.writeUInt16BE(1);
    fixed.write(called.padEnd(16), 4, 'latin1');
    fixed.write('RAW'.padEnd(16), 20, 'latin1');
    const body = Buffer.concat([fixed, ...items]);
    const head = Buffer.from([1, 0, 0, 0, 0, 0]);
    head.writeUInt32BE(body.length, 2);
    return Buffer.concat([head, body]);
  };
  const item = (type: number, body: Buffer): Buffer => {
    const head = Buffer.from([type, 0, 0, 0]);
    head.writeUInt16BE(body.length, 2);
    return Buffer.concat([head, body]);
  };
  const context = (id: number, sopClass: string): Buffer =>
    item(
      0x20,
      Buffer.concat([
        Buffer.from([id, 0, 0, 0]),
        item(0x30, Buffer.from(sopClass)),
        item(0x40, Buffer.from('1.2.840.10008.1.2')),
      ]),
    );
  const verification = (id: number): Buffer => context(id, '1.2.840.10008.1.1');
  const user = (...items: Buffer[]): Buffer =>
    item(0x50, Buffer.concat([item(0x51, Buffer.from([0, 0, 64, 0])), ...items]));
  const works = async (): Promise<void> => {
    const association = await openAssociation(peer(), [], never);
    expect(await association.echo()).toBe(0);
    await association.release();
  };

  it('is cut with an A-ABORT, and the door stays', async () => {
    await start();
    // A C-FIND, which a class for storage does not have, with a data set to follow (PS3.7 9.3.2).
    const element = (n: number, value: Buffer): Buffer =>
      Buffer.concat([Buffer.from([0, 0, 0, n, value.length, 0, 0, 0]), value]);
    const command = Buffer.concat([element(1, Buffer.from([0x20, 0])), element(8, Buffer.from([2, 2]))]);
    const find = Buffer.concat([
      Buffer.from([4, 0, 0, 0, 0, command.length + 6, 0, 0, 0, command.length + 2, 1, 3]),
      command,
    ]);
    const garbage = [
      Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
      Buffer.from([4, 0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]),
      Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]),
      Buffer.from([4, 0, 0, 0, 0, 6, 0, 0, 0, 2, 1, 3]), // data before an association
      Buffer.from([5, 0, 0, 0, 0, 4, 0, 0, 0, 0]), // release before an association
      request('PLUMBLINE', Buffer.from([0x20, 0, 0xff, 0xff, 1, 0])),
      request('PLUMBLINE', verification(2)),
      Buffer.concat([request('PLUMBLINE', verification(1), user()), request('PLUMBLINE', verification(1), user())]),
      Buffer.concat([request('PLUMBLINE', verification(1), user()), Buffer.from([4, 0, 0, 0, 0, 6, 0, 0, 0, 2, 1, 2])]),
      Buffer.concat([
        request('PLUMBLINE', verification(1), user()),
        Buffer.from([4, 0, 0, 0, 0, 8, 0, 0, 0, 4, 1, 3, 9, 9]),
      ]),
      Buffer.concat([
        request('PLUMBLINE', verification(1), user()),
        Buffer.from([4, 0, 0, 0, 0, 6, 0, 0, 0, 2, 99, 3]),
      ]),
      Buffer.concat([request('PLUMBLINE', context(1, ct), user()), find]),
    ];
    for (const bytes of garbage) {
      const answer = await rawExchange(door.port, bytes);
      expect(answer.closed, bytes.toString('hex').slice(0, 40)).toBe(true);
      expect(answer.bytes.subarray(-10, -8).toString('hex'), bytes.toString('hex').slice(0, 40)).toBe('0700');
    }
    await works();
  });

  it('is harmless where random bytes come on many at once', async () => {
    await start();
    const random = (seed: number): Buffer =>
      Buffer.from(Array.from({ length: 400 }, (_, i) => (Math.imul(seed + i, 2654435761) >>> 13) & 0xff));
    // The first byte is that of a PDU, so that all of them get past the first look.
    const all = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        rawExchange(door.port, Buffer.concat([Buffer.from([(i % 7) + 1, 0, 0, 0, 0, 4]), random(i)])),
      ),
    );
    expect(all.every((a) => a.closed)).toBe(true);
    await works();
  });

  it('is cut where nothing is asked for in time, or an association falls silent', async () => {
    await start({ associationSeconds: 0.2, idleSeconds: 0.2 });
    expect((await rawExchange(door.port, Buffer.from([1, 0]))).closed).toBe(true);
    const silent = await rawExchange(door.port, request('PLUMBLINE', verification(1), user()));
    expect(silent.closed).toBe(true);
    expect([silent.bytes[0], silent.bytes.at(-10)]).toEqual([2, 7]); // accepted, then aborted
  });

  it('may propose its contexts in any order and gets each back under its id; no window of several requests and no role of a provider is granted', async () => {
    await start({ idleSeconds: 0.3, maxPduBytes: 8192 });
    const role = item(0x54, Buffer.concat([Buffer.from([0, 25]), Buffer.from(ct), Buffer.from([1, 1])]));
    const windows = item(0x53, Buffer.from([0, 8, 0, 8]));
    const { bytes } = await rawExchange(
      door.port,
      request(
        'PLUMBLINE',
        context(7, ct),
        verification(3),
        context(1, '1.2.840.10008.5.1.4.1.2.1.1'),
        user(windows, role),
      ),
    );
    const results: Record<number, number> = {};
    for (let at = 74; at < bytes.readUInt32BE(2) + 6; at += 4 + bytes.readUInt16BE(at + 2)) {
      if (bytes[at] === 0x21) results[bytes[at + 4]!] = bytes[at + 6]!;
    }
    expect(results).toEqual({ 1: 3, 3: 0, 7: 0 });
    expect(bytes.includes(Buffer.from([0x53, 0, 0, 4]))).toBe(false);
    expect(bytes.includes(Buffer.concat([Buffer.from(ct), Buffer.from([1, 0])]))).toBe(true);
    expect(bytes.includes(Buffer.from([0x51, 0, 0, 4, 0, 0, 0x20, 0]))).toBe(true);
  });

  it('leaves nothing behind when it is rejected, five hundred times', async () => {
    await start();
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const round = async (n: number): Promise<void> => {
      for (let i = 0; i < n; i += 10) {
        const all = await Promise.all(
          Array.from({ length: 10 }, () => rawExchange(door.port, request('NOBODY', verification(1), user()))),
        );
        // A-ASSOCIATE-RJ: permanent, service user, called AE title not recognized.
        expect(all.every((a) => a.bytes.equals(Buffer.from([3, 0, 0, 0, 0, 4, 0, 1, 1, 7])))).toBe(true);
      }
      await new Promise((done) => setTimeout(done, 100));
      collect();
    };
    const measure = (): { resources: number; heap: number } => ({
      resources: process.getActiveResourcesInfo().length,
      heap: process.memoryUsage().heapUsed,
    });
    await round(100);
    const before = measure();
    await round(500);
    const after = measure();
    expect(after.resources).toBeLessThanOrEqual(before.resources + 2);
    expect(after.heap - before.heap).toBeLessThan(2_000_000);
  }, 30_000);

  it('puts no word of a data set and no foreign text into the log', async () => {
    const { log, lines } = rememberingLog();
    await start({}, { log });
    await sendOne(object(ctFile(), { instanceUid: 'Example^Ada' }));
    await sendOne(
      object(ctFile({ attributes: { PatientName: 'Secret^Name' } }), {
        dataset: datasetBytes(ctFile()).subarray(0, -3),
      }),
    );
    expect(lines.filter((l) => l['code']).map((l) => l['code'])).toEqual(['uid-missing', 'dicom-damaged']);
    expect(JSON.stringify(lines)).not.toMatch(/Ada|Secret|P1"/);
  });
});

describe.skipIf(missing('storescu', 'echoscu', 'dcmsend'))('for DCMTK', () => {
  it('answers C-ECHO, and rejects a wrong called AE title or an unknown caller with the reason', async () => {
    await start({ callers: [{ aeTitle: 'KNOWN', addresses: ['127.0.0.0/8'] }] });
    expect((await echoscu(door.port, ['-aet', 'KNOWN'])).stderr).toContain('Received Echo Response (Success)');
    expect((await echoscu(door.port, ['-aet', 'KNOWN', '-aec', 'OTHER'])).stderr).toContain(
      'Called AE Title Not Recognized',
    );
    expect((await echoscu(door.port, ['-aet', 'STRANGER'])).stderr).toContain('Calling AE Title Not Recognized');
  });

  it('keeps what four associations send at once', async () => {
    await start();
    const groups = ['a', 'b', 'c', 'd'].map((g) =>
      writeFiles(Array.from({ length: 10 }, (_, i) => ctFile({ study: g, instance: `${g}${i}` }))),
    );
    const args = ['-aec', 'PLUMBLINE', '-v', '127.0.0.1', String(door.port)];
    const ran = await Promise.all(groups.map((files) => runPeer(peers.dcmsend!, [...args, ...files])));
    expect(ran.map((r) => r.code)).toEqual([0, 0, 0, 0]);
    expect((await door.kept()).length).toBe(40);
    expect(door.staged()).toEqual([]);
  });

  it('keeps exactly what it acknowledged when the association breaks in the middle of an object', async () => {
    await start();
    const files = writeFiles([ctFile({ instance: '1' }), ctFile({ instance: '2' }), large('3')]);
    const cutter = await startCutter(door.port, 3_000_000);
    const { code, stderr } = await storescu(cutter.port, files);
    cutter.close();
    expect(code).not.toBe(0);
    expect(stderr.match(/Received Store Response \(Success\)/g)).toHaveLength(2);
    await new Promise((done) => setTimeout(done, 200));
    expect((await door.kept()).toSorted()).toEqual([uidOf('instance', '1'), uidOf('instance', '2')].toSorted());
    expect(door.staged()).toEqual([]);
    expect((await storescu(door.port, files)).code).toBe(0);
    expect(await door.kept()).toHaveLength(3);
  });

  it('keeps exactly what it acknowledged when the sender is killed', async () => {
    await start();
    const files = writeFiles(
      Array.from({ length: 12 }, (_, i) => (i === 0 ? ctFile({ instance: '0' }) : middling(String(i)))),
    );
    let said = '';
    const child = execFile(peers.storescu!, ['-v', '-aec', 'PLUMBLINE', '127.0.0.1', String(door.port), ...files]);
    child.stderr!.on('data', (text: string) => {
      said += text;
      if ((said.match(/\(Success\)/g) ?? []).length >= 2) child.kill('SIGKILL');
    });
    await new Promise((done) => child.once('close', done));
    await new Promise((done) => setTimeout(done, 500));
    const acknowledged = said.match(/\(Success\)/g)!.length;
    const kept = (await door.kept()).length;
    // The last one may have been kept while its answer was on the way to a sender that was gone.
    expect([acknowledged, acknowledged + 1]).toContain(kept);
    expect(kept).toBeLessThan(12);
    expect(door.staged()).toEqual([]);
  });
});

describe.skipIf(missing('storescu', 'echoscu', 'openssl'))('over TLS', () => {
  let pem: Certificates;
  beforeAll(async () => void (pem = await makeCertificates()));
  const server = (): Record<string, string> => ({ certFile: pem.server.cert, keyFile: pem.server.key });
  const withClient = (): string[] => ['+tls', pem.client.key, pem.client.cert, '+cf', pem.ca];

  it('takes what a known sender sends, and nothing in plain', async () => {
    await start({ tls: server() });
    const files = writeFiles([ctFile()]);
    expect((await storescu(door.port, files, ['+tla', '+cf', pem.ca])).stderr).toContain('(Success)');
    expect((await echoscu(door.port)).code).not.toBe(0);
    expect(await door.kept()).toHaveLength(1);
  });

  it('asks for a certificate where an authority is named, and takes none of another authority', async () => {
    await start({ tls: { ...server(), caFile: pem.ca } });
    expect((await echoscu(door.port, withClient())).stderr).toContain('Received Echo Response (Success)');
    expect((await echoscu(door.port, ['+tla', '+cf', pem.ca])).code).not.toBe(0);
    const other = await makeCertificates();
    expect((await echoscu(door.port, ['+tls', other.client.key, other.client.cert, '+cf', pem.ca])).code).not.toBe(0);
    const association = await call({ tls: { caFile: pem.ca, certFile: pem.client.cert, keyFile: pem.client.key } });
    expect((await association.store(object(ctFile()))).status).toBe(0);
    await association.release();
    expect((await refusal(call({ tls: { certFile: pem.client.cert, keyFile: pem.client.key } }))).code).toBe(
      'peer-unreachable',
    );
  });
});

describe.skipIf(missing('python', 'shared'))('for pynetdicom, with files as they are', () => {
  it('keeps every byte of every transfer syntax and of private attributes, as STOW-RS would', async () => {
    await start();
    const files = await sendable([
      ...globSync(sharedPath('data/dicom/transfer-syntax/1.2.840.10008.*/*.dcm')),
      ...globSync(sharedPath('data/dicom/CT/ge-tilt/*.dcm')), // private attributes
      ...globSync(sharedPath('data/dicom/{SR,SEG,PR,KO}/*.dcm')).slice(0, 6),
    ]);
    const said = await pynetdicomStore(
      door.port,
      files.map((f) => f.path),
    );
    expect(said.map((status) => status.split(':')[0])).toEqual(
      files.map((f) => (f.hasStudy ? '0000' : 'a900 uid-missing')),
    );
    const digest = (bytes: Uint8Array): string => createHash('sha256').update(datasetBytes(bytes)).digest('hex');
    const kept = new Set<string>();
    for (const { studyUid } of await door.studies.studies(1000, 0))
      for (const { ref } of await door.studies.instances(studyUid)) kept.add(digest(await door.blobs.read(ref.digest)));
    expect(files.filter((f) => f.hasStudy && !kept.has(digest(readFileSync(f.path))))).toEqual([]);
    expect(new Set(files.map((f) => f.transferSyntax)).size).toBeGreaterThan(25);
  }, 60_000);
});
