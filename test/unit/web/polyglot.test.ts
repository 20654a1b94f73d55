import { afterAll, beforeAll, expect, it } from 'vitest';
import { inspectPart10 } from '../../../src/dicom/index.ts';
import { makeImage } from '../../builders/dicom.ts';
import { partsOf, stow } from '../../builders/multipart.ts';
import { startTestServer, type TestServer } from '../../builders/read-write-server.ts';

let server: TestServer;
beforeAll(async () => void (server = await startTestServer()));
afterAll(() => server.close());

it.each([
  ['a page', '<html><script>alert(1)</script>'],
  ['a program', 'MZ\u0090\u0000'],
  ['a shell script', '#!/bin/sh\nid\n'],
])(
  'a file that is %s too goes out with 128 zero bytes, as application/dicom, not to be sniffed',
  async (name, text) => {
    const file = makeImage({ instance: name });
    file.set(Buffer.from(text, 'latin1'));
    expect((await stow(`${server.dicomweb}/studies`, [file])).status).toBe(200);
    const { studyUid, seriesUid, instanceUid } = inspectPart10(file);
    const url = `${server.dicomweb}/studies/${studyUid}/series/${seriesUid}/instances/${instanceUid}`;
    const response = await fetch(url, { headers: { accept: 'multipart/related; type="application/dicom"' } });
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    const [part] = await partsOf(response);
    expect(part!.headers['content-type']).toMatch(/^application\/dicom/);
    expect(part!.body.subarray(0, 128).equals(Buffer.alloc(128))).toBe(true);
    expect(part!.body.subarray(128).equals(file.subarray(128))).toBe(true);
  },
);
