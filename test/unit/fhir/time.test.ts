import { describe, expect, it } from 'vitest';
import { fhirDate, fhirDateTime, fhirFromDt } from '../../../src/fhir/index.ts';

describe('DICOM dates and times as FHIR', () => {
  it.each([
    ['20260304', '050607', '+0100', '2026-03-04T05:06:07+01:00'],
    ['20260304', '050607.123456', '-0530', '2026-03-04T05:06:07-05:30'],
    ['20260304', '0506', '+0000', '2026-03-04T05:06:00+00:00'],
    ['2026.03.04', '05:06:07', '+0100', '2026-03-04T05:06:07+01:00'],
    ['20260304', '235960', '+0000', '2026-03-04T23:59:59+00:00'],
  ])('%s %s %s is %s', (da, tm, zone, expected) => {
    expect(fhirDateTime(da, tm, zone)).toBe(expected);
  });

  it('never invents a time zone: without one only the day is said', () => {
    expect(fhirDateTime('20260304', '050607', '')).toBe('2026-03-04');
    expect(fhirDateTime('20260304', '050607', '+1')).toBe('2026-03-04');
  });

  it('says only the day where the time is none', () => {
    expect(fhirDateTime('20260304', '2567', '+0100')).toBe('2026-03-04');
    expect(fhirDateTime('20260304', '', '+0100')).toBe('2026-03-04');
  });

  it('gives nothing for what is no calendar day', () => {
    for (const da of ['', '20260230', '20261301', '2026', '19000229', 'unknown'])
      expect(fhirDateTime(da, '05', '')).toBeUndefined();
    expect(fhirDate('20240229')).toBe('2024-02-29');
  });

  it('reads DT with its own zone before the zone of the data set', () => {
    expect(fhirFromDt('20260304050607.5+0200', '+0900')).toBe('2026-03-04T05:06:07+02:00');
    expect(fhirFromDt('20260304050607', '+0900')).toBe('2026-03-04T05:06:07+09:00');
    expect(fhirFromDt('20260304', '+0900')).toBe('2026-03-04');
    expect(fhirFromDt('202603', '+0900')).toBeUndefined();
  });
});
