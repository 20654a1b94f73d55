import { describe, expect, test } from 'vitest';
import { dataset, type DatasetInput } from '../../../src/dicom/index.ts';
import { suvPerUnit } from '../../../src/imaging/suv.ts';

/** Header of PT/pet-168.dcm of the test data, and changes to it. */
function factor(more: DatasetInput = {}, tracer: DatasetInput = {}): number | undefined {
  const given = {
    RadiopharmaceuticalStartTime: '141700.000000',
    RadionuclideTotalDose: '178340011.59668',
    RadionuclideHalfLife: '6586.2',
    ...tracer,
  };
  const image = {
    CorrectedImage: ['NORM', 'DTIM', 'ATTN', 'SCAT', 'RADL', 'DECY'],
    Units: 'BQML',
    DecayCorrection: 'START',
    PatientWeight: '69.7344',
    SeriesDate: '19600614',
    SeriesTime: '152316.921000',
    AcquisitionDate: '19600614',
    AcquisitionTime: '152316.921000',
    RadiopharmaceuticalInformationSequence: [dataset(given)],
  };
  return suvPerUnit(dataset({ ...image, ...more }));
}

describe('uptake by body weight for one Bq/ml', () => {
  test('is that of calculate-suv for a dose that has decayed since it was given', () => {
    // @cornerstonejs/calculate-suv 1.1.0, the same attributes; the second with RadiopharmaceuticalStartDateTime at 13:00.
    expect(factor()).toBeCloseTo(0.0005942485308008636, 14);
    expect(factor({}, { RadiopharmaceuticalStartDateTime: '19600614130000.000000' })).toBeCloseTo(0.0009663415096495285, 14); // prettier-ignore
  });

  test('takes a dose that is corrected to its administration as given', () => {
    expect(factor({ DecayCorrection: 'ADMIN' })).toBeCloseTo(69734.4 / 178340011.59668, 14);
  });

  test('is one where the pixels are uptake by body weight already, and unknown for uptake of another kind', () => {
    expect(factor({ Units: 'GML' })).toBe(1);
    expect(factor({ Units: 'GML', SUVType: 'BW' })).toBe(1);
    expect(factor({ Units: 'GML', SUVType: 'LBM' })).toBeUndefined();
  });

  test.each<[string, DatasetInput, DatasetInput?]>([
    ['attenuation is not corrected', { CorrectedImage: ['DECY'] }],
    ['decay is not corrected', { CorrectedImage: ['ATTN'], DecayCorrection: 'NONE' }],
    ['the units are counts', { Units: 'CNTS' }],
    ['there is no weight', { PatientWeight: undefined }],
    ['the weight is zero', { PatientWeight: '0' }],
    ['there is no dose', {}, { RadionuclideTotalDose: undefined }],
    ['there is no half-life', {}, { RadionuclideHalfLife: undefined }],
    ['the series was made after its acquisition', { SeriesTime: '160000' }],
    ['the tracer was given after the scan', {}, { RadiopharmaceuticalStartTime: '152400' }],
    ['a time cannot be read', { SeriesTime: '15:23' }],
    ['two tracers were given', { RadiopharmaceuticalInformationSequence: [dataset({}), dataset({})] }],
  ])('is unknown where %s', (_why, more, tracer) => expect(factor(more, tracer)).toBeUndefined());
});
