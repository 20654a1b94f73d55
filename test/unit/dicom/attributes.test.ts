import { describe, expect, it } from 'vitest';
import {
  bytesOf,
  codeOf,
  dataset,
  decimalString,
  element,
  has,
  items,
  keywordOf,
  number,
  numbers,
  personName,
  splitName,
  tagOf,
  text,
  texts,
  vrOf,
  vrOfTag,
} from '../../../src/dicom/index.ts';

describe('names of tags', () => {
  it('go both ways', () => {
    expect(tagOf('PatientName')).toBe('00100010');
    expect(keywordOf('00100010')).toBe('PatientName');
    expect(vrOf('PatientName')).toBe('PN');
  });
  it('an unknown keyword is a typing error of ours, an unknown tag is not', () => {
    expect(() => tagOf('PatientNam')).toThrow(expect.objectContaining({ code: 'internal' }));
    expect(keywordOf('00091001')).toBeUndefined();
    expect(vrOfTag('00091001')).toBeUndefined();
  });
  it('repeating groups have the name of the first', () => {
    expect(keywordOf('60023000')).toBe('OverlayData');
    expect(vrOfTag('60023000')).toBe('OW');
  });
  it('a group length is UL in every group', () => expect(vrOfTag('00180000')).toBe('UL'));
  it('a representation that depends on the data set has its common one', () => {
    expect(vrOf('PixelPaddingValue')).toBe('US');
    expect(vrOf('LUTData')).toBe('OW');
  });
});

describe('a data set from keywords', () => {
  it('is in order of tags, with representations of the dictionary', () => {
    const built = dataset({
      Rows: 2,
      PatientName: 'A^B',
      Modality: 'CT',
      StudyDate: '',
      ImageType: ['ORIGINAL', 'PRIMARY'],
      StudyID: undefined,
    });
    expect(Object.keys(built)).toEqual(['00080008', '00080020', '00080060', '00100010', '00280010']);
    expect(built['00100010']).toEqual({ vr: 'PN', Value: [{ Alphabetic: 'A^B' }] });
    expect(built['00080020']).toEqual({ vr: 'DA' });
  });
  it('takes items, bytes and whole elements', () => {
    const built = dataset({
      ReferencedSeriesSequence: [dataset({ Modality: 'CT' })],
      ICCProfile: new Uint8Array([1, 2]),
      PixelPaddingValue: { vr: 'SS', Value: [-5] },
    });
    expect(items(built, 'ReferencedSeriesSequence')).toEqual([dataset({ Modality: 'CT' })]);
    expect(bytesOf(built, 'ICCProfile')).toEqual(new Uint8Array([1, 2]));
    expect(number(built, 'PixelPaddingValue')).toBe(-5);
  });
  it('a sequence of one item may stand without a list', () => {
    expect(
      items(dataset({ ReferencedSeriesSequence: dataset({ Modality: 'CT' }) }), 'ReferencedSeriesSequence'),
    ).toHaveLength(1);
  });
});

describe('values', () => {
  const built = dataset({
    ImagePositionPatient: [1, '-2.5', 3],
    PatientName: 'A^B=C',
    InstanceNumber: '7 ',
    SliceThickness: '0,5',
    PixelSpacing: ['1', 'x'],
  });
  it('as numbers', () => {
    expect(numbers(built, 'ImagePositionPatient')).toEqual([1, -2.5, 3]);
    expect(number(built, 'InstanceNumber')).toBe(7);
  });
  it('that are no numbers are none, and make their list empty', () => {
    expect(number(built, 'SliceThickness')).toBeUndefined();
    expect(numbers(built, 'PixelSpacing')).toEqual([]);
    expect(number(dataset({ SliceThickness: '1e400' }), 'SliceThickness')).toBeUndefined();
    expect(number(dataset({ SliceThickness: '' }), 'SliceThickness')).toBeUndefined();
  });
  it('as text, absent ones as empty text', () => {
    expect(texts(built, 'ImagePositionPatient')).toEqual(['1', '-2.5', '3']);
    expect(text(built, 'Modality')).toBe('');
    expect(texts(built, 'Modality')).toEqual([]);
    expect(has(built, 'Modality')).toBe(false);
  });
  it('names keep the place of their groups', () => {
    expect(personName(built, 'PatientName')).toBe('A^B=C');
    expect(personName(dataset({ PatientName: '==P' }), 'PatientName')).toBe('==P');
    expect(splitName('A==P')).toEqual({ Alphabetic: 'A', Phonetic: 'P' });
  });
  it('codes are read from their short, long or URN value', () => {
    const code = { CodingSchemeDesignator: 'SCT', CodeMeaning: 'Lung' };
    expect(codeOf(dataset({ CodeValue: '39607008', ...code }))).toEqual({
      value: '39607008',
      scheme: 'SCT',
      meaning: 'Lung',
    });
    expect(codeOf(dataset({ LongCodeValue: '1'.repeat(20), ...code }))?.value).toBe('1'.repeat(20));
    expect(codeOf(dataset(code))).toBeUndefined();
    expect(codeOf(undefined)).toBeUndefined();
  });
  it('an element without value is there and empty', () => {
    expect(element('StudyID')).toEqual({ vr: 'SH' });
    expect(has(dataset({ StudyID: [] }), 'StudyID')).toBe(true);
  });
});

describe('Decimal Strings', () => {
  it.each([
    [0.1, '0.1'],
    [-0, '0'],
    [1 / 3, '0.33333333333333'],
    [-1 / 3, '-0.3333333333333'],
    [2 / 3, '0.66666666666667'],
    [-1234567.891234567, '-1234567.8912346'],
    [1e21, '1e+21'],
    [1.23456789012345e-10, '1.2345678901e-10'],
    [123456789012345680000, '1.2345678901e+20'],
  ])('%d is written as the nearest of 16 characters', (value, expected) => {
    const written = decimalString(value);
    expect(written.length).toBeLessThanOrEqual(16);
    expect(Math.abs(Number(written) - value)).toBeLessThanOrEqual(Math.abs(Number(expected) - value));
  });
  it('what is no number is refused', () =>
    expect(() => decimalString(Infinity)).toThrow(expect.objectContaining({ code: 'encoding-invalid' })));
});
