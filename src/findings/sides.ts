import type { MaskPlane, Stack } from '../base/index.ts';
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
 * a slide, a grid that is thin from side to side (sagittal slabs), or one that lies wholly beside the patient
 * origin, so that its middle is not the patient's.
 * LPS: +x is left (PS3.3 C.7.6.2.1.1).
 */
export function patientLie(stack: Stack, planes: readonly MaskPlane[]): Lie | undefined {
  const ruler = rulerOf(stack);
  if (!ruler) return undefined;
  const { columns } = stack.grid;
  let [n, sum, left] = [0, 0, 0];
  for (const { plane, bits } of planes)
    eachSetPixel(bits, columns, (column, row) => {
      const x = ruler(plane, column, row);
      n += 1;
      sum += x;
      if (x > 0) left += 1;
    });
  if (n === 0) return undefined;
  const both = Math.min(left, n - left) >= (1 - oneSided) * n;
  const mean = sum / n;
  if (both || Math.abs(mean) <= deadZone) return { both };
  return { side: mean > 0 ? 'left' : 'right', both };
}

/** Distance of a source pixel from the middle towards the patient's left, as a share of the grid's width. */
type Ruler = (plane: number, column: number, row: number) => number;

function rulerOf(stack: Stack): Ruler | undefined {
  const { placement, rows, columns, spacing } = stack.grid;
  if (placement.kind === 'slide') return undefined;
  if (placement.kind === 'none') {
    const [alongRow, alongColumn] = (placement.patientOrientation ?? ['', '']).map((d) => sign(d));
    if (alongRow) return (_, c) => alongRow * ((c + 0.5) / columns - 0.5);
    if (alongColumn) return (_, _c, r) => alongColumn * ((r + 0.5) / rows - 0.5);
    return undefined;
  }
  const [perColumn, perRow] = spacing.kind === 'physical' ? [spacing.columnMm, spacing.rowMm] : [1, 1];
  const { rowCosines, columnCosines, positions } = placement;
  const at = (axis: 0 | 1, k: number, c: number, r: number) =>
    positions[k]![axis] + c * perColumn * rowCosines[axis] + r * perRow * columnCosines[axis];
  const range = (axis: 0 | 1): readonly [number, number] => {
    let [low, high] = [Infinity, -Infinity];
    for (let k = 0; k < positions.length; k++)
      for (const c of [-0.5, columns - 0.5])
        for (const r of [-0.5, rows - 0.5]) {
          const v = at(axis, k, c, r);
          [low, high] = [Math.min(low, v), Math.max(high, v)];
        }
    return [low, high];
  };
  const [x0, x1] = range(0);
  const [y0, y1] = range(1);
  if (x1 - x0 < (y1 - y0) / 2 || x0 > 0 || x1 < 0) return undefined;
  return (k, c, r) => (at(0, k, c, r) - (x0 + x1) / 2) / (x1 - x0);
}

/** Patient Orientation (0020,0020): the first letter is the main direction. */
function sign(direction: string): number {
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
