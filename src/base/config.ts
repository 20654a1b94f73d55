import type { FromSchema } from 'json-schema-to-ts';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { PlumblineError } from './errors.ts';
import { parseChecked } from './schema.ts';

/** PS3.5 6.2, VR AE: at most 16 characters, no backslash, not only spaces. */
const aeTitle = { type: 'string', pattern: '^(?=.*[!-~])[ -\\[\\]-~]{1,16}$' } as const;

const destination = {
  type: 'object',
  required: ['name', 'kind'],
  additionalProperties: false,
  if: { properties: { kind: { const: 'dimse' } } },
  then: { required: ['host', 'port', 'calledAet'], properties: { host: {}, port: {}, calledAet: {} } },
  else: { required: ['url'], properties: { url: {} } },
  properties: {
    name: { type: 'string', pattern: '^[a-z0-9][a-z0-9-]{0,63}$', description: 'As routes name it.' },
    kind: {
      enum: ['dicomweb', 'fhir', 'dimse', 'hl7'],
      description: 'STOW-RS to a PACS, a transaction to a FHIR server, C-STORE to a PACS, or ORU^R01 over MLLP.',
    },
    url: {
      type: 'string',
      pattern: '^(https?|mllps?)://',
      description:
        'For kinds dicomweb and fhir: service root, e.g. https://pacs.example/dicom-web or https://ehr.example/fhir; for hl7 mllp://ris.example:2575, with TLS mllps.',
    },
    fhirVersion: { enum: ['R4', 'R5'], default: 'R4', description: 'For kind fhir.' },
    headers: {
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'Sent with each request. For secrets use bearerFile.',
    },
    bearerFile: {
      type: 'string',
      description: 'File whose content is sent as bearer token; read again for each request.',
    },
    timeoutSeconds: { type: 'number', exclusiveMinimum: 0, default: 60 },
    aiLabel: {
      enum: ['AIAST', 'DEVAST', 'none'],
      description: 'Security label of AI content that the FHIR server takes.',
    },
    patientSystem: {
      type: 'string',
      description: 'Identifier system of patients at the FHIR server, where it differs from the issuer in the images.',
    },
    host: { type: 'string', minLength: 1, description: 'For kind dimse.' },
    port: { type: 'integer', minimum: 1, maximum: 65535, description: 'For kind dimse; often 104 or 11112.' },
    calledAet: { ...aeTitle, description: 'For kind dimse: AE title of the PACS.' },
    callingAet: { ...aeTitle, description: 'For kind dimse: our AE title. Default: PLUMBLINE.' },
    tls: {
      type: 'object',
      additionalProperties: false,
      description: 'For kind dimse: DICOM over TLS 1.2 or newer. For mllps: files of that.',
      properties: {
        caFile: {
          type: 'string',
          description: 'PEM: who signs the certificate of the receiver. Default: public authorities.',
        },
        certFile: { type: 'string', description: 'PEM: our certificate, where the receiver asks for one.' },
        keyFile: { type: 'string', description: 'PEM: its key.' },
        serverName: {
          type: 'string',
          description: 'Name in the certificate of the receiver, where it is not the host.',
        },
      },
    },
    hl7Version: { enum: ['2.3.1', '2.5.1'], default: '2.5.1', description: 'For kind hl7.' },
    hl7Charset: {
      enum: ['UNICODE UTF-8', '8859/1', 'ASCII'],
      default: 'UNICODE UTF-8',
      description: 'For kind hl7: MSH-18. A report that it cannot carry is held.',
    },
    receivingApplication: { type: 'string', maxLength: 180, default: '', description: 'For kind hl7: MSH-5.' },
    receivingFacility: { type: 'string', maxLength: 180, default: '', description: 'For kind hl7: MSH-6.' },
  },
} as const;

const dimseListener = {
  type: 'object',
  additionalProperties: false,
  properties: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'integer', minimum: 0, maximum: 65535, default: 11112, description: '0 takes a free one.' },
    aeTitle: {
      ...aeTitle,
      default: 'PLUMBLINE',
      description: 'Associations that call another AE title are rejected.',
    },
    callers: {
      type: 'array',
      default: [],
      description:
        'Who may call. Empty: everyone who reaches the port. An AE title is no secret; addresses and TLS are what protects.',
      items: {
        type: 'object',
        required: ['aeTitle'],
        additionalProperties: false,
        properties: {
          aeTitle: { ...aeTitle, description: 'Calling AE title that may call. `*` stands for any.' },
          addresses: {
            type: 'array',
            items: { type: 'string', minLength: 2 },
            default: [],
            description: 'IP addresses or networks (10.1.0.0/16) it may call from. Empty: any.',
          },
        },
      },
    },
    sopClasses: {
      type: 'array',
      items: { type: 'string', pattern: '^[0-9.]{1,64}$' },
      default: [],
      description: 'Private storage SOP classes to take besides those of the standard.',
    },
    maxAssociations: {
      type: 'integer',
      minimum: 1,
      maximum: 1000,
      default: 16,
      description: 'At a time; more are rejected for the moment. Each may hold up to 8 MB.',
    },
    maxPduBytes: {
      type: 'integer',
      minimum: 4096,
      maximum: 4194304,
      default: 131072,
      description: 'Maximum length that is announced to senders.',
    },
    associationSeconds: {
      type: 'number',
      exclusiveMinimum: 0,
      default: 10,
      description: 'Who has connected and not asked for an association for so long is cut.',
    },
    idleSeconds: {
      type: 'number',
      exclusiveMinimum: 0,
      default: 60,
      description: 'A sender from which no whole PDU came for so long is cut.',
    },
    maxObjectBytes: { type: 'integer', minimum: 1024, default: 4294967296, description: 'One instance.' },
    tls: {
      type: 'object',
      required: ['certFile', 'keyFile'],
      additionalProperties: false,
      description: 'TLS 1.2 or newer only; without it, plain DICOM.',
      properties: {
        certFile: { type: 'string', description: 'PEM: our certificate.' },
        keyFile: { type: 'string', description: 'PEM: its key.' },
        caFile: {
          type: 'string',
          description: 'PEM: callers must show a certificate that one of these has signed (mutual TLS).',
        },
      },
    },
    trustedNetwork: {
      type: 'boolean',
      default: false,
      description:
        'Allow a host other than loopback without mutual TLS. Plain DICOM has no authentication: only where nobody else can reach the port.',
    },
  },
} as const;

const hl7Listener = {
  type: 'object',
  required: ['name', 'port'],
  additionalProperties: false,
  properties: {
    name: { type: 'string', pattern: '^[a-z0-9][a-z0-9-]{0,63}$', description: 'For the log.' },
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'integer', minimum: 0, maximum: 65535, description: 'MLLP; 0 takes a free one.' },
    tls: {
      type: 'object',
      required: ['certFile', 'keyFile'],
      additionalProperties: false,
      properties: {
        certFile: { type: 'string', description: 'PEM. With it the listener speaks TLS.' },
        keyFile: { type: 'string', description: 'PEM.' },
        clientCaFile: { type: 'string', description: 'PEM. Only clients with a certificate of these are let in.' },
      },
    },
    charset: {
      type: 'string',
      description: 'Name of HL7 table 0211 for messages without MSH-18. Default: UTF-8 where it is, else 8859/1.',
    },
    patientAuthority: {
      type: 'string',
      description:
        'Assigning authority (PID-3.4) whose number counts. Default: the first of type MR, else PI, else the first.',
    },
    accessionPaths: {
      type: 'array',
      items: { type: 'string', pattern: '^[A-Z][A-Z0-9]{2}-\\d{1,2}(\\.\\d)?$' },
      default: ['IPC-1', 'OBR-18', 'OBR-3', 'ORC-3'],
      description: 'Where the accession number stands; the first that is not empty counts.',
    },
    acknowledge: {
      enum: ['original', 'by-header'],
      default: 'original',
      description: 'AA, AE, AR always; or as MSH-15 and MSH-16 ask (CA, CE, CR).',
    },
    processingIds: {
      type: 'array',
      items: { enum: ['P', 'T', 'D'] },
      default: ['P'],
      description: 'MSH-11 that is taken; test messages are refused.',
    },
    maxBytes: { type: 'integer', minimum: 1024, default: 33554432, description: 'One message; it is held in memory.' },
    idleSeconds: { type: 'number', exclusiveMinimum: 0, default: 600, description: 'A silent connection is closed.' },
    maxConnections: { type: 'integer', minimum: 1, default: 64 },
  },
} as const;

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
      description: 'Folder with routes.json, codes.json, presence.json. Default: the ones that come with Plumbline.',
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
            'Allow a host other than loopback. Only behind a proxy that authenticates: Plumbline itself does not yet.',
        },
        corsOrigins: {
          type: 'array',
          items: { type: 'string' },
          default: [],
          description: 'Origins of viewers in a browser, e.g. https://viewer.example.',
        },
      },
    },
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
        viewerUrl: { type: 'string', description: 'Link to a viewer; {study} {series} {instance} are replaced.' },
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
          description: 'One picture; then the model process is stopped.',
        },
        memoryMb: {
          type: 'integer',
          minimum: 256,
          default: 4096,
          description: 'The model process is stopped above it.',
        },
        recycleAfter: {
          type: 'integer',
          minimum: 1,
          default: 5000,
          description: 'Pictures after which the model process is replaced.',
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
  const scheme = { hl7: /^mllps?:\/\/[^/]+:\d+\/?$/, dicomweb: /^https?:/, fhir: /^https?:/, dimse: undefined };
  const misfit = config.destinations.find((d) => scheme[d.kind]?.test(d.url ?? '') === false);
  if (misfit)
    throw new PlumblineError(
      'config-invalid',
      `destination ${misfit.name}: ${misfit.url ?? ''} is no address for ${misfit.kind}`,
      {
        where: file,
      },
    );
  refuseOpenDoor(config, file);
  const dirs = { modelsDir: path(config.modelsDir), mappingsDir: path(config.mappingsDir) };
  return {
    ...config,
    dataDir: path(config.dataDir)!,
    hl7: { listeners: config.hl7.listeners.map((l) => tlsFrom(baseDir, l)) },
    ...(dirs.modelsDir === undefined ? {} : { modelsDir: dirs.modelsDir }),
    ...(dirs.mappingsDir === undefined ? {} : { mappingsDir: dirs.mappingsDir }),
    dimse: { listeners: config.dimse.listeners.map((l) => tlsFrom(baseDir, l)) },
    destinations: config.destinations.map((d) => tlsFrom(baseDir, d)),
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

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

/** Without authentication of our own, only loopback is safe by default; an HL7 listener may ask for client certificates. */
function refuseOpenDoor(config: Config, file: string): void {
  refuseOpenListener(config, file);
  if (config.http.trustedNetwork) return;
  const open = config.hl7.listeners.find((l) => !loopback.has(l.host) && l.tls?.clientCaFile === undefined);
  if (open)
    throw new PlumblineError(
      'listen-refused',
      `the HL7 listener ${open.name} is on ${open.host}, which others can reach`,
      {
        where: file,
        remedy:
          'Bind it to 127.0.0.1, name tls.clientCaFile, or set http.trustedNetwork where the network itself is closed.',
      },
    );
  if (loopback.has(config.http.host)) return;
  throw new PlumblineError('listen-refused', `http.host is ${config.http.host}, which others can reach`, {
    where: file,
  });
}

/** DICOM authenticates by certificates or not at all: an AE title is a name, not a proof. */
function refuseOpenListener(config: Config, file: string): void {
  const open = config.dimse.listeners.find((l) => !loopback.has(l.host) && !l.trustedNetwork && !l.tls?.caFile);
  if (!open) return;
  throw new PlumblineError('listen-refused', `dimse.listeners: ${open.host} is an address that others can reach`, {
    where: file,
    remedy: 'Bind to 127.0.0.1, set tls with caFile (mutual TLS), or say trustedNetwork: true for the listener.',
  });
}
