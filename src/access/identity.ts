import type { Config } from '../base/index.ts';

/** What a route asks for; `open` asks for nothing. Also the words of scopes. */
export type Permission = 'stow' | 'read' | 'jobs' | 'metrics';
export type Role = 'viewer' | 'reviewer' | 'operator' | 'admin';

/** Who stands behind a request. */
export interface Identity {
  /** `sub` of the token, common name of the certificate; `anyone` where nothing is configured. For the audit store, never for logs. */
  readonly name: string;
  readonly via: 'token' | 'certificate' | 'none';
  readonly may: ReadonlySet<Permission>;
}

/** What each role may do. A reviewer will sign drafts; until then it is a viewer. */
const permissions: Readonly<Record<Role, readonly Permission[]>> = {
  viewer: ['read'],
  reviewer: ['read'],
  operator: ['read', 'jobs', 'metrics'],
  admin: ['stow', 'read', 'jobs', 'metrics'],
};

export function permissionsOf(roles: readonly Role[], scopes: readonly Permission[]): Set<Permission> {
  return new Set([...roles.flatMap((r) => permissions[r]), ...scopes]);
}

/** Where no authentication is configured: only this machine, or a network that is trusted, reaches the port. */
export const anyone: Identity = { name: 'anyone', via: 'none', may: permissionsOf(['admin'], []) };

type Certificate = Config['access']['certificates'][number];
/** As Node gives it: an attribute that stands twice is a list. */
export type Subject = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * Who a client certificate is of. The TLS layer has verified it; every attribute of the entry must be there once, with
 * that very value: a certificate with two common names is nobody's.
 */
export function identityOfCertificate(
  subject: Subject | undefined,
  known: readonly Certificate[],
): Identity | undefined {
  const entry = known.find(({ subject: wanted }) =>
    Object.entries(wanted).every(([name, value]) => subject !== undefined && subject[name] === value),
  );
  if (!entry) return undefined;
  const name = Object.entries(entry.subject).map(([key, value]) => `${key}=${String(value)}`);
  return { name: name.join(','), via: 'certificate', may: permissionsOf(entry.roles, entry.scopes) };
}
