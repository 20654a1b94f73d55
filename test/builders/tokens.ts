import { exportJWK, generateKeyPair, SignJWT, type JWK, type JWTPayload } from 'jose';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseConfig, type Config } from '../../src/base/index.ts';

export interface SigningKey {
  readonly kid: string;
  readonly algorithm: string;
  readonly jwk: JWK;
  /** A token signed by it. */
  sign(claims: JWTPayload, header?: Record<string, unknown>): Promise<string>;
}

export async function signingKey(kid: string, algorithm = 'ES256'): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  return {
    kid,
    algorithm,
    jwk: { ...(await exportJWK(publicKey)), kid, alg: algorithm, use: 'sig' },
    sign: (claims, header = {}) =>
      new SignJWT(claims).setProtectedHeader({ alg: algorithm, kid, ...header }).sign(privateKey),
  };
}

export interface KeyServer {
  /** The issuer; its discovery document and keys are below it. */
  readonly url: string;
  /** What it answers; undefined: 500. */
  keys: readonly SigningKey[] | undefined;
  /** Paths that were asked for. */
  readonly asked: string[];
  stop(): Promise<void>;
}

/** What an OpenID provider shows of itself: discovery document and keys. */
export async function startKeyServer(keys: readonly SigningKey[]): Promise<KeyServer> {
  const server = createServer((req, res) => {
    self.asked.push(req.url ?? '');
    res.statusCode = self.keys === undefined ? 500 : 200;
    const document = { issuer: self.url, jwks_uri: `${self.url}/keys` };
    res.end(JSON.stringify(req.url === '/keys' ? { keys: self.keys?.map((k) => k.jwk) ?? [] } : document));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const self: KeyServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    keys,
    asked: [],
    stop: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
  return self;
}

/** The part `access` of a configuration, defaults filled in. */
export function accessOf(access: object): Config['access'] {
  const http = { tls: { certFile: 'c', keyFile: 'k', caFile: 'ca' } };
  return parseConfig(JSON.stringify({ access, http }), 'test', '/').access;
}
