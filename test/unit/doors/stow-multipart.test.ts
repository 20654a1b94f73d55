import { describe, expect, it } from 'vitest';
import { boundaryOf, readMultipart, type MultipartLimits } from '../../../src/doors/stow/multipart.ts';
import { multipartBody } from '../../builders/multipart.ts';

const limits: MultipartLimits = { parts: 100, headerBytes: 1000, partBytes: 100_000 };

interface ReadPart {
  readonly headers: Record<string, string>;
  readonly body: string;
}

async function* chunksOf(body: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size);
}

async function read(body: Buffer | string, boundary = 'B', size = 7, bounds = limits): Promise<ReadPart[]> {
  const parts: ReadPart[] = [];
  for await (const part of readMultipart(chunksOf(Buffer.from(body as string, 'latin1'), size), boundary, bounds)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of part.body) chunks.push(Buffer.from(chunk));
    parts.push({ headers: Object.fromEntries(part.headers), body: Buffer.concat(chunks).toString('latin1') });
  }
  return parts;
}

const two =
  '--B\r\nContent-Type: application/dicom\r\n\r\none\r\n--B\r\nContent-Type: text/plain\r\n\r\ntwo\r\n--B--\r\n';

describe('the multipart reader', () => {
  it.each([1, 2, 3, 5, 19, 1000])(
    'gives headers and content of each part, arriving %i bytes at a time',
    async (size) => {
      expect(await read(two, 'B', size)).toEqual([
        { headers: { 'content-type': 'application/dicom' }, body: 'one' },
        { headers: { 'content-type': 'text/plain' }, body: 'two' },
      ]);
    },
  );

  it('ignores what stands before the first and after the last boundary', async () => {
    expect(
      (await read(`a preamble\r\nof two lines\r\n${two}an epilogue\r\n--B\r\n\r\nno part`)).map((p) => p.body),
    ).toEqual(['one', 'two']);
  });

  it('takes a preamble that is one empty line', async () => {
    expect(await read(`\r\n${two}`)).toHaveLength(2);
  });

  it('takes the final boundary without a line end behind it', async () => {
    expect(await read(two.slice(0, -2))).toHaveLength(2);
  });

  it('takes white space after a boundary (transport padding, RFC 2046 5.1.1)', async () => {
    const padded = two.replaceAll('--B\r\n', '--B \t \r\n').replace('--B--', '--B-- \t');
    expect((await read(padded)).map((p) => p.body)).toEqual(['one', 'two']);
  });

  it.each(['--BX', '--B-', '--B--X', '--B -', '--B\rX', '--B\n', '--', '-'])(
    'leaves the line %j in the content',
    async (line) => {
      const content = `a\r\n${line}\r\n--C\r\n`;
      const [part] = await read(multipartBody('B', [{ body: content }]));
      expect(part?.body).toBe(content);
    },
  );

  it('keeps line ends at the end of the content, but the one of the boundary', async () => {
    expect(await read('--B\r\n\r\n\r\n\r\n\r\n--B--')).toEqual([{ headers: {}, body: '\r\n\r\n' }]);
  });

  it.each([
    ['with a header', '--B\r\nA: b\r\n\r\n--B--'],
    ['with a header and its own blank line', '--B\r\nA: b\r\n\r\n\r\n--B--'],
    ['without header', '--B\r\n\r\n--B--'],
  ])('gives an empty part %s', async (_, body) => {
    expect((await read(body, 'B', 1)).map((p) => p.body)).toEqual(['']);
  });

  it('gives content that begins like a boundary', async () => {
    expect((await read('--B\r\n\r\n--BX\r\n--B--')).map((p) => p.body)).toEqual(['--BX']);
  });

  it('joins folded header lines and lower-cases names', async () => {
    const [part] = await read(
      '--B\r\nContent-Type: application/dicom;\r\n \ttransfer-syntax=*\r\nX-Y:z \r\n\r\n1\r\n--B--',
    );
    expect(part?.headers).toEqual({ 'content-type': 'application/dicom; transfer-syntax=*', 'x-y': 'z' });
  });

  it('gives no part where the body is a final boundary alone', async () => {
    expect(await read('--B--\r\n')).toEqual([]);
  });

  it('skips the content of a part that nobody reads', async () => {
    const seen: number[] = [];
    for await (const part of readMultipart(chunksOf(Buffer.from(two), 4), 'B', limits)) seen.push(part.index);
    expect(seen).toEqual([1, 2]);
  });

  it('asks the source for no more than the reader takes', async () => {
    let asked = 0;
    async function* source(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('--B\r\n\r\n');
      for (;;) {
        asked++;
        yield Buffer.alloc(1000);
      }
    }
    for await (const part of readMultipart(source(), 'B', { ...limits, partBytes: 1 << 30 })) {
      const chunks = part.body[Symbol.asyncIterator]();
      for (let i = 0; i < 5; i++) await chunks.next();
      break;
    }
    expect(asked).toBeLessThan(8);
  });

  it.each([
    ['the final boundary is missing', two.replace('--B--\r\n', '')],
    ['the last boundary is not final', two.replace('--B--', '--B')],
    ['the final boundary is cut', two.replace('--B--\r\n', '--B-')],
    ['it is empty', ''],
    ['it has no boundary at all', 'hello\r\n'],
    ['its line ends are LF', two.replaceAll('\r', '')],
    ['it ends in a header', '--B\r\nContent-Type: app'],
    ['a header line has no colon', '--B\r\nnonsense\r\n\r\n1\r\n--B--'],
    ['a header line has a bare LF', '--B\r\nA: b\nC: d\r\n\r\n1\r\n--B--'],
    ['a header name holds a space', '--B\r\nA B: c\r\n\r\n1\r\n--B--'],
    ['a header comes twice', '--B\r\nA: b\r\na: c\r\n\r\n1\r\n--B--'],
    ['a boundary stands in a header', '--B\r\nA: b\r\n--B\r\n\r\n1\r\n--B--'],
    ['a boundary is followed by endless white space', `--B${' '.repeat(2000)}\r\n\r\n1\r\n--B--`],
  ])('refuses a body where %s', async (_, body) => {
    await expect(read(body)).rejects.toMatchObject({ code: 'multipart-invalid' });
  });

  it.each([
    ['parts', '--B\r\n\r\n1\r\n'.repeat(101) + '--B--'],
    ['header bytes', `--B\r\nA: ${'x'.repeat(2000)}\r\n\r\n1\r\n--B--`],
    ['header bytes without end', `--B\r\nA: ${'x'.repeat(20_000)}`],
    ['bytes of a part', `--B\r\n\r\n${'x'.repeat(100_001)}\r\n--B--`],
    ['bytes before the first boundary', `${'x'.repeat(2000)}\r\n--B--`],
  ])('refuses more %s than the limit', async (_, body) => {
    await expect(read(body, 'B', 500)).rejects.toMatchObject({ code: 'body-too-large' });
  });

  it('takes as many bytes and parts as the limits say', async () => {
    expect(await read('--B\r\n\r\n1\r\n'.repeat(100) + '--B--', 'B', 5000)).toHaveLength(100);
    expect((await read(`--B\r\n\r\n${'x'.repeat(100_000)}\r\n--B--`, 'B', 5000))[0]?.body).toHaveLength(100_000);
  });
});

describe('the boundary of a Content-Type', () => {
  it.each(['B', "0aZ'()+_,-./:=?", 'two words', 'x'.repeat(70)])('may be %j', (boundary) => {
    expect(boundaryOf(boundary)).toBe(boundary);
  });

  it.each([null, '', 'ends with space ', 'x'.repeat(71), 'a"b', 'a\r\nb', 'ä', 'a@b'])('may not be %j', (boundary) => {
    expect(() => boundaryOf(boundary)).toThrow(expect.objectContaining({ code: 'multipart-invalid' }));
  });
});

describe('chunks that are given back', () => {
  it.each([1, 7, 64, 1000])(
    'are not looked at again, whatever is done with them, in chunks of %i bytes',
    async (size) => {
      const bodies = ['first\r\n--', 'x'.repeat(300), '\r\n--b', ''];
      const whole = multipartBody(
        'bound',
        bodies.map((body) => ({ headers: { 'Content-Type': 'a/b' }, body })),
      );
      let given = 0;
      async function* source(): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < whole.length; at += size) yield Uint8Array.from(whole.subarray(at, at + size));
      }
      const used = (chunk: Uint8Array): void => {
        given += chunk.length;
        chunk.fill(0xff);
      };
      const read: string[] = [];
      const limits = { parts: 9, headerBytes: 1000, partBytes: 1000 };
      for await (const part of readMultipart(source(), 'bound', limits, used)) {
        let content = '';
        for await (const chunk of part.body) content += Buffer.from(chunk).toString('latin1');
        read.push(content);
      }
      expect(read).toEqual(bodies);
      expect(given).toBeGreaterThanOrEqual(whole.length - 2 * size);
    },
  );
});
