// The parts of the configuration's schema that say who may come in over HTTP, and where the program may go.

/** People (docs/security.md); what each may do stands in access/identity.ts. */
const roles = {
  type: 'array',
  items: { enum: ['viewer', 'reviewer', 'operator', 'admin'] },
  default: [],
  description: 'For people.',
} as const;

/** Machines: one word a door. */
const scopes = {
  type: 'array',
  items: { enum: ['stow', 'read', 'jobs', 'metrics'] },
  default: [],
  description: 'For machines: the doors that are open to them.',
} as const;

/** TLS of the HTTP server. */
export const httpTls = {
  type: 'object',
  required: ['certFile', 'keyFile'],
  additionalProperties: false,
  description: 'HTTPS with TLS 1.2 or newer; without it, plain HTTP.',
  properties: {
    certFile: { type: 'string', description: 'PEM: our certificate, with its chain.' },
    keyFile: { type: 'string', description: 'PEM: its key.' },
    caFile: {
      type: 'string',
      description: 'PEM: who signs the certificates of clients (mutual TLS). access.certificates says who they are.',
    },
    required: {
      type: 'boolean',
      default: false,
      description: 'Refuse clients without a certificate in the handshake already; then health checks need one too.',
    },
  },
} as const;

/** Who may come in over HTTP. */
export const access = {
  type: 'object',
  additionalProperties: false,
  default: {},
  description: 'Who may come in over HTTP (docs/security.md). Without oidc and certificates: everyone on this machine.',
  properties: {
    oidc: {
      type: 'object',
      required: ['issuer', 'audience'],
      additionalProperties: false,
      description: 'Bearer tokens (RFC 6750) that are signed JWTs of an OpenID provider.',
      properties: {
        issuer: { type: 'string', pattern: '^https?://', description: 'Its URL, exactly as tokens have it in `iss`.' },
        audience: { type: 'string', minLength: 1, description: 'What `aud` of a token must name.' },
        jwksUrl: {
          type: 'string',
          pattern: '^https?://',
          description: 'Its keys. Default: as its /.well-known/openid-configuration says.',
        },
        jwksFile: { type: 'string', description: 'Its keys in a file, where it cannot be asked.' },
        algorithms: {
          type: 'array',
          minItems: 1,
          items: { enum: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] },
          default: ['RS256', 'PS256', 'ES256', 'EdDSA'],
          description: 'Signatures that are taken; none with a shared secret.',
        },
        clockToleranceSeconds: { type: 'number', minimum: 0, maximum: 300, default: 30 },
        rolesClaim: {
          type: 'string',
          minLength: 1,
          default: 'roles',
          description: 'Where a token says the roles of a person; dots go into objects: realm_access.roles.',
        },
        roleNames: {
          type: 'object',
          default: {},
          additionalProperties: { enum: ['viewer', 'reviewer', 'operator', 'admin'] },
          description: 'Role of Plumbline for a word in that claim: { radiologist: reviewer }. Its own names hold too.',
        },
        scopePrefix: {
          type: 'string',
          default: '',
          description: 'Before our words in `scope` or `scp`: with "plumbline/", plumbline/stow.',
        },
        cooldownSeconds: {
          type: 'number',
          minimum: 1,
          default: 30,
          description: 'The provider is asked for keys no more often, whatever tokens come.',
        },
        keysSeconds: {
          type: 'number',
          minimum: 1,
          default: 600,
          description: 'Keys are asked for again after so long.',
        },
        keysKeptSeconds: {
          type: 'number',
          minimum: 0,
          default: 86400,
          description: 'While the provider does not answer its last keys hold for so long.',
        },
        timeoutSeconds: {
          type: 'number',
          exclusiveMinimum: 0,
          default: 5,
          description: 'For an answer of the provider.',
        },
      },
    },
    certificates: {
      type: 'array',
      default: [],
      description: 'Clients by the subject of their certificate (mutual TLS; http.tls.caFile).',
      items: {
        type: 'object',
        required: ['subject'],
        additionalProperties: false,
        properties: {
          subject: {
            type: 'object',
            minProperties: 1,
            additionalProperties: { type: 'string', minLength: 1 },
            description: 'Attributes that must all be there with these values: { CN: ct-1, O: Hospital }.',
          },
          roles,
          scopes,
        },
      },
    },
    requestsPerMinute: {
      type: 'integer',
      minimum: 0,
      default: 60000,
      description: 'Of one identity; more are answered 429. 0: any number. Holds where authentication is configured.',
    },
    failuresPerMinute: {
      type: 'integer',
      minimum: 1,
      default: 30,
      description: 'Failed authentications from one address (IPv6: one /56); then it is answered 429 unheard.',
    },
  },
} as const;

/** Where the program may go. */
export const outbound = {
  type: 'object',
  additionalProperties: false,
  default: {},
  properties: {
    allowLinkLocal: {
      type: 'boolean',
      default: false,
      description: 'Allow connections to link-local addresses and to the metadata services of clouds.',
    },
  },
} as const;
