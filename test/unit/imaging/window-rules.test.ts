import { describe, expect, test } from 'vitest';
import { windowRules } from '../../../src/base/index.ts';
import { dataset, type DatasetInput } from '../../../src/dicom/index.ts';
import { frameGroups } from '../../../src/imaging/frame-groups.ts';
import { ruledWindow } from '../../../src/imaging/window-rules.ts';

type Rule = Parameters<typeof ruledWindow>[0];
function chosen(rule: Rule, modality: string, more: DatasetInput = {}) {
  const ds = dataset(more);
  return ruledWindow(rule, modality, ds, frameGroups(ds), 0);
}
const hu = { RescaleSlope: 1, RescaleIntercept: -1024 };
const own = { WindowCenter: 300, WindowWidth: 1500 };

describe('the window of a CT image', () => {
  test.each([
    ['HEAD', 'ct-brain', 40, 80],
    ['Brain', 'ct-brain', 40, 80],
    ['NECK', 'ct-neck', 50, 250],
    ['LUNG', 'ct-lung', -600, 1500],
    ['CHEST', 'ct-mediastinum', 50, 350],
    ['LIVER', 'ct-abdomen', 40, 400],
    ['LSPINE', 'ct-spine', 50, 250],
    ['KNEE', 'ct-bone', 400, 1800],
    ['', 'ct-abdomen', 40, 400],
    ['NOSUCHPART', 'ct-abdomen', 40, 400],
  ])('of "%s" without a window of its own is %s', (BodyPartExamined, said, centre, width) => {
    expect(chosen('modality', 'CT', { ...hu, BodyPartExamined })).toMatchObject({ said, centre, width });
  });

  test('is its own where it has one, unless the rule asks for the body part', () => {
    expect(chosen('modality', 'CT', { ...hu, ...own, BodyPartExamined: 'HEAD' })).toBeUndefined();
    expect(chosen('ct-body-part', 'CT', { ...hu, ...own, BodyPartExamined: 'HEAD' })).toMatchObject({ width: 80 });
  });

  test('by name is never laid on values that are not Hounsfield units', () => {
    expect(chosen('ct-lung', 'CT', {})).toBeUndefined();
    expect(chosen('ct-lung', 'MR', hu)).toBeUndefined();
    expect(chosen('ct-body-part', 'CT', {})).toBeUndefined();
  });
});

describe('the window of a PET image', () => {
  const uptake = { Units: 'GML', CorrectedImage: ['ATTN', 'DECY'] };

  test('is uptake from 0 to 10 whatever window the slice says', () => {
    const window = chosen('modality', 'PT', { ...uptake, ...own });
    expect(window).toEqual({ centre: 5, width: 10, shape: 'LINEAR_EXACT', said: 'SUVbw 0 to 10' });
  });

  test('is its own where uptake cannot be known', () => {
    expect(chosen('modality', 'PT', own)).toBeUndefined();
    expect(chosen('pt-suv', 'CT', { ...uptake, ...hu })).toBeUndefined();
  });
});

describe('the window of any other image', () => {
  test.each(['MR', 'CR', 'DX', 'MG', 'US', 'OP', 'OPT', 'ES'])('%s is what the image says of itself', (modality) => {
    expect(chosen('modality', modality, { ...hu, BodyPartExamined: 'HEAD' })).toBeUndefined();
  });

  test('in numbers holds for every modality, and `image` for none', () => {
    expect(chosen({ centre: 1, width: 2 }, 'MR')).toEqual({ centre: 1, width: 2 });
    expect(chosen('image', 'CT', hu)).toBeUndefined();
  });

  test('has a rule behind every name', () => {
    for (const rule of windowRules) {
      const onCt = chosen(rule, 'CT', { ...hu, BodyPartExamined: 'HEAD' });
      expect(onCt === undefined, rule).toBe(rule === 'image' || rule === 'pt-suv');
    }
  });
});
