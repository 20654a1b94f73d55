import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Grid, Vec3 } from '../../../src/base/index.ts';
import { countBits, packBits } from '../../../src/base/index.ts';
import {
  displayFrame,
  eachPixel,
  pictureMaskToSource,
  sourceMaskToPicture,
  sourceSize,
} from '../../../src/imaging/display.ts';
import { cross } from '../../../src/imaging/vectors.ts';

const axes: Readonly<Record<string, Vec3>> = {
  R: [-1, 0, 0],
  L: [1, 0, 0],
  A: [0, -1, 0],
  P: [0, 1, 0],
  F: [0, 0, -1],
  H: [0, 0, 1],
};

function patientGrid(rowCosines: Vec3, columnCosines: Vec3, rows = 5, columns = 7): Grid {
  const normal = cross(rowCosines, columnCosines);
  const placement = {
    kind: 'patient',
    frameOfReferenceUid: '1.2',
    rowCosines,
    columnCosines,
    normal,
    positions: [[0, 0, 0]],
  } as const;
  return { rows, columns, planes: 1, placement, spacing: { kind: 'physical', rowMm: 1, columnMm: 1, source: 'test' } };
}

function flatGrid(patientOrientation?: readonly [string, string]): Grid {
  const placement = { kind: 'none', ...(patientOrientation ? { patientOrientation } : {}) } as const;
  return { rows: 5, columns: 7, planes: 1, placement, spacing: { kind: 'none', why: 'test' } };
}

/** Direction in the patient of one step along a picture axis. */
function direction(grid: Grid, dx: number, dy: number): number[] {
  if (grid.placement.kind !== 'patient') throw new Error('no directions');
  const { a, b, c, d } = displayFrame(grid, 'CT').toSource;
  const [column, row] = [a * dx + c * dy, b * dx + d * dy];
  const { rowCosines, columnCosines } = grid.placement;
  return rowCosines.map((v, i) => column * v + row * columnCosines[i]! + 0);
}

const orders = Object.entries(axes).flatMap(([r, row]) =>
  Object.entries(axes)
    .filter(([, column]) => row.every((v, i) => v * column[i]! === 0))
    .map(([c, column]) => ({ name: `${r}${c}`, row, column })),
);

describe('displayFrame', () => {
  test('there are 24 ways to store a plane along the body axes', () => expect(orders).toHaveLength(24));

  test.each(orders)('a plane stored $name is shown as a radiologist expects it', ({ row, column }) => {
    const grid = patientGrid(row, column);
    const across = cross(row, column).findIndex((v) => v !== 0);
    // Across the body and from the front: columns to the left of the patient; from the side: columns to the back.
    const right = across === 0 ? axes['P'] : axes['L'];
    const down = across === 2 ? axes['P'] : axes['F'];
    expect(direction(grid, 1, 0)).toEqual(right);
    expect(direction(grid, 0, 1)).toEqual(down);
  });

  test('an oblique plane takes the nearest flip and is never turned by an angle', () => {
    const s = Math.sin(0.3);
    const c = Math.cos(0.3);
    const { toSource, width, height } = displayFrame(patientGrid([-c, -s, 0], [s, -c, 0]), 'MR');
    expect({ toSource, width, height }).toEqual({
      toSource: { a: -1, b: 0, c: 0, d: -1, e: 6, f: 4 },
      width: 7,
      height: 5,
    });
  });

  test('a transposed plane has its sides exchanged', () => {
    const shown = displayFrame(patientGrid(axes['P']!, axes['L']!), 'CT');
    expect(shown).toEqual({ width: 5, height: 7, toSource: { a: 0, b: 1, c: 1, d: 0, e: 0, f: 0 } });
    expect(sourceSize(shown)).toEqual({ columns: 7, rows: 5 });
  });

  test.each([
    [['L', 'F'], { a: 1, b: 0, c: 0, d: 1, e: 0, f: 0 }],
    [['R', 'F'], { a: -1, b: 0, c: 0, d: 1, e: 6, f: 0 }],
    [['R', 'H'], { a: -1, b: 0, c: 0, d: -1, e: 6, f: 4 }],
    [['P', 'FL'], { a: 1, b: 0, c: 0, d: 1, e: 0, f: 0 }],
    [undefined, { a: 1, b: 0, c: 0, d: 1, e: 0, f: 0 }],
  ] as const)(
    'a radiograph of patient orientation %j has the patient left on the right where it knows it',
    (orientation, toSource) => {
      expect(displayFrame(flatGrid(orientation), 'DX').toSource).toEqual(toSource);
    },
  );

  test('a photograph is shown as it is stored, whatever its patient orientation says', () => {
    expect(displayFrame(flatGrid(['R', 'F']), 'OP').toSource).toEqual({ a: 1, b: 0, c: 0, d: 1, e: 0, f: 0 });
  });
});

describe('masks between picture and source', () => {
  const anyGrid = fc.record({
    order: fc.constantFrom(...orders),
    rows: fc.integer({ min: 1, max: 23 }),
    columns: fc.integer({ min: 1, max: 23 }),
  });

  test('every picture pixel has exactly one source pixel, at the place that the affine names', () => {
    fc.assert(
      fc.property(anyGrid, ({ order, rows, columns }) => {
        const shown = displayFrame(patientGrid(order.row, order.column, rows, columns), 'CT');
        const { a, b, c, d, e, f } = shown.toSource;
        const seen = new Set<number>();
        const wrong: number[] = [];
        eachPixel(shown, (source, picture) => {
          const [x, y] = [picture % shown.width, Math.floor(picture / shown.width)];
          const [column, row] = [a * x + c * y + e, b * x + d * y + f];
          const inside = column >= 0 && column < columns && row >= 0 && row < rows;
          if (!inside || source !== row * columns + column) wrong.push(picture);
          seen.add(source);
        });
        expect(wrong).toEqual([]);
        expect(seen.size).toBe(rows * columns);
      }),
    );
  });

  test('a mask goes to the source and back without losing or gaining a pixel', () => {
    fc.assert(
      fc.property(anyGrid, fc.infiniteStream(fc.boolean()), ({ order, rows, columns }, stream) => {
        const flags = [...stream.take(rows * columns)].map(Number);
        const bits = packBits(flags);
        const shown = displayFrame(patientGrid(order.row, order.column, rows, columns), 'CT');
        const source = pictureMaskToSource(bits, shown);
        expect(countBits(source)).toBe(countBits(bits));
        expect(sourceMaskToPicture(source, shown)).toEqual(bits);
      }),
    );
  });

  test('a mask at the top left of a mirrored picture lies at the top right of the source', () => {
    const shown = displayFrame(flatGrid(['R', 'F']), 'CR');
    const source = pictureMaskToSource(packBits([1, 1, ...Array<number>(33).fill(0)]), shown);
    expect(source).toEqual(packBits([0, 0, 0, 0, 0, 1, 1, ...Array<number>(28).fill(0)]));
  });
});
