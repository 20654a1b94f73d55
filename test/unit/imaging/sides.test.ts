import { describe, expect, test } from 'vitest';
import { readStudy } from '../../../src/imaging/read-study.ts';
import { patientPoint, patientSide } from '../../../src/imaging/sides.ts';
import { classes, instance, slice } from '../../builders/series.ts';
import type { Stack } from '../../../src/base/index.ts';

function stackOf(orientation: readonly number[]): Stack {
  const one = slice('sides', 1, { position: [-12, 20, 7], orientation }, { ImageType: ['DERIVED', 'PRIMARY'] });
  return readStudy([one], { burnedIn: 'hold' }).stacks[0]!;
}

function radiograph(orientation: string[]): Stack {
  const one = instance('sides', 1, { Modality: 'DX', PatientOrientation: orientation }, classes.dx);
  return readStudy([one], { burnedIn: 'hold' }).stacks[0]!;
}

/** 30 columns, 20 rows. */
describe('patientSide', () => {
  test('the last column of an axial plane lies on the left of the patient, the first on the right', () => {
    const stack = stackOf([1, 0, 0, 0, 1, 0]);
    expect([0, 29].map((column) => patientSide(stack, 0, column, 10))).toEqual(['right', 'left']);
  });

  test('the sides follow the geometry when the plane is stored mirrored or transposed', () => {
    expect(patientSide(stackOf([-1, 0, 0, 0, 1, 0]), 0, 29, 10)).toBe('right');
    expect(patientSide(stackOf([0, 1, 0, 1, 0, 0]), 0, 15, 19)).toBe('left');
    expect(patientSide(stackOf([0, 1, 0, -1, 0, 0]), 0, 15, 19)).toBe('right');
  });

  test('a pixel within 5 % of the width around the centre lies in the middle', () => {
    const stack = stackOf([1, 0, 0, 0, 1, 0]);
    expect([13, 13.8, 14.5, 15.2, 16].map((column) => patientSide(stack, 0, column, 0))).toEqual([
      'right',
      'middle',
      'middle',
      'middle',
      'left',
    ]);
  });

  test('a plane seen from the side knows no sides', () => {
    expect(patientSide(stackOf([0, 1, 0, 0, 0, -1]), 0, 0, 0)).toBeUndefined();
  });

  test('a radiograph takes the side from its patient orientation', () => {
    expect(patientSide(radiograph(['L', 'F']), 0, 29, 3)).toBe('left');
    expect(patientSide(radiograph(['R', 'F']), 0, 29, 3)).toBe('right');
    expect(patientSide(radiograph(['F', 'L']), 0, 3, 19)).toBe('left');
    expect(patientSide(radiograph(['A', 'F']), 0, 29, 3)).toBeUndefined();
    expect(patientSide(radiograph([]), 0, 29, 3)).toBeUndefined();
  });

  test('a plane that the stack does not have knows no sides', () => {
    expect(patientSide(stackOf([1, 0, 0, 0, 1, 0]), 1, 29, 10)).toBeUndefined();
  });
});

describe('patientPoint', () => {
  test('the first value of pixel spacing belongs to the row index', () => {
    // Rows are 0.5 mm apart, columns 0.8 mm (PS3.3 10.7.1.3).
    expect(patientPoint(stackOf([1, 0, 0, 0, 1, 0]), 0, 10, 4)).toEqual([-12 + 8, 20 + 2, 7]);
    expect(patientPoint(stackOf([0, 1, 0, 0, 0, -1]), 0, 10, 4)).toEqual([-12, 20 + 8, 7 - 2]);
  });

  test('there is none without a place in the patient', () => {
    expect(patientPoint(radiograph(['L', 'F']), 0, 1, 1)).toBeUndefined();
  });
});
