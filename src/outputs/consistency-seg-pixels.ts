import {
  countBits,
  emptyBits,
  getBit,
  packBits,
  partsReader,
  setBit,
  sha256OfParts,
  type DicomJson,
  type Stack,
} from '../base/index.ts';
import { number, text } from '../dicom/index.ts';
import type { DraftMask } from '../findings/index.ts';
import { firstSet, overlap, type Placed } from './bit-planes.ts';
import { nameOf, type ReadBack, type Say } from './consistency-rules.ts';
import type { EncodingInput } from './types.ts';

/** One frame as it reads back. */
export interface Frame {
  readonly number: number;
  readonly segment: number;
  readonly groups: DicomJson;
  readonly sourceUid: string;
  readonly sourceFrame: number | undefined;
  /** Index into the planes of the stack, or the tiles of a slide; undefined where the source is none of them. */
  readonly place: number | undefined;
}

/** Pixels of one SEG: their length and packing, one frame per place, overlap, and that they are the masks. */
export function checkSegmentPixels(
  input: EncodingInput,
  stack: Stack,
  seg: ReadBack,
  frames: readonly Frame[],
  say: Say,
): void {
  const bits = checkPixels(input, seg, frames, say);
  if (!bits) return;
  checkFrames(seg, frames, bits, say);
  checkMasks(input, stack, seg, frames, bits, say);
}

/** @returns the bits of each frame; undefined where frames and pixel data do not fit together */
function checkPixels(
  input: EncodingInput,
  seg: ReadBack,
  frames: readonly Frame[],
  say: Say,
): Uint8Array[] | undefined {
  const { object, attributes, file } = seg;
  const name = nameOf(object);
  const [rows = 0, columns = 0, count = 0] = ['Rows', 'Columns', 'NumberOfFrames'].map((k) => number(attributes, k));
  const pixels = rows * columns;
  const binary = text(attributes, 'SegmentationType') === 'BINARY';
  const depth = binary ? 1 : 8;
  const bits = ['BitsAllocated', 'BitsStored', 'HighBit', 'PixelRepresentation', 'SamplesPerPixel'].map((k) =>
    number(attributes, k),
  );
  if (
    !near(
      bits.map((b) => b ?? NaN),
      [depth, depth, depth - 1, 0, 1],
      0,
    )
  ) {
    say('PL-DCM-009', `${name}: bits ${bits.join(' ')} do not suit ${text(attributes, 'SegmentationType')}`);
  }
  const read = partsReader(object.parts);
  const { offset, length: there } = file.pixel ?? { offset: 0, length: undefined };
  const length = binary ? Math.ceil((count * pixels) / 8) : count * pixels;
  if (count !== frames.length || there !== length + (length % 2)) {
    const groups = `${frames.length} per-frame groups, ${there ?? 0} bytes of Pixel Data`;
    say('PL-DCM-009', `${name}: ${count} frames, ${groups}, expected ${length + (length % 2)}`);
    return undefined;
  }
  const misread = binary && (columns % 8 !== 0 || (pixels * count) % 16 !== 0);
  if (misread && !input.profile.strictBinary) {
    say('PL-DCM-010', `${name}: BINARY with ${rows} x ${columns} x ${count} pixels can be misread`);
  }
  if (binary) return frames.map((_, i) => bitsAt((from, to) => read(offset + from, offset + to), i * pixels, pixels));
  let legal = number(attributes, 'MaximumFractionalValue') === 255;
  const packed = frames.map((_, i) => {
    const values = read(offset + i * pixels, offset + (i + 1) * pixels);
    legal &&= values.every((v) => v === 0 || v === 255);
    return packBits(values);
  });
  if (!legal) say('PL-DCM-010', `${name}: FRACTIONAL holds more than 0 and its maximum 255`);
  return packed;
}

/** `pixels` bits from bit `start` on; the bytes themselves where they begin and end on one. */
function bitsAt(read: ReturnType<typeof partsReader>, start: number, pixels: number): Uint8Array {
  const data = read(Math.floor(start / 8), Math.ceil((start + pixels) / 8));
  if (start % 8 === 0 && pixels % 8 === 0) return data;
  const bits = emptyBits(pixels);
  for (let [i, from] = [0, start % 8]; i < pixels; i++) if (getBit(data, from + i)) setBit(bits, i);
  return bits;
}

/** One frame per place and segment, empty ones, and whether segments overlap. */
function checkFrames(seg: ReadBack, frames: readonly Frame[], bits: readonly Uint8Array[], say: Say): void {
  const name = nameOf(seg.object);
  const taken = new Set<string>();
  for (const f of frames) {
    const key = `${f.segment} ${f.place}`;
    if (taken.has(key))
      say('PL-DCM-012', `${name}: frame ${f.number} is a second one of segment ${f.segment} at its place`);
    taken.add(key);
  }
  const [rows = 0, columns = 0] = ['Rows', 'Columns'].map((k) => number(seg.attributes, k));
  const without = rows * columns * (frames.length - 1);
  const allowed = columns % 8 === 0 && without % 16 !== 0 ? 1 : 0;
  const empty = frames.filter((_, i) => firstSet(bits[i]!) === undefined);
  if (empty.length > allowed)
    say('PL-DCM-012', `${name}: ${empty.length} frames without a set pixel, ${allowed} allowed`);
  const says = text(seg.attributes, 'SegmentsOverlap');
  const do_ = overlap(frames.map((f, i) => ({ place: f.place, bits: bits[i]! }))) ? 'YES' : 'NO';
  if (says !== do_) say('PL-DCM-013', `${name}: Segments Overlap says ${says || 'nothing'}, the pixels say ${do_}`);
}

/** The pixels of each segment put back on the source grid are the mask of the draft. */
function checkMasks(
  input: EncodingInput,
  stack: Stack,
  seg: ReadBack,
  frames: readonly Frame[],
  bits: readonly Uint8Array[],
  say: Say,
): void {
  const name = nameOf(seg.object);
  const masks = input.draft.masks.filter((m) => m.stack === stack.id);
  for (const f of frames) {
    if (!masks.some((m) => m.segment === f.segment)) {
      say('PL-DCM-014', `${name}: frame ${f.number} names segment ${f.segment}, which the draft does not have`);
    }
  }
  for (const mask of masks) {
    const own = frames.flatMap((f, i) => (f.segment === mask.segment ? [{ place: f.place, bits: bits[i]! }] : []));
    const planes = stack.grid.placement.kind === 'slide' ? [onMatrix(stack, own)] : inOrder(own);
    const count = planes.reduce((n, p) => n + countBits(p), 0);
    const lost = own.some((f) => f.place === undefined);
    if (count !== mask.pixels || lost) {
      say('PL-DCM-011', `${name}: segment ${mask.segment} has ${count} pixels, ${mask.id} has ${mask.pixels}`);
    } else if (sha256OfParts(planes) !== mask.digest || !sameAsMask(input, mask, planes)) {
      say('PL-DCM-011', `${name}: the pixels of segment ${mask.segment} are not those of ${mask.id}`);
    }
  }
}

/** Non-empty planes in the order of the stack. */
function inOrder(own: readonly Placed[]): Uint8Array[] {
  const set = own.filter((f) => firstSet(f.bits) !== undefined);
  return [...set].sort((a, b) => (a.place ?? 0) - (b.place ?? 0)).map((f) => f.bits);
}

function onMatrix(stack: Stack, own: readonly Placed[]): Uint8Array {
  const { placement, rows, columns } = stack.grid;
  const matrix = emptyBits(rows * columns);
  if (placement.kind !== 'slide') return matrix;
  for (const { place, bits } of own) {
    const tile = placement.tiles[place ?? -1];
    if (!tile) continue;
    for (let i = 0; i < placement.tileRows * placement.tileColumns; i++) {
      if (!getBit(bits, i)) continue;
      const row = tile.row + Math.floor(i / placement.tileColumns);
      const column = tile.column + (i % placement.tileColumns);
      if (row < rows && column < columns) setBit(matrix, row * columns + column);
    }
  }
  return matrix;
}

function sameAsMask(input: EncodingInput, mask: DraftMask, planes: readonly Uint8Array[]): boolean {
  const wanted = input.masks.get(mask.id) ?? [];
  return wanted.length === planes.length && wanted.every((p, i) => Buffer.compare(p.bits, planes[i]!) === 0);
}

/** Each value within the tolerance of its counterpart. */
export function near(a: readonly number[], b: readonly number[], tolerance: number): boolean {
  return a.length === b.length && a.every((v, i) => Math.abs(v - b[i]!) <= tolerance);
}
