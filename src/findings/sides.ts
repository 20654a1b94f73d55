import type { Grid, MaskPlane, Placement, Stack } from '../base/index.ts';
import { eachSetPixel, toPicture, type PicturePlace } from './place.ts';
import type { Stretch } from './negation.ts';

export type Side = 'left' | 'right';

/** Where a mask lies across the patient. */
export interface Lie {
  /** Undefined in the middle, or where the mask lies on both sides. */
  readonly side?: Side;
  /** A fifth or more of the mask lies on each side. */
  readonly both: boolean;
}

/** Share of the width around the middle in which no side is named, to each side. */
const deadZone = 0.05;
/** Share of a mask that must lie on one side before that side is named. */
const oneSided = 0.8;

/**
 * On which side of the patient a mask lies: mean of its pixels against the middle of the grid.
 * Undefined where the image does not know the patient's sides: no placement in the patient and no Patient Orientation,
 * a slide, a grid less than half as wide as it is deep (sagittal slabs), or one that lies wholly beside the patient
 * origin, so that its middle is not the patient's.
 * LPS: +x is left (PS3.3 C.7.6.2.1.1).
 */
export function patientLie(stack: Stack, planes: readonly MaskPlane[]): Lie | undefined {
  const ruler = rulerOf(stack);
  if (!ruler) return undefined;
  const { columns } = stack.grid;
  let [n, sum, left] = [0, 0, 0];
  for (const { plane, bits } of planes) {
    const { origin, perColumn, perRow } = ruler(plane);
    eachSetPixel(bits, columns, (column, row) => {
      const x = origin + column * perColumn + row * perRow;
      n += 1;
      sum += x;
      if (x > 0) left += 1;
    });
  }
  if (n === 0) return undefined;
  const both = Math.min(left, n - left) >= (1 - oneSided) * n;
  const mean = sum / n;
  if (both || Math.abs(mean) <= deadZone) return { both };
  return { side: mean > 0 ? 'left' : 'right', both };
}

/** Of one plane: the distance of its first pixel from the middle towards the patient's left, and how it grows; shares of the grid's width. */
type Ruler = (plane: number) => { readonly origin: number; readonly perColumn: number; readonly perRow: number };

function rulerOf({ grid }: Stack): Ruler | undefined {
  if (grid.placement.kind === 'patient') return placedRuler(grid, grid.placement);
  if (grid.placement.kind === 'slide') return undefined;
  const [alongRow, alongColumn] = (grid.placement.patientOrientation ?? ['', '']).map(leftward) as [number, number];
  const [perColumn, perRow] = alongRow ? [alongRow / grid.columns, 0] : [0, alongColumn / grid.rows];
  if (perColumn === 0 && perRow === 0) return undefined;
  const origin = -((grid.columns - 1) / 2) * perColumn - ((grid.rows - 1) / 2) * perRow;
  return () => ({ origin, perColumn, perRow });
}

function placedRuler(grid: Grid, placement: Placement & { readonly kind: 'patient' }): Ruler | undefined {
  const [columnMm, rowMm] = grid.spacing.kind === 'physical' ? [grid.spacing.columnMm, grid.spacing.rowMm] : [1, 1];
  const { rowCosines, columnCosines, normal, positions } = placement;
  const depthMm = grid.depth?.spacingMm ?? 0;
  const range = (axis: 0 | 1): readonly [number, number] => {
    const across = grid.columns * columnMm * rowCosines[axis];
    const down = grid.rows * rowMm * columnCosines[axis];
    const through = depthMm * normal[axis];
    // From the outer edge of the first voxel.
    const half = (columnMm * rowCosines[axis] + rowMm * columnCosines[axis] + through) / 2;
    const ends = positions.flatMap((p) =>
      [0, across, down, across + down].flatMap((v) => [p[axis] - half + v, p[axis] - half + v + through]),
    );
    return [ends.reduce((m, v) => Math.min(m, v)), ends.reduce((m, v) => Math.max(m, v))];
  };
  const [x0, x1] = range(0);
  const [y0, y1] = range(1);
  if (x1 - x0 < (y1 - y0) / 2 || x0 > 0 || x1 < 0) return undefined;
  const width = x1 - x0;
  return (k) => ({
    origin: (positions[k]![0] - (x0 + x1) / 2) / width,
    perColumn: (columnMm * rowCosines[0]) / width,
    perRow: (rowMm * columnCosines[0]) / width,
  });
}

/** Patient Orientation (0020,0020): the first letter is the main direction. */
function leftward(direction: string): number {
  return direction.startsWith('L') ? 1 : direction.startsWith('R') ? -1 : 0;
}

/** Where a mask lies on a picture as shown; undefined within 5 % of the middle. */
export function pictureLie(
  picture: PicturePlace,
  centroid: readonly [number, number],
): { readonly side?: Side; readonly height?: Height } {
  const [x, y] = toPicture(picture.toSource, centroid[0], centroid[1]);
  const across = (x + 0.5) / picture.width - 0.5;
  const down = (y + 0.5) / picture.height - 0.5;
  return {
    ...(Math.abs(across) > deadZone && { side: across < 0 ? 'left' : 'right' }),
    ...(Math.abs(down) > deadZone && { height: down < 0 ? 'upper' : 'lower' }),
  };
}

export type Height = 'upper' | 'lower';

/** Side and height words that a sentence says about one of its phrases. */
export function placeWords(
  text: string,
  phrase: Stretch,
  others: readonly Stretch[],
): { readonly side?: Side | 'both'; readonly height?: Height } {
  const before = Math.max(0, ...others.filter((o) => o.end <= phrase.start).map((o) => o.end));
  const after = Math.min(text.length, ...others.filter((o) => o.start >= phrase.end).map((o) => o.start));
  // Words of its own first; then those that follow; then what the sentence said before an earlier phrase.
  const reaches = [text.slice(before, phrase.end), text.slice(phrase.end, after), text.slice(0, before)];
  const side = reaches.map(sideWord).find((s) => s !== undefined);
  const height = reaches.map(heightWord).find((h) => h !== undefined);
  return { ...(side && { side }), ...(height && { height }) };
}

function sideWord(text: string): Side | 'both' | undefined {
  if (/\b(?:bilateral(?:ly)?|both|left and right|right and left)\b/i.test(text)) return 'both';
  const words = [...text.matchAll(/\b(left|right)(?:-sided)?\b/gi)].map((m) => m[1]!.toLowerCase() as Side);
  return new Set(words).size === 1 ? words[0] : undefined;
}

/** Only where it is a place in the picture: `upper part`, `left upper`, not `upper lobe`. */
function heightWord(text: string): Height | undefined {
  const places = /\b(upper|lower)(?=\s+(?:part|half|area|region|portion|quadrant|third|left|right)\b)/gi;
  const words = [...text.matchAll(places)].map((m) => m[1]!.toLowerCase() as Height);
  return new Set(words).size === 1 ? words[0] : undefined;
}
