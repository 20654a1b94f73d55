import { countBits, type Code, type MaskPlane, type Stack } from '../base/index.ts';
import type { Measurement } from './draft.ts';
import { setPixels } from './place.ts';

type Point = readonly [number, number];

const code = (value: string, scheme: string, meaning: string): Code => ({ value, scheme, meaning });
const codes = {
  volume: code('118565006', 'SCT', 'Volume'),
  area: code('42798000', 'SCT', 'Area'),
  'long-axis': code('103339001', 'SCT', 'Long axis'),
  'short-axis': code('103340004', 'SCT', 'Short axis'),
};
const mm = code('mm', 'UCUM', 'millimeter');
const mm2 = code('mm2', 'UCUM', 'square millimeter');
const mm3 = code('mm3', 'UCUM', 'cubic millimeter');

/**
 * What geometry alone says about a mask: volume (mm3) of a volume's mask, and on its key plane the area (mm2), the
 * long axis (largest Feret diameter, mm) and the short axis (longest chord at right angles to it, mm). Both axes are
 * taken on the convex hull of pixel corners. Nothing is measured where a pixel has no size in the patient, or where
 * the mask leaves the part of the image for which it is known.
 * @param read how many planes of the stack were read
 */
export function measureMask(stack: Stack, planes: readonly MaskPlane[], keyPlane: number, read: number): Measurement[] {
  const { rows, columns, spacing, depth } = stack.grid;
  if (spacing.kind !== 'physical') return [];
  const key = planes.find((p) => p.plane === keyPlane);
  if (!key || planes.some((p) => !inside(p.bits, rows, columns, spacing.within))) return [];
  const pixel = spacing.rowMm * spacing.columnMm;
  const axes = axesOf(cornerHull(key.bits, rows, columns, spacing.rowMm, spacing.columnMm));
  const onKey: Measurement[] = [
    { kind: 'area', code: codes.area, value: six(countBits(key.bits) * pixel), unit: mm2, plane: keyPlane },
    { kind: 'long-axis', code: codes['long-axis'], value: six(axes.long), unit: mm, plane: keyPlane },
    { kind: 'short-axis', code: codes['short-axis'], value: six(axes.short), unit: mm, plane: keyPlane },
  ];
  if (stack.kind !== 'volume' || !depth) return onKey;
  const value = planes.reduce((sum, p) => sum + countBits(p.bits) * pixel * depth.thicknessMm[p.plane]!, 0);
  const note = partial(depth.missing, read, stack.grid.planes);
  return [{ kind: 'volume', code: codes.volume, value: six(value), unit: mm3, ...(note && { note }) }, ...onKey];
}

function partial(missing: boolean, read: number, of: number): string | undefined {
  if (missing) return 'partial: slices are missing';
  if (read < of) return `partial: ${read} of ${of} slices were read`;
  return undefined;
}

/** DICOM DS and a person's eye both have room for six significant digits. */
function six(value: number): number {
  return Number(value.toPrecision(6));
}

function inside(
  bits: Uint8Array,
  rows: number,
  columns: number,
  within: { readonly x0: number; readonly y0: number; readonly x1: number; readonly y1: number } | undefined,
): boolean {
  if (!within) return true;
  for (const i of setPixels(bits, rows * columns)) {
    const [x, y] = [i % columns, Math.trunc(i / columns)];
    if (x < within.x0 || x > within.x1 || y < within.y0 || y > within.y1) return false;
  }
  return true;
}

/** Convex hull, counter-clockwise, of the corners of all set pixels, in mm. */
export function cornerHull(bits: Uint8Array, rows: number, columns: number, rowMm: number, columnMm: number): Point[] {
  const ends = new Map<number, [number, number]>();
  for (const i of setPixels(bits, rows * columns)) {
    const [x, y] = [i % columns, Math.trunc(i / columns)];
    const row = ends.get(y);
    // Pixels come row by row from left to right.
    if (row) row[1] = x + 1;
    else ends.set(y, [x, x + 1]);
  }
  const points = [...ends].flatMap(([y, [x0, x1]]) =>
    [x0, x1].flatMap((x) => [y, y + 1].map((yy): Point => [x * columnMm, yy * rowMm])),
  );
  points.sort((p, q) => p[0] - q[0] || p[1] - q[1]);
  return [...halfHull(points), ...halfHull(points.reverse())];
}

/** One side of Andrew's monotone chain, without its last point. */
function halfHull(points: readonly Point[]): Point[] {
  const hull: Point[] = [];
  for (const p of points) {
    while (hull.length > 1 && cross(hull.at(-2)!, hull.at(-1)!, p) <= 1e-9) hull.pop();
    hull.push(p);
  }
  return hull.slice(0, -1);
}

function cross(a: Point, b: Point, c: Point): number {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}

/**
 * Longest diameter of a convex polygon and the longest chord at right angles to it. Where several diameters are
 * longest (the diagonals of a square), the one with the longest chord counts, so that the result does not depend on
 * how the image is turned.
 */
export function axesOf(hull: readonly Point[]): { readonly long: number; readonly short: number } {
  let long = 0;
  let pairs: (readonly [Point, Point])[] = [];
  for (let i = 0; i < hull.length; i++)
    for (let j = i + 1; j < hull.length; j++) {
      const d = Math.hypot(hull[i]![0] - hull[j]![0], hull[i]![1] - hull[j]![1]);
      if (d > long * (1 + 1e-9)) [long, pairs] = [d, []];
      if (d >= long * (1 - 1e-9)) pairs.push([hull[i]!, hull[j]!]);
    }
  const short = Math.max(
    0,
    ...pairs.map(([p, q]) => longestChord(hull, [-(q[1] - p[1]) / long, (q[0] - p[0]) / long])),
  );
  return { long, short };
}

/** Chord length is concave and piecewise linear across a convex polygon: its largest value lies at a corner. */
function longestChord(hull: readonly Point[], along: Point): number {
  const at = hull.map((p) => ({ s: p[0] * along[0] + p[1] * along[1], t: p[1] * along[0] - p[0] * along[1] }));
  let longest = 0;
  for (const { t } of at) {
    let [low, high] = [Infinity, -Infinity];
    for (let i = 0; i < at.length; i++) {
      const [p, q] = [at[i]!, at[(i + 1) % at.length]!];
      if (Math.min(p.t, q.t) > t + 1e-9 || Math.max(p.t, q.t) < t - 1e-9) continue;
      const flat = Math.abs(q.t - p.t) < 1e-9;
      const cuts = flat ? [p.s, q.s] : [p.s + (q.s - p.s) * Math.min(1, Math.max(0, (t - p.t) / (q.t - p.t)))];
      low = Math.min(low, ...cuts);
      high = Math.max(high, ...cuts);
    }
    longest = Math.max(longest, high - low);
  }
  return longest;
}
