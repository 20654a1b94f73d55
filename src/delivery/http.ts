import { readFileSync } from 'node:fs';
import { PlumblineError, type ErrorCode } from '../base/index.ts';

/** How to reach one peer. */
export interface Peer {
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bearerFile?: string;
  readonly timeoutSeconds: number;
}

/** Headers of one request; the token file is read each time, so that a rotated token is used at once. */
export function headersFor(peer: Peer): Record<string, string> {
  if (!peer.bearerFile) return { ...peer.headers };
  try {
    return { ...peer.headers, authorization: `Bearer ${readFileSync(peer.bearerFile, 'utf8').trim()}` };
  } catch (cause) {
    throw new PlumblineError('config-missing', `cannot read the bearer token file of ${peer.name}`, {
      where: peer.bearerFile,
      cause,
    });
  }
}

/** `fetch` with the peer's headers, a deadline, no redirects to elsewhere; network trouble becomes `peer-unreachable`. */
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
    return await fetch(url, { ...init, headers, redirect: 'error', signal: deadline });
  } catch (cause) {
    throw unreachable(peer, cause);
  }
}

/** Network trouble in words: what the system said, not only "fetch failed". */
export function unreachable(peer: Peer, cause: unknown): PlumblineError {
  const e = cause as Error & { cause?: { code?: string; message?: string } };
  const detail = e.cause?.code ?? e.cause?.message ?? e.message;
  return new PlumblineError('peer-unreachable', `${peer.name} does not answer: ${detail}`, { where: peer.name, cause });
}

/** An answer that is no success, as an error; `words` is what the peer said. */
export function refusal(peer: Peer, status: number, words: string, retryAfter?: string | null): PeerRefusal {
  return new PeerRefusal(
    codeOf(status),
    `${peer.name} answered ${status}: ${shorten(words)}`,
    peer.name,
    retryAfterMs(retryAfter),
  );
}

function codeOf(status: number): ErrorCode {
  if (status === 401 || status === 403) return 'peer-unauthorized';
  if (status === 408 || status === 425 || status === 429 || status >= 500) return 'peer-busy';
  if (status === 409 || status === 412) return 'peer-busy';
  if (status >= 400) return 'peer-refused';
  return 'peer-answer-invalid';
}

/** An error with the pause that the peer asked for. */
export class PeerRefusal extends PlumblineError {
  readonly retryAfterMs: number | undefined;
  constructor(code: ErrorCode, message: string, where: string, retryAfterMs: number | undefined) {
    super(code, message, { where });
    this.retryAfterMs = retryAfterMs;
  }
}

/** Retry-After in seconds or as a date (RFC 9110 10.2.3). */
export function retryAfterMs(value: string | null | undefined, now = Date.now()): number | undefined {
  if (!value) return undefined;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

/** One line of at most 500 characters, without markup: peers answer whole pages. */
export function shorten(words: string): string {
  const line = words
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > 500 ? `${line.slice(0, 500)}…` : line || '(no words)';
}
