import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeAll, sampleInput, type InputOptions } from '../../builders/encodings.ts';
import { startHapi, type Hapi } from '../../peers/hapi.ts';
import { missing } from '../../peers/index.ts';

/** Warnings that say something about the validator or about best practice, not about a mistake of ours. */
const known = [
  /Constraint failed: dom-6/, // a narrative in every resource: only the report has one
  /ValueSet '.*dicom\.nema\.org.*' not found/,
  /CodeSystem is unknown and can't be validated: (urn:ietf:rfc:3986|http:\/\/loinc\.org|https:\/\/hospital\.example\/)/,
  /CodeSystem\.content=not-present but contents were not found: http:\/\/loinc\.org/,
  /v3-ObservationValue#AIAST/, // in HL7 Terminology, not in the copy that HAPI carries
  /all observations should have a performer/,
  // Said of the hostile sentence below, which FHIR carries word for word; narrative and page show it escaped.
  /unterminated bi-di control characters .* RLO/,
  /markdown contains content that appears to be an embedded HTML tag/,
];

const cases: Record<string, InputOptions> = {
  'a volume': {},
  'a picture without frame of reference': { kind: 'picture' },
  'negative and ungrounded findings only': { masks: 'none' },
  'a name in three scripts': { patientName: 'Yamada^Tarou=山田^太郎=やまだ^たろう' },
  'no pixel spacing': { spacing: 'none' },
  'a multi-frame source': { multiFrame: true },
  'no DICOMweb service and no viewer': { site: { dicomwebUrl: undefined, viewerUrl: undefined } as never },
  'the label DEVAST': { profile: { aiLabel: 'DEVAST' } },
  'a text with markup, quotes and bidi controls': {
    change: (s) => ({
      ...s,
      draft: {
        ...s.draft,
        sentences: s.draft.sentences.map((x) => ({ ...x, text: `<b>"${x.text}"</b> & \u202e\t😀` })),
      },
    }),
  },
  'no findings at all': {
    change: (s) => ({ ...s, draft: { ...s.draft, sentences: [], findings: [], masks: [] }, masks: new Map() }),
  },
};

describe.skipIf(missing('hapi', 'java'))('the HAPI validator', () => {
  let hapi: Hapi;
  beforeAll(() => void (hapi = startHapi()));
  afterAll(() => hapi.stop());

  for (const [name, options] of Object.entries(cases)) {
    it(`finds no error and only known warnings in R4 and R5 of ${name}`, { timeout: 240_000 }, async () => {
      const { fhirR4, fhirR5 } = encodeAll(sampleInput(options));
      for (const verdict of [await hapi.validate('r4', fhirR4), await hapi.validate('r5', fhirR5)]) {
        expect(verdict.errors).toEqual([]);
        expect(verdict.warnings.filter((w) => !known.some((k) => k.test(w)))).toEqual([]);
      }
    });
  }

  it('does find defects: a false hash, an unknown field, an unknown unit', { timeout: 240_000 }, async () => {
    const text = JSON.stringify(encodeAll(sampleInput()).fhirR4);
    const defects = [
      text.replace(/"hash":"[^"]*"/, '"hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAA="'),
      text.replace('"conclusion"', '"x"').replace('"issued"', '"issuedAt"'),
      text.replace('"code":"mm3"', '"code":"cubicmm"'),
    ];
    for (const defect of defects)
      expect((await hapi.validate('r4', JSON.parse(defect) as object)).errors).not.toEqual([]);
  });
});
