// The parts of the configuration's schema that speak of peers: destinations, DICOM and HL7 listeners.
/** PS3.5 6.2, VR AE: at most 16 characters, no backslash, not only spaces. */
const aeTitle = { type: 'string', pattern: '^(?=.*[!-~])[ -\\[\\]-~]{1,16}$' } as const;

/** One place that results go to. */
export const destination = {
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
        'For kinds dicomweb and fhir: service root, e.g. https://pacs.example/dicom-web or https://ehr.example/fhir; for hl7 mllp://ris.example:2575, with TLS mllps. For kind dimse, where it has one: DICOMweb root of the same PACS, by which every object is read back.',
    },
    fhirVersion: { enum: ['R4', 'R5'], default: 'R4', description: 'For kind fhir.' },
    headers: {
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'Sent with each request. Secrets are refused here: use bearerFile or headerFiles.',
    },
    headerFiles: {
      type: 'object',
      propertyNames: { pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$" },
      additionalProperties: { type: 'string' },
      description:
        'Files whose content is sent as a header, by its name: Basic authentication, keys of an API. Read again for each request.',
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

/** One DICOM port. */
export const dimseListener = {
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

/** One MLLP port. */
export const hl7Listener = {
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
    idleSeconds: {
      type: 'number',
      exclusiveMinimum: 0,
      default: 600,
      description: 'A silent connection is closed, and one whose message takes so long from its first byte.',
    },
    maxConnections: { type: 'integer', minimum: 1, default: 64 },
    maxInFlight: {
      type: 'integer',
      minimum: 1,
      maximum: 1024,
      default: 64,
      description:
        'Messages of one connection in work at a time, for senders that do not wait for each answer. Answers keep the order.',
    },
  },
} as const;
