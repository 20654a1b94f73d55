import { describe, expect, it } from 'vitest';
import { outOf } from '../../../src/cli/commands/run.ts';

describe('the command line of plumbline run', () => {
  it.each([
    ['without a folder', undefined, { out: 'o' }, /name a folder of DICOM, or one of pictures/],
    ['with both folders', 'in', { out: 'o', imageFolder: 'p', modality: 'ct' }, /one of them/],
    ['without --out', 'in', {}, /--out is missing/],
    [
      'with pictures of which nobody says what they show',
      undefined,
      { out: 'o', imageFolder: 'p' },
      /needs --modality/,
    ],
    ['with a modality for DICOM, which says its own', 'in', { out: 'o', modality: 'ct' }, /goes with --image-folder/],
  ])('%s says what to do', (_what, input, options, message) => {
    expect(() => outOf(input, options)).toThrow(expect.objectContaining({ code: 'usage' }) as Error);
    expect(() => outOf(input, options)).toThrow(message);
  });

  it.each([
    ['in', { out: 'o' }],
    [undefined, { out: 'o', imageFolder: 'p', modality: 'ct' }],
  ])('that makes sense gives the folder of results', (input, options) => {
    expect(outOf(input, options)).toBe('o');
  });
});
