import { readFileSync } from 'node:fs';
import { outboundRefusal } from '../access/index.ts';
import { PlumblineError, type ErrorCode } from '../base/index.ts';

/** How to reach one peer. */
export interface Peer {
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bearerFile?: string;
  /** Headers whose value is the content of a file. */
  readonly headerFiles?: Readonly<Record<string, string>>;
  readonly timeoutSeconds: number;
  /** What identifies the patient: it is taken out of the peer's words before they go into a message. */
  readonly hide?: readonly string[];
}

/** Headers of one request; files of secrets are read each time, so that a rotated one is used at once. */
export function headersFor(peer: Peer): Record<string, string> {
  const headers = { ...peer.headers };
  for (const [name, file] of Object.entries(peer.headerFiles ?? {})) headers[name] = secretIn(file, peer);
  if (peer.bearerFile) headers['authorization'] = `Bearer ${secretIn(peer.bearerFile, peer)}`;
  return headers;
}

function secretIn(file: string, peer: Peer): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    // A person must look, but nothing is lost: a token that is being renewed may be missing for a moment.
    throw new PlumblineError('peer-unauthorized', `cannot read the file of a secret for ${peer.name}`, {
      where: file,
      cause,
    });
  }
}

/**
 * `fetch` with the peer's headers and a deadline. A redirect is an answer like any other and is not followed: data of a
 * patient go to the configured address only. @throws PlumblineError `peer-unreachable` for network trouble
 */
export async function request(
  peer: Peer,
  path: string,
  init: RequestInit & { duplex?: 'half' },
  signal: AbortSignal,
): Promise<Response> {
  const url = `${peer.url.replace(/\/$/, '')}${path}`;
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(peer.timeoutSeconds * 1000)]);
  const headers = { ...headersFor(peer), ...(init.headers as Record<string, string> | undefined) };
  try {
    return await fetch(url, { ...init, headers, redirect: 'manual', signal: deadline });
  } catch (cause) {
    throw unreachable(peer, cause);
  }
}

/** Network trouble in words: what the system said, not only "fetch failed". */
export function unreachable(peer: Peer, cause: unknown): PlumblineError {
  const refused = outboundRefusal(cause);
  if (refused) return refused;
  const e = cause as Error & { cause?: { code?: string; message?: string } };
  const detail =
    e.name === 'TimeoutError'
      ? `nothing in ${peer.timeoutSeconds} s`
      : (e.cause?.code ?? e.cause?.message ?? e.message);
  return new PlumblineError('peer-unreachable', `${peer.name} does not answer: ${detail}`, { where: peer.name, cause });
}

/** An answer that is no success, as an error; `words` is what the peer said. */
export function refusal(
  peer: Peer,
  status: number,
  words: string,
  retryAfter?: string | null,
  code: ErrorCode = codeOf(status),
): PeerRefusal {
  const message = `${peer.name} answered ${status}: ${quote(peer, words)}`;
  return new PeerRefusal(code, message, { where: peer.name, status, retryAfterMs: retryAfterMs(retryAfter) });
}

function codeOf(status: number): ErrorCode {
  if (status === 401 || status === 403) return 'peer-unauthorized';
  if (status === 408 || status === 425 || status === 429 || status >= 500) return 'peer-busy';
  if (status === 409 || status === 412) return 'peer-busy';
  if (status >= 400) return 'peer-refused';
  return 'peer-answer-invalid';
}

/** An error with the status that the peer gave and the pause that it asked for. */
export class PeerRefusal extends PlumblineError {
  readonly status: number;
  readonly retryAfterMs: number | undefined;
  constructor(
    code: ErrorCode,
    message: string,
    about: { readonly where: string; readonly status: number; readonly retryAfterMs?: number | undefined },
  ) {
    super(code, message, { where: about.where });
    this.status = about.status;
    this.retryAfterMs = about.retryAfterMs;
  }
}

/** Retry-After in seconds or as a date (RFC 9110 10.2.3). */
export function retryAfterMs(value: string | null | undefined, now = Date.now()): number | undefined {
  if (!value) return undefined;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

/** The peer's words as one line of at most 500 characters, without markup (peers answer whole pages) and without the patient. */
export function quote(peer: Partial<Peer>, words: string): string {
  const line = (peer.hide ?? [])
    .filter((secret) => secret !== '')
    .reduce((said, secret) => said.replace(wholeWord(secret), '…'), words.slice(0, 20_000))
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > 500 ? `${line.slice(0, 500)}…` : line || '(no words)';
}

function wholeWord(text: string): RegExp {
  return new RegExp(`(?<![\\p{L}\\p{N}])${text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')}(?![\\p{L}\\p{N}])`, 'giu');
}

/** Identifier and name of a patient, whole and in parts, for `Peer.hide`. */
export function identifying(...words: readonly (string | undefined)[]): string[] {
  const whole = words.filter((w) => w !== undefined && w !== '') as string[];
  const parts = whole.flatMap((w) => w.split(/[\s^=,]+/)).filter((w) => w.length > 1);
  return [...new Set([...whole, ...parts])].sort((a, b) => b.length - a.length);
}
