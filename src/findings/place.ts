import { emptyBits, PlumblineError, setBit, type Affine, type PictureMask, type PicturePart } from '../base/index.ts';

/** Where a picture lies on its plane; a `Picture` without its pixels. */
export interface PicturePlace {
  readonly stack: string;
  /** 0-based index into the stack's planes. */
  readonly plane: number;
  readonly width: number;
  readonly height: number;
  readonly toSource: Affine;
  /** Where it shows a part of its plane only. */
  readonly part?: PicturePart;
}

/** Bits of a rectangle of the source grid: row-major, `columns` to a row. */
export interface Patch {
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
  readonly bits: Uint8Array;
}

/**
 * A mask on a part of a plane, where it lies there: only what the part speaks for is kept.
 * @throws PlumblineError draft-invalid: the mask is not of the picture's size, or the part not inside the plane
 */
export function placePart(
  mask: PictureMask,
  picture: PicturePlace,
  part: PicturePart,
  rows: number,
  columns: number,
): Patch {
  const { width, height } = picture;
  const { row, column, core } = part;
  if (mask.width !== width || mask.height !== height || mask.bits.length !== (width * height + 7) >> 3)
    throw wrongSize(mask, picture);
  if (row < 0 || column < 0 || row + height > rows || column + width > columns)
    throw new PlumblineError(
      'draft-invalid',
      `a part of ${width} x ${height} at ${column}, ${row} reaches over ${columns} x ${rows}`,
      { where: `${picture.stack}/${picture.plane}` },
    );
  const bits = emptyBits(width * height);
  eachSetPixel(withoutPadding(mask), width, (x, y) => {
    if (x >= core.x0 && x < core.x1 && y >= core.y0 && y < core.y1) setBit(bits, y * width + x);
  });
  return { row, column, rows: height, columns: width, bits };
}

/** Set in `bits` [rows, columns] what is set in a patch. */
export function layPatch(bits: Uint8Array, columns: number, patch: Patch): void {
  eachSetPixel(patch.bits, patch.columns, (x, y) => setBit(bits, (patch.row + y) * columns + patch.column + x));
}

/**
 * A mask in picture pixels as packed bits on the source grid [rows, columns], moved pixel by pixel: no resampling.
 * @throws PlumblineError draft-invalid: the mask is not of the picture's size, or `toSource` is no exact flip or
 * transpose of the picture onto the grid
 */
export function placeMask(mask: PictureMask, picture: PicturePlace, rows: number, columns: number): Uint8Array {
  const { width, toSource: t } = picture;
  checkPlace(mask, picture, rows, columns);
  const bits = withoutPadding(mask);
  if (t.a === 1 && t.d === 1) return bits;
  const placed = emptyBits(rows * columns);
  eachSetPixel(bits, width, (x, y) => setBit(placed, (t.b * x + t.d * y + t.f) * columns + t.a * x + t.c * y + t.e));
  return placed;
}

/** A copy in which the bits after the last pixel are clear. */
function withoutPadding({ bits, width, height }: PictureMask): Uint8Array {
  const copy = bits.slice();
  const last = (width * height) & 7;
  if (last > 0) copy[copy.length - 1]! &= (1 << last) - 1;
  return copy;
}

/** Source pixel (column, row) to picture pixel (x, y): the inverse of `toSource`, which is orthogonal. */
export function toPicture(t: Affine, column: number, row: number): [number, number] {
  const [dc, dr] = [column - t.e, row - t.f];
  return [t.a * dc + t.b * dr, t.c * dc + t.d * dr];
}

/** Visit set pixels row by row. Several times as fast as `setPixels`, for masks of a whole volume. */
export function eachSetPixel(bits: Uint8Array, columns: number, visit: (column: number, row: number) => void): void {
  for (let b = 0; b < bits.length; b++) {
    let byte = bits[b]!;
    if (byte === 0) continue;
    let row = Math.trunc((b << 3) / columns);
    let column = (b << 3) - row * columns;
    for (; byte !== 0; byte >>= 1, column++) {
      if (column === columns) [column, row] = [0, row + 1];
      if (byte & 1) visit(column, row);
    }
  }
}

/** Indices of set bits below `pixels`, growing; empty bytes cost one step. */
export function* setPixels(bits: Uint8Array, pixels: number): Generator<number> {
  for (let b = 0; b < bits.length; b++) {
    let byte = bits[b]!;
    for (let i = b << 3; byte !== 0 && i < pixels; i++, byte >>= 1) if (byte & 1) yield i;
  }
}

function wrongSize(mask: PictureMask, { stack, plane, width, height }: PicturePlace): PlumblineError {
  const message = `mask of ${mask.width} x ${mask.height} for a picture of ${width} x ${height}`;
  return new PlumblineError('draft-invalid', message, { where: `${stack}/${plane}` });
}

function checkPlace(mask: PictureMask, picture: PicturePlace, rows: number, columns: number): void {
  const { width, height, toSource: t } = picture;
  const at = `${picture.stack}/${picture.plane}`;
  if (mask.width !== width || mask.height !== height || mask.bits.length !== (width * height + 7) >> 3)
    throw wrongSize(mask, picture);
  const unit =
    Math.abs(t.a) + Math.abs(t.c) === 1 && Math.abs(t.b) + Math.abs(t.d) === 1 && t.a * t.d - t.b * t.c !== 0;
  const corners = [
    [0, 0],
    [width - 1, height - 1],
  ].map(([x, y]) => [t.a * x! + t.c * y! + t.e, t.b * x! + t.d * y! + t.f] as const);
  const [c0, c1] = corners.map((p) => p[0]).sort((p, q) => p - q);
  const [r0, r1] = corners.map((p) => p[1]).sort((p, q) => p - q);
  if (!unit || c0 !== 0 || r0 !== 0 || c1 !== columns - 1 || r1 !== rows - 1)
    throw new PlumblineError(
      'draft-invalid',
      `the picture's affine is no flip or transpose onto ${columns} x ${rows} pixels`,
      { where: at },
    );
}

/** Mean (column, row) of the set pixels of a plane that is not empty. */
export function centroidOf(bits: Uint8Array, columns: number): [number, number] {
  let [n, x, y] = [0, 0, 0];
  eachSetPixel(bits, columns, (column, row) => {
    n += 1;
    x += column;
    y += row;
  });
  return [x / n, y / n];
}
