import { emptyBits, getBit, PlumblineError, setBit, type MaskPlane, type Stack } from '../base/index.ts';

/** One frame to be written: a segment at a place. */
export interface SegFrame {
  /** 1-based segment number. */
  readonly segment: number;
  /** Index into the places of the stack: planes, or tiles of a slide. */
  readonly place: number;
  /** Packed rows x columns of the frame; undefined for the all-zero frame of rule D2. */
  readonly bits: Uint8Array | undefined;
}

/** All frames of one SEG, by segment then place, and how their pixels are packed. */
export interface FramePlan {
  readonly rows: number;
  readonly columns: number;
  readonly frames: readonly SegFrame[];
  readonly packing: 'BINARY' | 'FRACTIONAL';
  /** Some pixel belongs to more than one segment. */
  readonly overlap: boolean;
}

/**
 * Which frames a SEG has: those with a set pixel, by segment then place.
 *
 * Packing: 1-bit frames follow each other without padding (PS3.5 8.1.1), which some viewers read as if every frame began
 * on a byte, and their count of bytes may be odd. BINARY therefore only where `columns % 8 = 0` and
 * `rows x columns x frames % 16 = 0`; where only the second fails one all-zero frame at an unused place mends it; else
 * FRACTIONAL with nothing but 0 and 255.
 * @param segments planes of each mask, in order of segment number
 */
export function planFrames(
  stack: Stack,
  segments: readonly (readonly MaskPlane[])[],
  options: { readonly strictBinary?: boolean } = {},
): FramePlan {
  const { placement } = stack.grid;
  const [rows, columns] =
    placement.kind === 'slide' ? [placement.tileRows, placement.tileColumns] : [stack.grid.rows, stack.grid.columns];
  const places = placement.kind === 'slide' ? placement.tiles.length : stack.planes.length;
  const frames = segments.flatMap((planes, i) => framesOfSegment(stack, i + 1, planes));
  const plan = { rows, columns, overlap: overlaps(frames) };
  if (options.strictBinary || fits(rows, columns, frames.length)) return { ...plan, frames, packing: 'BINARY' };
  const filled = fits(rows, columns, frames.length + 1) ? withEmptyFrame(frames, segments.length, places) : undefined;
  return filled ? { ...plan, frames: filled, packing: 'BINARY' } : { ...plan, frames, packing: 'FRACTIONAL' };
}

/** Rule D2: every frame and the whole are whole bytes, and the whole is even. */
export function fits(rows: number, columns: number, frames: number): boolean {
  return columns % 8 === 0 && (rows * columns * frames) % 16 === 0;
}

function framesOfSegment(stack: Stack, segment: number, planes: readonly MaskPlane[]): SegFrame[] {
  const { placement, rows, columns } = stack.grid;
  if (placement.kind !== 'slide') {
    const zeros = emptyBits(rows * columns);
    const set = planes.filter((p) => Buffer.compare(p.bits, zeros) !== 0);
    return set.map((p) => ({ segment, place: p.plane, bits: p.bits }));
  }
  const matrix = planes[0];
  if (!matrix) return [];
  return placement.tiles.flatMap((tile, place): SegFrame[] => {
    const bits = cropTile(matrix.bits, rows, columns, tile, placement.tileRows, placement.tileColumns);
    return bits ? [{ segment, place, bits }] : [];
  });
}

/** @returns the bits of one tile of the total pixel matrix, zero beyond its edges; undefined where none is set */
function cropTile(
  matrix: Uint8Array,
  rows: number,
  columns: number,
  at: { readonly row: number; readonly column: number },
  tileRows: number,
  tileColumns: number,
): Uint8Array | undefined {
  const bits = emptyBits(tileRows * tileColumns);
  let any = false;
  const [height, width] = [Math.min(tileRows, rows - at.row), Math.min(tileColumns, columns - at.column)];
  for (let r = 0; r < height; r++) {
    const start = (at.row + r) * columns + at.column;
    for (let c = 0; c < width; c++) {
      // Most of a slide is empty: eight pixels at a time until something is there.
      if (((start + c) & 7) === 0 && matrix[(start + c) >> 3] === 0) {
        c += 7;
        continue;
      }
      if (!getBit(matrix, start + c)) continue;
      setBit(bits, r * tileColumns + c);
      any = true;
    }
  }
  return any ? bits : undefined;
}

/** The first (segment, place) without a frame, filled with an all-zero frame; undefined where every place is used. */
function withEmptyFrame(frames: readonly SegFrame[], segments: number, places: number): SegFrame[] | undefined {
  const used = new Set(frames.map((f) => f.segment * places + f.place));
  for (let segment = 1; segment <= segments; segment++) {
    for (let place = 0; place < places; place++) {
      if (used.has(segment * places + place)) continue;
      const added = [...frames, { segment, place, bits: undefined }];
      return added.sort((a, b) => a.segment - b.segment || a.place - b.place);
    }
  }
  return undefined;
}

function overlaps(frames: readonly SegFrame[]): boolean {
  const union = new Map<number, Uint32Array>();
  return frames.some(({ place, bits }) => {
    if (!bits) return false;
    const own = words(bits);
    const seen = union.get(place);
    if (!seen) union.set(place, new Uint32Array(own));
    return seen !== undefined && joins(seen, own);
  });
}

/** Adds `own` to `seen`. @returns whether they had a pixel in common */
export function joins(seen: Uint32Array, own: Uint32Array): boolean {
  let common = 0;
  for (let i = 0; i < own.length; i++) {
    common |= seen[i]! & own[i]!;
    seen[i]! |= own[i]!;
  }
  return common !== 0;
}

/** Bits as 32-bit words, so that large planes are compared quickly. */
export function words(bits: Uint8Array): Uint32Array {
  if (bits.byteOffset % 4 === 0 && bits.length % 4 === 0) {
    return new Uint32Array(bits.buffer, bits.byteOffset, bits.length / 4);
  }
  const padded = new Uint8Array(Math.ceil(bits.length / 4) * 4);
  padded.set(bits);
  return new Uint32Array(padded.buffer);
}

/**
 * Pixel Data of the frames, without the pad byte that the writer adds to an odd length.
 * @throws PlumblineError encoding-invalid where a mask has another size than its grid
 */
export function packFrames(plan: FramePlan): Uint8Array {
  const pixels = plan.rows * plan.columns;
  const bytes = (pixels + 7) >> 3;
  for (const { bits, segment } of plan.frames) {
    if (bits && bits.length !== bytes) {
      const message = `the mask of segment ${segment} has ${bits.length} bytes a plane, its grid asks for ${bytes}`;
      throw new PlumblineError('encoding-invalid', message);
    }
  }
  if (plan.packing === 'FRACTIONAL') return packBytes(plan.frames, pixels);
  return pixels % 8 === 0 ? concatenated(plan.frames, bytes) : shifted(plan.frames, pixels);
}

function concatenated(frames: readonly SegFrame[], bytes: number): Uint8Array {
  const out = new Uint8Array(frames.length * bytes);
  frames.forEach((f, i) => f.bits && out.set(f.bits, i * bytes));
  return out;
}

/** Frames that do not end on a byte follow each other bit by bit (PS3.5 8.1.1, PS3.3 C.7.6.3.1.4). */
function shifted(frames: readonly SegFrame[], pixels: number): Uint8Array {
  const out = new Uint8Array(Math.ceil((frames.length * pixels) / 8));
  const last = 0xff >> (7 - ((pixels - 1) & 7));
  frames.forEach(({ bits }, i) => {
    if (!bits) return;
    const start = i * pixels;
    const [byte, shift] = [Math.floor(start / 8), start % 8];
    for (let k = 0; k < bits.length; k++) {
      const value = k === bits.length - 1 ? bits[k]! & last : bits[k]!;
      out[byte + k]! |= (value << shift) & 0xff;
      if (shift > 0 && byte + k + 1 < out.length) out[byte + k + 1]! |= value >> (8 - shift);
    }
  });
  return out;
}

/** One byte a pixel, 0 or 255. */
function packBytes(frames: readonly SegFrame[], pixels: number): Uint8Array {
  const out = new Uint8Array(frames.length * pixels);
  frames.forEach(({ bits }, i) => {
    if (!bits) return;
    const start = i * pixels;
    for (let k = 0; k < bits.length; k++) {
      const byte = bits[k]!;
      if (byte === 0) continue;
      const end = Math.min(8, pixels - k * 8);
      for (let b = 0; b < end; b++) if ((byte >> b) & 1) out[start + k * 8 + b] = 255;
    }
  });
  return out;
}
