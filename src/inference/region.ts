import type { Manifest } from './manifest.ts';
import type { Rgb } from './resize.ts';

/** x0, y0, x1, y1 as fractions (0..1) of the picture's width and height. */
export type Box = readonly [x0: number, y0: number, x1: number, y1: number];

export type RegionRule = NonNullable<Manifest['region_prompt']>;

/**
 * A copy of the picture with the box drawn on it, as the model saw boxes when it was trained.
 * `resized`: a frame whose inner edge is the box. `source`: a line along the box's edge as OpenCV's `rectangle` draws
 * it, wider on both sides and with round corners.
 */
export function drawBox(p: Rgb, box: Box, rule: RegionRule): Rgb {
  const [l, t, r, b] = box.map((v, i) => roundEven(v * (i % 2 === 0 ? p.width : p.height))) as unknown as Box;
  const frame = (x: number, y: number): boolean =>
    outside(x, l, r - 1) <= rule.width_px && outside(y, t, b - 1) <= rule.width_px;
  const within = (x: number, y: number): boolean => x >= l && x < r && y >= t && y < b;
  // OpenCV's thickness 1 is one pixel, 2 is three, 3 and 4 are five (measured with 5.0.0, thickness 1 to 8).
  const half = rule.width_px === 1 ? 0 : Math.ceil(rule.width_px / 2);
  const onLine = (x: number, y: number): boolean => fromEdge(x, y, l, t, r, b) <= half;
  const set = rule.stage === 'source' ? onLine : (x: number, y: number) => frame(x, y) && !within(x, y);
  const rgb = p.rgb.slice();
  for (let y = 0; y < p.height; y++)
    for (let x = 0; x < p.width; x++) if (set(x, y)) rgb.set(rule.color, (y * p.width + x) * 3);
  return { width: p.width, height: p.height, rgb };
}

/** How far `v` lies outside `first` to `last`. */
function outside(v: number, first: number, last: number): number {
  return Math.max(first - v, v - last, 0);
}

/** Distance of a pixel from the outline of a rectangle whose corners are pixels. */
function fromEdge(x: number, y: number, l: number, t: number, r: number, b: number): number {
  const apart = Math.hypot(outside(x, l, r), outside(y, t, b));
  return apart > 0 ? apart : Math.min(x - l, r - x, y - t, b - y);
}

/** Halves to the even neighbour, as the reference's language rounds. */
function roundEven(v: number): number {
  const r = Math.round(v);
  return r - v === 0.5 && r % 2 !== 0 ? r - 1 : r;
}
