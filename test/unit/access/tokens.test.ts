import { createHmac, createPublicKey } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { providerKeys } from '../../../src/access/keys.ts';
import { createTokenCheck } from '../../../src/access/tokens.ts';
import type { Identity } from '../../../src/access/index.ts';
import { PlumblineError, type Clock } from '../../../src/base/index.ts';
import { tempFolder } from '../../builders/program.ts';
import { accessOf, signingKey, startKeyServer, type KeyServer, type SigningKey } from '../../builders/tokens.ts';

const audience = 'plumbline';
let key: SigningKey;
let rsa: SigningKey;
let server: KeyServer;
let now: number;
const clock: Clock = { now: () => now };

beforeAll(async () => {
  [key, rsa] = await Promise.all([signingKey('k1'), signingKey('r1', 'RS256')]);
  server = await startKeyServer([]);
});
afterAll(() => server.stop());
beforeEach(() => {
  server.keys = [key, rsa];
  server.asked.length = 0;
  now = Date.now();
});

function checkOf(oidc: object = {}): (token: string) => Promise<Identity> {
  const config = accessOf({ oidc: { issuer: server.url, audience, ...oidc } }).oidc!;
  return createTokenCheck(config, providerKeys(config, clock), clock);
}

function claims(more: object = {}): Record<string, unknown> {
  const seconds = Math.floor(now / 1000);
  return { iss: server.url, aud: audience, sub: 'dr-meier', exp: seconds + 300, iat: seconds, ...more };
}

async function refused(token: string, check = checkOf()): Promise<PlumblineError> {
  const answer = await check(token).catch((e: unknown) => e);
  if (answer instanceof PlumblineError) return answer;
  throw new Error(`let in: ${JSON.stringify(answer)}`);
}

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('a token that holds', () => {
  it('is of its subject, whose roles and scopes it says', async () => {
    const who = await checkOf()(await key.sign(claims({ roles: ['viewer', 'chess-club'], scope: 'stow openid' })));
    expect(who).toEqual({ name: 'dr-meier', via: 'token', may: new Set(['read', 'stow']) });
  });

  it.each(['ES256', 'RS256', 'PS256', 'EdDSA'])('may be signed by %s', async (algorithm) => {
    const other = await signingKey('other', algorithm);
    server.keys = [other];
    expect((await checkOf()(await other.sign(claims()))).name).toBe('dr-meier');
  });

  it('may say its roles elsewhere and in other words', async () => {
    const check = checkOf({ rolesClaim: 'realm_access.roles', roleNames: { radiologist: 'reviewer', it: 'operator' } });
    const { may } = await check(await key.sign(claims({ realm_access: { roles: ['it', 'constructor'] } })));
    expect([...may].sort()).toEqual(['jobs', 'metrics', 'read']);
    const url = checkOf({ rolesClaim: 'https://hospital.example/roles' });
    expect((await url(await key.sign(claims({ 'https://hospital.example/roles': 'viewer' })))).may).toEqual(
      new Set(['read']),
    );
  });

  it('of a machine has the scopes with the site’s prefix only', async () => {
    const check = checkOf({ scopePrefix: 'plumbline/' });
    const { may } = await check(await key.sign(claims({ scope: 'plumbline/stow read', scp: ['plumbline/metrics'] })));
    expect([...may].sort()).toEqual(['metrics', 'stow']);
  });

  it('may be a little old or early, as clocks differ', async () => {
    const seconds = Math.floor(now / 1000);
    await checkOf()(await key.sign(claims({ exp: seconds - 20, nbf: seconds + 20 })));
  });
});

describe('a token is refused that', () => {
  it.each([
    ['is of another issuer', { iss: 'https://other.example' }, 'iss'],
    ['is for another service', { aud: 'another' }, 'aud'],
    ['is for nobody', { aud: undefined }, 'aud'],
    ['has expired', { exp: Math.floor(Date.now() / 1000) - 60 }, 'expired'],
    ['never ends', { exp: undefined }, 'exp'],
    ['is not valid yet', { nbf: Math.floor(Date.now() / 1000) + 600 }, 'nbf'],
    ['names nobody', { sub: undefined }, 'names nobody'],
  ])('%s', async (_what, change, told) => {
    const error = await refused(await key.sign(claims(change)));
    expect(error.code).toBe('unauthenticated');
    expect(error.message).toContain(told);
  });

  it('is not signed (alg none)', async () => {
    for (const alg of ['none', 'None', 'nOnE'])
      expect((await refused(`${part({ alg })}.${part(claims())}.`)).code).toBe('unauthenticated');
  });

  it('is signed with the public key as a shared secret (RFC 8725 2.1)', async () => {
    const pem = createPublicKey({ key: rsa.jwk as never, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
    const body = `${part({ alg: 'HS256', kid: 'r1' })}.${part(claims())}`;
    const mac = createHmac('sha256', pem).update(body).digest('base64url');
    const error = await refused(`${body}.${mac}`);
    expect(error).toMatchObject({ code: 'unauthenticated', message: expect.stringContaining('algorithm') as string });
  });

  it('is signed by an algorithm that the site does not take', async () => {
    expect((await refused(await rsa.sign(claims()), checkOf({ algorithms: ['ES256'] }))).code).toBe('unauthenticated');
  });

  it('was changed after it was signed', async () => {
    const [head, , signature] = (await key.sign(claims())).split('.') as [string, string, string];
    expect((await refused(`${head}.${part(claims({ sub: 'admin' }))}.${signature}`)).message).toBe(
      'the token does not hold',
    );
  });

  it('brings its own key, or says where to fetch one', async () => {
    const stranger = await signingKey('k1');
    const header = { jwk: stranger.jwk, jku: `${server.url}/evil`, x5u: `${server.url}/evil` };
    expect((await refused(await stranger.sign(claims(), header))).code).toBe('unauthenticated');
    expect(server.asked).not.toContain('/evil');
  });

  it('is no JWT at all, or too long for one', async () => {
    for (const token of ['x', 'a.b.c', '..', `${'a'.repeat(20_000)}.b.c`])
      expect((await refused(token)).code).toBe('unauthenticated');
  });
});

describe('the keys of the provider', () => {
  it('are asked for once, however many tokens come', async () => {
    const check = checkOf();
    const token = await key.sign(claims());
    await Promise.all(Array.from({ length: 20 }, () => check(token)));
    expect(server.asked).toEqual(['/.well-known/openid-configuration', '/keys']);
  });

  it('are asked for again when a token names one that is not known, but not for each', async () => {
    const check = checkOf({ cooldownSeconds: 1 });
    await check(await key.sign(claims()));
    const rotated = await signingKey('k2');
    server.keys = [rotated];
    expect((await refused(await rotated.sign(claims()), check)).code).toBe('unauthenticated');
    expect(server.asked.filter((p) => p === '/keys')).toHaveLength(1);
    await new Promise((done) => setTimeout(done, 1100));
    expect((await check(await rotated.sign(claims()))).name).toBe('dr-meier');
    expect((await refused(await key.sign(claims()), check)).code).toBe('unauthenticated');
    expect(server.asked.filter((p) => p === '/keys')).toHaveLength(2);
  });

  it('that cannot be had make the answer unknown, not a refusal, and are tried again after the cool-down', async () => {
    server.keys = undefined;
    const check = checkOf();
    const token = await key.sign(claims());
    for (let n = 0; n < 5; n++) expect((await refused(token, check)).code).toBe('identity-provider-unreachable');
    expect(server.asked).toHaveLength(1);
    server.keys = [key];
    now += 31_000;
    expect((await check(token)).name).toBe('dr-meier');
  });

  it('hold while the provider is away, but not for ever', async () => {
    const check = checkOf({ keysSeconds: 1, keysKeptSeconds: 3600 });
    const token = await key.sign(claims({ exp: Math.floor(now / 1000) + 7200 }));
    await check(token);
    server.keys = undefined;
    await new Promise((done) => setTimeout(done, 1100)); // the library has a clock of its own
    expect((await check(token)).name).toBe('dr-meier');
    now += 3_601_000;
    expect((await refused(token, check)).code).toBe('identity-provider-unreachable');
  });

  it('may lie in a file', async () => {
    const jwksFile = join(tempFolder('jwks'), 'keys.json');
    writeFileSync(jwksFile, JSON.stringify({ keys: [key.jwk] }));
    expect((await checkOf({ jwksFile })(await key.sign(claims()))).name).toBe('dr-meier');
    expect(server.asked).toEqual([]);
    writeFileSync(jwksFile, '{"keys": 3}');
    expect(() => checkOf({ jwksFile })).toThrow(PlumblineError);
  });

  it('are of the configured issuer only: a document of another is not followed', async () => {
    const issuer = server.url.replace('127.0.0.1', 'localhost');
    expect((await refused(await key.sign(claims({ iss: issuer })), checkOf({ issuer }))).code).toBe(
      'identity-provider-unreachable',
    );
  });
});
