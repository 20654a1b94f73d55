import type { DicomJson, Spacing } from '../base/index.ts';
import { items, number, numbers, text } from '../dicom/index.ts';

/**
 * Whether a pixel has a size in the patient, and from where that is known.
 * Projection radiographs measure at the detector: only a stated calibration or magnification brings that into the patient
 * (PS3.3 10.7.1.3, C.8.11.3). Ultrasound is measured inside one region only (PS3.3 C.8.5.5). Photographs have no size.
 *
 * @param measures the item that holds Pixel Spacing: the Pixel Measures Sequence item of a multi-frame image, else the data set
 * @param inPatient the frame has a position and an orientation in the patient or on the slide
 */
export function spacingOf(ds: DicomJson, measures: DicomJson | undefined, inPatient: boolean): Spacing {
  const modality = text(ds, 'Modality');
  if (measures && measures !== ds) return fromPair(numbers(measures, 'PixelSpacing'), 'PixelMeasures');
  if (inPatient) return fromPair(numbers(ds, 'PixelSpacing'), 'PixelSpacing');
  if (projection.has(modality)) return radiographSpacing(ds);
  if (modality === 'US' || modality === 'IVUS') return ultrasoundSpacing(ds);
  if (tomographic.has(modality)) return fromPair(numbers(ds, 'PixelSpacing'), 'PixelSpacing');
  const calibrated = calibratedSpacing(ds);
  if (calibrated) return calibrated;
  return { kind: 'none', why: `${modality || 'the image'} has no calibrated pixel size` };
}

const projection: ReadonlySet<string> = new Set(['CR', 'DX', 'MG', 'RF', 'XA', 'IO', 'PX', 'RG', 'DR', 'RTIMAGE']);
const tomographic: ReadonlySet<string> = new Set(['CT', 'MR', 'PT', 'NM']);
/** Larger than any pixel of a medical image, so certainly a fault. */
const longestPixelMm = 100;

function fromPair(pair: readonly number[], source: string): Spacing {
  const [rowMm, columnMm] = pair;
  if (pair.length === 0) return { kind: 'none', why: `${source} is missing` };
  if (pair.length !== 2 || !legal(rowMm) || !legal(columnMm))
    return { kind: 'none', why: `${source} is not two positive numbers` };
  return { kind: 'physical', rowMm, columnMm, source };
}

function legal(mm: number | undefined): mm is number {
  return mm !== undefined && Number.isFinite(mm) && mm > 0 && mm <= longestPixelMm;
}

function calibratedSpacing(ds: DicomJson): Spacing | undefined {
  const type = text(ds, 'PixelSpacingCalibrationType');
  if (type !== 'GEOMETRY' && type !== 'FIDUCIAL') return undefined;
  return fromPair(numbers(ds, 'PixelSpacing'), `PixelSpacing, calibrated ${type}`);
}

function radiographSpacing(ds: DicomJson): Spacing {
  const calibrated = calibratedSpacing(ds);
  if (calibrated) return calibrated;
  const detector = fromPair(numbers(ds, 'ImagerPixelSpacing'), 'ImagerPixelSpacing');
  const magnification = number(ds, 'EstimatedRadiographicMagnificationFactor');
  if (detector.kind === 'physical' && magnification !== undefined && magnification >= 1 && magnification < 100) {
    const source = 'ImagerPixelSpacing / EstimatedRadiographicMagnificationFactor';
    return {
      kind: 'physical',
      rowMm: detector.rowMm / magnification,
      columnMm: detector.columnMm / magnification,
      source,
    };
  }
  // PS3.3 10.7.1.3: without a calibration type nobody knows whether Pixel Spacing was corrected.
  if (numbers(ds, 'PixelSpacing').length > 0)
    return { kind: 'none', why: 'PixelSpacing without PixelSpacingCalibrationType: measured at the detector' };
  return detector.kind === 'physical'
    ? { kind: 'none', why: 'ImagerPixelSpacing alone: measured at the detector' }
    : { kind: 'none', why: 'no calibrated pixel size' };
}

/** The largest two-dimensional region whose both axes are centimetres (PS3.3 C.8.5.5.1). */
function ultrasoundSpacing(ds: DicomJson): Spacing {
  const regions = items(ds, 'SequenceOfUltrasoundRegions').flatMap((region) => ultrasoundRegion(ds, region) ?? []);
  const largest = regions.sort((a, b) => area(b) - area(a))[0];
  return largest ?? { kind: 'none', why: 'no ultrasound region in centimetres inside the image' };
}

type Physical = Extract<Spacing, { kind: 'physical' }>;

function area({ within }: Physical): number {
  return within ? (within.x1 - within.x0 + 1) * (within.y1 - within.y0 + 1) : 0;
}

function ultrasoundRegion(ds: DicomJson, region: DicomJson): Physical | undefined {
  if (number(region, 'RegionSpatialFormat') !== 1) return undefined;
  if (number(region, 'PhysicalUnitsXDirection') !== 3 || number(region, 'PhysicalUnitsYDirection') !== 3)
    return undefined;
  const columnMm = Math.abs(number(region, 'PhysicalDeltaX') ?? 0) * 10;
  const rowMm = Math.abs(number(region, 'PhysicalDeltaY') ?? 0) * 10;
  if (!legal(rowMm) || !legal(columnMm)) return undefined;
  const [x0, y0, x1, y1] = ['RegionLocationMinX0', 'RegionLocationMinY0', 'RegionLocationMaxX1', 'RegionLocationMaxY1']
    .map((keyword) => number(region, keyword)) // prettier-ignore
    .map((v) => v ?? -1) as [number, number, number, number];
  const columns = number(ds, 'Columns') ?? 0;
  const rows = number(ds, 'Rows') ?? 0;
  // A bound one past the edge is common; a region that reaches farther belongs to another image size.
  if (x0 < 0 || y0 < 0 || x1 <= x0 || y1 <= y0 || x1 > columns || y1 > rows) return undefined;
  const within = { x0, y0, x1: Math.min(x1, columns - 1), y1: Math.min(y1, rows - 1) };
  return { kind: 'physical', rowMm, columnMm, source: 'SequenceOfUltrasoundRegions', within };
}
