import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

export interface OpenId {
  readonly issuer: string;
  /** An access token of the client-credentials grant (RFC 6749 4.4) as JWT (RFC 9068). */
  token(client: string, scope: string): Promise<string>;
  stop(): Promise<void>;
}

export const openIdAudience = 'urn:plumbline';
const secret = 'a secret of this test alone, long enough';
const scopes = ['stow', 'read', 'jobs', 'metrics'];

/** A certified OpenID provider of others, with machines as its clients. Its keys are new with each start. */
export async function startOpenId(port: number, clients: Readonly<Record<string, string>>): Promise<OpenId> {
  const issuer = `http://127.0.0.1:${port}`;
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  const resource = {
    scope: scopes.join(' '),
    audience: openIdAudience,
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: 'ES256' } },
  };
  const provider = new Provider(issuer, {
    clients: Object.entries(clients).map(([id, scope]) => ({
      client_id: id,
      client_secret: secret,
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
      id_token_signed_response_alg: 'ES256',
      scope,
    })),
    jwks: { keys: [{ ...key, alg: 'ES256', use: 'sig', kid: `key-${Math.random()}` }] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => openIdAudience,
        getResourceServerInfo: () => resource,
      },
    },
    scopes,
  });
  const server = createServer(provider.callback());
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  return {
    issuer,
    token: async (client, scope) => {
      const answer = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from(`${client}:${encodeURIComponent(secret)}`).toString('base64')}`,
        },
        body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
      });
      const { access_token: token, error } = (await answer.json()) as { access_token?: string; error?: string };
      if (token === undefined) throw new Error(`the provider gives no token: ${error ?? answer.status}`);
      return token;
    },
    stop: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}
