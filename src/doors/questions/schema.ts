import type { FromSchema } from 'json-schema-to-ts';

const text = { type: 'string', minLength: 1, maxLength: 1000 } as const;
const uid = { type: 'string', pattern: '^[0-9.]{1,64}$' } as const;

/** JSON Schema of the body of `POST /api/studies/{study}/questions`; `npm run docs` prints it. */
export const questionSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'urn:plumbline:schema:question',
  title: 'Plumbline question',
  description: 'What is asked about a study.',
  type: 'object',
  additionalProperties: false,
  required: ['task'],
  properties: {
    task: { ...text, description: 'A task of the bundle: segment, recognise, region, vqa, report …' },
    bundle: { ...text, description: 'Default: the one that the routes name for the images.' },
    question: { ...text, description: 'Instead of the task’s own prompt; may hold its slots.' },
    slots: {
      type: 'object',
      additionalProperties: { anyOf: [text, { type: 'array', minItems: 1, maxItems: 16, items: text }] },
      description: 'Values for the slots of the prompt; a list is a question for each.',
    },
    region: {
      description: 'For tasks about a region.',
      oneOf: [
        {
          type: 'object',
          additionalProperties: false,
          required: ['box'],
          properties: {
            box: {
              type: 'array',
              minItems: 4,
              maxItems: 4,
              items: { type: 'integer', minimum: 0, maximum: 1000000 },
              description: 'First column, first row, width and height, in pixels of the stored image.',
            },
            image: { ...uid, description: 'SOP Instance UID; may be left out where the study has one image.' },
            frame: { type: 'integer', minimum: 1, description: 'Of a multi-frame image, from 1.' },
          },
        },
        {
          type: 'object',
          additionalProperties: false,
          required: ['from', 'item'],
          properties: {
            from: { ...uid, description: 'SOP Instance UID of a SEG or SR of the study.' },
            item: {
              ...text,
              description: 'Segment number of the SEG; Tracking UID, or place from 1, of a region of the SR.',
            },
          },
        },
      ],
    },
    destinations: {
      type: 'array',
      items: text,
      description: 'Configured destinations that get the result. Default: none, it stays in the gateway.',
    },
    priority: { enum: ['stat', 'high', 'medium', 'low'], description: 'Default: that of the study’s orders.' },
  },
} as const;

/** A region as it is asked about. */
export type RegionBody =
  | { readonly box: readonly [number, number, number, number]; readonly image?: string; readonly frame?: number }
  | { readonly from: string; readonly item: string };

export type QuestionBody = Omit<FromSchema<typeof questionSchema>, 'region'> & { readonly region?: RegionBody };

/** What became of a question: the workitem that answers it. */
export interface Asked {
  readonly key: string;
  readonly outcome: 'created' | 'existing';
}
