import type { FromSchema } from 'json-schema-to-ts';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { PlumblineError } from './errors.ts';
import { access, httpTls, outbound } from './config-access.ts';
import { destination, dimseListener, hl7Listener } from './config-peers.ts';
import { refuseUnsafe } from './config-refusals.ts';
import { parseChecked } from './schema.ts';

/** JSON Schema of plumbline.yaml. docs/configuration.md is printed from it. Every bound stands here with its reason. */
export const configSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'urn:plumbline:schema:config',
  title: 'plumbline.yaml',
  type: 'object',
  additionalProperties: false,
  required: [],
  properties: {
    dataDir: { type: 'string', default: './plumbline-data', description: 'Database, blobs. One process at a time.' },
    modelsDir: { type: 'string', description: 'Folder of bundles. Default: the ones that come with Plumbline.' },
    mappingsDir: {
      type: 'string',
      description:
        'Folder with routes.json and, where they shall differ, codes.json and presence.json. Default: the ones that come with Plumbline.',
    },
    http: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        host: { type: 'string', default: '127.0.0.1' },
        port: { type: 'integer', minimum: 0, maximum: 65535, default: 8470, description: '0 takes a free one.' },
        trustedNetwork: {
          type: 'boolean',
          default: false,
          description:
            'Allow a host other than loopback without TLS or authentication. Only where nobody but a proxy that has both can reach the port.',
        },
        tls: httpTls,
        trustedProxies: {
          type: 'array',
          items: { type: 'string', minLength: 2 },
          default: [],
          description: 'Addresses or networks of proxies whose X-Forwarded headers are believed, e.g. 10.1.0.0/16.',
        },
        corsOrigins: {
          type: 'array',
          items: { type: 'string' },
          default: [],
          description: 'Origins of viewers in a browser, e.g. https://viewer.example.',
        },
      },
    },
    access,
    outbound,
    site: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        organization: { type: 'string', default: 'Not configured' },
        idBase: {
          type: 'string',
          default: 'https://site.invalid/plumbline',
          description: 'Base of FHIR identifier systems, e.g. https://hospital.example/plumbline.',
        },
        installationId: {
          type: 'string',
          maxLength: 64,
          default: 'plumbline-1',
          description: 'Device Serial Number in every object.',
        },
        viewerUrl: {
          type: 'string',
          pattern: '^(https?|weasis)://',
          description: 'Link to a viewer, by http, https or weasis; {study} {series} {instance} are replaced.',
        },
        dicomwebUrl: {
          type: 'string',
          description: 'Service root where results can be fetched, for FHIR Endpoint and links.',
        },
      },
    },
    encoding: {
      type: 'object',
      additionalProperties: false,
      default: {},
      description: 'How results are written; one way for the whole site, since one UID means one content.',
      properties: {
        strictBinary: {
          type: 'boolean',
          default: false,
          description: 'Keep BINARY segmentations even where some viewers misread the packing.',
        },
        planes2d: {
          enum: ['viewer2d-min', 'viewer2d', 'plain'],
          default: 'viewer2d-min',
          description: 'Plane macros on 2-D sources without a frame of reference (conformance/dicom.md, deviations).',
        },
        srClass: { enum: ['comprehensive-3d', 'comprehensive'], default: 'comprehensive-3d' },
      },
    },
    stow: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        maxParts: {
          type: 'integer',
          minimum: 1,
          default: 20000,
          description: 'Instances in one request; one transaction keeps them.',
        },
        maxPartBytes: { type: 'integer', minimum: 1024, default: 4294967296, description: 'One instance.' },
        maxRequestBytes: { type: 'integer', minimum: 1024, default: 68719476736, description: 'One request.' },
        maxHeaderBytes: { type: 'integer', minimum: 64, default: 16384, description: 'Header lines of one part.' },
        idleSeconds: {
          type: 'number',
          exclusiveMinimum: 0,
          default: 30,
          description: 'A sender that sends nothing for so long is cut.',
        },
        maxRequests: {
          type: 'integer',
          minimum: 1,
          default: 16,
          description: 'Requests at a time; more are answered 503.',
        },
      },
    },
    dimse: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        listeners: {
          type: 'array',
          items: dimseListener,
          default: [],
          description: 'Doors for C-STORE and C-ECHO. None by default.',
        },
      },
    },
    store: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        reserveBytes: {
          type: 'integer',
          minimum: 0,
          default: 536870912,
          description: 'Free space below which doors answer 503, so that work can still drain.',
        },
      },
    },
    gate: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        quietSeconds: {
          type: 'number',
          minimum: 0,
          default: 10,
          description: 'A study is ready when nothing came for so long.',
        },
        maxWaitSeconds: {
          type: 'number',
          exclusiveMinimum: 0,
          default: 1800,
          description: 'Ready after so long in any case, counted from its first instance.',
        },
      },
    },
    imaging: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        decodeSeconds: {
          type: 'number',
          exclusiveMinimum: 0,
          default: 20,
          description: 'One call to a decoder; damaged frames can take very long.',
        },
        maxPixels: {
          type: 'integer',
          minimum: 1,
          default: 268435456,
          description: 'Decoded samples of one frame or slide.',
        },
      },
    },
    inference: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        provider: { enum: ['cpu', 'cuda', 'tensorrt', 'webgpu'], default: 'cpu' },
        fallback: { type: 'boolean', default: true, description: 'Go on with cpu where the provider is not there.' },
        threads: { type: 'integer', minimum: 0, default: 0, description: '0 lets the runtime choose.' },
        seconds: {
          type: 'number',
          exclusiveMinimum: 0,
          default: 120,
          description: 'One question about one picture; then the model process is stopped.',
        },
        memoryMb: {
          type: 'integer',
          minimum: 256,
          default: 4096,
          description: 'The model process is stopped above it.',
        },
        imageMemoryMb: {
          type: 'integer',
          minimum: 0,
          default: 64,
          description:
            'What was seen of pictures is kept up to this size, so that later questions about them need not look again. Part of memoryMb.',
        },
        recycleAfter: {
          type: 'integer',
          minimum: 1,
          default: 5000,
          description: 'Pictures after which the model process is replaced.',
        },
        licences: {
          type: 'array',
          items: { type: 'string', minLength: 1 },
          description:
            'Licences of bundles that the site allows, as their manifests state them (e.g. `Apache-2.0`); any where absent.',
        },
      },
    },
    work: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        concurrency: { type: 'integer', minimum: 1, maximum: 64, default: 1, description: 'Workitems at a time.' },
        attempts: {
          type: 'integer',
          minimum: 1,
          default: 5,
          description: 'Tries of one workitem for passing troubles before it is held.',
        },
      },
    },
    delivery: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        firstPauseSeconds: { type: 'number', exclusiveMinimum: 0, default: 2 },
        maxPauseSeconds: { type: 'number', exclusiveMinimum: 0, default: 600 },
        giveUpAfterHours: {
          type: 'number',
          exclusiveMinimum: 0,
          default: 72,
          description: 'Then it is a dead letter; nothing is ever dropped.',
        },
      },
    },
    retention: {
      type: 'object',
      additionalProperties: false,
      default: {},
      description:
        'What is removed after how many days (docs/operations.md). Without a key everything of its kind is kept.',
      properties: {
        receivedDays: {
          type: 'integer',
          minimum: 1,
          description:
            'Received instances of studies of which everything is done. Never of waiting, held or failed work.',
        },
        resultsDays: {
          type: 'integer',
          minimum: 1,
          description: 'What was written for such studies: drafts, SEG, SR, FHIR, HL7, report page.',
        },
        deadLettersDays: {
          type: 'integer',
          minimum: 1,
          description: 'Dead letters are given up for good.',
        },
        messagesDays: {
          type: 'integer',
          minimum: 30,
          description: 'HL7 messages as they came. At least 30: so long a repeated message is recognised.',
        },
      },
    },
    destinations: { type: 'array', items: destination, default: [] },
    hl7: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: { listeners: { type: 'array', items: hl7Listener, default: [] } },
    },
    log: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: { level: { enum: ['silent', 'error', 'warn', 'info'], default: 'info' } },
    },
  },
} as const;

type Deep<T> = T extends readonly (infer E)[]
  ? readonly Deep<E>[]
  : T extends object
    ? { readonly [K in keyof T]: Deep<T[K]> }
    : T;
export type Config = Deep<FromSchema<typeof configSchema>>;
export type DestinationConfig = Config['destinations'][number];
export type DimseListenerConfig = Config['dimse']['listeners'][number];
export type Hl7ListenerConfig = Config['hl7']['listeners'][number];

/** Configuration text, checked, defaults filled in; relative paths are from `baseDir`. */
export function parseConfig(text: string, file: string, baseDir: string): Config {
  const config = parseChecked<Config>(configSchema, text.trim() === '' ? '{}' : text, file, 'config-invalid');
  const path = (p: string | undefined): string | undefined => (p === undefined ? undefined : resolve(baseDir, p));
  const names = config.destinations.map((d) => d.name);
  const twice = names.find((n, i) => names.indexOf(n) !== i);
  if (twice) throw new PlumblineError('config-invalid', `two destinations are named "${twice}"`, { where: file });
  const scheme = { hl7: /^mllps?:\/\/[^/]+:\d+\/?$/, dicomweb: /^https?:/, fhir: /^https?:/, dimse: /^(https?:|$)/ };
  const misfit = config.destinations.find((d) => !scheme[d.kind].test(d.url ?? ''));
  if (misfit)
    throw new PlumblineError(
      'config-invalid',
      `destination ${misfit.name}: ${misfit.url ?? ''} is no address for ${misfit.kind}`,
      {
        where: file,
      },
    );
  refuseUnsafe(config, file);
  const dirs = { modelsDir: path(config.modelsDir), mappingsDir: path(config.mappingsDir) };
  return {
    ...config,
    dataDir: path(config.dataDir)!,
    http: tlsFrom(baseDir, config.http),
    access: accessFrom(baseDir, config.access),
    hl7: { listeners: config.hl7.listeners.map((l) => tlsFrom(baseDir, l)) },
    ...(dirs.modelsDir === undefined ? {} : { modelsDir: dirs.modelsDir }),
    ...(dirs.mappingsDir === undefined ? {} : { mappingsDir: dirs.mappingsDir }),
    dimse: { listeners: config.dimse.listeners.map((l) => tlsFrom(baseDir, l)) },
    destinations: config.destinations.map((d) => secretsFrom(baseDir, tlsFrom(baseDir, d))),
  };
}

/** With the path of the provider's keys taken from a folder. */
function accessFrom(baseDir: string, access: Config['access']): Config['access'] {
  const file = access.oidc?.jwksFile;
  return file === undefined ? access : { ...access, oidc: { ...access.oidc!, jwksFile: resolve(baseDir, file) } };
}

/** With the paths of its files of secrets taken from a folder. */
function secretsFrom(baseDir: string, d: DestinationConfig): DestinationConfig {
  const headerFiles = Object.entries(d.headerFiles ?? {}).map(([name, file]) => [name, resolve(baseDir, String(file))]);
  return {
    ...d,
    ...(d.bearerFile === undefined ? {} : { bearerFile: resolve(baseDir, d.bearerFile) }),
    ...(d.headerFiles === undefined ? {} : { headerFiles: Object.fromEntries(headerFiles) as Record<string, string> }),
  };
}

/** With the paths of its TLS files taken from a folder. */
function tlsFrom<T extends { readonly tls?: Readonly<Record<string, unknown>> }>(baseDir: string, holder: T): T {
  if (!holder.tls) return holder;
  const files = Object.entries(holder.tls).map(([key, value]) => [
    key,
    key.endsWith('File') ? resolve(baseDir, String(value)) : value,
  ]);
  return { ...holder, tls: Object.fromEntries(files) };
}

/** @throws PlumblineError `config-missing`, `config-invalid`, `listen-refused` */
export function loadConfig(file: string): Config {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new PlumblineError('config-missing', `cannot read ${file}`, {
      where: file,
      cause,
      remedy: 'Make one with `plumbline init`, or name it with --config.',
    });
  }
  return parseConfig(text, file, dirname(resolve(file)));
}
