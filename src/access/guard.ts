import express, { type Request, type RequestHandler, type Response, type Router } from 'express';
import { TLSSocket } from 'node:tls';
import { asPlumblineError, PlumblineError, systemClock, type Clock, type Config, type Log } from '../base/index.ts';
import { anyone, identityOfCertificate, type Identity, type Permission } from './identity.ts';
import { providerKeys } from './keys.ts';
import { limitFailures, limitRequests } from './limits.ts';
import { refuse } from './refuse.ts';
import { createTokenCheck } from './tokens.ts';

/** One line of the table of routes: patterns as express has them. */
export interface RouteRule {
  readonly methods: readonly ('get' | 'post' | 'put' | 'delete')[];
  readonly path: string;
  /** `open` needs no identity. */
  readonly needs: Permission | 'open';
}

export interface GuardOptions {
  readonly access: Config['access'];
  readonly rules: readonly RouteRule[];
  readonly log: Log;
  /** Told who was not let in: the name, where it is known. */
  readonly onRefused?: (req: Request, identity: Identity | undefined, error: PlumblineError) => void;
  readonly clock?: Clock;
}

export interface Guard {
  /** Put before everything that reads a body or answers with data. */
  readonly router: Router;
  /** Who stands behind a request that was let in. */
  identityOf(req: Request): Identity;
  /** Ask the provider for its keys; says what is there. @throws PlumblineError identity-provider-unreachable */
  check(): Promise<string>;
}

/**
 * Who may do what: each route needs a line of the table, what has none is not there. In turn: an address that failed too
 * often is not heard (429), who it is (401, RFC 6750 3), how often it asks (429), whether it may (403). Nothing of the
 * body is read before, and a sender that waits for 100 Continue gets it only after.
 */
export function createGuard({ access, rules, log, onRefused, clock = systemClock }: GuardOptions): Guard {
  const authenticate = createAuthentication(access, clock);
  const failures = limitFailures(access.failuresPerMinute);
  const identities = new WeakMap<Request, Identity>();
  const needs = new WeakMap<Request, RouteRule['needs']>();
  const identityOf = (req: Request): Identity => identities.get(req) ?? anyone;

  const enter: RequestHandler = async (req, res, next) => {
    const need = needs.get(req);
    if (need === 'open' || !authenticate) return proceed(req, res, need, next);
    const wait = await failures.waitOf(req);
    if (wait !== undefined) {
      res.set('Retry-After', String(wait));
      return refuse(req, res, 429, new PlumblineError('rate-limited', 'too many failed authentications'));
    }
    try {
      identities.set(req, await authenticate.identify(req));
    } catch (thrown) {
      return denied(req, res, asPlumblineError(thrown));
    }
    limit(req, res, (e?: unknown) => (e === undefined ? proceed(req, res, need, next) : next(e)));
  };
  const limit = limitRequests(access.requestsPerMinute, identityOf);

  const denied = async (req: Request, res: Response, error: PlumblineError): Promise<void> => {
    log.warn('not let in', { door: 'http', code: error.code });
    if (error.class === 'retry') {
      res.set('Retry-After', '30');
      return refuse(req, res, 503, error);
    }
    if (error.code !== 'unauthenticated')
      return refuse(req, res, 500, new PlumblineError('internal', 'internal error'));
    await failures.count(req);
    onRefused?.(req, undefined, error);
    const shown = bearerOf(req) !== undefined;
    res.set(
      'WWW-Authenticate',
      shown ? `${challenge}, error="invalid_token", error_description="${error.message}"` : challenge,
    );
    return refuse(req, res, 401, error);
  };

  const proceed = (req: Request, res: Response, need: RouteRule['needs'] | undefined, next: () => void): unknown => {
    if (need !== undefined && need !== 'open' && !identityOf(req).may.has(need)) {
      const error = new PlumblineError('forbidden', `this needs "${need}"`);
      log.warn('not let in', { door: 'http', code: error.code });
      onRefused?.(req, identityOf(req), error);
      res.set('WWW-Authenticate', `${challenge}, error="insufficient_scope", scope="${need}"`);
      return refuse(req, res, 403, error);
    }
    if (need === undefined) return refuse(req, res, 404, new PlumblineError('not-found', 'no such page'));
    if (req.headers.expect !== undefined) res.writeContinue();
    return next();
  };

  const router = express.Router();
  const table = express.Router();
  for (const { methods, path, needs: need } of rules)
    for (const method of methods)
      table[method](path, (req, _res, next) => {
        needs.set(req, need);
        next('router');
      });
  router.use(table, enter);
  return {
    router,
    identityOf,
    check: async () => (await authenticate?.check()) ?? 'nothing configured: whoever reaches the port is let in',
  };
}

const challenge = 'Bearer realm="plumbline"';

interface Authentication {
  /** @throws PlumblineError unauthenticated, identity-provider-unreachable */
  identify(req: Request): Promise<Identity>;
  check(): Promise<string>;
}

/** Undefined where nothing is configured. A token that is shown counts, and has to hold, before a certificate. */
function createAuthentication({ oidc, certificates }: Config['access'], clock: Clock): Authentication | undefined {
  if (!oidc && certificates.length === 0) return undefined;
  const keys = oidc && providerKeys(oidc, clock);
  const checkToken = oidc && keys && createTokenCheck(oidc, keys, clock);
  return {
    identify: async (req) => {
      const token = bearerOf(req);
      if (token !== undefined && checkToken) return checkToken(token);
      const { socket } = req;
      const verified = socket instanceof TLSSocket && socket.authorized;
      const identity = verified ? identityOfCertificate(socket.getPeerCertificate().subject, certificates) : undefined;
      if (identity) return identity;
      throw new PlumblineError('unauthenticated', 'no token or certificate that is known');
    },
    check: async () => (keys ? `${await keys.load()} keys of ${oidc.issuer}` : `${certificates.length} certificates`),
  };
}

/** RFC 6750 2.1; in the query or the body a token is not looked for. */
function bearerOf(req: Request): string | undefined {
  return /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(req.headers.authorization ?? '')?.[1];
}
