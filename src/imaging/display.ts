import type { Affine, Grid, Picture, Vec3 } from '../base/index.ts';
import { emptyBits, getBit, setBit } from '../base/index.ts';
import { cross, dot, mainAxis } from './vectors.ts';

/** Size of a picture and its way back to source pixels. */
export type PictureFrame = Pick<Picture, 'width' | 'height' | 'toSource'>;

/**
 * The flip or transpose that puts a plane in radiological display, and its exact inverse. Nothing is interpolated.
 *
 * Planes with a place in the patient: across the body picture columns grow to the patient's left and rows to the back; seen from
 * the front columns grow to the left and rows to the feet; from the side columns grow to the back and rows to the feet. So the left of the
 * picture is the patient's right in the first two. Oblique planes take the nearest of the eight flips and transposes.
 * Radiographs are mirrored where Patient Orientation (0020,0020) says that columns grow to the right of the patient.
 * All others are shown as they are stored.
 */
export function displayFrame(grid: Grid, modality: string): PictureFrame {
  const { placement, rows, columns } = grid;
  if (placement.kind === 'patient') return nearestFrame(placement.rowCosines, placement.columnCosines, rows, columns);
  if (placement.kind === 'none' && radiographs.has(modality) && placement.patientOrientation) {
    const [along, down] = placement.patientOrientation;
    const sideways = along.startsWith('R') || along.startsWith('L');
    return symmetry(
      { transpose: false, flipX: along.startsWith('R'), flipY: sideways && down.startsWith('H') },
      rows,
      columns,
    );
  }
  return symmetry({ transpose: false, flipX: false, flipY: false }, rows, columns);
}

const radiographs: ReadonlySet<string> = new Set(['CR', 'DX', 'MG', 'RF', 'XA', 'IO', 'PX', 'RG']);

interface Symmetry {
  /** Picture x runs along source rows. */
  readonly transpose: boolean;
  readonly flipX: boolean;
  readonly flipY: boolean;
}

const symmetries: readonly Symmetry[] = [false, true].flatMap((transpose) =>
  [false, true].flatMap((flipX) => [false, true].map((flipY) => ({ transpose, flipX, flipY }))),
);

/** Wanted direction of growing picture column and row, by the axis that the plane is across: x (side), y (front), z (across). */
const wanted: readonly (readonly [Vec3, Vec3])[] = [
  [
    [0, 1, 0],
    [0, 0, -1],
  ],
  [
    [1, 0, 0],
    [0, 0, -1],
  ],
  [
    [1, 0, 0],
    [0, 1, 0],
  ],
];

function nearestFrame(rowCosines: Vec3, columnCosines: Vec3, rows: number, columns: number): PictureFrame {
  const [right, down] = wanted[mainAxis(cross(rowCosines, columnCosines))]!;
  const fit = ({ transpose, flipX, flipY }: Symmetry): number => {
    const [alongX, alongY] = transpose ? [columnCosines, rowCosines] : [rowCosines, columnCosines];
    return dot(alongX, right) * (flipX ? -1 : 1) + dot(alongY, down) * (flipY ? -1 : 1);
  };
  // On a tie the first stays: the one nearest to how the plane is stored.
  const best = symmetries.reduce((a, b) => (fit(b) > fit(a) + 1e-9 ? b : a));
  return symmetry(best, rows, columns);
}

function symmetry({ transpose, flipX, flipY }: Symmetry, rows: number, columns: number): PictureFrame {
  const [width, height] = transpose ? [rows, columns] : [columns, rows];
  const sx = flipX ? -1 : 1;
  const sy = flipY ? -1 : 1;
  const x0 = flipX ? width - 1 : 0;
  const y0 = flipY ? height - 1 : 0;
  const toSource: Affine = transpose
    ? { a: 0, b: sx, c: sy, d: 0, e: y0, f: x0 }
    : { a: sx, b: 0, c: 0, d: sy, e: x0, f: y0 };
  return { width, height, toSource };
}

/** Columns and rows of the source plane of a picture. */
export function sourceSize({ width, height, toSource }: PictureFrame): {
  readonly columns: number;
  readonly rows: number;
} {
  return toSource.a === 0 ? { columns: height, rows: width } : { columns: width, rows: height };
}

/** Calls `visit(source, picture)` with the row-major index of every pixel in both grids. */
export function eachPixel(picture: PictureFrame, visit: (source: number, picture: number) => void): void {
  const { a, b, c, d, e, f } = picture.toSource;
  const { columns } = sourceSize(picture);
  let i = 0;
  for (let y = 0; y < picture.height; y++) {
    let source = (d * y + f) * columns + c * y + e;
    const step = b * columns + a;
    for (let x = 0; x < picture.width; x++, i++, source += step) visit(source, i);
  }
}

/**
 * A mask on a picture, as a mask on the source plane: each pixel goes to one pixel, none is made or lost.
 * @param bits packed, [height, width] of the picture
 * @returns packed, [rows, columns] of the source
 */
export function pictureMaskToSource(bits: Uint8Array, picture: PictureFrame): Uint8Array {
  const source = emptyBits(picture.width * picture.height);
  eachPixel(picture, (s, p) => {
    if (getBit(bits, p)) setBit(source, s);
  });
  return source;
}

/** The inverse of `pictureMaskToSource`. */
export function sourceMaskToPicture(bits: Uint8Array, picture: PictureFrame): Uint8Array {
  const shown = emptyBits(picture.width * picture.height);
  eachPixel(picture, (s, p) => {
    if (getBit(bits, s)) setBit(shown, p);
  });
  return shown;
}
