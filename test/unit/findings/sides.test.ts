import { describe, expect, it } from 'vitest';
import type { Affine, Placement, Stack, Vec3 } from '../../../src/base/index.ts';
import { imageLateralityOf, makeDraft, type DraftInput } from '../../../src/findings/index.ts';
import { patientLie, placeWords } from '../../../src/findings/sides.ts';
import { answer, draftInput, pictureMask, sampleStack } from '../../builders/answers.ts';

const box = (c0: number, c1: number, r0: number, r1: number) => (x: number, y: number) =>
  x >= c0 && x < c1 && y >= r0 && y < r1;
const maskOn = (stack: Stack, plane: number, test: (x: number, y: number) => boolean) => [
  { plane, bits: pictureMask(stack.grid.columns, stack.grid.rows, test).bits },
];
/** First columns, nearly the whole height. */
const firstColumns = box(1, 6, 1, 15);
const firstRows = box(1, 20, 1, 6);

describe('patientLie', () => {
  const lie = (stack: Stack, test: (x: number, y: number) => boolean, plane = 0) =>
    patientLie(stack, maskOn(stack, plane, test))?.side;
  const turned = (rowCosines: Vec3, columnCosines: Vec3) =>
    sampleStack({ rowCosines, columnCosines, rows: 24, columns: 24, planes: 8 });

  it.each<[string, Vec3, Vec3, (x: number, y: number) => boolean, string]>([
    ['axial, columns to the left', [1, 0, 0], [0, 1, 0], firstColumns, 'right'],
    ['axial, columns to the right', [-1, 0, 0], [0, 1, 0], firstColumns, 'left'],
    ['axial, upside down', [1, 0, 0], [0, -1, 0], firstColumns, 'right'],
    ['axial, transposed', [0, 1, 0], [1, 0, 0], firstRows, 'right'],
    ['axial, transposed and turned', [0, 1, 0], [-1, 0, 0], firstRows, 'left'],
    ['coronal', [1, 0, 0], [0, 0, -1], firstColumns, 'right'],
    ['oblique by 30 degrees', [0.8660254, 0.5, 0], [-0.5, 0.8660254, 0], firstColumns, 'right'],
  ])('follows the placement: %s', (_, row, column, test, side) => {
    expect(lie(turned(row, column), test)).toBe(side);
  });

  it('goes by planes where the slices are sagittal', () => {
    const stack = turned([0, 1, 0], [0, 0, -1]);
    const { positions } = stack.grid.placement as Placement & { kind: 'patient' };
    const mostLeft = positions.findIndex((p) => p[0] === Math.max(...positions.map((q) => q[0])));
    expect(lie(stack, box(0, 24, 0, 24), mostLeft)).toBe('left');
  });

  it('names no side for a thin sagittal slab, which may be of one limb', () => {
    expect(
      patientLie(sampleStack({ rowCosines: [0, 1, 0], columnCosines: [0, 0, -1], planes: 4 }), []),
    ).toBeUndefined();
  });

  it('names no side where the grid lies beside the patient origin', () => {
    const stack = sampleStack();
    const placement = stack.grid.placement as Placement & { kind: 'patient' };
    const moved = placement.positions.map(([x, y, z]): Vec3 => [x + 100, y, z]);
    const beside = { ...stack, grid: { ...stack.grid, placement: { ...placement, positions: moved } } };
    expect(lie(beside, firstColumns)).toBeUndefined();
    expect(lie(stack, firstColumns)).toBe('right');
  });

  it('follows Patient Orientation in pictures without placement, and assumes nothing without it', () => {
    const film = (patientOrientation?: [string, string]): Stack => {
      const stack = sampleStack({ kind: 'picture' });
      return {
        ...stack,
        grid: { ...stack.grid, placement: { kind: 'none', ...(patientOrientation && { patientOrientation }) } },
      };
    };
    expect(lie(film(['L', 'F']), firstColumns)).toBe('right');
    expect(lie(film(['R', 'F']), firstColumns)).toBe('left');
    expect(lie(film(['F', 'L']), firstRows)).toBe('right');
    expect(lie(film(['A', 'F']), firstColumns)).toBeUndefined();
    expect(lie(film(), firstColumns)).toBeUndefined();
  });

  it('names no side near the middle or across it', () => {
    const stack = sampleStack();
    expect(lie(stack, box(11, 13, 0, 20))).toBeUndefined();
    expect(lie(stack, box(11, 14, 0, 20))).toBeUndefined();
    expect(lie(stack, box(14, 18, 0, 20))).toBe('left');
    const across = patientLie(stack, maskOn(stack, 0, box(8, 24, 0, 20)));
    expect(across).toEqual({ both: true });
  });
});

describe('placeWords', () => {
  const words = (text: string, ...labels: string[]) => {
    const spans = labels.map((l) => ({ start: text.indexOf(l), end: text.indexOf(l) + l.length }));
    return spans.map((s) =>
      placeWords(
        text,
        s,
        spans.filter((o) => o !== s),
      ),
    );
  };
  it.each([
    ['In the left upper part there is a cyst.', ['cyst'], [{ side: 'left', height: 'upper' }]],
    ['There is a cyst in the right kidney.', ['cyst'], [{ side: 'right' }]],
    ['On the left a cyst, on the right a stone.', ['cyst', 'stone'], [{ side: 'left' }, { side: 'right' }]],
    ['On the left there are a cyst and a stone.', ['cyst', 'stone'], [{ side: 'left' }, { side: 'left' }]],
    ['Bilateral effusion.', ['effusion'], [{ side: 'both' }]],
    ['Nodule in the upper lobe.', ['Nodule'], [{}]],
    ['From left to right a cyst.', ['cyst'], [{}]],
    ['The leftover is a cyst.', ['cyst'], [{}]],
  ])('%s', (text, labels, expected) => {
    expect(words(text, ...labels)).toEqual(expected);
  });
});

describe('sides in a draft', () => {
  const draftOf = (
    stack: Stack,
    text: string,
    test: (x: number, y: number) => boolean,
    change: Partial<DraftInput> = {},
  ) => {
    const mask = pictureMask(stack.grid.columns, stack.grid.rows, test);
    return makeDraft(draftInput([stack], [answer(stack, 0, text, [mask])], change)).draft;
  };
  const warnings = (d: ReturnType<typeof draftOf>) => d.sentences.flatMap((s) => s.warnings.map((w) => w.message));
  const ct = sampleStack({}, { kind: 'planes' });

  it('are those of the mask, whatever the text says, and the text stays', () => {
    const d = draftOf(ct, 'In the left upper part there is a <p>renal cyst</p> [SEG].', box(1, 6, 1, 6));
    expect(d.findings[0]).toMatchObject({
      side: 'right',
      concept: { laterality: { value: '24028007', meaning: 'Right' } },
    });
    expect(d.sentences[0]!.text).toBe('In the left upper part there is a renal cyst.');
    expect(d.sentences[0]!.warnings).toEqual([
      { code: 'side-contradiction', message: 'Side: text says left, mask lies right', about: ['s1'] },
    ]);
  });

  it('make no warning where text and mask agree', () => {
    expect(
      warnings(draftOf(ct, 'In the right upper part there is a <p>renal cyst</p> [SEG].', box(1, 6, 1, 6))),
    ).toEqual([]);
  });

  it('are not coded for what is not paired', () => {
    const d = draftOf(ct, 'A <p>liver lesion</p> [SEG].', box(1, 6, 1, 6));
    expect(d.findings[0]).toMatchObject({ side: 'right' });
    expect(d.findings[0]!.concept.laterality).toBeUndefined();
  });

  it('are the picture’s where the model reads pictures, and never coded', () => {
    const us = sampleStack({ kind: 'picture' }, { modality: 'US' });
    const d = draftOf(us, 'In the right lower part there is a <p>cyst</p> [SEG].', box(1, 6, 12, 18));
    expect(warnings(d)).toEqual(['Side: text says right, mask lies left']);
    expect(d.findings[0]!.side).toBeUndefined();
  });

  it('say that they are unknown where the image does not know them', () => {
    const film = sampleStack({ kind: 'picture' });
    const blind = { ...film, grid: { ...film.grid, placement: { kind: 'none' as const } } };
    const d = draftOf(blind, 'In the left upper part there is a <p>consolidation</p> [SEG].', box(1, 6, 1, 6));
    expect(d.sentences[0]!.warnings.map((w) => w.code)).toEqual(['side-unknown']);
    expect(d.findings[0]).not.toHaveProperty('side');
    expect(d.findings[0]!.concept).not.toHaveProperty('laterality');
  });

  it('are not taken from a picture of one limb', () => {
    const hand = sampleStack({ kind: 'picture' }, { modality: 'DX' });
    expect(draftOf(hand, 'There is a <p>fracture</p> [SEG].', box(1, 6, 1, 6)).findings[0]).not.toHaveProperty('side');
  });

  it('come from the image itself where it is of one side', () => {
    const eye = sampleStack({ kind: 'picture' }, { modality: 'OP' });
    const uid = eye.planes[0]!.instanceUid;
    const imageLaterality = imageLateralityOf(new Map([[uid, { '00200062': { vr: 'CS', Value: ['L'] } }]]));
    const d = draftOf(eye, 'There is a <p>hemorrhage</p> [SEG].', box(1, 6, 1, 6), { imageLaterality });
    expect(d.findings[0]).toMatchObject({ side: 'left', concept: { laterality: { value: '7771000' } } });
    expect(draftOf(eye, 'There is a <p>hemorrhage</p> [SEG].', box(1, 6, 1, 6)).findings[0]).not.toHaveProperty('side');
  });

  it('are both only where text and mask say so', () => {
    const film = sampleStack({ kind: 'picture' });
    const twoSided = (x: number, y: number) => y > 10 && (x < 6 || x >= 18);
    const both = draftOf(film, 'Bilateral <p>pleural effusion</p> [SEG].', twoSided);
    expect(both.findings[0]).toMatchObject({ side: 'both', concept: { laterality: { value: '51440002' } } });
    expect(draftOf(film, 'A <p>pleural effusion</p> [SEG].', twoSided).findings[0]).not.toHaveProperty('side');
    expect(warnings(draftOf(film, 'Bilateral <p>pleural effusion</p> [SEG].', box(1, 6, 12, 18)))).toEqual([
      'Side: text says both sides, mask lies right',
    ]);
  });

  it('do not take the side of a name for a place', () => {
    const mr = sampleStack({}, { kind: 'planes', modality: 'MR' });
    expect(warnings(draftOf(mr, 'Here is the <p>left ventricle</p> [SEG].', box(1, 6, 1, 6)))).toEqual([]);
  });

  it('judge upper and lower by the picture as shown', () => {
    const test = box(1, 6, 1, 6);
    const flipped: Affine = { a: 1, b: 0, c: 0, d: -1, e: 0, f: ct.grid.rows - 1 };
    const pictures = [{ stack: 'k1', plane: 0, width: ct.grid.columns, height: ct.grid.rows, toSource: flipped }];
    const text = 'In the right lower part there is a <p>renal cyst</p> [SEG].';
    expect(warnings(draftOf(ct, text, test))).toEqual(['Height: text says lower, mask lies upper']);
    expect(warnings(draftOf(ct, text, test, { pictures }))).toEqual(['Height: text says lower, mask lies upper']);
    expect(warnings(draftOf(ct, text, box(1, 6, 14, 19), { pictures }))).toEqual([]);
  });
});
