import type { DicomJson, Notice, PassedOver, Placement, SourceInstance, Stack, Vec3 } from '../base/index.ts';
import { items, number, numbers, text } from '../dicom/index.ts';
import { frameGroups, type FrameGroups } from './frame-groups.ts';
import { spacingOf } from './spacing.ts';
import type { UnnumberedStack } from './stacks.ts';

export const wholeSlideClass = '1.2.840.10008.5.1.4.1.1.77.1.6';

export interface SlideOptions {
  /** Side of the model's picture: the smallest pyramid level that has at least this many pixels each way is read. */
  readonly modelSide: number;
  /** Size of the pixels that the model was made for, micrometres: then the coarsest level that is as fine is read. */
  readonly pixelUm?: number;
  /** Largest total pixel matrix that is put together, pixels. */
  readonly matrixPixels: number;
}

type Tile = Extract<Placement, { kind: 'slide' }>['tiles'][number];

/**
 * Whole-slide images of one study (PS3.3 A.32.8, C.8.12.4): of each slide one level of its pyramid is read, as one plane that is
 * the total pixel matrix. The others are passed over.
 */
export function slideStacks(
  instances: readonly SourceInstance[],
  options: SlideOptions,
): { stacks: UnnumberedStack[]; passedOver: PassedOver[]; notices: Notice[] } {
  const stacks: UnnumberedStack[] = [];
  const passedOver: PassedOver[] = [];
  const notices: Notice[] = [];
  for (const slide of Map.groupBy(instances, slideName).values()) {
    const levels: { instance: SourceInstance; stack: UnnumberedStack }[] = [];
    for (const instance of slide) {
      const made = slideStack(instance);
      if ('reason' in made) passedOver.push(pass(instance, 'geometry', made.reason));
      else levels.push({ instance, stack: made });
    }
    const chosen = chooseLevel(levels, options);
    if (chosen) notices.push(...coarserThanAsked(chosen.stack, options));
    for (const level of levels) {
      if (level === chosen) stacks.push(level.stack);
      else
        passedOver.push(
          pass(level.instance, 'pyramid-level', `another level of the slide is read (${matrixText(chosen?.stack)})`),
        );
    }
  }
  return { stacks, passedOver, notices };
}

/** Levels of one slide share container and frame of reference. */
function slideName({ attributes: ds, ref }: SourceInstance): string {
  const slide = text(ds, 'FrameOfReferenceUID') || ref.seriesUid;
  return [slide, text(ds, 'ContainerIdentifier'), text(ds, 'PyramidUID')].join('|');
}

function pass({ ref }: SourceInstance, code: string, reason: string): PassedOver {
  return { seriesUid: ref.seriesUid, instanceUid: ref.instanceUid, code, reason };
}

function matrixText(stack: UnnumberedStack | undefined): string {
  return stack ? `${stack.grid.columns} x ${stack.grid.rows} pixels` : 'none is small enough';
}

/**
 * Where the model says the size of its pixels: the coarsest level that is as fine (a tenth more is as good), else the finest. Otherwise the
 * smallest that is at least `modelSide` each way, else the largest. None above `matrixPixels`.
 */
function chooseLevel<L extends { readonly stack: UnnumberedStack }>(
  levels: readonly L[],
  { modelSide, pixelUm, matrixPixels }: SlideOptions,
): L | undefined {
  const size = (l: L): number => l.stack.grid.rows * l.stack.grid.columns;
  const small = levels.filter((l) => size(l) <= matrixPixels).sort((a, b) => size(a) - size(b));
  const fits = ({ stack }: L): boolean => {
    const um = pixelUmOf(stack);
    return pixelUm === undefined || um === undefined
      ? Math.min(stack.grid.rows, stack.grid.columns) >= modelSide
      : um <= 1.1 * pixelUm;
  };
  return small.find(fits) ?? small.at(-1);
}

/** Size of a level's pixels, micrometres: the geometric mean of both sides. */
export function pixelUmOf({ grid: { spacing } }: Pick<Stack, 'grid'>): number | undefined {
  return spacing.kind === 'physical' ? 1000 * Math.sqrt(spacing.rowMm * spacing.columnMm) : undefined;
}

/** Fewer details than the model was made for: no finer level is there, or it is too large. */
function coarserThanAsked(stack: UnnumberedStack, { pixelUm }: SlideOptions): Notice[] {
  const um = pixelUmOf(stack);
  if (pixelUm === undefined || um === undefined || um <= 1.5 * pixelUm) return [];
  const message = `the slide is read at ${um.toPrecision(3)} um a pixel, the model was made for ${pixelUm.toPrecision(3)}: the finest level of at most the allowed size`;
  return [{ code: 'slide-coarser', message, about: [stack.seriesUid] }];
}

function slideStack(instance: SourceInstance): UnnumberedStack | { readonly reason: string } {
  const { attributes: ds, ref } = instance;
  const rows = number(ds, 'TotalPixelMatrixRows') ?? 0;
  const columns = number(ds, 'TotalPixelMatrixColumns') ?? 0;
  const tile = { rows: number(ds, 'Rows') ?? 0, columns: number(ds, 'Columns') ?? 0 };
  const cosines = numbers(ds, 'ImageOrientationSlide');
  const offset = items(ds, 'TotalPixelMatrixOriginSequence')[0];
  if (!(rows > 0 && columns > 0)) return { reason: 'Total Pixel Matrix Rows and Columns are missing' };
  if (cosines.length !== 6 || !offset)
    return { reason: 'Image Orientation (Slide) or Total Pixel Matrix Origin is missing' };
  if ((number(ds, 'InConcatenationTotalNumber') ?? 1) > 1) return { reason: 'a part of a concatenation' };
  const groups = frameGroups(ds);
  const tiles = tilesOf(ds, groups, { rows, columns }, tile);
  if ('reason' in tiles) return tiles;
  const frameOfReferenceUid = text(ds, 'FrameOfReferenceUID');
  const indicator = text(ds, 'PositionReferenceIndicator');
  return {
    seriesUid: ref.seriesUid,
    modality: text(ds, 'Modality'),
    kind: 'planes',
    grid: {
      rows,
      columns,
      planes: 1,
      placement: {
        kind: 'slide',
        ...(frameOfReferenceUid ? { frameOfReferenceUid } : {}),
        ...(indicator ? { positionReferenceIndicator: indicator } : {}),
        rowCosines: cosines.slice(0, 3) as unknown as Vec3,
        columnCosines: cosines.slice(3) as unknown as Vec3,
        origin: [
          number(offset, 'XOffsetInSlideCoordinateSystem') ?? 0,
          number(offset, 'YOffsetInSlideCoordinateSystem') ?? 0,
          number(offset, 'ZOffsetInSlideCoordinateSystem') ?? 0,
        ],
        tileRows: tile.rows,
        tileColumns: tile.columns,
        tiles,
      },
      spacing: spacingOf(ds, groups.group(0, 'PixelMeasuresSequence') ?? {}, true),
      ...thickness(groups),
    },
    planes: [{ instanceUid: ref.instanceUid, sopClass: ref.sopClass }],
  };
}

function thickness(groups: FrameGroups): { sliceThicknessMm?: number } {
  const measures = groups.group(0, 'PixelMeasuresSequence');
  const mm = measures && number(measures, 'SliceThickness');
  return mm && mm > 0 ? { sliceThicknessMm: mm } : {};
}

/** A claimed number beyond this is not believed: nothing is allocated from it. */
const mostTiles = 1_000_000;

/** Which frame lies where in the matrix: the first focal plane and optical path only. */
function tilesOf(
  ds: DicomJson,
  groups: FrameGroups,
  matrix: { readonly rows: number; readonly columns: number },
  tile: { readonly rows: number; readonly columns: number },
): readonly Tile[] | { readonly reason: string } {
  if (groups.frames > mostTiles)
    return { reason: `Number of Frames is ${groups.frames}, at most ${mostTiles} are read` };
  if (text(ds, 'DimensionOrganizationType') === 'TILED_FULL') {
    // PS3.3 C.7.6.17.3: left to right, top to bottom, then focal planes, then optical paths.
    const across = Math.ceil(matrix.columns / tile.columns);
    const count = across * Math.ceil(matrix.rows / tile.rows);
    if (groups.frames < count)
      return { reason: `${count} tiles fill the matrix, Number of Frames is ${groups.frames}` };
    const place = (i: number): Tile => ({
      frame: i + 1,
      row: Math.floor(i / across) * tile.rows,
      column: (i % across) * tile.columns,
    });
    return Array.from({ length: count }, (_, i) => place(i));
  }
  return sparseTiles(groups, matrix);
}

function sparseTiles(
  groups: FrameGroups,
  matrix: { readonly rows: number; readonly columns: number },
): readonly Tile[] | { readonly reason: string } {
  const tiles: Tile[] = [];
  const taken = new Set<string>();
  for (let frame = 0; frame < groups.frames; frame++) {
    const at = groups.group(frame, 'PlanePositionSlideSequence');
    const row = at && number(at, 'RowPositionInTotalImagePixelMatrix');
    const column = at && number(at, 'ColumnPositionInTotalImagePixelMatrix');
    if (row === undefined || column === undefined)
      return { reason: `frame ${frame + 1} has no position in the matrix` };
    if (row < 1 || column < 1 || row > matrix.rows || column > matrix.columns)
      return { reason: `frame ${frame + 1} lies outside the matrix (row ${row}, column ${column})` };
    // The first frame at a position is the first focal plane and optical path.
    if (taken.has(`${row} ${column}`)) continue;
    taken.add(`${row} ${column}`);
    tiles.push({ frame: frame + 1, row: row - 1, column: column - 1 });
  }
  return tiles;
}
