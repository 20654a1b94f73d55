import { PlumblineError, type Picture, type PicturePart, type SourceInstance, type Stack } from '../base/index.ts';
import { renderColour } from './colour.ts';
import type { DecodedFrame, Decoder } from './decode/index.ts';

/** A part of the matrix that the model looks at by itself, in pixels of the matrix. */
export interface TilePlan extends PicturePart {
  readonly rows: number;
  readonly columns: number;
}

/**
 * Square tiles that cover a matrix, row by row. Neighbours share at least `overlap` of a side; of what they share each speaks for the
 * half that is nearer to it, so that every pixel of the matrix is the affair of exactly one tile.
 * @param side pixels; a matrix that is smaller one way is covered by one tile that way
 * @param overlap share of the side, 0 to 0.5
 */
export function planTiles(rows: number, columns: number, side: number, overlap: number): TilePlan[] {
  const down = along(rows, side, overlap);
  const across = along(columns, side, overlap);
  return down.flatMap((d) =>
    across.map((a) => ({
      row: d.at,
      column: a.at,
      rows: d.size,
      columns: a.size,
      core: { x0: a.from - a.at, y0: d.from - d.at, x1: a.to - a.at, y1: d.to - d.at },
    })),
  );
}

interface Span {
  readonly at: number;
  readonly size: number;
  /** What it speaks for, end exclusive. */
  readonly from: number;
  readonly to: number;
}

function along(length: number, side: number, overlap: number): Span[] {
  if (length <= side) return [{ at: 0, size: length, from: 0, to: length }];
  const step = Math.max(1, Math.floor(side * (1 - overlap)));
  const count = Math.ceil((length - side) / step) + 1;
  // Spread evenly: the last ends with the matrix, and no tile is smaller than the others.
  const starts = Array.from({ length: count }, (_, i) => Math.floor((i * (length - side)) / (count - 1)));
  const borders = starts.slice(1).map((start, i) => (start + starts[i]! + side) >> 1);
  return starts.map((at, i) => ({ at, size: side, from: borders[i - 1] ?? 0, to: borders[i] ?? length }));
}

/** Pixels of decoded frames that are kept for the tiles that come next. */
const keptPixels = 1 << 24;

/**
 * Pictures of tiles of a colour slide, in their order: each is put together from the frames that it touches. At most the file, a
 * few frames and one picture are held. What no frame covers is white, as glass is.
 * @throws PlumblineError pixel-decode, pixel-decode-timeout, pixel-description
 */
export async function* loadTiles(
  stack: Stack,
  sources: ReadonlyMap<string, SourceInstance>,
  decoder: Pick<Decoder, 'decode'>,
  tiles: readonly TilePlan[],
): AsyncGenerator<Picture, void, undefined> {
  const { source, placement } = slideOf(stack, sources);
  const { tileRows, tileColumns } = placement;
  const where = source.ref.instanceUid;
  const file = await source.load();
  const kept = new Map<number, Uint8Array>();
  const most = Math.max(4, Math.floor(keptPixels / (tileRows * tileColumns)));
  const frameRgb = async (frame: number): Promise<Uint8Array> => {
    const known = kept.get(frame);
    if (known) return known;
    const [decoded] = await decoder.decode(file, [frame - 1]);
    const rgb = renderColour(source.attributes, sized(decoded!, tileRows, tileColumns, where), where);
    if (kept.size >= most) kept.delete(kept.keys().next().value!);
    kept.set(frame, rgb);
    return rgb;
  };
  for (const tile of tiles) {
    const rgb = new Uint8Array(tile.rows * tile.columns * 3).fill(255);
    for (const { frame, row, column } of placement.tiles) {
      const part = overlapOf(tile, { row, column, rows: tileRows, columns: tileColumns });
      if (part) paste(rgb, tile, await frameRgb(frame), { row, column, columns: tileColumns }, part);
    }
    const { row, column, rows, columns, core } = tile;
    const toSource = { a: 1, b: 0, c: 0, d: 1, e: column, f: row };
    const picture = { stack: stack.id, plane: 0, width: columns, height: rows, rgb, toSource, window: 'colour' };
    yield { ...picture, part: { row, column, core } };
  }
}

/**
 * The whole matrix of a colour slide as one small picture: each n-th pixel of each n-th row, n so that at most `pixels` are left.
 * `toSource` leads to the pixel that was taken. One frame is held at a time.
 * @throws PlumblineError as `loadTiles`
 */
export async function loadOverview(
  stack: Stack,
  sources: ReadonlyMap<string, SourceInstance>,
  decoder: Pick<Decoder, 'decode'>,
  pixels: number,
): Promise<Picture> {
  const { source, placement } = slideOf(stack, sources);
  const { tileRows, tileColumns } = placement;
  const where = source.ref.instanceUid;
  const n = Math.max(1, Math.ceil(Math.sqrt((stack.grid.rows * stack.grid.columns) / pixels)));
  const width = Math.ceil(stack.grid.columns / n);
  const height = Math.ceil(stack.grid.rows / n);
  const rgb = new Uint8Array(width * height * 3).fill(255);
  const file = await source.load();
  for (const { frame, row, column } of placement.tiles) {
    const [decoded] = await decoder.decode(file, [frame - 1]);
    const from = renderColour(source.attributes, sized(decoded!, tileRows, tileColumns, where), where);
    for (let y = Math.ceil(row / n); y < Math.min(height, Math.ceil((row + tileRows) / n)); y++)
      for (let x = Math.ceil(column / n); x < Math.min(width, Math.ceil((column + tileColumns) / n)); x++) {
        const at = ((y * n - row) * tileColumns + x * n - column) * 3;
        rgb.set(from.subarray(at, at + 3), (y * width + x) * 3);
      }
  }
  const toSource = { a: n, b: 0, c: 0, d: n, e: 0, f: 0 };
  return { stack: stack.id, plane: 0, width, height, rgb, toSource, window: 'colour' };
}

function slideOf(stack: Stack, sources: ReadonlyMap<string, SourceInstance>) {
  const { placement } = stack.grid;
  const source = sources.get(stack.planes[0]!.instanceUid);
  if (placement.kind === 'slide' && source) return { placement, source };
  throw new PlumblineError('internal', `stack ${stack.id} is no slide, or its instance is not among the sources`);
}

function sized(decoded: DecodedFrame, rows: number, columns: number, where: string): DecodedFrame {
  if (decoded.rows === rows && decoded.columns === columns) return decoded;
  const message = `a tile is ${decoded.columns} x ${decoded.rows} pixels, the data set says ${columns} x ${rows}`;
  throw new PlumblineError('pixel-description', message, { where });
}

interface Rectangle {
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
}

function overlapOf(a: Rectangle, b: Rectangle): Rectangle | undefined {
  const row = Math.max(a.row, b.row);
  const column = Math.max(a.column, b.column);
  const rows = Math.min(a.row + a.rows, b.row + b.rows) - row;
  const columns = Math.min(a.column + a.columns, b.column + b.columns) - column;
  return rows > 0 && columns > 0 ? { row, column, rows, columns } : undefined;
}

function paste(
  to: Uint8Array,
  tile: Rectangle,
  from: Uint8Array,
  frame: Omit<Rectangle, 'rows'>,
  { row, column, rows, columns }: Rectangle,
): void {
  for (let r = row; r < row + rows; r++) {
    const start = ((r - frame.row) * frame.columns + column - frame.column) * 3;
    const line = from.subarray(start, start + columns * 3);
    to.set(line, ((r - tile.row) * tile.columns + column - tile.column) * 3);
  }
}

/** Differences of channels and brightness that a pixel of stained tissue has and clear glass has not (0..255). */
const leastColour = 20;
const mostBright = 220;
const leastBright = 12;

/** Share of a picture's pixels that are neither glass (bright and colourless) nor black, as outside the scanned field. */
export function tissueShare({ width, height, rgb }: Pick<Picture, 'width' | 'height' | 'rgb'>): number {
  let tissue = 0;
  for (let i = 0; i < rgb.length; i += 3) {
    const [r, g, b] = [rgb[i]!, rgb[i + 1]!, rgb[i + 2]!];
    const high = Math.max(r, g, b);
    const low = Math.min(r, g, b);
    if (high > leastBright && (high - low >= leastColour || low < mostBright)) tissue++;
  }
  return tissue / (width * height);
}
