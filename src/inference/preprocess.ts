import type { Branch, Manifest } from './manifest.ts';
import { drawBox, type Box } from './region.ts';
import { resize, type Rgb } from './resize.ts';

/** Float input of an image encoder. */
export interface Pixels {
  /** [tiles, 3, height, width] */
  readonly data: Float32Array;
  readonly tiles: number;
  readonly height: number;
  readonly width: number;
}

/**
 * A picture as the encoder of the language model wants it.
 * @param box drawn on the picture as the manifest's `region_prompt` says
 */
export function visionPixels(picture: Rgb, m: Manifest, box?: Box): Pixels {
  const { source, resized } = marking(picture, m, box);
  return normalise(tiles(source, m.preprocess.vision, resized), m.preprocess.vision);
}

/** A picture as the encoder of the masks wants it; the box is drawn where `region_prompt.branch` is `both`. */
export function samPixels(picture: Rgb, m: Manifest, box?: Box): Pixels {
  const { source, resized } = marking(picture, m, m.region_prompt?.branch === 'both' ? box : undefined);
  return normalise([resized(toSize(source, m.preprocess.sam))], m.preprocess.sam);
}

/** The picture with the box on it, or what draws it on the resized one. */
function marking(picture: Rgb, m: Manifest, box?: Box): { readonly source: Rgb; readonly resized: (p: Rgb) => Rgb } {
  const region = box && m.region_prompt;
  const draw = (p: Rgb): Rgb => drawBox(p, box!, region!);
  return {
    source: region?.stage === 'source' ? draw(picture) : picture,
    resized: region?.stage === 'resized' ? draw : (p) => p,
  };
}

function toSize(p: Rgb, b: Branch, columns = 1, rows = 1): Rgb {
  return resize(p, b.width * columns, b.height * rows, b.resample, b.pass_order);
}

/**
 * The picture cut into tiles, row by row; a view of the whole last, where asked for and there is more than one tile.
 * @param marked what is drawn on the resized picture before it is cut
 */
export function tiles(p: Rgb, b: Manifest['preprocess']['vision'], marked: (p: Rgb) => Rgb): Rgb[] {
  const { columns, rows } = tileGrid(p.width, p.height, b);
  const whole = marked(toSize(p, b, columns, rows));
  if (columns * rows === 1) return [whole];
  const cut = Array.from({ length: columns * rows }, (_, i) =>
    crop(whole, (i % columns) * b.width, Math.floor(i / columns) * b.height, b),
  );
  return b.tiling.thumbnail ? [...cut, marked(toSize(p, b))] : cut;
}

function crop(p: Rgb, x: number, y: number, { width, height }: Branch): Rgb {
  const rgb = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    const start = ((y + row) * p.width + x) * 3;
    rgb.set(p.rgb.subarray(start, start + width * 3), row * width * 3);
  }
  return { width, height, rgb };
}

/**
 * The grid of tiles nearest to the picture's aspect, with between `min` and `max` tiles. Grids are tried by growing
 * area; an equally good later one wins where the picture has more than half of its pixels (InternVL's
 * `dynamic_preprocess`).
 */
export function tileGrid(
  width: number,
  height: number,
  b: Manifest['preprocess']['vision'],
): { readonly columns: number; readonly rows: number } {
  const aspect = width / height;
  let best = { columns: 1, rows: 1 };
  let least = Infinity;
  for (const g of grids(b.tiling.min, b.tiling.max)) {
    const difference = Math.abs(aspect - g.columns / g.rows);
    const tie = difference === least && width * height > 0.5 * b.width * b.height * g.columns * g.rows;
    if (difference < least || tie) best = g;
    least = Math.min(least, difference);
  }
  return best;
}

function grids(min: number, max: number): { columns: number; rows: number }[] {
  const all = [];
  for (let columns = 1; columns <= max; columns++)
    for (let rows = 1; columns * rows <= max; rows++) if (columns * rows >= min) all.push({ columns, rows });
  return all.sort((a, b) => a.columns * a.rows - b.columns * b.rows);
}

/** (x * scale - mean) / std in float32, channels apart: [tiles, 3, height, width]. */
export function normalise(views: readonly Rgb[], b: Branch): Pixels {
  const n = b.width * b.height;
  const data = new Float32Array(views.length * 3 * n);
  for (let c = 0; c < 3; c++) {
    const level = levels(b.scale, b.mean[c]!, b.std[c]!);
    views.forEach(({ rgb }, tile) => {
      const start = (tile * 3 + c) * n;
      for (let i = 0; i < n; i++) data[start + i] = level[rgb[3 * i + c]!]!;
    });
  }
  return { data, tiles: views.length, height: b.height, width: b.width };
}

/** The 256 values of one channel, each step rounded to float32 as the reference's arrays are. */
function levels(scale: number, mean: number, std: number): Float32Array {
  const f = Math.fround;
  return Float32Array.from({ length: 256 }, (_, v) => f(f(v * scale) - f(mean)) / f(std));
}
