import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { request, type ClientRequest, type IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { PlumblineError, type Log, type LogFields } from '../../../src/base/index.ts';
import type { Studies } from '../../../src/studies/index.ts';
import { ctFile, uidOf } from '../../builders/files.ts';
import { multipartBody, stow, stowBody, type WrittenPart } from '../../builders/multipart.ts';
import { startTestServer, type TestServer, type TestServerOptions } from '../../builders/read-write-server.ts';
import { missing, python } from '../../peers/index.ts';

let server: TestServer;
afterEach(() => server.close());

async function start(options: TestServerOptions = {}): Promise<TestServer> {
  server = await startTestServer(options);
  return server;
}

type Item = Record<string, { readonly vr: string; readonly Value?: unknown[] }>;
interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly stored: readonly Item[];
  readonly failed: readonly Item[];
  readonly other: readonly Item[];
  /** Failure reasons as 4 hex digits. */
  readonly reasons: readonly string[];
  readonly code: string | undefined;
}

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  const json = (response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : {}) as Item & {
    code?: string;
  };
  const items = (tag: string): Item[] => (json[tag]?.Value ?? []) as Item[];
  const [failed, other] = [items('00081198'), items('0008119A')];
  const reasons = [...failed, ...other].map((i) => Number(i['00081197']?.Value?.[0]).toString(16).padStart(4, '0'));
  return {
    status: response.status,
    headers: response.headers,
    text,
    stored: items('00081199'),
    failed,
    other,
    reasons,
    code: json.code,
  };
}

const post = async (files: readonly Uint8Array[], path = '/studies', headers = {}): Promise<Answer> =>
  answerOf(await stow(server.dicomweb + path, files, headers));

async function postRaw(body: Uint8Array, headers: Record<string, string>, path = '/studies'): Promise<Answer> {
  return answerOf(await fetch(server.dicomweb + path, { method: 'POST', body: new Uint8Array(body), headers }));
}

/** Files under the store that are no blob at its address: what a refused request must not leave. */
function staged(): string[] {
  const all = readdirSync(join(server.folder, 'blobs'), { recursive: true, encoding: 'utf8' });
  return all.filter((name) => name.endsWith('.part') && statSync(join(server.folder, 'blobs', name)).isFile());
}

async function storedCount(): Promise<number> {
  return (await server.studies.studies(100, 0)).reduce((sum, s) => sum + s.received, 0);
}

const value = (item: Item | undefined, tag: string): unknown => item?.[tag]?.Value?.[0];

describe('STOW-RS that stores', () => {
  it('answers 200 with a reference and a Retrieve URL for each instance, when all are durable', async () => {
    await start();
    const files = [ctFile({ instance: '1' }), ctFile({ instance: '2' })];
    const answer = await post(files);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toMatch(/^application\/dicom\+json/);
    expect(answer.stored.map((i) => value(i, '00081155'))).toEqual([uidOf('instance', '1'), uidOf('instance', '2')]);
    expect(value(answer.stored[0], '00081150')).toBe('1.2.840.10008.5.1.4.1.1.2');
    expect(value(answer.stored[0], '00081190')).toBe(
      `${server.dicomweb}/studies/${uidOf('study', 'a')}/series/${uidOf('series', 'a/a')}/instances/${uidOf('instance', '1')}`,
    );
    expect(answer.text).toContain(
      `"00081190":{"vr":"UR","Value":["${server.dicomweb}/studies/${uidOf('study', 'a')}"]}`,
    );
    expect(answer.text).not.toContain('00081198');
    expect(staged()).toEqual([]);
  });

  it('tells the study gate how many instances will come, where the sender says so, and refuses what is no number', async () => {
    const told: unknown[] = [];
    await start({ stow: { expect: async (...said) => void told.push(said) } });
    const file = ctFile();
    expect((await post([file], '/studies', { 'plumbline-expected-instances': '12' })).status).toBe(200);
    expect(told).toEqual([[expect.stringMatching(/^[0-9.]+$/), 12]]);
    expect(await post([file], '/studies', { 'plumbline-expected-instances': 'all' })).toMatchObject({
      status: 400,
      code: 'query-invalid',
    });
  });

  it('keeps the bytes that came, at their SHA-256', async () => {
    await start();
    const file = ctFile();
    await post([file]);
    const kept = await server.studies.instance(uidOf('instance', 'a'));
    expect(kept?.ref.digest).toBe(createHash('sha256').update(file).digest('hex'));
    expect(Buffer.from(await server.blobs.read(kept!.ref.digest)).equals(file)).toBe(true);
  });

  it('takes a file that is larger than what it holds in memory, and refuses one that is damaged, alike', async () => {
    await start();
    const large = ctFile({ attributes: { Rows: 2400, Columns: 2000 }, pixels: new Uint8Array(9_600_000) });
    expect((await post([large])).status).toBe(200);
    const kept = await server.studies.instance(uidOf('instance', 'a'));
    expect(kept?.ref.digest).toBe(createHash('sha256').update(large).digest('hex'));
    const damaged = ctFile({
      instance: 'b',
      attributes: { Rows: 2400, Columns: 2000 },
      pixels: new Uint8Array(9_600_000),
    });
    expect(await post([damaged.subarray(0, -1000)])).toMatchObject({ status: 409, reasons: ['c000'] });
    expect(staged()).toEqual([]);
  });

  it('answers only after admission, however long that takes', async () => {
    const admitted = Promise.withResolvers<void>();
    let asked = false;
    const admit: Studies['admit'] = async (batch) => {
      asked = true;
      await admitted.promise;
      return batch.map(({ ref }) => ({ outcome: 'stored' as const, ref }));
    };
    await start({ stow: { studies: { admit } } });
    let answered = false;
    const answer = post([ctFile()]).finally(() => (answered = true));
    while (!asked) await pause(5);
    await pause(100);
    expect(answered).toBe(false);
    admitted.resolve();
    expect((await answer).status).toBe(200);
  });

  it('takes the same bytes again as a success that changes nothing', async () => {
    await start();
    await post([ctFile()]);
    const again = await post([ctFile()]);
    expect([again.status, again.stored.length]).toEqual([200, 1]);
    expect(await storedCount()).toBe(1);
  });

  it('hands one request to the store as one batch', async () => {
    const sizes: number[] = [];
    const admit: Studies['admit'] = async (batch) => {
      sizes.push(batch.length);
      return batch.map(({ ref }) => ({ outcome: 'stored' as const, ref }));
    };
    await start({ stow: { studies: { admit } } });
    await post(Array.from({ length: 30 }, (_, i) => ctFile({ instance: String(i) })));
    expect(sizes).toEqual([30]);
  });

  it.each([
    ['no quotes', 'multipart/related; type=application/dicom; boundary=bound'],
    ['quotes', 'multipart/related; type="application/dicom"; boundary="bound"'],
    ['another order and case', 'Multipart/Related; Boundary="bound"; TYPE="Application/DICOM"'],
    [
      'a transfer syntax',
      'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.90; boundary=bound',
    ],
    ['a root part', 'multipart/related; type="application/dicom"; start="<1>"; boundary=bound'],
    ['no type', 'multipart/related; boundary=bound'],
  ])('takes a Content-Type with %s', async (_, contentType) => {
    await start();
    const body = multipartBody('bound', [{ headers: { 'Content-Type': 'application/dicom' }, body: ctFile() }]);
    expect((await postRaw(body, { 'Content-Type': contentType })).status).toBe(200);
  });

  it.each(["'()+_,-./:=?", 'x'.repeat(70), 'two words'])('takes the boundary %j', async (boundary) => {
    await start();
    const { body, contentType } = stowBody([ctFile()], boundary);
    expect((await postRaw(body, { 'Content-Type': contentType })).status).toBe(200);
  });

  it.each([
    'application/dicom; transfer-syntax=1.2.840.10008.1.2.1',
    'application/dicom;transfer-syntax=*',
    'Application/DICOM',
  ])('takes a part of type %s', async (type) => {
    await start();
    const body = multipartBody('b', [{ headers: { 'content-type': type, 'Content-ID': '<1>' }, body: ctFile() }]);
    expect((await postRaw(body, { 'Content-Type': 'multipart/related; boundary=b' })).status).toBe(200);
  });

  it('takes a body of unknown length, a byte at a time across the boundary', async () => {
    await start();
    const { body, contentType } = stowBody([ctFile()]);
    const req = openRequest({ 'Content-Type': contentType });
    for (const byte of body.subarray(0, 80)) await written(req.request, Buffer.of(byte));
    req.request.end(body.subarray(80));
    expect((await req.answer).status).toBe(200);
  });

  it('takes instances of the study that the URL names', async () => {
    await start();
    expect((await post([ctFile()], `/studies/${uidOf('study', 'a')}`)).status).toBe(200);
  });

  it.skipIf(missing('python'))('answers in XML where that is asked for, and the XML is well-formed', async () => {
    await start();
    const answer = await post([ctFile(), ctFile({ study: 'b', instance: 'b' })], `/studies/${uidOf('study', 'a')}`, {
      Accept: 'application/dicom+xml',
    });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([202, 'application/dicom+xml']);
    const script = `
import sys, xml.etree.ElementTree as ET
root = ET.fromstring(sys.argv[1])
ns = '{http://dicom.nema.org/PS3.19/models/NativeDICOM}'
for a in root.findall(ns + 'DicomAttribute'):
    print(a.get('keyword'), a.get('vr'), [v.text for v in a.iter(ns + 'Value')][:2])`;
    const { stdout } = await python(script, [answer.text]);
    expect(stdout).toContain(`FailedSOPSequence SQ ['1.2.840.10008.5.1.4.1.1.2', '${uidOf('instance', 'b')}']`);
    expect(stdout).toContain(`ReferencedSOPSequence SQ ['1.2.840.10008.5.1.4.1.1.2', '${uidOf('instance', 'a')}']`);
  });
});

describe('STOW-RS that stores some or none', () => {
  it('answers 409 and 0111 for other data under a stored UID, and keeps the first', async () => {
    await start();
    const first = ctFile();
    await post([first]);
    const answer = await post([ctFile({ attributes: { PatientID: 'P2' } })]);
    expect([answer.status, answer.reasons]).toEqual([409, ['0111']]);
    expect(value(answer.failed[0], '00081155')).toBe(uidOf('instance', 'a'));
    const kept = await server.studies.instance(uidOf('instance', 'a'));
    expect(Buffer.from(await server.blobs.read(kept!.ref.digest)).equals(first)).toBe(true);
    expect(staged()).toEqual([]);
  });

  it('answers 202 where some of the instances are of another study than the URL names, each by its own name', async () => {
    await start();
    const files = [ctFile({ instance: '1' }), ctFile({ study: 'b', instance: '2' })];
    const answer = await post(files, `/studies/${uidOf('study', 'a')}`);
    expect([answer.status, answer.reasons]).toEqual([202, ['a901']]);
    expect(value(answer.failed[0], '00081155')).toBe(uidOf('instance', '2'));
    expect(value(answer.stored[0], '00081155')).toBe(uidOf('instance', '1'));
    expect(await storedCount()).toBe(1);
  });

  it('answers 409 where all are of another study', async () => {
    await start();
    const answer = await post([ctFile()], `/studies/${uidOf('study', 'b')}`);
    expect([answer.status, answer.reasons]).toEqual([409, ['a901']]);
  });

  it('names what is unreadable in Other Failures Sequence, and keeps the good one beside it', async () => {
    await start();
    const answer = await post([new TextEncoder().encode('no DICOM'), ctFile()]);
    expect([answer.status, answer.failed.length, answer.other.length, answer.reasons]).toEqual([202, 0, 1, ['c000']]);
    expect(answer.stored).toHaveLength(1);
    expect(staged()).toEqual([]);
  });

  it('says in words what is wrong with an instance, beside the number', async () => {
    await start();
    const { failed } = await post([ctFile({ attributes: { SeriesInstanceUID: '' } })]);
    const [comment] = failed[0]!['00741048']!.Value as Item[];
    expect(value(failed[0], '00081155')).toBe(uidOf('instance', 'a'));
    expect(value(comment, '00000902')).toBe('uid-missing: no Series Instance UID');
  });

  it('refuses a part that is not application/dicom and takes the one beside it', async () => {
    await start();
    const parts: WrittenPart[] = [
      { headers: { 'Content-Type': 'application/json' }, body: '{}' },
      { headers: {}, body: ctFile({ instance: 'x' }) },
      { headers: { 'Content-Type': 'application/dicom', 'Content-Transfer-Encoding': 'base64' }, body: 'AAAA' },
      { headers: { 'Content-Type': 'application/dicom' }, body: ctFile() },
    ];
    const answer = await postRaw(multipartBody('b', parts), { 'Content-Type': 'multipart/related; boundary=b' });
    expect([answer.status, answer.stored.length, answer.reasons]).toEqual([202, 1, ['c000', 'c000', 'c000']]);
  });

  it('makes no file name of a UID or a part name that is a path', async () => {
    await start();
    const evil = '../../../../tmp/plumbline-evil';
    const headers = {
      'Content-Type': 'application/dicom',
      'Content-Disposition': `attachment; filename="${evil}"`,
      'Content-Location': evil,
    };
    const good = ctFile();
    const uid = Buffer.from(uidOf('study', 'a'));
    const bad = Buffer.from(good);
    bad.fill(Buffer.from(evil.padEnd(uid.length, '/')), bad.indexOf(uid), bad.indexOf(uid) + uid.length);
    const answer = await postRaw(
      multipartBody('b', [
        { headers, body: bad },
        { headers, body: good },
      ]),
      {
        'Content-Type': 'multipart/related; boundary=b',
      },
    );
    expect([answer.status, answer.stored.length, answer.reasons]).toEqual([202, 1, ['a900']]);
    const names = readdirSync(server.folder, { recursive: true, encoding: 'utf8' });
    expect(names.filter((n) => n.includes('evil'))).toEqual([]);
  });
});

describe('STOW-RS that refuses the whole request', () => {
  const good = stowBody([ctFile()]);

  it.each<[number, string, string, Uint8Array, Record<string, string>]>([
    [400, 'multipart-invalid', 'an empty body', new Uint8Array(), { 'Content-Type': good.contentType }],
    [400, 'multipart-invalid', 'no part', Buffer.from('--a-boundary--\r\n'), { 'Content-Type': good.contentType }],
    [
      400,
      'multipart-invalid',
      'another boundary than it says',
      good.body,
      { 'Content-Type': good.contentType.replace('a-b', 'x-b') },
    ],
    [
      400,
      'multipart-invalid',
      'no boundary parameter',
      good.body,
      { 'Content-Type': 'multipart/related; type="application/dicom"' },
    ],
    [
      400,
      'multipart-invalid',
      'an illegal boundary',
      good.body,
      { 'Content-Type': 'multipart/related; boundary="a@b"' },
    ],
    [400, 'multipart-invalid', 'no final boundary', good.body.subarray(0, -4), { 'Content-Type': good.contentType }],
    [415, 'media-type-unsupported', 'DICOM itself', ctFile(), { 'Content-Type': 'application/dicom' }],
    [415, 'media-type-unsupported', 'no Content-Type', good.body, {}],
    [
      415,
      'media-type-unsupported',
      'form data',
      good.body,
      { 'Content-Type': 'multipart/form-data; boundary=a-boundary' },
    ],
    [
      415,
      'media-type-unsupported',
      'DICOM JSON parts',
      good.body,
      { 'Content-Type': good.contentType.replace('dicom"', 'dicom+json"') },
    ],
    [
      415,
      'media-type-unsupported',
      'a compressed body',
      gzipSync(good.body),
      { 'Content-Type': good.contentType, 'Content-Encoding': 'gzip' },
    ],
    [
      406,
      'not-acceptable',
      'a wish for an HTML answer',
      good.body,
      { 'Content-Type': good.contentType, Accept: 'text/html' },
    ],
  ])('answers %i %s to %s, and keeps nothing', async (status, code, _, body, headers) => {
    await start();
    const answer = await postRaw(body, headers);
    expect([answer.status, answer.code]).toEqual([status, code]);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect([await storedCount(), staged()]).toEqual([0, []]);
  });

  it('answers 400 where the URL names no UID', async () => {
    await start();
    expect(await post([ctFile()], '/studies/..%2f..%2fetc')).toMatchObject({ status: 400, code: 'query-invalid' });
  });

  it('keeps nothing of a request whose second part is cut', async () => {
    await start();
    const { body, contentType } = stowBody([ctFile({ instance: '1' }), ctFile({ instance: '2' })]);
    expect((await postRaw(body.subarray(0, body.length - 60), { 'Content-Type': contentType })).status).toBe(400);
    expect([await storedCount(), staged()]).toEqual([0, []]);
  });

  it('answers 413 at once to an announced body over the limit', async () => {
    await start({ limits: { maxRequestBytes: 10_000 } });
    const req = openRequest({ 'Content-Type': good.contentType, 'Content-Length': '4294967296' });
    req.request.flushHeaders();
    expect(await req.answer).toMatchObject({ status: 413, code: 'body-too-large' });
    req.request.destroy();
  });

  it.each([
    ['request', { maxRequestBytes: 100_000 }],
    ['part', { maxPartBytes: 100_000 }],
  ])('answers 413 to a never-ending part over the limit of a %s, and keeps nothing', async (_, limits) => {
    await start({ limits });
    const req = openRequest({ 'Content-Type': good.contentType });
    req.request.write('--a-boundary\r\nContent-Type: application/dicom\r\n\r\n');
    const flood = setInterval(() => req.request.writable && req.request.write(Buffer.alloc(50_000)), 2);
    expect(await req.answer).toMatchObject({ status: 413, code: 'body-too-large' });
    clearInterval(flood);
    req.request.destroy();
    expect(staged()).toEqual([]);
  });

  it('answers 413 to a header that is larger than the limit', async () => {
    await start({ limits: { maxHeaderBytes: 500 } });
    const body = multipartBody('b', [
      { headers: { 'Content-Type': 'application/dicom', 'X-Y': 'x'.repeat(100_000) }, body: '1' },
    ]);
    expect(await postRaw(body, { 'Content-Type': 'multipart/related; boundary=b' })).toMatchObject({ status: 413 });
  });

  it('answers 413 to 100 000 tiny parts, without a file for any over the limit', async () => {
    await start({ limits: { maxParts: 100 } });
    const part = Buffer.from('--b\r\nContent-Type: application/dicom\r\n\r\n1\r\n');
    const body = Buffer.concat([...Array.from({ length: 100_000 }, () => part), Buffer.from('--b--')]);
    expect(await postRaw(body, { 'Content-Type': 'multipart/related; boundary=b' })).toMatchObject({
      status: 413,
      code: 'body-too-large',
    });
    expect(server.blobs.counters.files).toBeLessThanOrEqual(100);
    expect(staged()).toEqual([]);
  });

  it('answers 408 to a sender that stops sending, and keeps nothing', async () => {
    await start({ limits: { idleSeconds: 0.3 } });
    const req = openRequest({ 'Content-Type': good.contentType });
    req.request.write(good.body.subarray(0, 200));
    expect(await req.answer).toMatchObject({ status: 408, code: 'sender-slow' });
    expect(staged()).toEqual([]);
  });

  it('answers 408 to a sender of a byte now and then', async () => {
    await start({ limits: { idleSeconds: 0.3 } });
    const req = openRequest({ 'Content-Type': good.contentType });
    const drip = setInterval(() => req.request.writable && req.request.write('-'), 50);
    expect(await req.answer).toMatchObject({ status: 408, code: 'sender-slow' });
    clearInterval(drip);
  });

  it('keeps nothing of a sender that hangs up midway, and serves the next', async () => {
    await start();
    const req = openRequest({ 'Content-Type': good.contentType });
    req.answer.catch(() => {});
    const { body } = stowBody([ctFile({ instance: '1' }), ctFile({ instance: '2' })]);
    await written(req.request, body.subarray(0, body.length - 100));
    while (staged().length < 1) await pause(5);
    req.request.destroy();
    while (staged().length > 0) await pause(5);
    expect(await storedCount()).toBe(0);
    expect((await post([ctFile()])).status).toBe(200);
  });

  it.each<[string, TestServerOptions]>([
    ['free space would fall under the reserve', { stow: { reserveBytes: Number.MAX_SAFE_INTEGER } }],
    ['too much work waits', { stow: { overloaded: () => '1000 studies wait' } }],
    [
      'the database is locked',
      { stow: { studies: { admit: () => Promise.reject(new PlumblineError('store-locked', 'locked')) } } },
    ],
  ])('answers 503 with Retry-After where %s', async (_, options) => {
    await start({ ...options, stow: { ...options.stow, retryAfterSeconds: 7 } });
    const answer = await post([ctFile()]);
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '7']);
    expect(staged()).toEqual([]);
  });

  it('answers 503 to more requests at a time than the limit, and takes them again later', async () => {
    await start({ limits: { maxRequests: 1 } });
    const first = openRequest({ 'Content-Type': good.contentType });
    await written(first.request, good.body.subarray(0, 100));
    await pause(50);
    expect(await post([ctFile()])).toMatchObject({ status: 503, code: 'busy' });
    first.request.end(good.body.subarray(100));
    expect((await first.answer).status).toBe(200);
    expect((await post([ctFile()])).status).toBe(200);
  });

  it('answers 500 to a defect of ours without its words, and logs where it was without them too', async () => {
    const lines: (LogFields | undefined)[] = [];
    const log: Log = { info: () => {}, warn: () => {}, error: (_, fields) => void lines.push(fields) };
    const admit = (): never => {
      throw new TypeError('Example^Ada has no such property');
    };
    await start({ stow: { log, studies: { admit } } });
    const answer = await post([ctFile()]);
    expect([answer.status, answer.code]).toEqual([500, 'internal']);
    expect(answer.text).not.toContain('Ada');
    expect(JSON.stringify(lines)).not.toContain('Ada');
    expect(lines[0]).toMatchObject({ code: 'internal', where: expect.stringContaining('stow.test.ts') });
    expect(staged()).toEqual([]);
  });
});

interface OpenRequest {
  readonly request: ClientRequest;
  readonly answer: Promise<{
    readonly status: number;
    readonly headers: IncomingHttpHeaders;
    readonly code: string | undefined;
  }>;
}

/** A request that is written piece by piece. */
function openRequest(headers: Record<string, string>): OpenRequest {
  const open = request(`${server.dicomweb}/studies`, { method: 'POST', headers });
  const { promise, resolve, reject } = Promise.withResolvers<Awaited<OpenRequest['answer']>>();
  open.on('response', (res) => {
    const chunks: Buffer[] = [];
    res.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      // The answer is whole as soon as its announced length is there, even while our request is still open.
      const text = Buffer.concat(chunks).toString();
      if (text.length < Number(res.headers['content-length'])) return;
      resolve({
        status: res.statusCode ?? 0,
        headers: res.headers,
        code: (JSON.parse(text) as { code?: string }).code,
      });
    });
    res.on('error', reject);
  });
  open.on('error', reject);
  return { request: open, answer: promise };
}

function written(to: ClientRequest, chunk: Uint8Array): Promise<void> {
  return new Promise((done, fail) => to.write(chunk, (error) => (error ? fail(error) : done())));
}
