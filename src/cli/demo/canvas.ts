/** Drawing for phantoms: square planes of floats (0 black, 1 white), masks, seeded chance and texture. */
export const side = 256;
const pixels = side * side;

export type Plane = Float32Array;
/** One byte per pixel, 0 or 1. */
export type Mask = Uint8Array;

/** Seeded chance: the same seed gives the same picture on every machine. */
export interface Chance {
  /** Evenly in [low, high). */
  uniform(low: number, high: number): number;
  /** A whole number in [0, n). */
  below(n: number): number;
  /** Standard normal. */
  normal(): number;
}

/** mulberry32. */
export function chance(seed: number): Chance {
  let state = (seed * 0x9e3779b1) >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    uniform: (low, high) => low + (high - low) * next(),
    below: (n) => Math.floor(next() * n),
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  };
}

/** A plane from a function of column and row. */
export function plane(at: (x: number, y: number) => number): Plane {
  const p = new Float32Array(pixels);
  for (let y = 0, i = 0; y < side; y++) for (let x = 0; x < side; x++) p[i++] = at(x, y);
  return p;
}

export function mask(at: (x: number, y: number) => boolean): Mask {
  const m = new Uint8Array(pixels);
  for (let y = 0, i = 0; y < side; y++) for (let x = 0; x < side; x++) m[i++] = at(x, y) ? 1 : 0;
  return m;
}

/** Random texture of unit deviation, its grain `sigma` pixels wide, without seams at the rim. */
export function texture(r: Chance, sigma: number): Plane {
  let t = plane(() => r.normal());
  if (sigma > 0) for (let pass = 0; pass < 3; pass++) t = boxBlur(t, Math.max(1, Math.round(sigma)));
  const mean = t.reduce((sum, v) => sum + v, 0) / pixels;
  const deviation = Math.sqrt(t.reduce((sum, v) => sum + (v - mean) ** 2, 0) / pixels);
  return t.map((v) => (v - mean) / deviation);
}

/** Mean over `reach` pixels to each side, going on at the other rim; three of them are nearly a Gaussian of deviation `reach`. */
function boxBlur(p: Plane, reach: number): Plane {
  const once = (src: Plane, step: number, line: number): Plane => {
    const out = new Float32Array(pixels);
    for (let l = 0; l < side; l++) {
      const first = l * line;
      let sum = 0;
      for (let i = -reach; i <= reach; i++) sum += src[first + ((i + side) % side) * step]!;
      for (let i = 0; i < side; i++) {
        out[first + i * step] = sum;
        sum += src[first + ((i + reach + 1) % side) * step]! - src[first + ((i - reach + side) % side) * step]!;
      }
    }
    return out;
  };
  return once(once(p, 1, side), side, 1);
}

/** Gaussian blur; at the rim the picture is mirrored. */
export function blur(p: Plane, sigma: number, width = side, height = side): Plane {
  if (sigma <= 0.3) return p;
  const reach = Math.ceil(sigma * 4);
  const weights = Float32Array.from({ length: 2 * reach + 1 }, (_, i) =>
    Math.exp(-((i - reach) ** 2) / (2 * sigma * sigma)),
  );
  const sum = weights.reduce((a, b) => a + b, 0);
  const once = (src: Plane, length: number, step: number, lines: number, line: number): Plane => {
    const out = new Float32Array(src.length);
    const places = Int32Array.from({ length: length + 2 * reach }, (_, i) => mirrored(i - reach, length) * step);
    for (let l = 0; l < lines; l++)
      for (let i = 0; i < length; i++) {
        let v = 0;
        for (let k = 0; k < weights.length; k++) v += weights[k]! * src[l * line + places[i + k]!]!;
        out[l * line + i * step] = v / sum;
      }
    return out;
  };
  return once(once(p, width, 1, height, width), height, width, width, 1);
}

function mirrored(i: number, length: number): number {
  const inside = i < 0 ? -i : i >= length ? 2 * length - 2 - i : i;
  return Math.min(length - 1, Math.max(0, inside));
}

export function ellipse(cx: number, cy: number, a: number, b: number, angle = 0): Mask {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return mask((x, y) => (((x - cx) * c + (y - cy) * s) / a) ** 2 + (((y - cy) * c - (x - cx) * s) / b) ** 2 <= 1);
}

/** The outline of a lesion as a function, so that it can be drawn again at another size. */
export type Outline = (cx: number, cy: number, radius: number) => Mask;

/** A round shape with `irregular` waves in its rim, `aspect` longer than wide, turned at random. */
export function outline(r: Chance, irregular: number, aspect: number): Outline {
  const waves = [2, 3, 4, 5].map((h) => ({
    h,
    size: (irregular / (h - 1)) * r.normal(),
    phase: r.uniform(0, 2 * Math.PI),
  }));
  const turn = r.uniform(0, Math.PI);
  const rim = (angle: number): number => {
    const k = waves.reduce((sum, w) => sum + w.size * Math.cos(w.h * angle + w.phase), 1);
    return Math.min(1.6, Math.max(0.45, k));
  };
  const stretch = Math.sqrt(aspect);
  return (cx, cy, radius) =>
    mask((x, y) => {
      const dx = x - cx;
      const dy = y - cy;
      const u = (dx * Math.cos(turn) + dy * Math.sin(turn)) / stretch;
      const v = (dy * Math.cos(turn) - dx * Math.sin(turn)) * stretch;
      const far = Math.sqrt(u * u + v * v);
      return far <= radius * 1.6 && far <= radius * rim(Math.atan2(v, u));
    });
}

export function both(a: Mask, b: Mask): Mask {
  return a.map((v, i) => v & b[i]!);
}

export function either(a: Mask, b: Mask): Mask {
  return a.map((v, i) => v | b[i]!);
}

export function without(a: Mask, b: Mask): Mask {
  return a.map((v, i) => (v && !b[i] ? 1 : 0));
}

export function area(m: Mask): number {
  return m.reduce((sum, v) => sum + v, 0);
}

/** Pixels whose square neighbourhood, `width` wide, lies inside the mask. */
export function inner(m: Mask, width: number): number[] {
  const reach = width >> 1;
  const found: number[] = [];
  const rows = new Uint8Array(pixels);
  const full = (src: Mask, i: number, at: number, step: number): number => {
    for (let k = Math.max(-reach, -at); k <= Math.min(reach, side - 1 - at); k++) if (!src[i + k * step]) return 0;
    return 1;
  };
  for (let i = 0; i < pixels; i++) rows[i] = full(m, i, i % side, 1);
  for (let i = 0; i < pixels; i++) if (full(rows, i, Math.floor(i / side), side)) found.push(i);
  return found;
}

/** The mask as a plane with soft edges; only the window around it is worked on. */
export function soft(m: Mask, sigma: number): Plane {
  const out = new Float32Array(pixels);
  const margin = Math.ceil(sigma * 4) + 1;
  const w = window(m, margin);
  if (!w) return out;
  const crop = new Float32Array(w.width * w.height);
  for (let y = 0; y < w.height; y++)
    for (let x = 0; x < w.width; x++) crop[y * w.width + x] = m[(w.y + y) * side + w.x + x]!;
  const blurred = blur(crop, sigma, w.width, w.height);
  for (let y = 0; y < w.height; y++) out.set(blurred.subarray(y * w.width, (y + 1) * w.width), (w.y + y) * side + w.x);
  return out;
}

function window(m: Mask, margin: number): { x: number; y: number; width: number; height: number } | undefined {
  let x0 = side;
  let y0 = side;
  let x1 = -1;
  let y1 = -1;
  for (let y = 0, i = 0; y < side; y++)
    for (let x = 0; x < side; x++)
      if (m[i++]) {
        x0 = Math.min(x0, x);
        x1 = Math.max(x1, x);
        y0 = Math.min(y0, y);
        y1 = y;
      }
  if (x1 < 0) return undefined;
  const [x, y] = [Math.max(0, x0 - margin), Math.max(0, y0 - margin)];
  return { x, y, width: Math.min(side, x1 + margin + 1) - x, height: Math.min(side, y1 + margin + 1) - y };
}

/** Paint `value` through the softened mask, in place. */
export function paint(p: Plane, m: Mask, value: number | Plane, sigma = 1): void {
  const alpha = soft(m, sigma);
  for (let i = 0; i < pixels; i++) {
    const a = alpha[i]!;
    if (a > 0) p[i] = p[i]! * (1 - a) + (typeof value === 'number' ? value : value[i]!) * a;
  }
}
