const code = {
  type: 'array',
  description: 'Code value, DICOM coding scheme designator, meaning.',
  minItems: 3,
  maxItems: 3,
  items: { type: 'string', minLength: 1, maxLength: 64 },
} as const;
const names = { type: 'array', minItems: 1, items: { type: 'string', minLength: 1 } } as const;
const head = { $schema: { type: 'string' }, version: { const: 1 } } as const;
const letter = { enum: ['A', 'M', 'T', 'B', 'P'] } as const;

/** JSON Schema of mappings/codes.json; `npm run docs` prints it to mappings/codes.schema.json. */
export const codesSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'urn:plumbline:schema:codes',
  title: 'Plumbline codes',
  description: 'What a label of a model is called in codes, and in which colour its mask is drawn.',
  type: 'object',
  additionalProperties: false,
  required: ['version', 'sources', 'categories', 'laterality', 'entries'],
  properties: {
    ...head,
    sources: {
      type: 'object',
      description: 'Letters of typeSource, regionSource and rgbSource.',
      additionalProperties: { type: 'string' },
    },
    categories: {
      type: 'object',
      description: 'Segmented Property Category, CID 7150.',
      additionalProperties: false,
      required: ['A', 'M', 'T', 'B', 'P'],
      properties: { A: code, M: code, T: code, B: code, P: code },
    },
    laterality: {
      type: 'object',
      description: 'Laterality modifiers, CID 244.',
      additionalProperties: false,
      required: ['left', 'right', 'both'],
      properties: { left: code, right: code, both: code },
    },
    entries: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['id', 'category', 'type', 'typeSource', 'laterality', 'modalities', 'rgb', 'rgbSource'],
        dependentRequired: { region: ['regionSource'], regionSource: ['region'] },
        properties: {
          id: { type: 'string', pattern: '^[a-z0-9]+(_[a-z0-9]+)*$' },
          aliases: { ...names, description: 'Other labels with the same meaning, any case.' },
          category: letter,
          type: { ...code, description: 'Segmented Property Type.' },
          typeSource: {
            type: 'string',
            pattern: '^([GPQST]+|unverified)$',
            description: 'Where the code was found; `unverified` codes are never written, the fallback is.',
          },
          fallback: {
            ...code,
            description: 'A verified, broader type; only and always where typeSource is `unverified`.',
          },
          broader: {
            type: 'boolean',
            description:
              'The type says less than the label. Good enough for "there is one", never for "there is none": absence is then coded privately.',
          },
          region: { ...code, description: 'Anatomic region, where the type does not say it.' },
          regionSource: { type: 'string', pattern: '^[GPQST]+$' },
          laterality: {
            enum: ['none', 'paired', 'eye', 'left', 'right'],
            description:
              "`paired`: side from the mask where the image knows the patient's sides. `eye`: only from Image Laterality. `left`, `right`: said by the type itself.",
          },
          modalities: { ...names, description: 'DICOM modalities in which the label means this; `*` any.' },
          bodyParts: { ...names, description: 'Body Part Examined values that are plausible; never written.' },
          rgb: {
            type: 'array',
            minItems: 3,
            maxItems: 3,
            items: { type: 'integer', minimum: 0, maximum: 255 },
          },
          rgbSource: { type: 'string', pattern: '^[aSQ]$' },
        },
      },
    },
  },
} as const;

const text = { type: 'string', minLength: 1, maxLength: 64 } as const;
const named = {
  type: 'object',
  additionalProperties: false,
  required: ['value', 'scheme', 'meaning'],
  properties: { value: text, scheme: text, meaning: text },
} as const;
const pair = {
  type: 'object',
  additionalProperties: false,
  required: ['sr', 'fhir'],
  properties: { sr: named, fhir: named },
} as const;

/** JSON Schema of mappings/presence.json; `npm run docs` prints it to mappings/presence.schema.json. */
export const presenceSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'urn:plumbline:schema:presence',
  title: 'Plumbline presence codes',
  description: 'How presence and absence of a finding are said in a Structured Report (CID 240) and in FHIR.',
  type: 'object',
  additionalProperties: false,
  required: ['version', 'present', 'absent'],
  properties: { ...head, present: pair, absent: pair },
} as const;

/** JSON Schema of mappings/targets.json; `npm run docs` prints it to mappings/targets.schema.json. */
export const targetsSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'urn:plumbline:schema:targets',
  title: 'Plumbline targets',
  description: 'What can be asked to be segmented, and by which other names. Case and British spelling do not matter.',
  type: 'object',
  additionalProperties: false,
  required: ['version', 'targets'],
  properties: {
    ...head,
    targets: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['label', 'synonyms', 'modalities'],
        properties: {
          label: text,
          synonyms: { type: 'array', items: text, description: 'Other names for it in these modalities.' },
          modalities: { ...names, description: 'DICOM modalities in which the names mean this.' },
        },
      },
    },
  },
} as const;
