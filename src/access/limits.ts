import { ipKeyGenerator, MemoryStore, rateLimit } from 'express-rate-limit';
import type { Request, RequestHandler } from 'express';
import { PlumblineError } from '../base/index.ts';
import type { Identity } from './identity.ts';
import { refuse } from './refuse.ts';

const minute = 60_000;

/** Requests of one identity in a minute; the rest is answered 429 with Retry-After (RFC 6585 4). 0: any number. */
export function limitRequests(perMinute: number, identityOf: (req: Request) => Identity): RequestHandler {
  if (perMinute === 0) return (_req, _res, next) => next();
  return rateLimit({
    windowMs: minute,
    limit: perMinute,
    legacyHeaders: false,
    standardHeaders: 'draft-8',
    keyGenerator: (req) => {
      const { via, name } = identityOf(req);
      return via === 'none' ? addressOf(req) : `${via} ${name}`;
    },
    handler: (req, res, next) => {
      const error = new PlumblineError('rate-limited', `more than ${perMinute} requests in a minute`);
      refuse(req, res, 429, error).catch(next);
    },
  });
}

/** Failed authentications from one address. */
export interface FailureLimit {
  /** Seconds until the address is heard again; undefined where it is heard. */
  waitOf(req: Request): Promise<number | undefined>;
  count(req: Request): Promise<void>;
}

/** Only what failed is counted, so requests side by side of one who knows the secret never count against him. */
export function limitFailures(perMinute: number): FailureLimit {
  const store = new MemoryStore();
  store.init({ windowMs: minute } as Parameters<MemoryStore['init']>[0]);
  return {
    waitOf: async (req) => {
      const seen = await store.get(addressOf(req));
      if (seen === undefined || seen.totalHits < perMinute) return undefined;
      return Math.max(1, Math.ceil(((seen.resetTime?.getTime() ?? 0) - Date.now()) / 1000));
    },
    count: async (req) => void (await store.increment(addressOf(req))),
  };
}

/** A home or an office has a whole /56 of IPv6, so that counts as one. */
function addressOf(req: Request): string {
  return ipKeyGenerator(req.ip ?? '');
}
