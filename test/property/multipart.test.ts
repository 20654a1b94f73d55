import { Dicer } from '@fastify/busboy';
import fc from 'fast-check';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { readMultipart } from '../../src/doors/stow/multipart.ts';
import { multipartBody } from '../builders/multipart.ts';

interface ReadPart {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The other implementation, whose `finish` may come before the parts have ended. */
async function readByDicer(chunks: readonly Uint8Array[], boundary: string): Promise<ReadPart[]> {
  const parts: Promise<ReadPart>[] = [];
  const dicer = new Dicer({ boundary });
  dicer.on('part', (stream) => {
    let headers: Record<string, string> = {};
    stream.on(
      'header',
      (h) =>
        (headers = Object.fromEntries(Object.entries(h as Record<string, string[]>).map(([k, v]) => [k, v.join()]))),
    );
    const content: Uint8Array[] = [];
    stream.on('data', (chunk: Uint8Array) => content.push(chunk));
    parts.push(
      new Promise((done) => stream.on('end', () => done({ headers, body: Buffer.concat(content).toString('hex') }))),
    );
  });
  await new Promise((done, fail) => {
    dicer.on('finish', done).on('error', fail);
    Readable.from(chunks).pipe(dicer);
  });
  return Promise.all(parts);
}

async function readByOurs(chunks: readonly Uint8Array[], boundary: string): Promise<ReadPart[]> {
  const parts: ReadPart[] = [];
  async function* source(): AsyncGenerator<Uint8Array> {
    yield* chunks;
  }
  for await (const part of readMultipart(source(), boundary, {
    parts: 1000,
    headerBytes: 10_000,
    partBytes: 1 << 20,
  })) {
    const content: Uint8Array[] = [];
    for await (const chunk of part.body) content.push(Buffer.from(chunk));
    parts.push({ headers: Object.fromEntries(part.headers), body: Buffer.concat(content).toString('hex') });
  }
  return parts;
}

function cut(body: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0, i = 0; at < body.length; i++) {
    const size = sizes[i % sizes.length]!;
    chunks.push(body.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

const boundary = fc.stringMatching(/^[0-9A-Za-z'()+_,\-./:=?]{1,30}$/);
const header = fc.dictionary(
  fc.stringMatching(/^[A-Za-z][A-Za-z-]{0,12}$/),
  fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/),
  { maxKeys: 3, minKeys: 1 },
);

/** Content made of the pieces that delimiters are made of, so that near misses are frequent. */
function contentWith(b: string): fc.Arbitrary<Buffer> {
  const piece = fc.oneof(
    fc.constantFrom('\r', '\n', '\r\n', '-', '--', `--${b.slice(0, -1)}`, `\r\n--${b.slice(0, -1)}`, `--${b}`, '\0'),
    fc.string({ maxLength: 5 }),
  );
  // A line that begins with the whole boundary is what the two readers take differently: none is made.
  const text = fc.array(piece, { maxLength: 12 }).map((p) => `x${p.join('')}`);
  return text
    .filter((t) => !t.includes(`\r\n--${b}`) && !t.endsWith(`\r\n--${b}`))
    .map((t) => Buffer.from(t, 'latin1'));
}

const written = boundary.chain((b) =>
  fc.record({
    boundary: fc.constant(b),
    parts: fc.array(fc.record({ headers: header, body: contentWith(b) }), { minLength: 1, maxLength: 5 }),
    sizes: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 6 }),
  }),
);

describe('the multipart reader, for random parts, boundaries and chunks', () => {
  it('gives exactly what was written', async () => {
    await fc.assert(
      fc.asyncProperty(written, async ({ boundary: b, parts, sizes }) => {
        const unique = parts.map((p) => ({ ...p, headers: lowerNames(p.headers) }));
        const read = await readByOurs(cut(multipartBody(b, unique), sizes), b);
        expect(read).toEqual(unique.map((p) => ({ headers: p.headers, body: p.body.toString('hex') })));
      }),
      { numRuns: 300, verbose: 1 },
    );
  });

  it('gives what Dicer gives', async () => {
    await fc.assert(
      fc.asyncProperty(written, async ({ boundary: b, parts, sizes }) => {
        const unique = parts.map((p) => ({ ...p, headers: lowerNames(p.headers) }));
        const chunks = cut(multipartBody(b, unique), sizes);
        expect(await readByOurs(chunks, b)).toEqual(await readByDicer(chunks, b));
      }),
      { numRuns: 300, verbose: 1 },
    );
  });

  it('refuses every body that is cut before its final boundary ends', async () => {
    await fc.assert(
      fc.asyncProperty(
        written,
        fc.double({ min: 0, max: 1, noNaN: true }),
        async ({ boundary: b, parts, sizes }, where) => {
          const body = multipartBody(
            b,
            parts.map((p) => ({ ...p, headers: lowerNames(p.headers) })),
          );
          // The last line end is optional.
          const kept = Math.min(body.length - 3, Math.floor(where * body.length));
          await expect(readByOurs(cut(body.subarray(0, kept), sizes), b)).rejects.toMatchObject({
            code: 'multipart-invalid',
          });
        },
      ),
      { numRuns: 200, verbose: 1 },
    );
  });
});

function lowerNames(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
