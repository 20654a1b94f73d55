import { randomUUID } from 'node:crypto';
import { PlumblineError, type DicomJson } from '../base/index.ts';
import { items, number, text } from '../dicom/index.ts';

export interface StowAnswer {
  readonly status: number;
  readonly stored: readonly string[];
  readonly failed: readonly { readonly instanceUid: string; readonly reason: string }[];
}

/**
 * Send Part 10 files by STOW-RS (PS3.18 10.5), streamed: one file in memory at a time.
 * @param expected how many instances the study will have in all: a Plumbline gateway need not wait for quiet then
 * @throws PlumblineError `peer-unreachable`, `peer-refused`, `peer-busy`
 */
export async function stow(
  baseUrl: string,
  files: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  expected?: number,
): Promise<StowAnswer> {
  const boundary = `plumbline-${randomUUID()}`;
  const url = `${baseUrl.replace(/\/$/, '')}/studies`;
  let response: Response;
  let body: string;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': `multipart/related; type="application/dicom"; boundary="${boundary}"`,
        accept: 'application/dicom+json',
        ...(expected === undefined ? {} : { 'plumbline-expected-instances': String(expected) }),
      },
      body: ReadableStream.from(multipart(boundary, files)),
      duplex: 'half',
    } as RequestInit);
    body = await response.text();
  } catch (cause) {
    const e = cause as Error & { cause?: { code?: string } };
    throw new PlumblineError('peer-unreachable', `${url} does not answer: ${e.cause?.code ?? e.message}`, {
      where: url,
      cause,
      remedy: 'Is the gateway running there? `plumbline serve` starts one.',
    });
  }
  const answer = parse(body);
  if (!answer) {
    const code = response.status >= 500 || response.status === 429 ? 'peer-busy' : 'peer-refused';
    throw new PlumblineError(code, `${url} answered ${response.status}: ${body.slice(0, 300)}`, { where: url });
  }
  return {
    status: response.status,
    stored: items(answer, 'ReferencedSOPSequence').map((i) => text(i, 'ReferencedSOPInstanceUID')),
    failed: items(answer, 'FailedSOPSequence').map((i) => ({
      instanceUid: text(i, 'ReferencedSOPInstanceUID'),
      reason: `0x${(number(i, 'FailureReason') ?? 0).toString(16).toUpperCase().padStart(4, '0')}`,
    })),
  };
}

async function* multipart(
  boundary: string,
  files: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for await (const bytes of files) {
    yield Buffer.from(`--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`);
    yield bytes;
    yield Buffer.from('\r\n');
  }
  yield Buffer.from(`--${boundary}--\r\n`);
}

function parse(body: string): DicomJson | undefined {
  try {
    const value: unknown = JSON.parse(body);
    // Our own problem answers and those of proxies are JSON too: a STOW answer has tags for keys.
    return value !== null && typeof value === 'object' && Object.keys(value).every((k) => /^[0-9A-F]{8}$/.test(k))
      ? (value as DicomJson)
      : undefined;
  } catch {
    return undefined; // no JSON: the status speaks
  }
}
