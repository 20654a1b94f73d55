import { emptyBits, getBit, PlumblineError, setBit, type MaskPlane, type Parts, type Stack } from '../base/index.ts';
import { firstSet, overlap, type Placed } from './bit-planes.ts';

/** One frame to be written: a segment at a place. */
export interface SegFrame {
  /** 1-based segment number. */
  readonly segment: number;
  /** Index into the places of the stack: planes, or tiles of a slide. */
  readonly place: number;
  /** Packed rows x columns of the frame; undefined for the all-zero frame of rule D2. */
  readonly bits: Uint8Array | undefined;
}

type FilledFrame = SegFrame & Placed;

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
  const plan = { rows, columns, overlap: overlap(frames) };
  if (options.strictBinary || fits(rows, columns, frames.length)) return { ...plan, frames, packing: 'BINARY' };
  const filled = fits(rows, columns, frames.length + 1) ? withEmptyFrame(frames, segments.length, places) : undefined;
  return filled ? { ...plan, frames: filled, packing: 'BINARY' } : { ...plan, frames, packing: 'FRACTIONAL' };
}

/** Rule D2: every frame and the whole are whole bytes, and the whole is even. */
export function fits(rows: number, columns: number, frames: number): boolean {
  return columns % 8 === 0 && (rows * columns * frames) % 16 === 0;
}

function framesOfSegment(stack: Stack, segment: number, planes: readonly MaskPlane[]): FilledFrame[] {
  const { placement, rows, columns } = stack.grid;
  if (placement.kind !== 'slide') {
    return planes.flatMap(({ plane, bits }): FilledFrame[] => {
      const first = firstSet(bits);
      return first === undefined ? [] : [{ segment, place: plane, bits, first }];
    });
  }
  const matrix = planes[0];
  if (!matrix) return [];
  return placement.tiles.flatMap((tile, place): FilledFrame[] => {
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

/**
 * Pixel Data of the frames in order, without the pad byte that the writer adds to an odd length. Where frames end on
 * a byte the parts are the masks themselves: nothing is copied.
 * @throws PlumblineError encoding-invalid where a mask has another size than its grid
 */
export function packFrames(plan: FramePlan): Parts {
  const pixels = plan.rows * plan.columns;
  const bytes = (pixels + 7) >> 3;
  for (const { bits, segment } of plan.frames) {
    if (bits && bits.length !== bytes) {
      const message = `the mask of segment ${segment} has ${bits.length} bytes a plane, its grid asks for ${bytes}`;
      throw new PlumblineError('encoding-invalid', message);
    }
  }
  const empty = new Uint8Array(plan.packing === 'FRACTIONAL' ? pixels : bytes);
  if (plan.packing === 'FRACTIONAL') return plan.frames.map(({ bits }) => (bits ? expanded(bits, pixels) : empty));
  return pixels % 8 === 0 ? plan.frames.map(({ bits }) => bits ?? empty) : [shifted(plan.frames, pixels)];
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

/** One byte a pixel, 0 or 255: eight pixels by two words of four. */
function expanded(bits: Uint8Array, pixels: number): Uint8Array {
  const out = new Uint32Array(bits.length * 2);
  for (let k = 0; k < bits.length; k++) {
    const byte = bits[k]!;
    if (byte === 0) continue;
    out[2 * k] = fourBytes[byte & 15]!;
    out[2 * k + 1] = fourBytes[byte >> 4]!;
  }
  return new Uint8Array(out.buffer, 0, pixels);
}

/** Four bits as four bytes, the lowest bit in the byte that comes first, whatever the machine's byte order. */
const fourBytes = new Uint32Array(
  Uint8Array.from({ length: 64 }, (_, i) => (((i >> 2) >> (i & 3)) & 1 ? 255 : 0)).buffer,
);
