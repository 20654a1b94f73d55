import type { IncomingMessage } from 'node:http';
import type { Request, Response } from 'express';
import type { PlumblineError } from '../base/index.ts';

/**
 * Answer a request that is not let in, as a JSON problem. Its body is not read: what is on its way is thrown away for a
 * moment, so that a sender in full flow gets to see the answer, then the connection ends.
 */
export async function refuse(req: Request, res: Response, status: number, error: PlumblineError): Promise<void> {
  const { code, message, remedy } = error;
  const body = Buffer.from(JSON.stringify({ code, message, remedy }));
  res.status(status).set({ 'Content-Type': 'application/problem+json', 'Content-Length': String(body.length) });
  res.set('Cache-Control', 'no-store');
  const waits = !req.complete && req.headers.expect === undefined && hasBody(req);
  if (!req.complete && hasBody(req)) res.set('Connection', 'close');
  res.write(body);
  if (waits) await swallow(req, 1 << 20, 1000);
  res.end();
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Read on for a short while and throw it away, so that a sender in full flow gets to see the answer. */
export async function swallow(req: IncomingMessage, bytes: number, milliseconds: number): Promise<void> {
  if (req.complete || req.destroyed) return;
  let left = bytes;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  req.on('data', (chunk: Uint8Array) => (left -= chunk.length) <= 0 && resolve());
  for (const event of ['end', 'close', 'error']) req.once(event, () => resolve());
  req.resume();
  await promise;
  clearTimeout(timer);
  req.pause();
}
