// What a configuration may not say although its schema allows it: doors open to others, secrets in the wrong place.
import { isIP } from 'node:net';
import { PlumblineError } from './errors.ts';

interface Listener {
  readonly host: string;
}

/** What of a configuration decides. */
export interface Exposed {
  readonly http: Listener & {
    readonly trustedNetwork: boolean;
    readonly trustedProxies: readonly string[];
    readonly tls?: { readonly caFile?: string };
  };
  readonly access: {
    readonly oidc?: { readonly issuer: string; readonly jwksUrl?: string; readonly jwksFile?: string };
    readonly certificates: readonly unknown[];
  };
  readonly hl7: {
    readonly listeners: readonly (Listener & {
      readonly name: string;
      readonly tls?: { readonly clientCaFile?: string };
    })[];
  };
  readonly dimse: {
    readonly listeners: readonly (Listener & {
      readonly trustedNetwork: boolean;
      readonly tls?: { readonly caFile?: string };
    })[];
  };
  readonly destinations: readonly DestinationSecrets[];
}

interface DestinationSecrets {
  readonly name: string;
  readonly url?: string;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly headerFiles?: Readonly<Record<string, unknown>>;
  readonly bearerFile?: string;
}

/** @throws PlumblineError `listen-refused`, `config-invalid` */
export function refuseUnsafe(config: Exposed, file: string): void {
  refuseOpenDicom(config, file);
  refuseOpenHl7(config, file);
  refuseHalfAccess(config, file);
  refuseOpenHttp(config, file);
  refuseSecretsInUrls(config, file);
  refuseSecretsInHeaders(config, file);
  refuseHeadersTwice(config, file);
}

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

/** Tokens and patients' data travel in the clear without TLS, so both are asked for. */
function refuseOpenHttp({ http, access }: Exposed, file: string): void {
  if (loopback.has(http.host) || http.trustedNetwork) return;
  const authenticated = access.oidc !== undefined || access.certificates.length > 0;
  if (authenticated && http.tls) return;
  const lacks = authenticated ? 'without http.tls' : 'without authentication';
  throw new PlumblineError('listen-refused', `http.host is ${http.host}, which others can reach, ${lacks}`, {
    where: file,
  });
}

/** DICOM authenticates by certificates or not at all: an AE title is a name, not a proof. */
function refuseOpenDicom({ dimse }: Exposed, file: string): void {
  const open = dimse.listeners.find((l) => !loopback.has(l.host) && !l.trustedNetwork && !l.tls?.caFile);
  if (!open) return;
  throw new PlumblineError('listen-refused', `dimse.listeners: ${open.host} is an address that others can reach`, {
    where: file,
    remedy: 'Bind to 127.0.0.1, set tls with caFile (mutual TLS), or say trustedNetwork: true for the listener.',
  });
}

/** So does MLLP. */
function refuseOpenHl7({ http, hl7 }: Exposed, file: string): void {
  if (http.trustedNetwork) return;
  const open = hl7.listeners.find((l) => !loopback.has(l.host) && l.tls?.clientCaFile === undefined);
  if (!open) return;
  throw new PlumblineError(
    'listen-refused',
    `the HL7 listener ${open.name} is on ${open.host}, which others can reach`,
    {
      where: file,
      remedy:
        'Bind it to 127.0.0.1, name tls.clientCaFile, or set http.trustedNetwork where the network itself is closed.',
    },
  );
}

/** What looks like protection and is none. */
function refuseHalfAccess({ http, access: { oidc, certificates } }: Exposed, file: string): void {
  const invalid = (message: string): PlumblineError => new PlumblineError('config-invalid', message, { where: file });
  if (certificates.length > 0 && http.tls?.caFile === undefined)
    throw invalid('access.certificates needs http.tls.caFile: nobody is asked for a certificate');
  if (oidc?.jwksUrl !== undefined && oidc.jwksFile !== undefined)
    throw invalid('access.oidc names both jwksUrl and jwksFile');
  const noAddress = http.trustedProxies.find((p) => !/^[^/]+(\/\d{1,3})?$/.test(p) || isIP(p.split('/')[0]!) === 0);
  if (noAddress !== undefined) throw invalid(`http.trustedProxies: ${noAddress} is no address or network`);
  for (const url of [oidc?.issuer, oidc?.jwksUrl]) {
    const { protocol, hostname } = new URL(url ?? 'https://none.invalid');
    if (protocol !== 'https:' && !loopback.has(hostname.replace(/^\[|\]$/g, '')))
      throw invalid('access.oidc: keys that come without TLS can be anybody’s; name an https address');
  }
}

/** An address stands in logs and messages; the secret is not repeated here. */
function refuseSecretsInUrls({ destinations }: Exposed, file: string): void {
  const open = destinations.find((d) => d.url !== undefined && /^[a-z]+:\/\/[^/]*@/i.test(d.url));
  if (open)
    throw new PlumblineError('config-invalid', `the url of destination ${open.name} holds a user or a password`, {
      where: file,
      remedy: 'Put the secret into a file and name it with bearerFile.',
    });
}

/** Names of headers that carry a secret: those of RFC 9110 and RFC 6265, and what API keys and tokens are called. */
const secretHeader =
  /^(proxy-)?authorization$|^cookie$|api[-_]?key|(^|[-_])(key|token|secret|password|auth|credentials?)$/i;
/** Schemes of RFC 7617 and RFC 6750, under whatever name. */
const secretValue = /^(basic|bearer)\s+\S/i;

/** A configuration is copied, mailed and kept under version control; a secret in it is none. It is not repeated here. */
function refuseSecretsInHeaders({ destinations }: Exposed, file: string): void {
  for (const { name, headers = {} } of destinations) {
    const header = Object.keys(headers).find((h) => secretHeader.test(h) || secretValue.test(String(headers[h])));
    if (header === undefined) continue;
    throw new PlumblineError('config-invalid', `headers.${header} of destination ${name} holds a secret`, {
      where: file,
      remedy: `Put the value into a file and name it: headerFiles: { ${header}: ./FILE }, or bearerFile for a bearer token.`,
    });
  }
}

/** Two values of one header would be sent as one list. Names of headers know no case (RFC 9110 5.1). */
function refuseHeadersTwice({ destinations }: Exposed, file: string): void {
  for (const { name, headers = {}, headerFiles = {}, bearerFile } of destinations) {
    const named = [...Object.keys(headers), ...Object.keys(headerFiles)].map((h) => h.toLowerCase());
    if (bearerFile !== undefined) named.push('authorization');
    const twice = named.find((h, i) => named.indexOf(h) !== i);
    if (twice === undefined) continue;
    throw new PlumblineError('config-invalid', `destination ${name} has two values for the header ${twice}`, {
      where: file,
    });
  }
}
