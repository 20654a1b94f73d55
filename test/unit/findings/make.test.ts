import { describe, expect, it } from 'vitest';
import { derivedUid, sha256, type Affine, type PictureMask } from '../../../src/base/index.ts';
import { makeDraft, placeMask } from '../../../src/findings/index.ts';
import { joinPieces } from '../../../src/findings/join.ts';
import { answer, draftInput, pictureMask, sampleStack, setVoxels } from '../../builders/answers.ts';

const volume = sampleStack();
const { rows, columns } = volume.grid;
const box = (c0: number, c1: number, r0: number, r1: number): PictureMask =>
  pictureMask(columns, rows, { c: [c0, c1], r: [r0, r1] });
const empty = box(0, 0, 0, 0);
const cine = { ...volume, kind: 'planes' as const };
const cyst = 'There is a small <p>renal cyst</p> [SEG].';
const lines = (d: ReturnType<typeof makeDraft>) => d.draft.sentences.map((s) => `${s.kind}: ${s.text}`);
const codes = (d: ReturnType<typeof makeDraft>) => d.draft.warnings.map((w) => w.code);

describe('placeMask', () => {
  const mask = pictureMask(3, 2, (x, y) => x === 2 && y === 0);
  it.each<[string, Affine, number, number, string]>([
    ['upright', { a: 1, b: 0, c: 0, d: 1, e: 0, f: 0 }, 2, 3, '0:2'],
    ['mirrored', { a: -1, b: 0, c: 0, d: 1, e: 2, f: 0 }, 2, 3, '0:0'],
    ['upside down', { a: 1, b: 0, c: 0, d: -1, e: 0, f: 1 }, 2, 3, '1:2'],
    ['transposed', { a: 0, b: 1, c: 1, d: 0, e: 0, f: 0 }, 3, 2, '2:0'],
    ['turned a quarter', { a: 0, b: 1, c: -1, d: 0, e: 1, f: 0 }, 3, 2, '2:1'],
  ])('moves pixels by the affine: %s', (_, toSource, r, c, at) => {
    const bits = placeMask(mask, { stack: 'k1', plane: 0, width: 3, height: 2, toSource }, r, c);
    expect([...setVoxels(new Map([['m', [{ plane: 0, bits }]]]), 'm', c)]).toEqual([`0:${at}`]);
  });

  it.each<[string, Affine]>([
    ['a scaling', { a: 2, b: 0, c: 0, d: 2, e: 0, f: 0 }],
    ['a shift', { a: 1, b: 0, c: 0, d: 1, e: 1, f: 0 }],
    ['two axes on one', { a: 1, b: 1, c: 0, d: 0, e: 0, f: 0 }],
  ])('refuses %s', (_, toSource) => {
    const place = { stack: 'k1', plane: 0, width: 3, height: 2, toSource };
    expect(() => placeMask(mask, place, 2, 3)).toThrowError(expect.objectContaining({ code: 'draft-invalid' }));
  });

  it('clears bits after the last pixel', () => {
    const bits = new Uint8Array([0xff]);
    const place = { stack: 'k1', plane: 0, width: 3, height: 2, toSource: { a: 1, b: 0, c: 0, d: 1, e: 0, f: 0 } };
    expect(placeMask({ width: 3, height: 2, bits }, place, 2, 3)).toEqual(new Uint8Array([0x3f]));
  });
});

describe('joinPieces', () => {
  const piece = (plane: number, m: PictureMask, key = 'a') => ({ plane, bits: m.bits, key });
  const join = (...pieces: ReturnType<typeof piece>[]) => joinPieces(pieces, [0, 1, 2, 4], rows, columns);

  it('joins what overlaps or touches by a corner on the next plane', () => {
    expect(join(piece(0, box(0, 4, 0, 4)), piece(1, box(3, 6, 3, 6)))).toEqual([[0, 1]]);
    expect(join(piece(0, box(0, 4, 0, 4)), piece(1, box(4, 6, 4, 6)))).toEqual([[0, 1]]);
    expect(join(piece(0, box(0, 4, 0, 4)), piece(1, box(5, 6, 4, 6)))).toEqual([[0], [1]]);
    expect(join(piece(0, box(4, 6, 4, 6)), piece(1, box(0, 4, 0, 4)))).toEqual([[0, 1]]);
    expect(join(piece(0, box(4, 6, 0, 4)), piece(1, box(0, 4, 4, 6)))).toEqual([[0, 1]]);
  });
  it('does not join other labels, planes further apart, or the two ends of a row', () => {
    expect(join(piece(0, box(0, 4, 0, 4)), piece(1, box(0, 4, 0, 4), 'b'))).toEqual([[0], [1]]);
    expect(join(piece(0, box(0, 4, 0, 4)), piece(2, box(0, 4, 0, 4)))).toEqual([[0], [1]]);
    expect(join(piece(0, box(columns - 1, columns, 0, 1)), piece(1, box(0, 1, 1, 2)))).toEqual([[0], [1]]);
  });
  it('takes planes as neighbours that were read one after the other', () => {
    expect(join(piece(2, box(0, 4, 0, 4)), piece(4, box(0, 4, 0, 4)))).toEqual([[0, 1]]);
  });
  it('joins two pieces of one plane through a third', () => {
    expect(join(piece(0, box(0, 3, 0, 3)), piece(0, box(6, 9, 0, 3)), piece(1, box(0, 9, 0, 3)))).toEqual([[0, 1, 2]]);
  });
});

describe('a volume', () => {
  it('makes one finding of what touches across slices, said as on its largest', () => {
    const made = makeDraft(
      draftInput(
        [volume],
        [
          answer(volume, 1, `Abdominal CT slice. ${cyst}`, [box(15, 18, 10, 13)]),
          answer(volume, 2, 'Abdominal CT slice. There is a large <p>renal cyst</p> [SEG].', [box(15, 20, 10, 15)]),
          answer(volume, 3, `Abdominal CT slice. ${cyst}`, [box(15, 17, 10, 12)]),
          answer(volume, 5, `Abdominal CT slice. ${cyst}`, [box(15, 17, 10, 12)]),
        ],
      ),
    );
    // Planes 3 and 5 are neighbours: 4 was not read.
    expect(lines(made)).toEqual(['plain: Abdominal CT slice.', 'linked: There is a large renal cyst.']);
    expect(made.draft.masks).toMatchObject([
      { planes: [1, 2, 3, 5], keyPlane: 2, pixels: 9 + 25 + 4 + 4, centroid: [17, 12] },
    ]);
    expect(made.draft.sentences[1]!.plane).toBe(2);
  });

  it('keeps apart what does not touch', () => {
    const made = makeDraft(
      draftInput(
        [volume],
        [answer(volume, 1, cyst, [box(15, 18, 10, 13)]), answer(volume, 2, cyst, [box(1, 4, 1, 4)])],
      ),
    );
    expect(made.draft.findings.map((f) => f.trackingId)).toEqual(['renal cyst-1', 'renal cyst-2']);
    expect(made.draft.masks.map((m) => m.segment)).toEqual([1, 2]);
  });

  it('takes the plane nearest the middle where several are largest', () => {
    const same = [1, 2, 3].map((p) => answer(volume, p, cyst, [box(15, 18, 10, 13)]));
    expect(makeDraft(draftInput([volume], same)).draft.masks[0]!.keyPlane).toBe(2);
  });

  it('says a denial once, and not at all where a slice says the contrary', () => {
    const made = makeDraft(
      draftInput(
        [volume],
        [
          answer(volume, 0, 'No renal cyst is seen. No kidney stone is seen.'),
          answer(volume, 1, `${cyst} No kidney stone is seen.`, [box(15, 18, 10, 13)]),
        ],
      ),
    );
    expect(lines(made)).toEqual(['linked: There is a small renal cyst.', 'negative: No kidney stone is seen.']);
    expect(made.draft.findings.map((f) => f.presence)).toEqual(['present', 'absent']);
    expect(codes(made)).toEqual(['negative-overruled']);
  });

  it('drops `no finding` where the stack has one, and says so', () => {
    const made = makeDraft(
      draftInput(
        [volume],
        [answer(volume, 0, 'Abdominal CT slice with no finding.'), answer(volume, 1, cyst, [empty])],
      ),
    );
    expect(lines(made)).toEqual(['ungrounded: There is a small renal cyst.']);
    expect(codes(made)).toEqual(['negative-overruled']);
  });

  it('says an ungrounded claim once, with the number of planes', () => {
    const made = makeDraft(
      draftInput(
        [volume],
        [0, 1, 2].map((p) => answer(volume, p, cyst, [empty])),
      ),
    );
    expect(lines(made)).toEqual(['ungrounded: There is a small renal cyst.']);
    expect(made.draft.findings[0]!.reason).toEqual({
      code: 'mask-empty',
      message: 'The model gave an empty mask on 3 planes.',
      about: ['s1'],
    });
  });

  it('names a joined finding in every sentence that speaks of it, but lets the largest plane speak for it', () => {
    const two = 'A <p>renal cyst</p> [SEG] and a <p>kidney stone</p> [SEG].';
    const made = makeDraft(
      draftInput(
        [volume],
        [
          answer(volume, 1, two, [box(15, 20, 10, 15), box(2, 4, 2, 4)]),
          answer(volume, 2, 'A big <p>kidney stone</p> [SEG].', [box(2, 8, 2, 8)]),
        ],
      ),
    );
    expect(lines(made)).toEqual(['linked: A renal cyst and a kidney stone.', 'linked: A big kidney stone.']);
    expect(made.draft.sentences.map((s) => s.findings)).toEqual([['f1', 'f2'], ['f2']]);
    expect(made.draft.findings[1]!.sentence).toBe('s2');
  });
});

describe('planes that stand alone', () => {
  it('are never joined; what claims nothing is said once', () => {
    const text = `Ultrasound image. ${cyst} No kidney stone is seen.`;
    const made = makeDraft(
      draftInput(
        [cine],
        [0, 1].map((p) => answer(cine, p, text, [box(15, 18, 10, 13)])),
      ),
    );
    expect(lines(made)).toEqual([
      'plain: Ultrasound image.',
      'linked: There is a small renal cyst.',
      'linked: There is a small renal cyst.',
      'negative: No kidney stone is seen.',
    ]);
    expect(made.draft.masks.map((m) => m.planes)).toEqual([[0], [1]]);
  });
});

describe('a claim without a mask', () => {
  const reasonOf = (text: string, masks: (PictureMask | null)[], change = {}) =>
    makeDraft(draftInput([volume], [answer(volume, 0, text, masks)], change)).draft;

  it.each<[string, string, (PictureMask | null)[]]>([
    ['mask-empty', cyst, [empty]],
    ['mask-missing', cyst, [null]],
    ['mask-missing', cyst, []],
    ['mask-too-small', cyst, [box(0, 3, 0, 1)]],
    ['seg-missing', 'There is a <p>renal cyst</p>.', []],
    ['phrase-unclosed', 'There is a <p>renal cyst', []],
    ['span-missing', 'There is a renal cyst.', []],
  ])('is ungrounded: %s in "%s"', (code, text, masks) => {
    const draft = reasonOf(text, masks);
    expect(draft.sentences.map((s) => s.kind)).toEqual(['ungrounded']);
    expect(draft.findings).toMatchObject([
      { presence: 'ungrounded', label: 'renal cyst', measurements: [], reason: { code } },
    ]);
    expect(draft.masks).toEqual([]);
  });

  it('is ungrounded too where only the words are missing', () => {
    const draft = reasonOf('[SEG] is here.', [box(0, 5, 0, 5)]);
    expect(draft.sentences).toMatchObject([{ kind: 'ungrounded', text: 'is here.', spans: [] }]);
    expect(draft.findings[0]!.reason!.code).toBe('phrase-missing');
  });

  it('obeys the smallest size that a route asks for', () => {
    expect(reasonOf(cyst, [box(0, 3, 0, 1)], { minMaskPixels: 3 }).sentences[0]!.kind).toBe('linked');
    expect(reasonOf(cyst, [box(0, 5, 0, 5)], { minMaskPixels: 26 }).sentences[0]!.kind).toBe('ungrounded');
  });

  it('obeys the lowest score of its own that the model may give a mask', () => {
    const scored = { ...box(0, 5, 0, 5), score: 0.39 };
    expect(reasonOf(cyst, [scored], { minMaskScore: 0.39 }).sentences[0]!.kind).toBe('linked');
    const gated = reasonOf(cyst, [scored], { minMaskScore: 0.4 });
    expect(gated.sentences[0]!.kind).toBe('ungrounded');
    expect(gated.findings[0]!.reason!.code).toBe('mask-unsure');
    expect(gated.masks).toEqual([]);
  });

  it('warns on a sentence that is only half shown', () => {
    const draft = reasonOf('A <p>renal cyst</p> [SEG] and a <p>kidney stone</p>.', [box(0, 5, 0, 5)]);
    expect(draft.sentences[0]).toMatchObject({ kind: 'linked', warnings: [{ code: 'phrase-ungrounded' }] });
  });
});

describe('a denial', () => {
  const absent = (text: string, stack = volume) =>
    makeDraft(draftInput([stack], [answer(stack, 0, text)])).draft.findings;

  it('is coded with the concept where the code says as much as the label', () => {
    expect(absent('No renal cyst is seen.')).toMatchObject([
      {
        presence: 'absent',
        label: 'renal cyst',
        concept: { type: { value: '367643001' }, region: { value: '64033007' } },
      },
    ]);
  });
  it('is coded privately where the code says less: no stone is not no lesion', () => {
    expect(absent('No kidney stone is seen.')[0]!.concept.type).toEqual({
      value: 'kidney_stone',
      scheme: '99PLUMBLINE',
      meaning: 'kidney stone',
    });
  });
  it('of words that no mapping knows is kept, coded privately, with a notice', () => {
    const { draft } = makeDraft(draftInput([volume], [answer(volume, 0, 'No widget is seen.')]));
    expect(draft.findings[0]!.concept).toMatchObject({
      id: 'unknown_region',
      type: { value: 'widget', scheme: '99PLUMBLINE' },
    });
    expect(draft.warnings).toMatchObject([{ code: 'mapping-miss', about: ['f1'] }]);
  });
  it('in a sentence that also claims something makes both findings', () => {
    const text = 'There is a <p>renal cyst</p> [SEG] without kidney stone.';
    const { draft } = makeDraft(draftInput([volume], [answer(volume, 0, text, [box(0, 5, 0, 5)])]));
    expect(draft.sentences).toMatchObject([{ kind: 'linked', findings: ['f1', 'f2'] }]);
    expect(draft.findings.map((f) => f.presence)).toEqual(['present', 'absent']);
  });
});

describe('a draft', () => {
  it('derives tracking from key and place', () => {
    const { draft } = makeDraft(
      draftInput([volume], [answer(volume, 0, `${cyst} No kidney stone is seen.`, [box(0, 5, 0, 5)])]),
    );
    expect(draft.findings.map((f) => f.trackingId)).toEqual(['renal cyst-1', 'kidney stone-1']);
    expect(draft.findings.map((f) => f.trackingUid)).toEqual(
      [1, 2].map((n) => derivedUid(sha256('key'), 'tracking', n)),
    );
  });

  it('numbers segments per stack', () => {
    const second = { ...volume, id: 'k2', seriesUid: '1.2.9' };
    const two = 'A <p>renal cyst</p> [SEG] and a <p>liver</p> [SEG].';
    const masks = [box(0, 5, 0, 5), box(0, 9, 0, 9)];
    const made = makeDraft(
      draftInput([volume, second], [answer(second, 0, two, masks), answer(volume, 0, two, masks)]),
    );
    expect(made.draft.masks.map((m) => [m.id, m.stack, m.segment])).toEqual([
      ['m1', 'k1', 1],
      ['m2', 'k1', 2],
      ['m3', 'k2', 1],
      ['m4', 'k2', 2],
    ]);
  });

  it('colours findings from the palette in order and organs from the mapping', () => {
    const text = 'A <p>liver</p> [SEG], a <p>renal cyst</p> [SEG], a <p>kidney stone</p> [SEG].';
    const made = makeDraft(
      draftInput([volume], [answer(volume, 0, text, [box(0, 9, 0, 9), box(0, 5, 0, 5), box(9, 12, 0, 5)])]),
    );
    expect(made.draft.findings.map((f) => f.concept.rgb)).toEqual([
      [221, 130, 101],
      [0x99, 0xcc, 0xff],
      [0xff, 0xd9, 0x66],
    ]);
  });

  it('tells of findings that share one mask', () => {
    const text = 'A <p>renal cyst</p> [SEG] and a <p>kidney stone</p> [SEG].';
    const made = makeDraft(draftInput([volume], [answer(volume, 0, text, [box(0, 5, 0, 5), box(0, 5, 0, 5)])]));
    expect(made.draft.warnings).toMatchObject([{ code: 'shared-mask', about: ['m1', 'm2'] }]);
  });

  it('ties all sentences of a whole report to its one mask, and says so', () => {
    const text = '<p> renal cyst. It is on the left. No kidney stone is seen. </p> [SEG]';
    const form = { grounding: 'phrase-then-seg', sentences: 'whole' } as const;
    const made = makeDraft(draftInput([volume], [answer(volume, 0, text, [box(15, 20, 0, 5)])], { form }));
    expect(lines(made)).toEqual([
      'linked: renal cyst.',
      'linked: It is on the left.',
      'negative: No kidney stone is seen.',
    ]);
    expect(made.draft.masks).toHaveLength(1);
    expect(codes(made)).toEqual(['mask-of-several']);
  });

  it('tells of answers that were cut, empty, or hold masks that nothing claims', () => {
    const cut = { ...answer(volume, 0, 'Abdominal CT'), stop: 'limit' as const };
    const made = makeDraft(
      draftInput(
        [volume],
        [cut, answer(volume, 1, ''), answer(volume, 2, 'No <p>renal cyst</p> [SEG] is seen.', [box(0, 5, 0, 5)])],
      ),
    );
    expect(codes(made)).toEqual(['answer-cut', 'answer-empty', 'mask-unused']);
    expect(made.draft.masks).toEqual([]);
  });

  it('states what was read of each stack', () => {
    const second = { ...volume, id: 'k2', seriesUid: '1.2.9' };
    const made = makeDraft(draftInput([volume, second], [answer(volume, 1, 'Abdominal CT slice.')]));
    expect(made.draft.coverage.read).toEqual([
      { stack: 'k1', planes: 1, of: 6 },
      { stack: 'k2', planes: 0, of: 6 },
    ]);
  });

  it('refuses an answer about a picture that was not shown', () => {
    const lost = { ...answer(volume, 0, 'x'), plane: 77 };
    expect(() => makeDraft(draftInput([volume], [lost]))).toThrowError(
      expect.objectContaining({ code: 'draft-invalid' }),
    );
  });
});
