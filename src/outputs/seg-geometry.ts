/** Where the frames of a SEG lie: shared plane macros, per-frame position and source, and the dimensions. */
import { type DicomJson, type Grid, type Placement, type Stack, type Vec3 } from '../base/index.ts';
import { copyLegal, codeItem, dcm, decimal, referenceItem } from './dicom-common.ts';
import { dataset, tagOf } from '../dicom/index.ts';
import type { FramePlan } from './seg-frames.ts';
import type { EncodingProfile } from './types.ts';

type Slide = Extract<Placement, { kind: 'slide' }>;

/** One place of a stack at which a frame may lie: a plane, or a tile of a slide. */
interface Place {
  readonly instanceUid: string;
  readonly sopClass: string;
  /** 1-based; only for multi-frame classes. */
  readonly frame?: number;
  /** Plane position macro of this place, if the source knows one. */
  readonly position: DicomJson;
  /** Values by which the place is ranked in each dimension after the segment number. */
  readonly order: readonly number[];
}

/** Of the one part of a frame's groups that is different in every frame: thousands are made, so not by keyword. */
const tags = {
  content: tagOf('FrameContentSequence'),
  index: tagOf('DimensionIndexValues'),
  temporal: tagOf('TemporalPositionIndex'),
};

/** Multi-frame Functional Groups and Multi-frame Dimension (PS3.3 C.7.6.16, C.7.6.17) of one SEG. */
export function functionalGroups(stack: Stack, plan: FramePlan, uid: string, profile: EncodingProfile): DicomJson {
  const places = placesOf(stack, profile);
  const used = [...new Set(plan.frames.map((f) => f.place))].map((i) => places[i]!);
  const dimensions = dimensionsOf(stack, used.length);
  const ranks = dimensions.map((_, d) => rank(used.map((p) => p.order[d]!)));
  // What does not depend on the segment is built once a place, not once a frame.
  const parts = new Map<number, { readonly index: readonly number[]; readonly groups: DicomJson }>();
  const partOf = (place: number) => {
    const known = parts.get(place);
    if (known) return known;
    const at = places[place]!;
    const made = { index: ranks.map((r, d) => r.get(at.order[d]!)!), groups: placeGroups(at) };
    parts.set(place, made);
    return made;
  };
  const temporal = dimensions.includes('TemporalPositionIndex');
  const identities = new Map<number, DicomJson>();
  const identityOf = (segment: number) => {
    const known = identities.get(segment);
    if (known) return known;
    const made = dataset({ SegmentIdentificationSequence: [dataset({ ReferencedSegmentNumber: segment })] });
    identities.set(segment, made);
    return made;
  };
  const perFrame = plan.frames.map(({ segment, place }): DicomJson => {
    const { index, groups } = partOf(place);
    const content = {
      [tags.index]: { vr: 'UL', Value: [segment, ...index] },
      ...(temporal && { [tags.temporal]: { vr: 'UL', Value: [index[0]!] } }),
    };
    return { [tags.content]: { vr: 'SQ', Value: [content] }, ...identityOf(segment), ...groups };
  });
  return {
    ...dataset({
      NumberOfFrames: plan.frames.length,
      SharedFunctionalGroupsSequence: [sharedGroups(stack.grid, profile)],
      PerFrameFunctionalGroupsSequence: perFrame,
    }),
    ...dimensionModule(stack, dimensions, uid),
  };
}

function placeGroups(place: Place): DicomJson {
  const source = {
    ...referenceItem(place),
    ...dataset({
      ...(place.frame !== undefined && { ReferencedFrameNumber: place.frame }),
      PurposeOfReferenceCodeSequence: [codeItem(dcm('121322', 'Source image for image processing operation'))],
      SpatialLocationsPreserved: 'YES',
    }),
  };
  const derivation = dataset({
    SourceImageSequence: [source],
    DerivationCodeSequence: [codeItem(dcm('113076', 'Segmentation'))],
  });
  return { ...dataset({ DerivationImageSequence: [derivation] }), ...place.position };
}

function placesOf(stack: Stack, profile: EncodingProfile): Place[] {
  const { placement, spacing } = stack.grid;
  if (placement.kind === 'slide') {
    const { instanceUid, sopClass } = stack.planes[0]!;
    const steps = spacing.kind === 'physical' ? ([spacing.rowMm, spacing.columnMm] as const) : undefined;
    return placement.tiles.map((tile) => ({
      instanceUid,
      sopClass,
      frame: tile.frame,
      position: slidePosition(placement, tile, steps),
      order: [tile.row, tile.column],
    }));
  }
  return stack.planes.map((plane, i) => ({ ...plane, position: planePosition(placement, i, profile), order: [i] }));
}

/**
 * Always in the frame's own groups: PS3.3 C.7.6.16.1 allows the shared ones where all frames lie at one place, but dcmqi
 * (3D Slicer) refuses such a SEG.
 */
function planePosition(placement: Placement, plane: number, profile: EncodingProfile): DicomJson {
  const invented = placement.kind === 'none' && profile.planes2d === 'viewer2d';
  if (placement.kind !== 'patient' && !invented) return {};
  const position: Vec3 = placement.kind === 'patient' ? placement.positions[plane]! : [0, 0, 0];
  return dataset({ PlanePositionSequence: [dataset({ ImagePositionPatient: position.map(decimal) })] });
}

/** Plane Position (Slide), PS3.3 C.8.12.6.1: matrix position from 1, and millimetres on the slide. */
function slidePosition(
  placement: Slide,
  tile: Slide['tiles'][number],
  steps: readonly [number, number] | undefined,
): DicomJson {
  const [rowMm, columnMm] = steps ?? [0, 0];
  const along = (i: 0 | 1 | 2) =>
    placement.origin[i] +
    tile.column * columnMm * placement.rowCosines[i] +
    tile.row * rowMm * placement.columnCosines[i];
  const item = dataset({
    XOffsetInSlideCoordinateSystem: decimal(along(0)),
    YOffsetInSlideCoordinateSystem: decimal(along(1)),
    ZOffsetInSlideCoordinateSystem: decimal(along(2)),
    ColumnPositionInTotalImagePixelMatrix: tile.column + 1,
    RowPositionInTotalImagePixelMatrix: tile.row + 1,
  });
  return dataset({ PlanePositionSlideSequence: [item] });
}

/** Shared macros: orientation and measures hold for all planes of a stack (PS3.3 C.7.6.16.2.1, C.7.6.16.2.4). */
function sharedGroups(grid: Grid, profile: EncodingProfile): DicomJson {
  const { placement } = grid;
  if (placement.kind === 'none') return sharedWithoutFrameOfReference(grid, profile);
  const measures = pixelMeasures(grid);
  return dataset({
    ...(placement.kind === 'patient' && {
      PlaneOrientationSequence: [orientation(placement.rowCosines, placement.columnCosines)],
    }),
    ...(measures && { PixelMeasuresSequence: [measures] }),
  });
}

/**
 * A picture without frame of reference has no place in the patient. Some viewers load its SEG only with an orientation,
 * others only with orientation, measures and positions: the profile says how much of that a destination gets, and the
 * DICOM statement lists it as a deviation.
 */
function sharedWithoutFrameOfReference(grid: Grid, profile: EncodingProfile): DicomJson {
  const planes = profile.planes2d ?? 'viewer2d-min';
  if (planes === 'plain') return {};
  const unit = orientation([1, 0, 0], [0, 1, 0]);
  if (planes === 'viewer2d-min') return dataset({ PlaneOrientationSequence: [unit] });
  return dataset({
    PlaneOrientationSequence: [unit],
    PixelMeasuresSequence: [{ ...dataset({ PixelSpacing: [1, 1], SliceThickness: 1 }), ...pixelMeasures(grid) }],
  });
}

function orientation(row: Vec3, column: Vec3): DicomJson {
  return dataset({ ImageOrientationPatient: [...row, ...column].map(decimal) });
}

function pixelMeasures(grid: Grid): DicomJson | undefined {
  const { spacing, depth, sliceThicknessMm } = grid;
  if (spacing.kind === 'none') return undefined;
  const thickness = sliceThicknessMm ?? depth?.spacingMm;
  return dataset({
    PixelSpacing: [decimal(spacing.rowMm), decimal(spacing.columnMm)],
    ...(thickness !== undefined && { SliceThickness: decimal(thickness) }),
    ...(depth?.regular && { SpacingBetweenSlices: decimal(depth.spacingMm) }),
  });
}

// — dimensions —

type Dimension =
  | 'ImagePositionPatient'
  | 'TemporalPositionIndex'
  | 'RowPositionInTotalImagePixelMatrix'
  | 'ColumnPositionInTotalImagePixelMatrix';

const groupOf: Readonly<Record<Dimension, string>> = {
  ImagePositionPatient: 'PlanePositionSequence',
  TemporalPositionIndex: 'FrameContentSequence',
  RowPositionInTotalImagePixelMatrix: 'PlanePositionSlideSequence',
  ColumnPositionInTotalImagePixelMatrix: 'PlanePositionSlideSequence',
};

/** Dimensions after the segment number; frames of a cine or of unplaced pictures are told apart by their order in time. */
function dimensionsOf(stack: Stack, usedPlaces: number): Dimension[] {
  const { kind } = stack.grid.placement;
  if (kind === 'patient') return ['ImagePositionPatient'];
  if (kind === 'slide') return ['RowPositionInTotalImagePixelMatrix', 'ColumnPositionInTotalImagePixelMatrix'];
  return usedPlaces > 1 ? ['TemporalPositionIndex'] : [];
}

/** Ordinal numbers from 1 of the distinct values, growing (PS3.3 C.7.6.17.1). */
function rank(values: readonly number[]): Map<number, number> {
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  return new Map(sorted.map((v, i) => [v, i + 1]));
}

function dimensionModule(stack: Stack, dimensions: readonly Dimension[], uid: string): DicomJson {
  const item = (keyword: string, group: string) =>
    dataset({
      DimensionIndexPointer: tagOf(keyword),
      FunctionalGroupPointer: tagOf(group),
      DimensionOrganizationUID: uid,
      DimensionDescriptionLabel: keyword.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').slice(0, 64),
    });
  const type = organizationType(stack);
  return dataset({
    DimensionOrganizationSequence: [dataset({ DimensionOrganizationUID: uid })],
    DimensionIndexSequence: [
      item('ReferencedSegmentNumber', 'SegmentIdentificationSequence'),
      ...dimensions.map((d) => item(d, groupOf[d])),
    ],
    ...(type && { DimensionOrganizationType: type }),
  });
}

/** 3D only where the planes are a regular right-angled grid (PS3.3 C.7.6.17). */
function organizationType({ grid }: Stack): string | undefined {
  if (grid.placement.kind === 'slide') return 'TILED_SPARSE';
  const regular = grid.depth && grid.depth.regular && !grid.depth.tilted && !grid.depth.missing;
  return grid.placement.kind === 'patient' && regular ? '3D' : undefined;
}

/** Whole-slide attributes of the SEG itself (PS3.3 C.8.20.2, C.8.12.4), and the specimen on the slide (C.7.6.22). */
export function slideAttributes(stack: Stack, source: DicomJson): DicomJson {
  const { placement, rows, columns } = stack.grid;
  if (placement.kind !== 'slide') return {};
  const origin = dataset({
    XOffsetInSlideCoordinateSystem: decimal(placement.origin[0]),
    YOffsetInSlideCoordinateSystem: decimal(placement.origin[1]),
  });
  return {
    ...specimen(source),
    ...dataset({
      ImageOrientationSlide: [...placement.rowCosines, ...placement.columnCosines].map(decimal),
      TotalPixelMatrixOriginSequence: [origin],
      TotalPixelMatrixRows: rows,
      TotalPixelMatrixColumns: columns,
      TotalPixelMatrixFocalPlanes: 1,
    }),
  };
}

/** Specimen (PS3.3 C.7.6.22); two of its sequences are type 2. */
function specimen(source: DicomJson): DicomJson {
  const copied = copyLegal(source, [
    ...['ContainerIdentifier', 'ContainerDescription', 'ContainerComponentSequence', 'SpecimenDescriptionSequence'],
    ...['IssuerOfTheContainerIdentifierSequence', 'ContainerTypeCodeSequence'],
  ]);
  if (Object.keys(copied).length === 0) return {};
  return { ...dataset({ IssuerOfTheContainerIdentifierSequence: [], ContainerTypeCodeSequence: [] }), ...copied };
}
