import { deflateRawSync, inflateRawSync } from 'node:zlib';
import {
  emptyBits,
  PlumblineError,
  setBit,
  type Answer,
  type Picture,
  type PictureMask,
  type Region,
  type SecondMask,
  type Stack,
} from '../base/index.ts';
import { unshownOf, type AnswerForm, type Mappings } from '../findings/index.ts';
import { sourceMaskToPicture } from '../imaging/index.ts';
import type { Box } from '../inference/index.ts';

/** The stack and plane that a region lies on. @throws PlumblineError region-invalid */
export function placeOf(region: Region, stacks: readonly Stack[]): { readonly stack: Stack; readonly plane: number } {
  for (const stack of stacks) {
    const plane = stack.planes.findIndex(
      (p) => p.instanceUid === region.instanceUid && (p.frame ?? 1) === (region.frame ?? 1),
    );
    if (plane < 0) continue;
    const { rows, columns } = stack.grid;
    const [x0, y0, x1, y1] = region.box;
    if (0 <= x0 && x0 < x1 && x1 <= columns && 0 <= y0 && y0 < y1 && y1 <= rows) return { stack, plane };
    throw invalid(`the region ${region.box.join(', ')} is not within the ${columns} columns and ${rows} rows`, region);
  }
  throw invalid('the region lies on an image that is not read here', region);
}

/**
 * The region as a mask of the picture, and the box round it as the model is shown it: fractions of width and height.
 * @throws PlumblineError region-invalid
 */
export function regionOn(
  picture: Picture,
  region: Region,
  { grid: { rows, columns } }: Stack,
): { readonly box: Box; readonly mask: PictureMask } {
  const bits = sourceMaskToPicture(sourceBits(region, rows, columns), picture);
  const [x0, y0, x1, y1] = region.box;
  const [[ax, ay], [bx, by]] = [shownAt(picture, x0, y0), shownAt(picture, x1 - 1, y1 - 1)];
  const { width, height } = picture;
  const box: Box = [
    Math.min(ax, bx) / width,
    Math.min(ay, by) / height,
    (Math.max(ax, bx) + 1) / width,
    (Math.max(ay, by) + 1) / height,
  ];
  return { box, mask: { width, height, bits } };
}

/** Claims that an answer about a region does not show are about the region: it is their mask. */
export function claimRegion(
  answers: readonly Answer[],
  mask: PictureMask,
  { form, mappings, modality }: { readonly form: AnswerForm; readonly mappings: Mappings; readonly modality: string },
): Answer[] {
  return answers.map((answer) => {
    const second = unshownOf(answer, form, modality, mappings).map(({ sentence, start, end }): SecondMask => {
      return { sentence, start, end, by: 'region', text: '', mask };
    });
    return { ...answer, second };
  });
}

/** Where a source pixel is in the picture: the inverse of an exact flip or transpose. */
function shownAt({ toSource: { a, b, c, d, e, f } }: Picture, column: number, row: number): readonly [number, number] {
  return a === 0 ? [(row - f) / b, (column - e) / c] : [(column - e) / a, (row - f) / d];
}

/** @throws PlumblineError region-invalid where the shape is none of this grid */
function sourceBits(region: Region, rows: number, columns: number): Uint8Array {
  const bits = emptyBits(rows * columns);
  if (region.mask !== undefined) {
    bits.set(inflated(region, bits.length));
    return bits;
  }
  const [x0, y0, x1, y1] = region.box;
  for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) setBit(bits, y * columns + x);
  return bits;
}

function inflated(region: Region, length: number): Uint8Array {
  try {
    const bytes = inflateRawSync(Buffer.from(region.mask!, 'base64'), { maxOutputLength: length });
    if (bytes.length === length) return bytes;
    throw invalid(`its shape has ${bytes.length} bytes, the image needs ${length}`, region);
  } catch (cause) {
    if (cause instanceof PlumblineError) throw cause;
    throw invalid(`its shape cannot be read: ${(cause as Error).message}`, region);
  }
}

/** The shape of a region as `Region` carries it. @param bits of the source grid */
export function packShape(bits: Uint8Array): string {
  return deflateRawSync(bits).toString('base64');
}

function invalid(message: string, { instanceUid }: Region): PlumblineError {
  return new PlumblineError('region-invalid', message, { where: instanceUid });
}
