import {
  createLocalJWKSet,
  createRemoteJWKSet,
  type FlattenedJWSInput,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
  type RemoteJWKSet,
  type JWSHeaderParameters,
} from 'jose';
import { readFileSync } from 'node:fs';
import { PlumblineError, type Clock, type Config } from '../base/index.ts';
import { outboundRefusal } from './outbound.ts';

type Oidc = NonNullable<Config['access']['oidc']>;
type Key = Awaited<ReturnType<JWTVerifyGetKey>>;

/** The keys of an OpenID provider. */
export interface ProviderKeys {
  /** @throws PlumblineError identity-provider-unreachable; errors of jose where no key fits */
  find(header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<Key>;
  /** Ask for them now. @returns how many. @throws PlumblineError identity-provider-unreachable, config-missing */
  load(): Promise<number>;
}

/**
 * Keys from a file, from a URL, or from where the provider's discovery document says (OpenID Connect Discovery 4).
 *
 * They are asked for when first needed, when older than `keysSeconds`, and when a token names one that is not known, but
 * never more often than once in `cooldownSeconds`, so that tokens with invented key ids do not drive requests. While the
 * provider does not answer its last keys hold for `keysKeptSeconds`.
 */
export function providerKeys(oidc: Oidc, clock: Clock): ProviderKeys {
  if (oidc.jwksFile !== undefined) return keysOfFile(oidc.jwksFile);
  let remote: RemoteJWKSet | undefined;
  let last: { readonly keys: JSONWebKeySet; readonly at: number } | undefined;
  let trouble: { readonly error: PlumblineError; readonly at: number } | undefined;

  let asking: Promise<RemoteJWKSet> | undefined;

  const ask = (): Promise<RemoteJWKSet> => (asking ??= askNow().finally(() => (asking = undefined)));
  const askNow = async (): Promise<RemoteJWKSet> => {
    try {
      remote ??= createRemoteJWKSet(await jwksUrlOf(oidc), {
        timeoutDuration: oidc.timeoutSeconds * 1000,
        cooldownDuration: oidc.cooldownSeconds * 1000,
        cacheMaxAge: oidc.keysSeconds * 1000,
      });
      if (!remote.fresh) await remote.reload();
      return remote;
    } catch (cause) {
      throw unreachable(oidc, cause);
    }
  };
  const remembered = (set: RemoteJWKSet): void => {
    const keys = set.jwks();
    if (keys) last = { keys, at: clock.now() };
    trouble = undefined;
  };
  return {
    load: async () => {
      const set = await ask();
      remembered(set);
      return last?.keys.keys.length ?? 0;
    },
    find: async (header, token) => {
      const quiet = trouble !== undefined && clock.now() - trouble.at < oidc.cooldownSeconds * 1000;
      if (!quiet) {
        try {
          const set = await ask();
          // An unknown key id makes jose ask once more, behind its own cool-down.
          const key = await set(header, token).catch((e: unknown) => {
            throw isKeyMissing(e) ? e : unreachable(oidc, e);
          });
          remembered(set);
          return key;
        } catch (e) {
          if (!(e instanceof PlumblineError)) throw e;
          trouble = { error: e, at: clock.now() };
        }
      }
      if (last && clock.now() - last.at < oidc.keysKeptSeconds * 1000)
        return createLocalJWKSet(last.keys)(header, token);
      throw trouble!.error;
    },
  };
}

function keysOfFile(file: string): ProviderKeys {
  const keys = readKeys(file);
  return { find: createLocalJWKSet(keys), load: () => Promise.resolve(keys.keys.length) };
}

function readKeys(file: string): JSONWebKeySet {
  try {
    const keys = JSON.parse(readFileSync(file, 'utf8')) as JSONWebKeySet;
    createLocalJWKSet(keys);
    return keys;
  } catch (cause) {
    throw new PlumblineError('config-missing', `access.oidc.jwksFile holds no JSON Web Key Set (RFC 7517)`, {
      where: file,
      cause,
    });
  }
}

/** The document must be of the very issuer that was asked (OpenID Connect Discovery 4.3). */
async function jwksUrlOf({ issuer, jwksUrl, timeoutSeconds }: Oidc): Promise<URL> {
  if (jwksUrl !== undefined) return new URL(jwksUrl);
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const answer = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(timeoutSeconds * 1000) });
  if (answer.status !== 200)
    throw new PlumblineError('identity-provider-unreachable', `${url} answered ${answer.status}`);
  const said = (await answer.json()) as { readonly issuer?: unknown; readonly jwks_uri?: unknown } | null;
  if (said?.issuer !== issuer || typeof said.jwks_uri !== 'string')
    throw new PlumblineError('identity-provider-unreachable', `${url} is not the document of the issuer ${issuer}`);
  return new URL(said.jwks_uri);
}

/** No key fits the token: its fault, not the provider's. */
function isKeyMissing(e: unknown): boolean {
  const code = (e as { readonly code?: unknown }).code;
  return (
    code === 'ERR_JWKS_NO_MATCHING_KEY' ||
    code === 'ERR_JWKS_MULTIPLE_MATCHING_KEYS' ||
    code === 'ERR_JOSE_NOT_SUPPORTED'
  );
}

function unreachable({ issuer }: Oidc, cause: unknown): PlumblineError {
  if (cause instanceof PlumblineError) return cause;
  const e = cause as Error & { readonly cause?: { readonly code?: string } };
  const detail = outboundRefusal(cause)?.message ?? e.cause?.code ?? e.message;
  return new PlumblineError('identity-provider-unreachable', `no keys of ${issuer}: ${detail}`, {
    where: issuer,
    cause,
  });
}
