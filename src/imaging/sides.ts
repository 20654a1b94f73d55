import type { Stack, Vec3 } from '../base/index.ts';
import { plus } from './vectors.ts';

export type Side = 'left' | 'right' | 'middle';

/** Share of the plane's width, on both sides of its centre together, that counts as the middle. */
const deadZone = 0.05;

/**
 * On which side of the patient a source pixel lies, relative to the centre of its plane, with a dead zone of 5 % of the width.
 *
 * From the geometry of the plane (+x is the patient's left, PS3.3 C.7.6.2.1.1), else from Patient Orientation (0020,0020).
 * Undefined where the plane does not know the sides: photographs, slides, most ultrasound, and planes seen from the side.
 * In display orientation (`Picture`) left of the picture is right of the patient for planes across the body and seen from the front.
 *
 * @param column 0-based, may be fractional
 * @param row 0-based, may be fractional
 */
export function patientSide(stack: Stack, plane: number, column: number, row: number): Side | undefined {
  const offset = leftward(stack, plane, column, row);
  if (offset === undefined) return undefined;
  if (Math.abs(offset) <= deadZone / 2) return 'middle';
  return offset > 0 ? 'left' : 'right';
}

/** Distance to the patient's left of the plane's centre, as a share of the plane's width in that direction. */
function leftward({ grid }: Stack, plane: number, column: number, row: number): number | undefined {
  const { placement, rows, columns, spacing } = grid;
  const u = (column - (columns - 1) / 2) / columns;
  const v = (row - (rows - 1) / 2) / rows;
  if (placement.kind === 'slide' || !(plane >= 0 && plane < grid.planes)) return undefined;
  if (placement.kind === 'none') return byOrientation(placement.patientOrientation, u, v);
  const rowMm = spacing.kind === 'physical' ? spacing.rowMm : 1;
  const columnMm = spacing.kind === 'physical' ? spacing.columnMm : 1;
  const across = placement.rowCosines[0] * columns * columnMm;
  const down = placement.columnCosines[0] * rows * rowMm;
  // A plane seen from the side holds little of left and right: its normal is mostly x.
  if (Math.abs(placement.normal[0]) > Math.SQRT1_2) return undefined;
  return (u * across + v * down) / (Math.abs(across) + Math.abs(down));
}

function byOrientation(orientation: readonly [string, string] | undefined, u: number, v: number): number | undefined {
  const [along, down] = orientation ?? ['', ''];
  if (along.startsWith('L')) return u;
  if (along.startsWith('R')) return -u;
  if (down.startsWith('L')) return v;
  if (down.startsWith('R')) return -v;
  return undefined;
}

/**
 * Centre of a source pixel in the patient, mm: P = position + column * columnMm * rowCosines + row * rowMm * columnCosines
 * (PS3.3 C.7.6.2.1.1). Undefined where the plane has no place in the patient or its pixels no size.
 */
export function patientPoint(stack: Stack, plane: number, column: number, row: number): Vec3 | undefined {
  const { placement, spacing } = stack.grid;
  if (placement.kind !== 'patient' || spacing.kind !== 'physical') return undefined;
  const origin = placement.positions[plane];
  if (!origin) return undefined;
  return plus(
    plus(origin, placement.rowCosines, column * spacing.columnMm),
    placement.columnCosines,
    row * spacing.rowMm,
  );
}
