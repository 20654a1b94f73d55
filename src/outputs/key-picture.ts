import { encode } from 'fast-png';
import type { Grid, Picture } from '../base/index.ts';
import { resample } from './resample.ts';

/** One plane of a mask, bits on the source grid (`rows` x `columns`), and the colour of its outline. */
export interface OutlinedMask {
  readonly bits: Uint8Array;
  readonly rows: number;
  readonly columns: number;
  readonly rgb: readonly [number, number, number];
}

export interface KeyPictureOptions {
  /** Size of the PNG, pixels. */
  readonly width: number;
  readonly height: number;
  /** Height of a picture pixel divided by its width (`pixelAspect`). Default 1. */
  readonly aspect?: number;
  /** `masks`: a window round all masks with about as much around them; `whole`: all of the picture. Default `masks`. */
  readonly show?: 'masks' | 'whole';
  /** Grey levels (or levels per colour) kept: fewer make a smaller file. Default 128. */
  readonly levels?: number;
  /** Width of the outline, PNG pixels, odd. Default 3. */
  readonly line?: number;
}

/** The part of the picture that is shown, in picture pixels (may reach beyond the picture: black there). */
export interface Window {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * A picture with the outlines of masks, as PNG. Outlines run on the edges between pixels and are never smoothed: they
 * show the stored bits. Each line has a dark halo, so that it can be told from any background.
 * @returns PNG bytes; equal input gives equal bytes
 */
export function renderKeyPicture(
  picture: Picture,
  masks: readonly OutlinedMask[],
  options: KeyPictureOptions,
): Uint8Array {
  return encodeDrawing(withLevels(drawKeyPicture(picture, masks, options), options.levels ?? 128));
}

/** A picture at its final size, and what is drawn on it; levels and compression come after it. */
export interface Drawing {
  readonly width: number;
  readonly height: number;
  /** [height, width, 3] */
  readonly rgb: Uint8Array;
  /** [height, width]: 0 nothing, 1 halo, 2 + k the line of the k-th mask. */
  readonly drawn: Uint8Array;
  readonly colours: readonly OutlinedMask['rgb'][];
}

/** The costly half of `renderKeyPicture`: everything but grey levels and PNG. */
export function drawKeyPicture(
  picture: Picture,
  masks: readonly OutlinedMask[],
  options: Omit<KeyPictureOptions, 'levels'>,
): Drawing {
  const { width, height, aspect = 1, line = 3 } = options;
  const flags = masks.map((m) => maskOnPicture(picture, m));
  const window = windowOf(picture, options.show === 'whole' ? [] : flags, width, height, aspect);
  const drawn = new Uint8Array(width * height);
  const strokes = flags.map((f) => edges(picture, f, window, width, height));
  for (const stroke of strokes) paint(drawn, width, height, stroke, (line >> 1) + 2, 1);
  strokes.forEach((stroke, k) => paint(drawn, width, height, stroke, line >> 1, 2 + Math.min(k, 252)));
  return { width, height, rgb: resample(picture, window, width, height), drawn, colours: masks.map((m) => m.rgb) };
}

/** A mask in picture pixels and the box that holds it, `x1` and `y1` beyond its last pixels; empty where x1 is 0. */
export interface Flags {
  /** One byte per picture pixel. */
  readonly set: Uint8Array;
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

/** Where the mask's bits are set on the picture (`toSource` is a flip or transpose, times a whole number where it was made smaller). */
export function maskOnPicture({ width, height, toSource: t }: Picture, { bits, rows, columns }: OutlinedMask): Flags {
  const set = new Uint8Array(width * height);
  const n = t.a * t.a + t.b * t.b;
  let [x0, y0, x1, y1] = [width, height, 0, 0];
  for (let b = 0; b < bits.length; b++) {
    let byte = bits[b]!;
    for (let i = b << 3; byte !== 0 && i < rows * columns; i++, byte >>= 1) {
      if ((byte & 1) === 0) continue;
      const row = Math.trunc(i / columns);
      const [dc, dr] = [i - row * columns - t.e, row - t.f];
      const x = Math.floor((t.a * dc + t.b * dr) / n);
      const y = Math.floor((t.c * dc + t.d * dr) / n);
      if (x < 0 || y < 0 || x >= width || y >= height) continue;
      set[y * width + x] = 1;
      if (x < x0) x0 = x;
      if (x >= x1) x1 = x + 1;
      if (y < y0) y0 = y;
      if (y >= y1) y1 = y + 1;
    }
  }
  return { set, x0, y0, x1, y1 };
}

/** Height of a picture pixel divided by its width, from the spacing of the grid; 1 where no spacing is known. */
export function pixelAspect({ toSource }: Picture, { spacing }: Grid): number {
  if (spacing.kind === 'none') return 1;
  // b is set where x of the picture runs along the rows' direction of growing row index (transposed).
  return toSource.b === 0 ? spacing.rowMm / spacing.columnMm : spacing.columnMm / spacing.rowMm;
}

/** Letters of the patient directions at the left and right edge of the picture; none where the picture does not know them. */
export function pictureSides(
  { toSource }: Picture,
  { placement }: Grid,
): { readonly left: string; readonly right: string } | undefined {
  if (placement.kind === 'slide') return undefined;
  if (placement.kind === 'none') {
    const [column, row] = placement.patientOrientation ?? [];
    const along = toSource.b === 0 ? letterOf(column) : letterOf(row);
    const step = toSource.b === 0 ? toSource.a : toSource.b;
    return along === undefined
      ? undefined
      : step > 0
        ? { left: opposite[along]!, right: along }
        : { left: along, right: opposite[along]! };
  }
  const { rowCosines: r, columnCosines: c } = placement;
  const step = [0, 1, 2].map((i) => toSource.a * r[i]! + toSource.b * c[i]!);
  const axis = [0, 1, 2].reduce((best, i) => (Math.abs(step[i]!) > Math.abs(step[best]!) ? i : best), 0);
  // PS3.3 C.7.6.2.1.1: +x left, +y posterior, +z head.
  const [plus, minus] = [
    ['L', 'R'],
    ['P', 'A'],
    ['H', 'F'],
  ][axis]!;
  return step[axis]! > 0 ? { left: minus!, right: plus! } : { left: plus!, right: minus! };
}

const opposite: Readonly<Record<string, string>> = { L: 'R', R: 'L', A: 'P', P: 'A', H: 'F', F: 'H' };

/** The main direction of a Patient Orientation value (PS3.3 C.7.6.1.1.1): its first letter. */
function letterOf(value: string | undefined): string | undefined {
  return value !== undefined && /^[LRAPHF]{1,3}$/.test(value) ? value[0] : undefined;
}

/** The smallest window of the PNG's shape that holds the masks and as much around them; at least 64 pixels wide. */
function windowOf(picture: Picture, flags: readonly Flags[], width: number, height: number, aspect: number): Window {
  const shape = width / height;
  const whole = Math.max(picture.width, picture.height * aspect * shape);
  const box = boundsOf(flags);
  const wanted = box ? Math.max(64, 2 * (box.x1 - box.x0), 2 * (box.y1 - box.y0) * aspect * shape) : whole;
  const w = Math.min(wanted, whole);
  const h = w / shape / aspect;
  const middle = box ?? { x0: 0, y0: 0, x1: picture.width, y1: picture.height };
  return {
    x: place((middle.x0 + middle.x1) / 2, w, picture.width),
    y: place((middle.y0 + middle.y1) / 2, h, picture.height),
    width: w,
    height: h,
  };
}

/** Centre a window of `size` on `middle`, kept inside 0..length where it fits, else centred on the picture. */
function place(middle: number, size: number, length: number): number {
  return size >= length ? (length - size) / 2 : Math.min(Math.max(middle - size / 2, 0), length - size);
}

function boundsOf(flags: readonly Flags[]) {
  const found = flags.filter((f) => f.x1 > 0);
  if (found.length === 0) return undefined;
  return {
    x0: Math.min(...found.map((f) => f.x0)),
    y0: Math.min(...found.map((f) => f.y0)),
    x1: Math.max(...found.map((f) => f.x1)),
    y1: Math.max(...found.map((f) => f.y1)),
  };
}

/** Pixel edges between set and not set, as lines in PNG pixels `[x0, y0, x1, y1]`, horizontal or vertical. */
function edges(
  { width: w, height: h }: Picture,
  flags: Flags,
  window: Window,
  width: number,
  height: number,
): readonly number[] {
  const { set } = flags;
  const toX = (x: number) => inside(Math.round(((x - window.x) / window.width) * width), width);
  const toY = (y: number) => inside(Math.round(((y - window.y) / window.height) * height), height);
  const lines: number[] = [];
  // What is set lies in the box of the mask; what is shown lies in the window.
  const fromX = Math.max(flags.x0, Math.floor(window.x) - 1);
  const fromY = Math.max(flags.y0, Math.floor(window.y) - 1);
  const lastX = Math.min(flags.x1, Math.ceil(window.x + window.width) + 1);
  const lastY = Math.min(flags.y1, Math.ceil(window.y + window.height) + 1);
  for (let y = fromY; y <= lastY; y++) {
    for (let x = fromX; x <= lastX; x++) {
      const here = x < w && y < h ? set[y * w + x] : 0;
      const left = x > 0 && y < h ? set[y * w + x - 1] : 0;
      const above = y > 0 && x < w ? set[(y - 1) * w + x] : 0;
      if (left !== here) lines.push(toX(x), toY(y), toX(x), toY(y + 1));
      if (above !== here) lines.push(toX(x), toY(y), toX(x + 1), toY(y));
    }
  }
  return lines;
}

/** A line on the border of the picture is drawn on its last pixels. */
function inside(value: number, size: number): number {
  return value === 0 ? 1 : value === size ? size - 2 : value;
}

function paint(
  drawn: Uint8Array,
  width: number,
  height: number,
  lines: readonly number[],
  radius: number,
  value: number,
): void {
  for (let k = 0; k < lines.length; k += 4) {
    const [x0, x1] = [Math.max(0, lines[k]! - radius), Math.min(width - 1, lines[k + 2]! + radius)];
    const [y0, y1] = [Math.max(0, lines[k + 1]! - radius), Math.min(height - 1, lines[k + 3]! + radius)];
    for (let y = y0; y <= y1; y++) for (let x = x0; x <= x1; x++) drawn[y * width + x] = value;
  }
}

function isGrey(rgb: Uint8Array): boolean {
  for (let i = 0; i < rgb.length; i += 3) if (rgb[i] !== rgb[i + 1] || rgb[i] !== rgb[i + 2]) return false;
  return true;
}

/** A drawing with fewer levels, ready to be encoded. */
export interface Levelled {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  /** [height, width, channels] */
  readonly data: Uint8Array;
  readonly palette?: [number, number, number][];
}

/** Grey pictures by a palette of greys and the masks' colours, others with so many levels in each colour. */
export function withLevels(drawing: Drawing, levels: number): Levelled {
  return isGrey(drawing.rgb) ? greyLevels(drawing, levels) : colourLevels(drawing, levels);
}

export function encodeDrawing(levelled: Levelled): Uint8Array {
  return encode({ ...levelled, depth: 8 }, { zlib: { level: 9 } });
}

/** A halo is 80 % black. */
const halo = 0.2;

function greyLevels({ width, height, rgb, drawn, colours }: Drawing, levels: number): Levelled {
  const greys = Math.min(levels, 256 - colours.length);
  const bare = Uint8Array.from({ length: 256 }, (_, v) => Math.round((v / 255) * (greys - 1)));
  const dark = Uint8Array.from({ length: 256 }, (_, v) => Math.round(((v * halo) / 255) * (greys - 1)));
  const data = new Uint8Array(width * height);
  for (let i = 0; i < data.length; i++) {
    const mark = drawn[i]!;
    data[i] = mark >= 2 ? greys + mark - 2 : (mark ? dark : bare)[rgb[3 * i]!]!;
  }
  const palette = [
    ...Array.from({ length: greys }, (_, k) => Array<number>(3).fill(Math.round((k * 255) / (greys - 1)))),
    ...colours.map((c) => [...c]),
  ];
  return { width, height, channels: 1, data, palette: palette as [number, number, number][] };
}

function colourLevels({ width, height, rgb, drawn, colours }: Drawing, levels: number): Levelled {
  const step = 255 / (levels - 1);
  const bare = Uint8Array.from({ length: 256 }, (_, v) => Math.round(Math.round(v / step) * step));
  const dark = Uint8Array.from({ length: 256 }, (_, v) => Math.round(Math.round((v * halo) / step) * step));
  const data = new Uint8Array(rgb.length);
  for (let i = 0; i < drawn.length; i++) {
    const mark = drawn[i]!;
    const table = mark ? dark : bare;
    for (let k = 0; k < 3; k++) data[3 * i + k] = mark >= 2 ? colours[mark - 2]![k]! : table[rgb[3 * i + k]!]!;
  }
  return { width, height, channels: 3, data };
}
