import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request, type RequestOptions } from 'node:https';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anyone } from '../../../src/access/index.ts';
import { parseConfig, silentLog, type Log } from '../../../src/base/index.ts';
import { mountsOf } from '../../../src/server/app.ts';
import { serve, type Gateway } from '../../../src/server/index.ts';
import { routeRules } from '../../../src/server/route-rules.ts';
import { makeCertificates, type Certificates } from '../../builders/dimse.ts';
import { tempFolder } from '../../builders/program.ts';
import { signingKey, startKeyServer, type KeyServer, type SigningKey } from '../../builders/tokens.ts';
import { missing } from '../../peers/index.ts';

function gatewayWith(config: object, log: Log = silentLog): Promise<Gateway> {
  const dataDir = tempFolder('access');
  return serve(parseConfig(JSON.stringify({ ...config, dataDir }), 'test', dataDir), log);
}

/** What of an express router is looked at: its routes. */
interface Stack {
  readonly stack: readonly {
    readonly route?: {
      readonly path: string | readonly string[];
      readonly stack: readonly { readonly method: string }[];
    };
  }[];
}

function routesOf(gateway: Gateway): string[] {
  return mountsOf(gateway.rooms, { identityOf: () => anyone }, gateway.health).flatMap(({ path: base, router }) =>
    (router as unknown as Stack).stack.flatMap(({ route }) =>
      [route?.path ?? []]
        .flat()
        .flatMap((path) =>
          route!.stack.map(
            ({ method }) => `${method} ${base === '/' ? '' : base}${path === '/' && base !== '/' ? '' : path}`,
          ),
        ),
    ),
  );
}

describe('the table of routes', () => {
  let gateway: Gateway;
  beforeAll(async () => void (gateway = await gatewayWith({ http: { port: 0 } })));
  afterAll(() => gateway.stop({ abort: true }));

  it('has every route of every router, and no other', () => {
    const ruled = routeRules.flatMap(({ methods, path }) => methods.map((method) => `${method} ${path}`));
    const there = [...new Set(routesOf(gateway))];
    expect(there.length).toBeGreaterThan(20);
    expect([...ruled].sort()).toEqual(there.sort());
    expect(new Set(ruled).size).toBe(ruled.length);
  });

  it('leaves open nothing but health', () => {
    expect(routeRules.filter((r) => r.needs === 'open').map((r) => r.path)).toEqual([
      '/health',
      '/health/live',
      '/health/ready',
    ]);
  });
});

describe('a gateway with a provider of tokens', () => {
  let provider: KeyServer;
  let key: SigningKey;
  let gateway: Gateway;
  const logged: string[] = [];
  const note = (event: string, fields?: object): void => void logged.push(JSON.stringify({ event, ...fields }));

  beforeAll(async () => {
    key = await signingKey('k1');
    provider = await startKeyServer([key]);
    const access = {
      oidc: { issuer: provider.url, audience: 'plumbline' },
      failuresPerMinute: 12,
      requestsPerMinute: 40,
    };
    gateway = await gatewayWith(
      { http: { port: 0, trustedProxies: ['127.0.0.1'] }, access },
      { info: note, warn: note, error: note },
    );
  });
  afterAll(async () => {
    await gateway.stop({ abort: true });
    await provider.stop();
  });

  const token = (claims: object): Promise<string> =>
    key.sign({
      iss: provider.url,
      aud: 'plumbline',
      sub: 'secret-name',
      exp: Math.floor(Date.now() / 1000) + 300,
      ...claims,
    });
  let address = 0;
  /** Each from another address, so that limits of one test do not touch the next. */
  const ask = async (path: string, bearer?: string, init: RequestInit = {}): Promise<Response> => {
    const from = { 'x-forwarded-for': `192.0.2.${(address = (address + 1) % 250)}` };
    const authorization = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
    return fetch(`${gateway.url}${path}`, {
      ...init,
      headers: { ...from, ...authorization, ...(init.headers as object) },
    });
  };

  it('answers 401 with a bare challenge to whoever shows nothing (RFC 6750 3.1), also where nothing is', async () => {
    for (const path of [
      '/',
      '/dicom-web/studies',
      '/api/studies',
      '/assets/plumbline.css',
      '/no/such/page',
      '/studies/1.2',
    ]) {
      const answer = await ask(path);
      expect(answer.status, path).toBe(401);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="plumbline"');
      expect(await answer.json()).toMatchObject({ code: 'unauthenticated' });
    }
    expect((await ask('/', undefined, { headers: { authorization: 'Basic YTpi' } })).status).toBe(401);
  });

  it('answers 401 with the reason to a token that does not hold', async () => {
    const answer = await ask('/', await token({ aud: 'another' }));
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"');
  });

  it('takes no token from the address or a form (RFC 6750 2.2, 2.3)', async () => {
    const bearer = await token({ roles: ['admin'] });
    expect((await ask(`/dicom-web/studies?access_token=${bearer}`)).status).toBe(401);
  });

  it.each([
    ['viewer', 'GET', '/', 200],
    ['viewer', 'GET', '/dicom-web/studies', 204],
    ['viewer', 'HEAD', '/api/studies', 200],
    ['viewer', 'POST', '/dicom-web/studies', 403],
    ['reviewer', 'GET', '/api/studies', 200],
    ['admin', 'POST', '/dicom-web/studies', 415],
    ['nobody', 'GET', '/', 403],
    ['nobody', 'GET', '/dicom-web/studies/1.2/series/1.3/instances/1.4/frames/1', 403],
  ])('lets %s %s %s: %i', async (role, method, path, status) => {
    expect((await ask(path, await token({ roles: [role] }), { method })).status).toBe(status);
  });

  it.each([
    ['stow', 'POST', '/dicom-web/studies/1.2', 415],
    ['stow', 'GET', '/dicom-web/studies', 403],
    ['read', 'GET', '/dicom-web/series', 204],
    ['read', 'POST', '/dicom-web/studies', 403],
    ['metrics', 'GET', '/dicom-web/studies', 403],
  ])('lets a machine with scope %s %s %s: %i', async (scope, method, path, status) => {
    expect((await ask(path, await token({ scope }), { method })).status).toBe(status);
  });

  it('says in 403 what would be needed (RFC 6750 3.1)', async () => {
    const answer = await ask('/', await token({ scope: 'stow' }));
    expect(answer.headers.get('www-authenticate')).toBe(
      'Bearer realm="plumbline", error="insufficient_scope", scope="read"',
    );
    expect(await answer.json()).toMatchObject({ code: 'forbidden' });
  });

  it('has no page without a line of the table, even for an admin', async () => {
    expect((await ask('/no/such/page', await token({ roles: ['admin'] }))).status).toBe(404);
    expect((await ask('/dicom-web/studies', await token({ roles: ['admin'] }), { method: 'DELETE' })).status).toBe(404);
  });

  it.each([
    '//dicom-web/studies',
    '/DICOM-WEB/Studies',
    '/dicom-web/studies/',
    '/dicom-web/./studies',
    '/%64icom-web/studies',
    '/x/../dicom-web/studies',
  ])('is not passed by another way to write an address: %s', async (path) => {
    const { port } = new URL(gateway.url);
    const socket = connect(Number(port), '127.0.0.1');
    socket.end(`GET ${path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.${++address}\r\nConnection: close\r\n\r\n`);
    const [first] = (await once(socket, 'data')) as [Buffer];
    expect(first.toString()).toMatch(/^HTTP\/1\.1 401 /);
    socket.destroy();
  });

  it('leaves health open, and tells nobody who asks or who is known', async () => {
    const answer = await ask('/health');
    expect(answer.status).toBe(200);
    expect(Object.keys((await answer.json()) as object).sort()).toEqual([
      'needsPerson',
      'problems',
      'status',
      'version',
      'waiting',
      'working',
    ]);
  });

  it('does not ask for the body of whoever is not let in: no 100 Continue', async () => {
    const { port } = new URL(gateway.url);
    const send = async (authorization: string): Promise<string> => {
      const socket = connect(Number(port), '127.0.0.1');
      socket.write(
        `POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.${++address}\r\nContent-Type: text/plain\r\nContent-Length: 9000000000\r\nExpect: 100-continue\r\n${authorization}\r\n`,
      );
      const [first] = (await once(socket, 'data')) as [Buffer];
      socket.destroy();
      return first.toString();
    };
    const refused = await send('');
    expect(refused).toMatch(/^HTTP\/1\.1 401 /);
    expect(refused).toMatch(/connection: close/i);
    expect(await send(`Authorization: Bearer ${await token({ scope: 'stow' })}\r\n`)).toMatch(
      /^HTTP\/1\.1 100 Continue/,
    );
  });

  it('ends the connection of one who sends a body without end and is not let in', async () => {
    const { port } = new URL(gateway.url);
    const socket = connect(Number(port), '127.0.0.1');
    const ended = new Promise<void>((done) => socket.on('error', () => done()).once('close', () => done()));
    const answered = new Promise<Buffer>((done) => socket.once('data', done));
    socket.write(
      `POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.${++address}\r\nContent-Length: 9000000000\r\n\r\n`,
    );
    const flood = setInterval(() => socket.write(Buffer.alloc(1 << 18)), 1);
    const first = await answered;
    await ended;
    clearInterval(flood);
    expect(first.toString()).toMatch(/^HTTP\/1\.1 401 /);
    expect(socket.bytesWritten).toBeLessThan(64 << 20);
  });

  it('hears an address no more that failed too often, whatever it shows then', async () => {
    const from = { 'x-forwarded-for': '198.51.100.7' };
    const good = await token({ roles: ['viewer'] });
    for (let n = 0; n < 12; n++) expect((await ask('/', 'x', { headers: from })).status).toBe(401);
    const asked = provider.asked.length;
    const answer = await ask('/', good, { headers: from });
    expect(answer.status).toBe(429);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await ask('/', good, { headers: { 'x-forwarded-for': '198.51.100.8' } })).status).toBe(200);
    expect((await ask('/health', undefined, { headers: from })).status).toBe(200);
    expect(provider.asked).toHaveLength(asked);
  });

  it('answers 429 with Retry-After to an identity that asks too often, from wherever, and to no other', async () => {
    const busy = await token({ sub: 'busy', roles: ['viewer'] });
    const answers: Response[] = [];
    for (let n = 0; n < 41; n++) answers.push(await ask('/api/studies', busy));
    expect(answers.map((a) => a.status)).toEqual([...Array<number>(40).fill(200), 429]);
    expect(Number(answers[40]!.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await answers[40]!.json()).toMatchObject({ code: 'rate-limited' });
    expect((await ask('/', await token({ sub: 'calm', roles: ['viewer'] }))).status).toBe(200);
  });

  it('answers 503, not 401, while the provider is away, and goes on when it is back', async () => {
    const access = { oidc: { issuer: 'http://127.0.0.1:9', audience: 'a', cooldownSeconds: 1 } };
    const lonely = await gatewayWith({ http: { port: 0 }, access });
    try {
      const answer = await fetch(lonely.url, { headers: { authorization: `Bearer ${await token({})}` } });
      expect(answer.status).toBe(503);
      expect(answer.headers.get('retry-after')).toBe('30');
      expect(await answer.json()).toMatchObject({ code: 'identity-provider-unreachable' });
      expect((await fetch(lonely.url)).status).toBe(401);
      expect((await fetch(`${lonely.url}/health`)).status).toBe(200);
    } finally {
      await lonely.stop({ abort: true });
    }
  });

  it('writes neither tokens nor names into its log', () => {
    expect(logged.some((l) => l.includes('not let in'))).toBe(true);
    expect(logged.filter((l) => l.includes('secret-name') || l.includes('eyJ'))).toEqual([]);
  });
});

describe.skipIf(missing('openssl'))('a gateway with mutual TLS', () => {
  let files: Certificates;
  let strange: Certificates;
  let gateway: Gateway;

  beforeAll(async () => {
    [files, strange] = await Promise.all([makeCertificates(), makeCertificates()]);
    gateway = await gatewayWith({
      http: { port: 0, tls: { certFile: files.server.cert, keyFile: files.server.key, caFile: files.ca } },
      access: { certificates: [{ subject: { CN: 'client' }, scopes: ['read'] }] },
    });
  });
  afterAll(() => gateway.stop({ abort: true }));

  const ask = (
    path: string,
    certificate?: { cert: string; key: string },
    options: RequestOptions = {},
  ): Promise<number> => {
    const pem = certificate && { cert: readFileSync(certificate.cert), key: readFileSync(certificate.key) };
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const req = request(
      `${gateway.url}${path}`,
      { ca: readFileSync(files.ca), agent: false, ...pem, ...options },
      (res) => {
        res.resume();
        resolve(res.statusCode!);
      },
    );
    req.on('error', reject).end();
    return promise;
  };

  it('lets in whom the certificate’s subject names, for what the site allows', async () => {
    expect(gateway.url).toMatch(/^https:/);
    expect(await ask('/dicom-web/studies', files.client)).toBe(204);
    expect(await ask('/dicom-web/studies', files.client, { method: 'POST' })).toBe(403);
  });

  it('refuses no certificate, one of another subject, and one of another authority that says the same', async () => {
    expect(await ask('/dicom-web/studies')).toBe(401);
    expect(await ask('/dicom-web/studies', files.server)).toBe(401);
    expect(await ask('/dicom-web/studies', strange.client)).toBe(401);
    expect(await ask('/health')).toBe(200);
  });

  it('speaks TLS 1.2 and newer only', async () => {
    const { port } = new URL(gateway.url);
    const handshake = async (version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'): Promise<string> => {
      const ciphers = 'DEFAULT@SECLEVEL=0';
      const socket = connectTls({
        port: Number(port),
        host: '127.0.0.1',
        ca: readFileSync(files.ca),
        minVersion: version,
        maxVersion: version,
        ciphers,
      });
      try {
        await once(socket, 'secureConnect');
        return socket.getProtocol() ?? '';
      } catch (e) {
        return (e as NodeJS.ErrnoException).code ?? 'refused';
      } finally {
        socket.destroy();
      }
    };
    expect(await handshake('TLSv1.1')).not.toMatch(/^TLS/);
    expect(await handshake('TLSv1.2')).toBe('TLSv1.2');
    expect(await handshake('TLSv1.3')).toBe('TLSv1.3');
  });
});
