import { once } from 'node:events';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig, silentLog } from '../../../src/base/index.ts';
import { serve, type Gateway } from '../../../src/server/index.ts';
import { makeImage } from '../../builders/dicom.ts';
import { stow, stowBody } from '../../builders/multipart.ts';
import { tempFolder } from '../../builders/program.ts';

describe('hostile HTTP', () => {
  let gateway: Gateway;
  beforeAll(async () => {
    const dataDir = tempFolder('hostile');
    const config = { http: { port: 0 }, stow: { idleSeconds: 0.3 }, gate: { quietSeconds: 600 } };
    gateway = await serve(parseConfig(JSON.stringify({ ...config, dataDir }), 'test', dataDir), silentLog);
  });
  afterAll(() => gateway.stop({ abort: true }));

  const studies = async (): Promise<number> => (await gateway.rooms.studies.studies(100, 0)).length;
  /** The status line of what is answered to raw bytes. */
  async function raw(text: string, more: Buffer = Buffer.alloc(0)): Promise<string> {
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1').on('error', () => undefined);
    socket.write(text);
    socket.write(more);
    const [first] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    return first.toString('latin1').split('\r\n')[0]!;
  }
  const { body, contentType } = stowBody([makeImage({ study: 'hostile' })]);

  it.each(['gzip', 'deflate', 'br', 'gzip, gzip', 'zstd'])(
    'inflates no body: Content-Encoding %s is 415, bomb or not',
    async (encoding) => {
      const bomb = gzipSync(Buffer.alloc(1 << 24));
      const headers = { 'Content-Type': contentType, 'Content-Encoding': encoding };
      const answer = await fetch(`${gateway.dicomweb}/studies`, {
        method: 'POST',
        headers,
        body: new Uint8Array(bomb),
      });
      expect(answer.status).toBe(415);
      expect(await studies()).toBe(0);
    },
  );

  it('does not wait for, or make room for, 4 GB that were announced and do not come', async () => {
    const before = process.memoryUsage().rss;
    const head = `POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nContent-Type: ${contentType}\r\nContent-Length: 4294967295\r\n\r\n`;
    expect(await raw(head)).toMatch(/ 408 /);
    expect(process.memoryUsage().rss - before).toBeLessThan(256 << 20);
  });

  it.each([
    ['a length that is none', 'Content-Length: 12abc'],
    ['a negative length', 'Content-Length: -1'],
    ['two lengths', 'Content-Length: 5\r\nContent-Length: 6'],
    ['length and chunks (request smuggling, RFC 9112 6.3)', 'Content-Length: 5\r\nTransfer-Encoding: chunked'],
    ['a line end in a header', 'X: a\rb: c'],
    ['a header without end', `X: ${'a'.repeat(20_000)}`],
    ['thousands of headers', Array.from({ length: 5000 }, (_, i) => `X-${i}: a`).join('\r\n')],
  ])('refuses %s before any router sees it', async (_what, header) => {
    expect(await raw(`POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n`)).toMatch(/ 4(00|31) /);
  });

  it('takes no XML, with a document type or without', async () => {
    const xml = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>';
    for (const type of [
      'application/dicom+xml',
      'multipart/related; type="application/dicom+xml"; boundary=b',
      'text/xml',
    ]) {
      const answer = await fetch(`${gateway.dicomweb}/studies`, {
        method: 'POST',
        headers: { 'Content-Type': type },
        body: xml,
      });
      expect(answer.status, type).toBe(415);
      expect(await answer.text()).not.toContain('root:');
    }
  });

  it('unpacks no archive: a zip as a part is refused like any bytes that are no DICOM', async () => {
    const zip = Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(2000)]);
    expect((await stow(`${gateway.dicomweb}/studies`, [zip])).status).toBe(409);
    const answer = await fetch(`${gateway.dicomweb}/studies`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/zip' },
      body: new Uint8Array(zip),
    });
    expect(answer.status).toBe(415);
    expect(await studies()).toBe(0);
  });

  it('gives nothing of one study below another: every id that is not of its path is 404', async () => {
    for (const study of ['mine', 'theirs'])
      expect(
        (await stow(`${gateway.dicomweb}/studies`, [makeImage({ study, series: study, instance: study })])).status,
      ).toBe(200);
    const [mine, theirs] = await Promise.all(
      (await gateway.rooms.studies.studies(10, 0)).map(
        async (s) => (await gateway.rooms.studies.instances(s.studyUid))[0]!.ref,
      ),
    );
    const path = (study: string, series: string, instance: string): string =>
      `${gateway.dicomweb}/studies/${study}/series/${series}/instances/${instance}`;
    expect((await fetch(path(mine!.studyUid, mine!.seriesUid, mine!.instanceUid))).status).toBe(200);
    for (const mixed of [
      path(mine!.studyUid, mine!.seriesUid, theirs!.instanceUid),
      path(mine!.studyUid, theirs!.seriesUid, theirs!.instanceUid),
      path(theirs!.studyUid, mine!.seriesUid, theirs!.instanceUid),
      `${gateway.dicomweb}/studies/${mine!.studyUid}/series/${theirs!.seriesUid}/metadata`,
      `${gateway.url}/drafts/${'0'.repeat(64)}/report.html`,
    ]) expect((await fetch(mixed)).status, mixed).toBe(404); // prettier-ignore
  });

  it('and takes a good study afterwards', async () => {
    const answer = await fetch(`${gateway.dicomweb}/studies`, {
      method: 'POST',
      headers: { 'Content-Type': contentType },
      body: new Uint8Array(body),
    });
    expect(answer.status).toBe(200);
  });
});
