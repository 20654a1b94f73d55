import { describe, expect, it } from 'vitest';
import { items, text } from '../../../src/dicom/index.ts';
import {
  checkDicom,
  checkFhir,
  checkOru,
  encodeFhirR4,
  encodeFhirR5,
  encodeOru,
  encodePreview,
  encodeSeg,
  encodeSr,
  readBack,
  type EncodingInput,
} from '../../../src/outputs/index.ts';
import { sampleInput } from '../../builders/encodings.ts';

const question = 'Is there a <renal> cyst?';
const plain = sampleInput();
/** The first shown sentence and the first negative one answer a question. */
const asked: EncodingInput = {
  ...plain,
  draft: {
    ...plain.draft,
    sentences: plain.draft.sentences.map((s, _, all) =>
      [all.find((x) => x.kind === 'linked'), all.find((x) => x.kind === 'negative')].includes(s)
        ? { ...s, question }
        : s,
    ),
  },
};

function encode(input: EncodingInput) {
  const segs = encodeSeg(input);
  const sr = encodeSr(input, segs);
  const html = encodePreview(input, segs, sr, new Map());
  const [fhirR4, fhirR5] = [encodeFhirR4(input, segs, sr, html), encodeFhirR5(input, segs, sr, html)];
  return { segs, sr, html, fhirR4, fhirR5, oru: encodeOru(input, '2.5.1') };
}
type Encoded = ReturnType<typeof encode>;
const failing = (given: EncodingInput, { oru, ...set }: Encoded): string[] => {
  const all = [
    ...checkDicom(given, set.segs, set.sr),
    ...checkFhir(given, { ...set, oru: new Map() }),
    ...checkOru(given, oru, '2.5.1'),
  ];
  return [...new Set(all.map((p) => p.check))].sort();
};

describe('the question that a sentence answers', () => {
  const made = encode(asked);

  it('stands under the sentence in the SR', () => {
    const comments = [...contentOf(readBack(made.sr).attributes)].filter(
      (c) => text(c, 'TextValue') === `Question: ${question}`,
    );
    expect(comments).toHaveLength(2);
  });

  it('stands beside it in Observation, narrative, page and ORU, escaped where the form asks for it', () => {
    const r4 = JSON.stringify(made.fhirR4);
    expect(r4.split(`"text":"Question: ${question}"`)).toHaveLength(3);
    expect(r4.includes('Question: Is there a &#60;renal&#62; cyst?')).toBe(true);
    expect(made.html.split('<p class="meta">Question: Is there a &#60;renal&#62; cyst?</p>')).toHaveLength(3);
    expect(made.oru.split('|Question: Is there a <renal> cyst?|')).toHaveLength(3);
  });

  it('is missed by the gate wherever it was lost', () => {
    expect(failing(asked, made)).toEqual(failing(plain, encode(plain)));
    const lost = encode(plain);
    expect(failing(asked, { ...made, sr: lost.sr })).toContain('PL-DCM-039');
    expect(failing(asked, { ...made, fhirR4: lost.fhirR4 })).toContain('PL-FHIR-022');
    expect(failing(asked, { ...made, fhirR5: lost.fhirR5 })).toContain('PL-FHIR-022');
    expect(failing(asked, { ...made, html: lost.html })).toContain('PL-FHIR-022');
    expect(failing(asked, { ...made, oru: lost.oru })).toContain('PL-HL7-012');
  });
});

type Dataset = Parameters<typeof items>[0];
function* contentOf(ds: Dataset): Generator<Dataset> {
  for (const item of items(ds, 'ContentSequence')) {
    yield item;
    yield* contentOf(item);
  }
}
