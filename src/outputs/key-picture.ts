import { encode } from 'fast-png';
import { getBit, type Grid, type Picture } from '../base/index.ts';
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
  const { width, height, aspect = 1, levels = 128, line = 3 } = options;
  const flags = masks.map((m) => maskOnPicture(picture, m));
  const window = windowOf(picture, options.show === 'whole' ? [] : flags, width, height, aspect);
  const rgb = resample(picture, window, width, height);
  const drawn = new Uint8Array(width * height);
  const strokes = flags.map((f) => edges(picture, f, window, width, height));
  for (const stroke of strokes) paint(drawn, width, height, stroke, (line >> 1) + 2, 1);
  strokes.forEach((stroke, k) => paint(drawn, width, height, stroke, line >> 1, 2 + Math.min(k, 252)));
  const colours = masks.map((m) => m.rgb);
  return isGrey(rgb)
    ? encodeGrey(rgb, drawn, colours, width, height, levels)
    : encodeColour(rgb, drawn, colours, width, height, levels);
}

/** One byte per picture pixel: where the mask's bits are set (`toSource` is an exact flip or transpose). */
export function maskOnPicture({ width, height, toSource: t }: Picture, mask: OutlinedMask): Uint8Array {
  const flags = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const column = t.a * x + t.c * y + t.e;
      const row = t.b * x + t.d * y + t.f;
      if (column < 0 || row < 0 || column >= mask.columns || row >= mask.rows) continue;
      if (getBit(mask.bits, row * mask.columns + column)) flags[y * width + x] = 1;
    }
  }
  return flags;
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
function windowOf(
  picture: Picture,
  flags: readonly Uint8Array[],
  width: number,
  height: number,
  aspect: number,
): Window {
  const shape = width / height;
  const whole = Math.max(picture.width, picture.height * aspect * shape);
  const box = boundsOf(picture, flags);
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

function boundsOf({ width, height }: Picture, flags: readonly Uint8Array[]) {
  let [x0, y0, x1, y1] = [width, height, 0, 0];
  for (const f of flags) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        if (!f[y * width + x]) continue;
        x0 = Math.min(x0, x);
        x1 = Math.max(x1, x + 1);
        y0 = Math.min(y0, y);
        y1 = Math.max(y1, y + 1);
      }
    }
  }
  return x1 > x0 ? { x0, y0, x1, y1 } : undefined;
}

/** Pixel edges between set and not set, as lines in PNG pixels `[x0, y0, x1, y1]`, horizontal or vertical. */
function edges(
  { width: w, height: h }: Picture,
  flags: Uint8Array,
  window: Window,
  width: number,
  height: number,
): Int32Array {
  const toX = (x: number) => inside(Math.round(((x - window.x) / window.width) * width), width);
  const toY = (y: number) => inside(Math.round(((y - window.y) / window.height) * height), height);
  const at = (x: number, y: number) => (x < 0 || y < 0 || x >= w || y >= h ? 0 : flags[y * w + x]!);
  const lines: number[] = [];
  const [fromX, toX1] = [Math.max(0, Math.floor(window.x) - 1), Math.min(w, Math.ceil(window.x + window.width) + 1)];
  const [fromY, toY1] = [Math.max(0, Math.floor(window.y) - 1), Math.min(h, Math.ceil(window.y + window.height) + 1)];
  for (let y = fromY; y <= toY1; y++) {
    for (let x = fromX; x <= toX1; x++) {
      if (at(x - 1, y) !== at(x, y)) lines.push(toX(x), toY(y), toX(x), toY(y + 1));
      if (at(x, y - 1) !== at(x, y)) lines.push(toX(x), toY(y), toX(x + 1), toY(y));
    }
  }
  return Int32Array.from(lines);
}

/** A line on the border of the picture is drawn on its last pixels. */
function inside(value: number, size: number): number {
  return value === 0 ? 1 : value === size ? size - 2 : value;
}

function paint(
  drawn: Uint8Array,
  width: number,
  height: number,
  lines: Int32Array,
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

/** 80 % black. */
const halo = (value: number) => value * 0.2;

function encodeGrey(
  rgb: Uint8Array,
  drawn: Uint8Array,
  colours: readonly OutlinedMask['rgb'][],
  width: number,
  height: number,
  levels: number,
): Uint8Array {
  const greys = Math.min(levels, 256 - colours.length);
  const data = new Uint8Array(width * height);
  for (let i = 0; i < data.length; i++) {
    const v = rgb[3 * i]!;
    data[i] = drawn[i]! >= 2 ? greys + drawn[i]! - 2 : Math.round(((drawn[i] ? halo(v) : v) / 255) * (greys - 1));
  }
  const palette = [
    ...Array.from({ length: greys }, (_, k) => Array<number>(3).fill(Math.round((k * 255) / (greys - 1)))),
    ...colours.map((c) => [...c]),
  ];
  return encode(
    { width, height, data, depth: 8, channels: 1, palette: palette as [number, number, number][] },
    { zlib: { level: 9 } },
  );
}

function encodeColour(
  rgb: Uint8Array,
  drawn: Uint8Array,
  colours: readonly OutlinedMask['rgb'][],
  width: number,
  height: number,
  levels: number,
): Uint8Array {
  const data = new Uint8Array(rgb.length);
  const step = 255 / (levels - 1);
  for (let i = 0; i < drawn.length; i++) {
    for (let k = 0; k < 3; k++) {
      const v = rgb[3 * i + k]!;
      data[3 * i + k] =
        drawn[i]! >= 2 ? colours[drawn[i]! - 2]![k]! : Math.round(Math.round((drawn[i] ? halo(v) : v) / step) * step);
    }
  }
  return encode({ width, height, data, depth: 8, channels: 3 }, { zlib: { level: 9 } });
}
