/** Names of rules for how grey values become dark and bright; `src/imaging/window-rules.ts` says what each does. */
export const windowRules = [
  'ct-brain',
  'ct-neck',
  'ct-lung',
  'ct-mediastinum',
  'ct-abdomen',
  'ct-spine',
  'ct-bone',
  'ct-body-part',
  'pt-suv',
  'image',
  'modality',
] as const;
export type WindowRule = (typeof windowRules)[number];

/** A window in numbers: centre and width in values after the modality transform (HU, Bq/ml …). */
export interface Window {
  readonly centre: number;
  readonly width: number;
}

/** A window in numbers or a rule by name, as routes and bundles say it. */
export const windowSchema = {
  anyOf: [
    {
      type: 'object',
      additionalProperties: false,
      required: ['centre', 'width'],
      properties: { centre: { type: 'number' }, width: { type: 'number', exclusiveMinimum: 0 } },
    },
    { enum: windowRules },
  ],
} as const;
