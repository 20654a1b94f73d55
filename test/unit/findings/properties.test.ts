import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canonicalJson,
  emptyBits,
  setBit,
  type Affine,
  type Answer,
  type PictureMask,
  type Stack,
} from '../../../src/base/index.ts';
import { checkDraft, makeDraft, type AnswerForm, type PicturePlace } from '../../../src/findings/index.ts';
import { answer, draftInput, sampleStack, setVoxels } from '../../builders/answers.ts';

const volume = sampleStack({ rows: 11, columns: 13, planes: 5 });
const { rows, columns } = volume.grid;

/** The eight flips and transposes of a picture onto the grid, each with its inverse written out by hand. */
const affines: readonly { readonly toSource: Affine; readonly swap: boolean }[] = [-1, 1].flatMap((sx) =>
  [-1, 1].flatMap((sy) => [
    { swap: false, toSource: { a: sx, b: 0, c: 0, d: sy, e: sx < 0 ? columns - 1 : 0, f: sy < 0 ? rows - 1 : 0 } },
    { swap: true, toSource: { a: 0, b: sy, c: sx, d: 0, e: sx < 0 ? columns - 1 : 0, f: sy < 0 ? rows - 1 : 0 } },
  ]),
);

const labels = ['renal cyst', 'kidney stone', 'liver lesion', 'liver', 'left kidney', 'widget'];
interface Shown {
  readonly plane: number;
  readonly label: string;
  readonly voxels: ReadonlySet<string>;
}
interface Case {
  readonly stack: Stack;
  readonly pictures: readonly PicturePlace[];
  readonly answers: readonly Answer[];
  readonly shown: readonly Shown[];
}

const box = fc.record({
  x: fc.nat(12),
  y: fc.nat(10),
  w: fc.integer({ min: 0, max: 6 }),
  h: fc.integer({ min: 0, max: 6 }),
});
const claim = fc.record({ label: fc.constantFrom(...labels), box });
const said = fc.record({
  claims: fc.array(claim, { maxLength: 3 }),
  denied: fc.array(fc.constantFrom(...labels.filter((l) => l !== 'left kidney')), { maxLength: 2 }),
  view: fc.boolean(),
  affine: fc.nat(affines.length - 1),
});
const cases = fc
  .record({
    kind: fc.constantFrom<Stack['kind']>('volume', 'planes'),
    said: fc.array(said, { minLength: 1, maxLength: 5 }),
  })
  .map((c): Case => {
    const stack = { ...volume, kind: c.kind };
    const pictures: PicturePlace[] = [];
    const shown: Shown[] = [];
    const answers = c.said.map((s, plane) => {
      const { toSource, swap } = affines[s.affine]!;
      const [width, height] = swap ? [rows, columns] : [columns, rows];
      pictures.push({ stack: stack.id, plane, width, height, toSource });
      const masks = s.claims.map(({ label, box: b }): PictureMask => {
        const bits = emptyBits(width * height);
        const voxels = new Set<string>();
        for (let y = b.y; y < Math.min(height, b.y + b.h); y++)
          for (let x = b.x; x < Math.min(width, b.x + b.w); x++) {
            setBit(bits, y * width + x);
            // Where this pixel lies on the grid, without the code under test.
            const along = swap ? y : x;
            const down = swap ? x : y;
            const column = (swap ? toSource.c : toSource.a) < 0 ? columns - 1 - along : along;
            const row = (swap ? toSource.b : toSource.d) < 0 ? rows - 1 - down : down;
            voxels.add(`${plane}:${row}:${column}`);
          }
        shown.push({ plane, label, voxels });
        return { width, height, bits };
      });
      const text = [
        ...(s.view ? ['Abdominal CT slice.'] : []),
        ...s.claims.map(({ label }) => `In the left upper part there is a <p>${label}</p> [SEG].`),
        ...s.denied.map((d) => `No ${d} is seen.`),
      ].join(' ');
      return answer(stack, plane, text, masks);
    });
    return { stack, pictures, answers, shown };
  });

const inputOf = (c: Case) => draftInput([c.stack], c.answers, { pictures: c.pictures, minMaskPixels: 1 });

describe('whatever a model answers', () => {
  it('no set pixel is lost or invented', () => {
    fc.assert(
      fc.property(cases, (c) => {
        const { draft, masks } = makeDraft(inputOf(c));
        for (const label of labels) {
          const want = new Set(c.shown.filter((s) => s.label === label).flatMap((s) => [...s.voxels]));
          const ids = draft.findings.filter((f) => f.label === label && f.mask).map((f) => f.mask!);
          const got = new Set(ids.flatMap((id) => [...setVoxels(masks, id, columns)]));
          expect([...got].sort()).toEqual([...want].sort());
        }
      }),
      { numRuns: 150 },
    );
  });

  it('every positive sentence ends linked or ungrounded, and nothing is said to be there and not there', () => {
    fc.assert(
      fc.property(cases, (c) => {
        const { draft } = makeDraft(inputOf(c));
        for (const s of draft.sentences) {
          if (s.text.startsWith('In the')) expect(['linked', 'ungrounded']).toContain(s.kind);
          else expect(s.kind).toBe(s.text.startsWith('No ') ? 'negative' : 'plain');
        }
        const there = new Set(draft.findings.filter((f) => f.presence !== 'absent').map((f) => f.concept.id));
        const not = draft.findings.filter((f) => f.presence === 'absent').map((f) => f.concept.id);
        expect(not.filter((id) => id !== 'unknown_region' && there.has(id))).toEqual([]);
        for (const { label, voxels } of c.shown) {
          const findings = draft.findings.filter((f) => f.label === label && f.presence !== 'absent');
          expect(findings.some((f) => f.presence === (voxels.size > 0 ? 'present' : 'ungrounded'))).toBe(true);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('the order in which answers come does not matter', () => {
    fc.assert(
      fc.property(
        cases.chain((c) =>
          fc.shuffledSubarray([...c.answers], { minLength: c.answers.length }).map((mixed) => ({ c, mixed })),
        ),
        ({ c, mixed }) => {
          const one = makeDraft(inputOf(c));
          const other = makeDraft(inputOf({ ...c, answers: mixed }));
          expect(canonicalJson(other.draft)).toBe(canonicalJson(one.draft));
          expect([...other.masks]).toEqual([...one.masks]);
        },
      ),
      { numRuns: 80 },
    );
  });

  it('any text with any markup makes a draft that is whole', () => {
    const token = fc.constantFrom(
      '<p>',
      '</p>',
      '[SEG]',
      ' ',
      '.',
      '. ',
      ',',
      '\n',
      'no ',
      'without ',
      'renal cyst',
      'left ',
      'and ',
      'is seen',
      '肝',
      '\u{1F9E0}',
      'x',
    );
    const forms = fc.record<AnswerForm>({
      grounding: fc.constantFrom('phrase-then-seg', 'seg-then-phrase', 'slot', 'none'),
      sentences: fc.constantFrom('per-mask', 'whole'),
      slotPhrase: fc.constant('liver lesion'),
    });
    fc.assert(
      fc.property(fc.array(token, { maxLength: 25 }), forms, (tokens, form) => {
        const full = { width: columns, height: rows, bits: emptyBits(rows * columns).fill(0x55) };
        const text = tokens.join('');
        const masks = tokens.filter((t) => t === '[SEG]').map(() => full);
        const made = makeDraft(draftInput([volume], [answer(volume, 2, text, masks)], { form }));
        checkDraft(made.draft, made.masks);
        const words = (t: string) => t.normalize('NFC').replace(/<\/?p>|\[SEG\]|[\s.,]/g, '');
        // The model's words, all of them and no others, in their order (a slot stands for its marker).
        if (form.grounding !== 'slot') {
          const kept = made.draft.sentences.map((s) => words(s.text)).join('');
          const all = words(text);
          for (const s of made.draft.sentences) expect(all).toContain(words(s.text));
          expect(kept.length).toBeLessThanOrEqual(all.length);
        }
      }),
      { numRuns: 400 },
    );
  });
});
