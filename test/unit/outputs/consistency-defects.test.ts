import { describe, expect, it } from 'vitest';
import {
  checkDicom,
  checkFhir,
  encodeSeg,
  encodeSr,
  type DicomObject,
  type EncodingInput,
} from '../../../src/outputs/index.ts';
import { fhirDefects, spoilFhir } from '../../builders/defects/fhir.ts';
import { segDefects } from '../../builders/defects/seg.ts';
import { spoil } from '../../builders/defects/spoil.ts';
import { srDefects } from '../../builders/defects/sr.ts';
import { encodeAll, sampleInput } from '../../builders/encodings.ts';

function base(input: EncodingInput): { input: EncodingInput; segs: DicomObject[]; sr: DicomObject } {
  const segs = encodeSeg(input);
  return { input, segs, sr: encodeSr(input, segs) };
}
const small = { rows: 10, columns: 11, planes: 5 } as const;
const bases = {
  binary: base(sampleInput()),
  narrow: base(sampleInput({ ...small, profile: { strictBinary: true, srClass: 'comprehensive' } })),
  fractional: base(sampleInput(small)),
};
const held = (input: EncodingInput, segs: readonly DicomObject[], sr: DicomObject) =>
  checkDicom(input, segs, sr).filter((p) => p.severity === 'hold');

it('an object written anew by the builder of defects, without a defect, is as good as the encoder’s', () => {
  for (const { input, segs, sr } of Object.values(bases)) {
    const again = [...segs, sr].map((o) => spoil(o, () => undefined));
    expect(checkDicom(input, again.slice(0, -1), again.at(-1)!)).toEqual([]);
  }
});

describe('the gate holds each defect that others’ validators know, and those that they let pass', () => {
  it.each(segDefects)('$id $what', ({ base: name = 'binary', change }) => {
    const { input, segs, sr } = bases[name];
    expect(held(input, [spoil(segs[0]!, change)], sr)).not.toEqual([]);
  });

  it.each(srDefects.filter((d) => !d.harmless))('$id $what', ({ base: name = 'binary', change }) => {
    const { input, segs, sr } = bases[name];
    expect(held(input, segs, spoil(sr, change))).not.toEqual([]);
  });

  const input = sampleInput();
  const clean = encodeAll(input);
  it.each(fhirDefects.flatMap((d) => d.versions.map((version) => ({ ...d, version }))))(
    'FHIR $version $id $what',
    ({ version, change }) => {
      const problems = checkFhir(input, spoilFhir(clean, version, change));
      expect(problems.filter((p) => p.severity === 'hold')).not.toEqual([]);
      expect(problems.every((p) => p.message.startsWith(version))).toBe(true);
    },
  );
});
