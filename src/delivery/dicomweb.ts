import { randomUUID } from 'node:crypto';
import { asPlumblineError, PlumblineError, type DicomJson } from '../base/index.ts';
import { inspectPart10, items, number, text, type InspectedFile } from '../dicom/index.ts';
import { identifying, PeerRefusal, quote, refusal, request, retryAfterMs, unreachable, type Peer } from './http.ts';
import type { DeliverContent, DeliverObject, Destination } from './types.ts';

/**
 * STOW-RS to a PACS (PS3.18 10.5). Each object: asked for first, sent only if it is not there, then fetched back and
 * compared. So at-least-once sending has exactly-once effect. SEGs go before the SR that names them.
 */
export function dicomwebDestination(peer: Peer): Destination {
  return {
    name: peer.name,
    kind: 'dicomweb',
    deliver: async (content, signal) => {
      const discreet = { ...peer, hide: identifying(content.patientId) };
      for (const object of content.objects) await deliverObject(discreet, content, object, signal);
    },
    check: async (signal) => {
      const response = await request(
        peer,
        '/studies?limit=1',
        { headers: { accept: 'application/dicom+json' } },
        signal,
      );
      const words = await readText(peer, response);
      if (!response.ok) throw refused(peer, response, words);
      return `answers QIDO-RS with ${response.status}`;
    },
  };
}

async function deliverObject(
  peer: Peer,
  content: DeliverContent,
  object: DeliverObject,
  signal: AbortSignal,
): Promise<void> {
  if (await isThere(peer, content.studyUid, object, signal)) {
    await compareStored(peer, content.studyUid, object, signal, 'uid-conflict');
    return;
  }
  await store(peer, object, signal);
  await compareStored(peer, content.studyUid, object, signal, 'read-back-differs');
}

async function isThere(peer: Peer, studyUid: string, object: DeliverObject, signal: AbortSignal): Promise<boolean> {
  const path = `/studies/${studyUid}/series/${object.seriesUid}/instances?SOPInstanceUID=${object.instanceUid}`;
  const response = await request(
    peer,
    path,
    { headers: { accept: 'application/dicom+json', 'cache-control': 'no-cache' } },
    signal,
  );
  const body = await readText(peer, response);
  if (response.status === 204 || response.status === 404) return false;
  if (!response.ok) throw refused(peer, response, body);
  const rows = parseJson<DicomJson[]>(peer, body === '' ? '[]' : body);
  return rows.some((row) => text(row, 'SOPInstanceUID') === object.instanceUid);
}

async function store(peer: Peer, object: DeliverObject, signal: AbortSignal): Promise<void> {
  const boundary = `plumbline-${randomUUID()}`;
  const bytes = await object.bytes();
  const head = Buffer.from(
    `--${boundary}\r\nContent-Type: application/dicom\r\nContent-Length: ${bytes.length}\r\n\r\n`,
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  const response = await request(
    peer,
    '/studies',
    {
      method: 'POST',
      headers: {
        'content-type': `multipart/related; type="application/dicom"; boundary="${boundary}"`,
        accept: 'application/dicom+json',
      },
      body: new Blob([head, bytes as Uint8Array<ArrayBuffer>, tail]),
    },
    signal,
  );
  const body = await readText(peer, response);
  const [reason] = failures(body);
  if (reason !== undefined) throw failureOf(peer, object, reason, response);
  if (!response.ok) throw refused(peer, response, body);
  if (/html/i.test(response.headers.get('content-type') ?? ''))
    throw new PlumblineError('peer-answer-invalid', `${peer.name} answered a page: ${quote(peer, body)}`, {
      where: peer.name,
    });
}

/** 409 is "none stored" (PS3.18 10.5.3): without a reason of its own it stays so. */
function refused(peer: Peer, { status, headers }: Response, words: string): PeerRefusal {
  const code = status === 409 ? 'peer-refused' : undefined;
  return refusal(peer, status, words, headers.get('retry-after'), code);
}

/** Failure Reasons (0008,1197) of the answer; an empty sequence is a success (Orthanc always sends one). */
function failures(body: string): number[] {
  try {
    const answer = JSON.parse(body) as DicomJson;
    return items(answer, 'FailedSOPSequence').map((item) => number(item, 'FailureReason') ?? 0x0110);
  } catch {
    return []; // not JSON: the status code alone speaks, and reading back says whether it is stored
  }
}

/** 0110 processing failure and A7xx out of resources may pass (PS3.18 table I.2-2); the rest never does. */
function failureOf(peer: Peer, object: DeliverObject, reason: number, { status, headers }: Response): PeerRefusal {
  const hex = `0x${reason.toString(16).toUpperCase().padStart(4, '0')}`;
  const passing = reason === 0x0110 || (reason >= 0xa700 && reason <= 0xa7ff);
  return new PeerRefusal(
    passing ? 'peer-busy' : 'peer-refused',
    `${peer.name} did not store ${object.role.toUpperCase()} ${object.instanceUid}: Failure Reason ${hex}`,
    { where: peer.name, status, retryAfterMs: retryAfterMs(headers.get('retry-after')) },
  );
}

/**
 * Fetch the object and compare it with what was sent: the data set byte for byte, or attribute for attribute and the
 * pixels bit for bit where it was encoded anew.
 * @throws PlumblineError `code` where it is another object; peer-busy where it is not to be fetched yet; as requests do
 */
export async function compareStored(
  peer: Peer,
  studyUid: string,
  object: DeliverObject,
  signal: AbortSignal,
  code: 'uid-conflict' | 'read-back-differs',
): Promise<void> {
  const stored = await retrieve(peer, studyUid, object, '*', signal);
  if (stored.dataDigest === object.dataDigest) return;
  const bytes = await object.bytes();
  const sent = { ...inspectPart10(bytes), bytes };
  const different = differingTags(sent.attributes, stored.attributes);
  if (different.length === 0 && !(await samePixels(sent, stored))) different.push(pixelData);
  if (different.length === 0) return;
  throw new PlumblineError(
    code,
    `${peer.name} holds another ${object.role.toUpperCase()} under ${object.instanceUid}; differing: ${different.slice(0, 8).join(' ')}`,
    { where: peer.name },
  );

  /** What comes back compressed is asked for once more as it was sent; an archive that cannot is taken at its word. */
  async function samePixels(mine: Retrieved, theirs: Retrieved): Promise<boolean> {
    const pixels = pixelsOf(mine);
    if (pixels === undefined) return true;
    const back = pixelsOf(theirs) ?? (await plainPixels(mine.transferSyntax));
    return back === undefined || Buffer.compare(pixels, back) === 0;
  }

  async function plainPixels(transferSyntax: string): Promise<Uint8Array | undefined> {
    try {
      return pixelsOf(await retrieve(peer, studyUid, object, transferSyntax, signal));
    } catch (thrown) {
      if (thrown instanceof PeerRefusal && (thrown.status === 406 || thrown.status === 400)) return undefined;
      throw thrown;
    }
  }
}

type Retrieved = InspectedFile & { readonly bytes: Uint8Array };
const pixelData = '7FE00010';

/** Native pixels, as views; the two little endian transfer syntaxes write them alike. */
function pixelsOf({ transferSyntax, pixel, bytes }: Retrieved): Uint8Array | undefined {
  const plain = transferSyntax === '1.2.840.10008.1.2' || transferSyntax === '1.2.840.10008.1.2.1';
  return plain && pixel ? bytes.subarray(pixel.offset, pixel.offset + pixel.length) : undefined;
}

async function retrieve(
  peer: Peer,
  studyUid: string,
  object: DeliverObject,
  transferSyntax: string,
  signal: AbortSignal,
): Promise<Retrieved> {
  const path = `/studies/${studyUid}/series/${object.seriesUid}/instances/${object.instanceUid}`;
  const accept = `multipart/related; type="application/dicom"; transfer-syntax=${transferSyntax}`;
  const response = await request(peer, path, { headers: { accept, 'cache-control': 'no-cache' } }, signal);
  const body = await readBytes(peer, response);
  // It said that it has it: some archives take their time between storing and showing.
  if (response.status === 404)
    throw refusal(peer, 404, `${object.instanceUid} is not to be fetched yet`, undefined, 'peer-busy');
  if (!response.ok) throw refused(peer, response, new TextDecoder().decode(body));
  const bytes = firstPart(peer, response.headers.get('content-type') ?? '', body);
  return { ...inspected(peer, bytes), bytes };
}

/** What a peer answers is its fault, not that of the object: it never becomes a code of the file. */
function inspected(peer: Peer, bytes: Uint8Array): InspectedFile {
  try {
    return inspectPart10(bytes);
  } catch (cause) {
    throw new PlumblineError(
      'peer-answer-invalid',
      `${peer.name} answered no DICOM file: ${asPlumblineError(cause).message}`,
      {
        where: peer.name,
        cause,
      },
    );
  }
}

/**
 * Tags that were sent and come back with another value. What an archive adds of its own is its right, and the character
 * set in which it writes the same text.
 */
function differingTags(sent: DicomJson, stored: DicomJson): string[] {
  const said = (of: DicomJson, tag: string) => JSON.stringify([of[tag]?.Value ?? [], of[tag]?.InlineBinary]);
  return Object.keys(sent).filter((tag) => tag !== '00080005' && said(sent, tag) !== said(stored, tag));
}

/** Content of the first body part of a multipart/related answer (RFC 2387). */
function firstPart(peer: Peer, contentType: string, body: Uint8Array): Uint8Array {
  const boundary = /boundary="?([^";]+)"?/i.exec(contentType)?.[1];
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const start = boundary === undefined ? -1 : buffer.indexOf(`--${boundary}`);
  const head = start < 0 ? -1 : buffer.indexOf('\r\n\r\n', start);
  const end = head < 0 ? -1 : buffer.indexOf(`\r\n--${boundary}`, head + 2);
  if (end < 0)
    throw new PlumblineError(
      'peer-answer-invalid',
      `${peer.name} answered no multipart/related body (${quote(peer, contentType)})`,
      { where: peer.name },
    );
  return buffer.subarray(head + 4, end);
}

async function readText(peer: Peer, response: Response): Promise<string> {
  return new TextDecoder().decode(await readBytes(peer, response));
}

async function readBytes(peer: Peer, response: Response): Promise<Uint8Array> {
  try {
    return new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    throw unreachable(peer, cause);
  }
}

function parseJson<T>(peer: Peer, body: string): T {
  try {
    return JSON.parse(body) as T;
  } catch (cause) {
    throw new PlumblineError('peer-answer-invalid', `${peer.name} answered no JSON: ${quote(peer, body)}`, {
      where: peer.name,
      cause,
    });
  }
}
