import { Dicer } from '@fastify/busboy';

/** One part of a body that a test writes by hand. */
export interface WrittenPart {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

/** A multipart body as RFC 2046 5.1.1 has it. */
export function multipartBody(boundary: string, parts: readonly WrittenPart[]): Buffer {
  const chunks = parts.flatMap(({ headers = {}, body }) => [
    Buffer.from(`\r\n--${boundary}\r\n`),
    ...Object.entries(headers).map(([name, value]) => Buffer.from(`${name}: ${value}\r\n`)),
    Buffer.from('\r\n'),
    Buffer.from(body as string),
  ]);
  return Buffer.concat([...chunks, Buffer.from(`\r\n--${boundary}--\r\n`)]).subarray(2);
}

/** DICOM files as the body of a STOW-RS request, and its Content-Type. */
export function stowBody(files: readonly Uint8Array[], boundary = 'a-boundary'): { body: Buffer; contentType: string } {
  const parts = files.map((body) => ({ headers: { 'Content-Type': 'application/dicom' }, body }));
  return {
    body: multipartBody(boundary, parts),
    contentType: `multipart/related; type="application/dicom"; boundary="${boundary}"`,
  };
}

/** POST files. */
export async function stow(
  url: string,
  files: readonly Uint8Array[],
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const { body, contentType } = stowBody(files);
  return fetch(url, {
    method: 'POST',
    body: new Uint8Array(body),
    headers: { 'Content-Type': contentType, ...headers },
  });
}

export interface ReadPart {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** The parts of a multipart answer, read by another implementation than ours. */
export async function partsOf(response: Response): Promise<ReadPart[]> {
  const boundary = /boundary="([^"]+)"/.exec(response.headers.get('content-type') ?? '')?.[1];
  if (boundary === undefined) throw new TypeError(`no multipart answer: ${response.status} ${await response.text()}`);
  const parts: Promise<ReadPart>[] = [];
  const dicer = new Dicer({ boundary });
  dicer.on('part', (stream) => {
    const headers: Record<string, string> = {};
    const content: Buffer[] = [];
    stream.on('header', (h) => {
      for (const [name, values] of Object.entries(h as Record<string, string[]>)) headers[name] = values.join();
    });
    stream.on('data', (chunk: Buffer) => content.push(chunk));
    parts.push(new Promise((done) => stream.on('end', () => done({ headers, body: Buffer.concat(content) }))));
  });
  const body = Buffer.from(await response.arrayBuffer());
  await new Promise((done, fail) => dicer.on('finish', done).on('error', fail).end(body));
  return Promise.all(parts);
}
