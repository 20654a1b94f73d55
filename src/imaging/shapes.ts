import { emptyBits, PlumblineError, setBit } from '../base/index.ts';

/** Columns and rows, in pixels; 0, 0 is the upper left corner of the first pixel, whose centre is 0.5, 0.5 (PS3.3 C.18.6.1.2). */
export type Point = readonly [column: number, row: number];

/**
 * The pixels of a drawn shape: those whose centre it holds, and where it holds none, those that its points lie in.
 * @param kind Graphic Type of SCOORD (PS3.3 C.18.6.1.2)
 * @param points Graphic Data, in pairs
 * @returns packed bits of rows x columns
 * @throws PlumblineError region-invalid for another type, or too few points
 */
export function shapeBits(kind: string, points: readonly Point[], rows: number, columns: number): Uint8Array {
  const bits = emptyBits(rows * columns);
  const put = (x: number, y: number): void => {
    if (x >= 0 && x < columns && y >= 0 && y < rows) setBit(bits, y * columns + x);
  };
  const inside = insideOf(kind, points);
  const [x0, y0, x1, y1] = boundsOf(kind, points);
  let any = false;
  for (let y = Math.max(0, Math.floor(y0)); y < Math.min(rows, Math.ceil(y1)); y++)
    for (let x = Math.max(0, Math.floor(x0)); x < Math.min(columns, Math.ceil(x1)); x++)
      if (inside(x + 0.5, y + 0.5)) {
        put(x, y);
        any = true;
      }
  if (!any) for (const [x, y] of points) put(Math.floor(x), Math.floor(y));
  return bits;
}

const fewest: Readonly<Record<string, number>> = { POINT: 1, MULTIPOINT: 1, POLYLINE: 3, CIRCLE: 2, ELLIPSE: 4 };

function insideOf(kind: string, points: readonly Point[]): (x: number, y: number) => boolean {
  const least = fewest[kind];
  if (least === undefined) throw invalid(`a shape of type ${kind || 'none'} is not read`);
  if (points.length < least) throw invalid(`${kind} of ${points.length} points, at least ${least} are needed`);
  if (kind === 'POLYLINE') return (x, y) => inPolygon(points, x, y);
  if (kind === 'CIRCLE') {
    const [[cx, cy], [px, py]] = points as [Point, Point];
    const radius = Math.hypot(px - cx, py - cy);
    return (x, y) => Math.hypot(x - cx, y - cy) <= radius;
  }
  if (kind === 'ELLIPSE') return inEllipse(points as [Point, Point, Point, Point]);
  return () => false;
}

/** Even-odd rule; the last point is joined to the first. */
function inPolygon(points: readonly Point[], x: number, y: number): boolean {
  let inside = false;
  for (let i = 0, j = points.length - 1; i < points.length; j = i++) {
    const [[xi, yi], [xj, yj]] = [points[i]!, points[j]!];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

/** Ends of the major axis, then of the minor one. */
function inEllipse([a0, a1, b0, b1]: readonly [Point, Point, Point, Point]): (x: number, y: number) => boolean {
  const [cx, cy] = [(a0[0] + a1[0]) / 2, (a0[1] + a1[1]) / 2];
  const major = Math.hypot(a1[0] - a0[0], a1[1] - a0[1]) / 2;
  const minor = Math.hypot(b1[0] - b0[0], b1[1] - b0[1]) / 2;
  const [ux, uy] = [(a1[0] - a0[0]) / (2 * major), (a1[1] - a0[1]) / (2 * major)];
  return (x, y) => {
    const [along, across] = [(x - cx) * ux + (y - cy) * uy, (y - cy) * ux - (x - cx) * uy];
    return (along / major) ** 2 + (across / minor) ** 2 <= 1;
  };
}

function boundsOf(kind: string, points: readonly Point[]): readonly [number, number, number, number] {
  const [first, second] = points as [Point, Point];
  const reach = Math.hypot((second ?? first)[0] - first[0], (second ?? first)[1] - first[1]);
  const wide = kind === 'CIRCLE' || kind === 'ELLIPSE' ? reach : 0;
  const xs = points.map((p) => p[0]);
  const ys = points.map((p) => p[1]);
  return [Math.min(...xs) - wide, Math.min(...ys) - wide, Math.max(...xs) + wide, Math.max(...ys) + wide];
}

function invalid(message: string): PlumblineError {
  return new PlumblineError('region-invalid', message);
}
