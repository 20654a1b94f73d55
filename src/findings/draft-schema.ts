const text = { type: 'string' } as const;
const uid = { type: 'string', pattern: '^[0-9.]{1,64}$' } as const;
const digest = { type: 'string', pattern: '^[0-9a-f]{64}$' } as const;
const whole = { type: 'integer', minimum: 0 } as const;
const byte = { type: 'integer', minimum: 0, maximum: 255 } as const;
const idOf = (letter: string) => ({ type: 'string', pattern: `^${letter}[1-9][0-9]*$` }) as const;
const list = <T>(items: T) => ({ type: 'array', items }) as const;
const triple = <T>(items: T) => ({ type: 'array', minItems: 3, maxItems: 3, items }) as const;
const object = <R extends string, P extends Readonly<Record<R, unknown>>, O extends Readonly<Record<string, unknown>>>(
  required: P,
  optional: O,
  description?: string,
) =>
  ({
    type: 'object',
    additionalProperties: false,
    required: Object.keys(required),
    properties: { ...required, ...optional },
    ...(description && { description }),
  }) as const;

export const codeSchema = object(
  { value: text, scheme: text, meaning: text },
  {},
  'A coded concept; DICOM scheme designator.',
);
export const noticeSchema = object(
  { code: { type: 'string', pattern: '^[a-z0-9]+(-[a-z0-9]+)*$' }, message: text },
  { about: list(text) },
  'Something a person should know about; docs/warnings.md lists the codes.',
);
export const spanSchema = object(
  { start: whole, end: whole, finding: idOf('f') },
  {},
  'A phrase of the text (UTF-16 offsets, end exclusive) and its finding.',
);
export const measurementSchema = object(
  {
    kind: { enum: ['volume', 'area', 'long-axis', 'short-axis', 'max-diameter'] },
    code: codeSchema,
    value: { type: 'number', exclusiveMinimum: 0 },
    unit: codeSchema,
  },
  { plane: whole, note: text },
);
export const bundleSchema = object({ name: text, version: text, digest, licence: text, intendedUse: text }, {});
const passedOver = object({ seriesUid: uid, instanceUid: uid, code: text, reason: text }, {});
export const coverageSchema = object(
  { read: list(object({ stack: text, planes: whole, of: whole }, {})), notRead: list(passedOver) },
  {},
  'What was read, and what was passed over and why.',
);
export const kindSchema = { enum: ['linked', 'negative', 'ungrounded', 'plain'] } as const;
export const presenceValueSchema = { enum: ['present', 'absent', 'ungrounded'] } as const;
export const sideSchema = { enum: ['left', 'right', 'both'] } as const;
export const centroidSchema = {
  type: 'array',
  minItems: 2,
  maxItems: 2,
  items: { type: 'number' },
  description: 'Mean column and row of the set pixels of the key plane.',
} as const;

const vector = triple({ type: 'number' } as const);
const place = {
  oneOf: [
    object(
      {
        kind: { const: 'patient' },
        frameOfReferenceUid: uid,
        rowCosines: vector,
        columnCosines: vector,
        normal: vector,
        positions: list(vector),
      },
      { positionReferenceIndicator: text },
    ),
    object(
      {
        kind: { const: 'slide' },
        rowCosines: vector,
        columnCosines: vector,
        origin: vector,
        tileRows: whole,
        tileColumns: whole,
        tiles: list(object({ frame: whole, row: whole, column: whole }, {})),
      },
      { frameOfReferenceUid: uid, positionReferenceIndicator: text },
    ),
    object(
      { kind: { const: 'none' } },
      { patientOrientation: { type: 'array', minItems: 2, maxItems: 2, items: text } },
    ),
  ],
};
const spacing = {
  oneOf: [
    object(
      {
        kind: { const: 'physical' },
        rowMm: { type: 'number', exclusiveMinimum: 0 },
        columnMm: { type: 'number', exclusiveMinimum: 0 },
        source: text,
      },
      { within: object({ x0: whole, y0: whole, x1: whole, y1: whole }, {}) },
    ),
    object({ kind: { const: 'none' }, why: text }, {}),
  ],
};
const depth = object(
  {
    spacingMm: { type: 'number' },
    regular: { type: 'boolean' },
    tilted: { type: 'boolean' },
    thicknessMm: list({ type: 'number' }),
    missing: { type: 'boolean' },
  },
  {},
);
const grid = object(
  { rows: whole, columns: whole, planes: whole, placement: place, spacing },
  { depth, sliceThicknessMm: { type: 'number' } },
);
const stack = object(
  {
    id: text,
    seriesUid: uid,
    modality: text,
    kind: { enum: ['volume', 'planes'] },
    grid,
    planes: list(object({ instanceUid: uid, sopClass: uid }, { frame: { type: 'integer', minimum: 1 } })),
  },
  {},
);
const sentence = object(
  {
    id: idOf('s'),
    text: { type: 'string', minLength: 1 },
    kind: kindSchema,
    findings: list(idOf('f')),
    spans: list(spanSchema),
    warnings: list(noticeSchema),
  },
  { stack: text, plane: whole, question: { type: 'string', minLength: 1 } },
);
const concept = object(
  {
    id: text,
    category: codeSchema,
    type: codeSchema,
    rgb: triple(byte),
    lab: triple({ type: 'integer', minimum: 0, maximum: 65535 } as const),
  },
  { region: codeSchema, laterality: codeSchema },
);
const finding = object(
  {
    id: idOf('f'),
    sentence: idOf('s'),
    presence: presenceValueSchema,
    label: { type: 'string', minLength: 1 },
    concept,
    trackingId: { type: 'string', minLength: 1 },
    trackingUid: uid,
    measurements: list(measurementSchema),
  },
  { side: sideSchema, mask: idOf('m'), reason: noticeSchema },
);
const mask = object(
  {
    id: idOf('m'),
    finding: idOf('f'),
    stack: text,
    segment: { type: 'integer', minimum: 1 },
    planes: { type: 'array', minItems: 1, items: whole },
    pixels: { type: 'integer', minimum: 1 },
    keyPlane: whole,
    centroid: centroidSchema,
    digest,
  },
  { score: { type: 'number' } },
);

/** JSON Schema of a draft without its bits. `checkDraft` holds what a schema cannot say. */
export const draftSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'urn:plumbline:schema:draft',
  title: 'Plumbline draft',
  description: 'Everything that the model claims about a study: sentences, findings, masks, measurements.',
  ...object(
    {
      schema: { const: 'plumbline.draft/1' },
      version: { type: 'integer', minimum: 1 },
      key: digest,
      studyUid: uid,
      task: text,
      prompt: text,
      createdAt: { type: 'string', format: 'date-time' },
      bundle: bundleSchema,
      mappingDigest: digest,
      inputDigest: digest,
      stacks: list(stack),
      sentences: list(sentence),
      findings: list(finding),
      masks: list(mask),
      coverage: coverageSchema,
      warnings: list(noticeSchema),
    },
    {},
  ),
} as const;
