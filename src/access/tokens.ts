import { errors, jwtVerify, type JWTPayload } from 'jose';
import { PlumblineError, type Clock, type Config } from '../base/index.ts';
import { permissionsOf, type Identity, type Permission, type Role } from './identity.ts';
import type { ProviderKeys } from './keys.ts';

type Oidc = NonNullable<Config['access']['oidc']>;

/**
 * Check bearer tokens: signed JWTs (RFC 7519) of one issuer, for one audience, with an end, by an algorithm of the list.
 * The list holds no algorithm with a shared secret, so a public key can never pass for one (RFC 8725 3.1).
 * @returns who it is. Throws PlumblineError unauthenticated with a reason that may be told;
 * identity-provider-unreachable where it cannot be known
 */
export function createTokenCheck(oidc: Oidc, keys: ProviderKeys, clock: Clock): (token: string) => Promise<Identity> {
  return async (token) => {
    if (token.length > longest) throw new PlumblineError('unauthenticated', 'the token is too long');
    try {
      const { payload } = await jwtVerify(token, (header, jws) => keys.find(header, jws), {
        issuer: oidc.issuer,
        audience: oidc.audience,
        algorithms: [...oidc.algorithms],
        clockTolerance: oidc.clockToleranceSeconds,
        requiredClaims: ['exp'],
        currentDate: new Date(clock.now()),
      });
      return identityOf(payload, oidc);
    } catch (thrown) {
      if (thrown instanceof PlumblineError) throw thrown;
      throw new PlumblineError('unauthenticated', reasonOf(thrown), { cause: thrown });
    }
  };
}

/** Node refuses longer headers together anyway. */
const longest = 16_384;

/** What may be told to whoever shows the token: nothing that helps to make a better one. */
function reasonOf(thrown: unknown): string {
  if (thrown instanceof errors.JWTExpired) return 'the token has expired';
  if (thrown instanceof errors.JWTClaimValidationFailed) return `the token is not for here: ${thrown.claim}`;
  if (thrown instanceof errors.JOSEAlgNotAllowed) return 'the token is signed by an algorithm that is not taken';
  return 'the token does not hold';
}

function identityOf(payload: JWTPayload, oidc: Oidc): Identity {
  const name = payload.sub ?? payload['client_id'] ?? payload['azp'];
  if (typeof name !== 'string' || name === '') throw new PlumblineError('unauthenticated', 'the token names nobody');
  return { name, via: 'token', may: permissionsOf(rolesOf(payload, oidc), scopesOf(payload, oidc)) };
}

const roleNames: ReadonlySet<string> = new Set<Role>(['viewer', 'reviewer', 'operator', 'admin']);

function rolesOf(payload: JWTPayload, { rolesClaim, roleNames: own }: Oidc): Role[] {
  return words(claimAt(payload, rolesClaim)).flatMap((word) => {
    const role = Object.hasOwn(own, word) ? own[word] : word;
    return roleNames.has(role as string) ? [role as Role] : [];
  });
}

/** A claim whose name has dots itself (a URL) is found by its whole name. */
function claimAt(payload: JWTPayload, path: string): unknown {
  if (Object.hasOwn(payload, path)) return payload[path];
  return path.split('.').reduce<unknown>((value, key) => {
    return value !== null && typeof value === 'object' && Object.hasOwn(value, key)
      ? (value as Record<string, unknown>)[key]
      : undefined;
  }, payload);
}

const scopeNames: ReadonlySet<string> = new Set<Permission>(['stow', 'read', 'jobs', 'metrics']);

/** `scope` is one string (RFC 8693 4.2), `scp` is what some providers write instead. */
function scopesOf(payload: JWTPayload, { scopePrefix }: Oidc): Permission[] {
  return [...words(payload['scope']), ...words(payload['scp'])].flatMap((word) => {
    const own = word.startsWith(scopePrefix) ? word.slice(scopePrefix.length) : '';
    return scopeNames.has(own) ? [own as Permission] : [];
  });
}

function words(value: unknown): string[] {
  if (typeof value === 'string') return value.split(' ');
  return Array.isArray(value) ? value.filter((v) => typeof v === 'string') : [];
}
