import {
  PlumblineError,
  asPlumblineError,
  type Picture,
  type Placement,
  type SourceInstance,
  type Stack,
  type Window,
  type WindowRule,
} from '../base/index.ts';
import { renderColour } from './colour.ts';
import type { DecodedFrame, Decoder } from './decode/index.ts';
import { displayFrame, eachPixel } from './display.ts';
import { frameGroups, type FrameGroups } from './frame-groups.ts';
import { renderGrey } from './grey.ts';
import { ruledWindow } from './window-rules.ts';

export interface PictureOptions {
  /** How grey values become dark and bright: a window, or the name of a rule. Default `modality`. Colour images ignore it. */
  readonly window?: Window | WindowRule;
}

/** Pixels and frames that are decoded in one go: enough to keep the decoder busy, few enough to hold. */
const batchPixels = 1 << 22;
const batchFrames = 16;

function batchOf(rows: number, columns: number): number {
  return Math.max(1, Math.min(batchFrames, Math.floor(batchPixels / (rows * columns))));
}

/**
 * Pictures of planes of a stack, in the order of `planes`: decoded, windowed, in display orientation, with the exact way back.
 * At most one instance and a batch of frames are held at a time.
 * @param sources by SOP Instance UID
 * @param planes 0-based; all where absent
 * @throws PlumblineError pixel-decode, pixel-decode-timeout, pixel-description, each naming instance and frame
 */
export async function* loadPictures(
  stack: Stack,
  sources: ReadonlyMap<string, SourceInstance>,
  decoder: Pick<Decoder, 'decode'>,
  planes: readonly number[] = stack.planes.map((_, i) => i),
  options: PictureOptions = {},
): AsyncGenerator<Picture, void, undefined> {
  for (const run of runsOfOneInstance(stack, planes)) {
    const source = sourceOf(sources, run.instanceUid);
    const groups = frameGroups(source.attributes);
    const file = await source.load();
    const { placement } = stack.grid;
    if (placement.kind === 'slide') {
      const decoded = await decodeMatrix(stack, placement, file, decoder, run.instanceUid);
      yield picture(stack, 0, source, groups, placement.tiles[0]!.frame - 1, decoded, options);
      continue;
    }
    const batch = batchOf(stack.grid.rows, stack.grid.columns);
    for (let at = 0; at < run.planes.length; at += batch) {
      const part = run.planes.slice(at, at + batch);
      const frames = part.map((plane) => (stack.planes[plane]!.frame ?? 1) - 1);
      const decoded = await named(run.instanceUid, frames, () => decoder.decode(file, frames));
      for (const [i, plane] of part.entries())
        yield picture(stack, plane, source, groups, frames[i]!, decoded[i]!, options);
    }
  }
}

/** Neighbouring planes of one instance are decoded from one load of its file. */
function runsOfOneInstance(stack: Stack, planes: readonly number[]): { instanceUid: string; planes: number[] }[] {
  const runs: { instanceUid: string; planes: number[] }[] = [];
  for (const plane of planes) {
    const from = stack.planes[plane];
    if (!from) throw new PlumblineError('internal', `stack ${stack.id} has no plane ${plane}`);
    const last = runs.at(-1);
    if (last?.instanceUid === from.instanceUid) last.planes.push(plane);
    else runs.push({ instanceUid: from.instanceUid, planes: [plane] });
  }
  return runs;
}

function sourceOf(sources: ReadonlyMap<string, SourceInstance>, instanceUid: string): SourceInstance {
  const source = sources.get(instanceUid);
  if (!source) throw new PlumblineError('internal', `instance ${instanceUid} of the stack is not among the sources`);
  return source;
}

/** What the decoder throws, with the instance and its frames named. */
async function named<T>(instanceUid: string, frames: readonly number[], work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const error = asPlumblineError(thrown);
    const span = frames.length === 1 ? `frame ${frames[0]! + 1}` : `frames ${frames[0]! + 1} to ${frames.at(-1)! + 1}`;
    throw new PlumblineError(error.code, error.message, {
      where: error.where ?? `${instanceUid} ${span}`,
      cause: error,
    });
  }
}

function picture(
  stack: Stack,
  plane: number,
  source: SourceInstance,
  groups: FrameGroups,
  frame: number,
  decoded: DecodedFrame,
  options: PictureOptions,
): Picture {
  const { rows, columns } = stack.grid;
  const where = `${source.ref.instanceUid} frame ${frame + 1}`;
  if (decoded.rows !== rows || decoded.columns !== columns)
    throw new PlumblineError(
      'pixel-description',
      `the frame is ${decoded.columns} x ${decoded.rows} pixels, the data set says ${columns} x ${rows}`,
      { where },
    );
  const shown = displayFrame(stack.grid, stack.modality);
  const rgb = new Uint8Array(rows * columns * 3);
  if (decoded.photometric.startsWith('MONOCHROME')) {
    const rule = options.window ?? 'modality';
    const chosen = ruledWindow(rule, stack.modality, source.attributes, groups, frame);
    const { grey, window } = renderGrey(source.attributes, groups, frame, decoded, chosen, where);
    eachPixel(shown, (s, p) => {
      rgb[3 * p] = rgb[3 * p + 1] = rgb[3 * p + 2] = grey[s]!;
    });
    return { stack: stack.id, plane, ...shown, rgb, window };
  }
  const colour = renderColour(source.attributes, decoded, where);
  eachPixel(shown, (s, p) => {
    rgb[3 * p] = colour[3 * s]!;
    rgb[3 * p + 1] = colour[3 * s + 1]!;
    rgb[3 * p + 2] = colour[3 * s + 2]!;
  });
  return { stack: stack.id, plane, ...shown, rgb, window: 'colour' };
}

/** The total pixel matrix as one frame, so that one window holds for all tiles. What no tile covers is white, as glass is. */
async function decodeMatrix(
  stack: Stack,
  placement: Extract<Placement, { kind: 'slide' }>,
  file: Uint8Array,
  decoder: Pick<Decoder, 'decode'>,
  instanceUid: string,
): Promise<DecodedFrame> {
  const { rows, columns } = stack.grid;
  const batch = batchOf(placement.tileRows, placement.tileColumns);
  let matrix: DecodedFrame | undefined;
  for (let at = 0; at < placement.tiles.length; at += batch) {
    const part = placement.tiles.slice(at, at + batch);
    const frames = part.map((tile) => tile.frame - 1);
    const decoded = await named(instanceUid, frames, () => decoder.decode(file, frames));
    for (const [i, tile] of part.entries()) {
      matrix ??= emptyMatrix(rows, columns, decoded[i]!);
      paste(matrix, decoded[i]!, tile.row, tile.column);
    }
  }
  if (!matrix) throw new PlumblineError('pixel-description', 'the slide has no tile', { where: instanceUid });
  return matrix;
}

function emptyMatrix(rows: number, columns: number, like: DecodedFrame): DecodedFrame {
  const values = new (like.values.constructor as Uint8ArrayConstructor)(rows * columns * like.samples);
  if (like.photometric === 'RGB') values.fill(2 ** like.bitsStored - 1);
  return { ...like, rows, columns, values };
}

/** Edge tiles reach over the matrix; what lies outside is padding (PS3.3 C.8.12.4.1.1). */
function paste(matrix: DecodedFrame, tile: DecodedFrame, row: number, column: number): void {
  const width = Math.min(tile.columns, matrix.columns - column) * matrix.samples;
  const height = Math.min(tile.rows, matrix.rows - row);
  for (let r = 0; r < height; r++) {
    const from = r * tile.columns * tile.samples;
    const line = tile.values.subarray(from, from + width);
    matrix.values.set(line, ((row + r) * matrix.columns + column) * matrix.samples);
  }
}
