import { randomUUID } from 'node:crypto';
import type { Response } from 'express';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface OutgoingPart {
  /** The part's Content-Type. */
  readonly type: string;
  readonly location?: string;
  readonly bytes: number;
  /** Opened when its turn comes, so that no more than one part is open. */
  readonly content: () => AsyncIterable<Uint8Array> | Promise<Uint8Array>;
}

/**
 * Answer with multipart/related (PS3.18 8.6.1.2), streamed, its length announced: a client sees a cut answer as cut.
 * @param essence media type of the parts
 */
export async function sendMultipart(res: Response, essence: string, parts: readonly OutgoingPart[]): Promise<void> {
  const boundary = `plumbline-${randomUUID()}`;
  const heads = parts.map((part, i) => Buffer.from(head(part, boundary, i === 0)));
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  const length = parts.reduce((sum, part, i) => sum + heads[i]!.length + part.bytes, tail.length);
  res.set('Content-Type', `multipart/related; type="${essence}"; boundary="${boundary}"`);
  res.set('Content-Length', String(length));
  await sendStream(res, body(parts, heads, tail));
}

/** Stream to the client, as fast as it reads; one that hangs up is no error of ours. */
export async function sendStream(res: Response, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    await pipeline(Readable.from(ahead(chunks), { objectMode: false }), res);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw thrown;
  }
}

/** The next chunk is made while this one is on its way; never more than the next. */
async function* ahead(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = chunks[Symbol.asyncIterator]();
  const ask = (): Promise<IteratorResult<Uint8Array>> => {
    const asked = source.next();
    asked.catch(() => undefined); // told when it is waited for
    return asked;
  };
  let next = ask();
  try {
    for (;;) {
      const { done, value } = await next;
      if (done) return;
      next = ask();
      yield value;
    }
  } finally {
    await source.return?.();
  }
}

function head(part: OutgoingPart, boundary: string, first: boolean): string {
  const location = part.location === undefined ? '' : `\r\nContent-Location: ${part.location}`;
  return `${first ? '' : '\r\n'}--${boundary}\r\nContent-Type: ${part.type}${location}\r\n\r\n`;
}

async function* body(
  parts: readonly OutgoingPart[],
  heads: readonly Buffer[],
  tail: Buffer,
): AsyncGenerator<Uint8Array> {
  for (const [i, part] of parts.entries()) {
    yield heads[i]!;
    const content = part.content();
    if (Symbol.asyncIterator in content) yield* content;
    else yield await content;
  }
  yield tail;
}
