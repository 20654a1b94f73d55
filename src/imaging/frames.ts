import type { DicomJson, SourceInstance, Spacing, Vec3 } from '../base/index.ts';
import { isMultiFrameClass, number, tagOf, text, texts } from '../dicom/index.ts';
import { frameGroups, type FrameGroups } from './frame-groups.ts';
import { spacingOf } from './spacing.ts';
import { cross, dot, length } from './vectors.ts';

/** Geometry and identity of one frame, as its attributes state them. */
export interface Frame {
  readonly instanceUid: string;
  readonly sopClass: string;
  /** 1-based, only where the SOP class is multi-frame. */
  readonly frame?: number;
  readonly rows: number;
  readonly columns: number;
  readonly colour: boolean;
  readonly modality: string;
  readonly place?: Place;
  readonly patientOrientation?: readonly [string, string];
  readonly spacing: Spacing;
  readonly sliceThicknessMm?: number;
  /** First value of Image Type: ORIGINAL or DERIVED. */
  readonly derivation: string;
  /** Instance Number, for the order of images that have no place in space. */
  readonly number: number;
  /** What may tell two frames at one position apart, in order of trust; empty text where absent. */
  readonly marks: readonly string[];
}

/** Position and orientation in the patient (PS3.3 C.7.6.2.1.1). */
export interface Place {
  readonly frameOfReferenceUid: string;
  readonly positionReferenceIndicator: string;
  readonly rowCosines: Vec3;
  readonly columnCosines: Vec3;
  readonly normal: Vec3;
  readonly position: Vec3;
}

/** A frame whose position or orientation is there but cannot be true. */
export interface BadGeometry {
  readonly problem: string;
}

/** All frames of one instance, or why its geometry cannot be believed. */
export function framesOf(instance: SourceInstance): readonly Frame[] | BadGeometry {
  const { attributes: ds, ref } = instance;
  const groups = frameGroups(ds);
  const multi = isMultiFrameClass(ref.sopClass);
  const frames: Frame[] = [];
  for (let index = 0; index < (multi ? groups.frames : 1); index++) {
    const place = placeOf(ds, groups, index);
    if (place && 'problem' in place) return { problem: multi ? `frame ${index + 1}: ${place.problem}` : place.problem };
    frames.push(frameOf(instance, groups, index, place, multi));
  }
  return frames;
}

function frameOf(
  instance: SourceInstance,
  groups: FrameGroups,
  index: number,
  place: Place | undefined,
  multi: boolean,
): Frame {
  const { attributes: ds, ref } = instance;
  const measures = groups.holder(index, 'PixelMeasuresSequence', 'PixelSpacing');
  const thickness = number(groups.holder(index, 'PixelMeasuresSequence', 'SliceThickness') ?? ds, 'SliceThickness');
  const orientation = texts(ds, 'PatientOrientation');
  return {
    instanceUid: ref.instanceUid,
    sopClass: ref.sopClass,
    ...(multi ? { frame: index + 1 } : {}),
    rows: number(ds, 'Rows')!,
    columns: number(ds, 'Columns')!,
    colour: !text(ds, 'PhotometricInterpretation').startsWith('MONOCHROME'),
    modality: text(ds, 'Modality'),
    ...(place ? { place } : {}),
    ...(orientation.length === 2 && orientation[0] && orientation[1]
      ? { patientOrientation: [orientation[0], orientation[1]] as const }
      : {}),
    spacing: spacingOf(ds, measures, place !== undefined),
    ...(thickness !== undefined && thickness > 0 ? { sliceThicknessMm: thickness } : {}),
    derivation: texts(ds, 'ImageType')[0] ?? '',
    number: number(ds, 'InstanceNumber') ?? 0,
    marks: marksOf(ds, groups, index),
  };
}

/** Larger than any scanner's table; a position beyond it is a fault of writing. */
const farthestMm = 100_000;

function placeOf(ds: DicomJson, groups: FrameGroups, index: number): Place | BadGeometry | undefined {
  const at = groups.holder(index, 'PlanePositionSequence', 'ImagePositionPatient');
  const along = groups.holder(index, 'PlaneOrientationSequence', 'ImageOrientationPatient');
  // One without the other places nothing, and types 1 and 1C forbid it: no ground to refuse a picture.
  if (!at || !along) return undefined;
  // A position of the whole instance places its one frame; several frames would lie on one another.
  if (at === ds && groups.frames > 1) return undefined;
  const position = finite(at, 'ImagePositionPatient', 3);
  if (position === 'absent') return undefined;
  const cosines = finite(along, 'ImageOrientationPatient', 6);
  if (cosines === 'absent') return undefined;
  if (!position || position.some((v) => Math.abs(v) > farthestMm))
    return { problem: 'Image Position (Patient) is not three numbers of a place in a scanner' };
  if (!cosines) return { problem: 'Image Orientation (Patient) is not six numbers' };
  return orthonormal(ds, position as unknown as Vec3, cosines);
}

function orthonormal(ds: DicomJson, position: Vec3, cosines: readonly number[]): Place | BadGeometry {
  const rowCosines = cosines.slice(0, 3) as unknown as Vec3;
  const columnCosines = cosines.slice(3) as unknown as Vec3;
  const off = Math.max(Math.abs(length(rowCosines) - 1), Math.abs(length(columnCosines) - 1));
  if (off > 1e-3) return { problem: `Image Orientation (Patient) has no unit vectors (off by ${off.toPrecision(2)})` };
  const skew = Math.abs(dot(rowCosines, columnCosines));
  if (skew > 1e-3) return { problem: `Image Orientation (Patient) is not orthogonal (cosine ${skew.toPrecision(2)})` };
  return {
    frameOfReferenceUid: text(ds, 'FrameOfReferenceUID'),
    positionReferenceIndicator: text(ds, 'PositionReferenceIndicator'),
    rowCosines,
    columnCosines,
    normal: cross(rowCosines, columnCosines),
    position,
  };
}

/** `count` finite numbers, `absent` where the element has no value, undefined where it has others. */
function finite(ds: DicomJson, keyword: string, count: number): readonly number[] | 'absent' | undefined {
  const raw = ds[tagOf(keyword)]?.Value ?? [];
  if (raw.length === 0) return 'absent';
  if (raw.length !== count) return undefined;
  const values = raw.map((v) => (typeof v === 'number' ? v : typeof v === 'string' && v.trim() ? Number(v) : NaN));
  return values.every(Number.isFinite) ? values : undefined;
}

/**
 * What distinguishes frames that lie at one and the same position: [functional group, keyword in it, keyword at the top].
 * Times of acquisition are not among them: they differ from slice to slice.
 */
const markSources: readonly (readonly [sequence: string, keyword: string, top: string])[] = [
  ['FrameContentSequence', 'StackID', 'StackID'],
  ['', '', 'ImageType'],
  ['MRImageFrameTypeSequence', 'FrameType', ''],
  ['CTImageFrameTypeSequence', 'FrameType', ''],
  ['FrameContentSequence', 'TemporalPositionIndex', 'TemporalPositionIdentifier'],
  ['FrameContentSequence', 'FrameAcquisitionNumber', 'AcquisitionNumber'],
  ['MREchoSequence', 'EffectiveEchoTime', 'EchoTime'],
  ['', '', 'EchoNumbers'],
  ['MRDiffusionSequence', 'DiffusionBValue', 'DiffusionBValue'],
  ['MRDiffusionSequence', 'DiffusionDirectionality', 'DiffusionGradientOrientation'],
  ['CardiacSynchronizationSequence', 'NominalCardiacTriggerDelayTime', 'TriggerTime'],
  ['MRModifierSequence', 'InversionTimes', 'InversionTime'],
];

/** Names of `Frame.marks`, for messages. */
export const markNames: readonly string[] = markSources.map(([, keyword, top]) => top || keyword);

function marksOf(ds: DicomJson, groups: FrameGroups, index: number): readonly string[] {
  return markSources.map(([sequence, keyword, top]) => {
    const item = sequence && groups.group(index, sequence);
    const own = item && keyword ? valuesText(item, keyword) : '';
    return own || (top ? valuesText(ds, top) : '');
  });
}

function valuesText(ds: DicomJson, keyword: string): string {
  return JSON.stringify(ds[tagOf(keyword)]?.Value ?? '').replace(/^""$/, '');
}

export function isBad(frames: readonly Frame[] | BadGeometry): frames is BadGeometry {
  return 'problem' in frames;
}

/** Pixel size used for tolerances in the plane, mm; 1 where it is not known. */
export function finestPixelMm(spacing: Spacing): number {
  return spacing.kind === 'physical' ? Math.min(spacing.rowMm, spacing.columnMm) : 1;
}
