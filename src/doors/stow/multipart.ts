import { PlumblineError } from '../../base/index.ts';

export interface MultipartLimits {
  readonly parts: number;
  /** Bytes of one part's header block, and of what may stand before the first boundary. */
  readonly headerBytes: number;
  /** Bytes of one part's content. */
  readonly partBytes: number;
}

export interface MultipartPart {
  /** 1-based. */
  readonly index: number;
  /** Lower-case names; folded lines joined. */
  readonly headers: ReadonlyMap<string, string>;
  /** Content as it arrives; reading it is what pulls bytes from the sender. */
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * Parts of a multipart body (RFC 2046 5.1.1), one after the other, without holding any of them.
 * A delimiter counts only as a whole line (`--B`, optional white space, CRLF; or `--B--`), because binary content may
 * hold `--B` followed by something else. What stands before the first and after the last delimiter is ignored.
 * A body that a caller does not read is skipped when the next part is asked for.
 *
 * @param source the bytes, in chunks of any size
 * @param boundary without the leading dashes, see `boundaryOf`
 * @param used told of each chunk of the source of which nothing is needed any more
 * @throws PlumblineError multipart-invalid (no final delimiter, bad header, LF line ends), body-too-large (a limit)
 */
export async function* readMultipart(
  source: AsyncIterable<Uint8Array>,
  boundary: string,
  limits: MultipartLimits,
  used: (chunk: Uint8Array) => void = () => {},
): AsyncGenerator<MultipartPart, void, undefined> {
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  // The first delimiter needs no line end before it, so one is put there.
  const input = createInput(source, Buffer.from('\r\n'), used);
  const preamble = tooLargeAfter(limits.headerBytes, 'what stands before the first boundary');
  let line = await skip(untilDelimiter(input, delimiter, preamble));
  for (let index = 1; line === 'next'; index++) {
    if (index > limits.parts) throw new PlumblineError('body-too-large', `more than ${limits.parts} parts`);
    const headers = await readHeaders(input, limits.headerBytes, index);
    const content = { end: undefined as Delimiter | undefined };
    const body = readBody(input, delimiter, tooLargeAfter(limits.partBytes, `part ${index}`), content);
    yield { index, headers, body };
    while (content.end === undefined) if ((await body.next()).done) break;
    if (content.end === undefined) throw invalid(`part ${index} was left half read`);
    line = content.end;
  }
  await input.drain();
}

/**
 * The boundary parameter of a Content-Type, checked against RFC 2046 5.1.1.
 * @throws PlumblineError multipart-invalid
 */
export function boundaryOf(parameter: string | null): string {
  if (parameter !== null && /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/.test(parameter))
    return parameter;
  throw invalid('Content-Type has no legal boundary (1 to 70 characters of RFC 2046 5.1.1)');
}

type Delimiter = 'next' | 'last';

/** Bytes that were received and not yet used. */
interface Input {
  readonly bytes: Buffer;
  /** Wait for more; false at the end of the source. */
  more(): Promise<boolean>;
  take(count: number): Buffer;
  drain(): Promise<void>;
}

function createInput(source: AsyncIterable<Uint8Array>, first: Buffer, used: (chunk: Uint8Array) => void): Input {
  const chunks = source[Symbol.asyncIterator]();
  let bytes = first;
  /** The chunk that `bytes` is a part of, where it is one. */
  let current: Buffer | undefined;
  const next = async (): Promise<Buffer | undefined> => {
    const { done, value } = await chunks.next();
    return done ? undefined : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  };
  return {
    get bytes() {
      return bytes;
    },
    async more() {
      const chunk = await next();
      if (!chunk) return false;
      const joined = bytes.length > 0;
      bytes = joined ? Buffer.concat([bytes, chunk]) : chunk;
      if (current) used(current);
      if (joined) used(chunk);
      current = joined ? undefined : chunk;
      return true;
    },
    take(count) {
      const taken = bytes.subarray(0, count);
      bytes = bytes.subarray(count);
      return taken;
    },
    async drain() {
      while (await next());
    },
  };
}

/** Content up to the next delimiter line, which is used up but for its CRLF. */
async function* untilDelimiter(
  input: Input,
  delimiter: Buffer,
  count: (bytes: number) => void,
): AsyncGenerator<Buffer, Delimiter, undefined> {
  for (;;) {
    const at = input.bytes.indexOf(delimiter);
    const safe = at >= 0 ? at : input.bytes.length - beginning(input.bytes, delimiter);
    if (safe > 0) {
      count(safe);
      yield input.take(safe);
    } else if (at < 0) {
      if (!(await input.more())) throw invalid('the body ends without its final boundary');
    } else {
      const line = await delimiterLine(input, delimiter.length);
      if (line) return line;
      count(delimiter.length);
      yield input.take(delimiter.length);
    }
  }
}

const [lf, cr, dash, space, tab] = [10, 13, 45, 32, 9];

/**
 * How many bytes at the end may be the beginning of a delimiter. Only these are kept for the next chunk, so that a chunk
 * is nearly never joined to another. A boundary has no CR, so the last CR is the only place where one can begin.
 */
function beginning(bytes: Buffer, delimiter: Buffer): number {
  const tail = bytes.subarray(Math.max(0, bytes.length - (delimiter.length - 1)));
  const at = tail.lastIndexOf(cr);
  if (at < 0) return 0;
  const length = tail.length - at;
  return tail.subarray(at).equals(delimiter.subarray(0, length)) ? length : 0;
}
const paddingLimit = 1024;

/** What follows the `--B` at the start of the input; undefined where it is no delimiter line but content. */
async function delimiterLine(input: Input, length: number): Promise<Delimiter | undefined> {
  const last = (await byteAt(input, length)) === dash && (await byteAt(input, length + 1)) === dash;
  let at = length + (last ? 2 : 0);
  for (; ; at++) {
    const byte = await byteAt(input, at);
    if (byte === undefined && last) break;
    if (byte === cr && (await byteAt(input, at + 1)) === lf) break;
    if (byte !== space && byte !== tab) return undefined;
    if (at > length + paddingLimit) throw invalid('a boundary is followed by endless white space');
  }
  input.take(at);
  return last ? 'last' : 'next';
}

async function byteAt(input: Input, at: number): Promise<number | undefined> {
  while (input.bytes.length <= at) if (!(await input.more())) return undefined;
  return input.bytes[at];
}

/** The header block; leaves the CRLF of its closing blank line, which may already belong to the next delimiter. */
async function readHeaders(input: Input, limit: number, index: number): Promise<ReadonlyMap<string, string>> {
  for (let from = 0; ;) {
    const at = input.bytes.indexOf('\r\n\r\n', from, 'latin1');
    if (at >= 0 && at <= limit) {
      const block = input.take(at + 2).toString('latin1', 2, Math.max(at, 2));
      return parseHeaders(block, index);
    }
    if (at > limit || input.bytes.length > limit + 4)
      throw new PlumblineError('body-too-large', `the header of part ${index} is longer than ${limit} bytes`);
    from = Math.max(0, input.bytes.length - 3);
    if (!(await input.more())) throw invalid(`the body ends in the header of part ${index}`);
  }
}

function parseHeaders(block: string, index: number): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  if (block === '') return headers;
  // RFC 5322 2.2.3: a line that begins with white space continues the one before it.
  for (const line of block.replaceAll(/\r\n[ \t]+/g, ' ').split('\r\n')) {
    const [, name, value] = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*:[ \t]*([^\r\n\0]*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) throw invalid(`part ${index} has a header line that is none`);
    if (headers.has(name.toLowerCase())) throw invalid(`part ${index} has two ${name} headers`);
    headers.set(name.toLowerCase(), value);
  }
  return headers;
}

/** Content of one part; `content.end` says, when it is done, which delimiter closed it. */
async function* readBody(
  input: Input,
  delimiter: Buffer,
  count: (bytes: number) => void,
  content: { end: Delimiter | undefined },
): AsyncGenerator<Buffer, void, undefined> {
  // The blank line after the header may be the line end of the delimiter: a part without content.
  await byteAt(input, delimiter.length - 1);
  const empty = input.bytes.subarray(0, delimiter.length).equals(delimiter);
  content.end = empty ? await delimiterLine(input, delimiter.length) : undefined;
  if (content.end) return;
  input.take(2);
  content.end = yield* untilDelimiter(input, delimiter, count);
}

async function skip(content: AsyncGenerator<Buffer, Delimiter, undefined>): Promise<Delimiter> {
  for (;;) {
    const { done, value } = await content.next();
    if (done) return value;
  }
}

function tooLargeAfter(limit: number, what: string): (bytes: number) => void {
  let total = 0;
  return (bytes) => {
    total += bytes;
    if (total > limit) throw new PlumblineError('body-too-large', `${what} is longer than ${limit} bytes`);
  };
}

function invalid(message: string): PlumblineError {
  return new PlumblineError('multipart-invalid', message);
}
