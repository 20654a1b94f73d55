import { describe, expect, test } from 'vitest';
import { dataset, type DatasetInput } from '../../../src/dicom/index.ts';
import { spacingOf } from '../../../src/imaging/spacing.ts';

const none = { kind: 'none', why: expect.any(String) as string };
const mm = (rowMm: number, columnMm: number, source: string): object => ({ kind: 'physical', rowMm, columnMm, source });

function spacing(modality: string, more: DatasetInput, inPatient = false): object {
  const ds = dataset({ Modality: modality, Rows: 400, Columns: 600, ...more });
  return spacingOf(ds, ds, inPatient);
}

/** Design rule "Spacing kind"; PS3.3 10.7.1.3, C.8.5.5. */
describe('spacingOf', () => {
  test('a slice of the patient has its pixel spacing, rows first', () => {
    expect(spacing('CT', { PixelSpacing: [0.5, 0.75] }, true)).toEqual(mm(0.5, 0.75, 'PixelSpacing'));
  });

  test('a radiograph has a size only where its calibration is stated', () => {
    const PixelSpacing = [0.2, 0.3];
    expect(spacing('DX', { PixelSpacing })).toEqual(none);
    expect(spacing('DX', { PixelSpacing, ImagerPixelSpacing: [0.25, 0.35] })).toEqual(none);
    for (const type of ['GEOMETRY', 'FIDUCIAL'])
      expect(spacing('DX', { PixelSpacing, PixelSpacingCalibrationType: type })).toEqual(
        mm(0.2, 0.3, `PixelSpacing, calibrated ${type}`),
      );
  });

  test('detector spacing needs the magnification, by which it is divided', () => {
    expect(spacing('MG', { ImagerPixelSpacing: [0.1, 0.1] })).toEqual(none);
    const source = 'ImagerPixelSpacing / EstimatedRadiographicMagnificationFactor';
    expect(spacing('MG', { ImagerPixelSpacing: [0.1, 0.2], EstimatedRadiographicMagnificationFactor: 1.25 })).toEqual(
      mm(0.08, 0.16, source),
    );
    expect(spacing('MG', { ImagerPixelSpacing: [0.1, 0.2], EstimatedRadiographicMagnificationFactor: 0 })).toEqual(
      none,
    );
  });

  test('a photograph and a capture have none, whatever they say', () => {
    for (const modality of ['OP', 'ES', 'XC', 'OT', 'GM'])
      expect(spacing(modality, { PixelSpacing: [1, 1] })).toEqual(none);
  });

  describe('ultrasound', () => {
    const region = (more: DatasetInput = {}): DatasetInput => ({
      RegionSpatialFormat: 1,
      PhysicalUnitsXDirection: 3,
      PhysicalUnitsYDirection: 3,
      PhysicalDeltaX: 0.02,
      PhysicalDeltaY: -0.03,
      RegionLocationMinX0: 10,
      RegionLocationMinY0: 20,
      RegionLocationMaxX1: 110,
      RegionLocationMaxY1: 120,
      ...more,
    });
    const us = (...regions: DatasetInput[]): object =>
      spacing('US', { SequenceOfUltrasoundRegions: regions.map((r) => dataset(r)), PixelSpacing: [9, 9] });

    test('is measured inside a two-dimensional region in centimetres', () => {
      expect(us(region())).toEqual({
        ...mm(0.3, 0.2, 'SequenceOfUltrasoundRegions'),
        within: { x0: 10, y0: 20, x1: 110, y1: 120 },
      });
    });

    test.each([
      ['a region in seconds', { PhysicalUnitsXDirection: 4 }],
      ['a spectral region', { RegionSpatialFormat: 3 }],
      ['a region without extent', { RegionLocationMaxX1: 10 }],
      ['a region of another image size', { RegionLocationMaxY1: 900 }],
      ['a pixel without size', { PhysicalDeltaX: 0 }],
    ])('is not measured by %s', (_, more) => {
      expect(us(region(more))).toEqual(none);
    });

    test('takes the largest region, and bounds one past the edge end at the edge', () => {
      const whole = region({
        RegionLocationMinX0: 0,
        RegionLocationMinY0: 0,
        RegionLocationMaxX1: 600,
        RegionLocationMaxY1: 400,
      });
      expect(us(region(), whole)).toMatchObject({ within: { x0: 0, y0: 0, x1: 599, y1: 399 } });
    });
  });
});
