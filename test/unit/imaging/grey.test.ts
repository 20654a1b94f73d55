import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dataset, type DatasetInput } from '../../../src/dicom/index.ts';
import type { DecodedFrame } from '../../../src/imaging/index.ts';
import { frameGroups } from '../../../src/imaging/frame-groups.ts';
import { renderGrey, type GreyWindow } from '../../../src/imaging/grey.ts';

function render(
  values: readonly number[],
  more: DatasetInput = {},
  frame: Partial<DecodedFrame> = {},
  window?: GreyWindow,
): { grey: number[]; window: string } {
  const ds = dataset(more);
  const decoded: DecodedFrame = {
    rows: 1,
    columns: values.length,
    samples: 1,
    bitsStored: 16,
    signed: true,
    photometric: 'MONOCHROME2',
    values: Int16Array.from(values),
    ...frame,
  };
  const shown = renderGrey(ds, frameGroups(ds), 0, decoded, window, 'here');
  return { grey: [...shown.grey], window: shown.window };
}

describe('renderGrey', () => {
  test('a window of the route stands in place of the image own', () => {
    // PS3.3 C.11.2.1.2.1 with c 0, w 101: 0 at -50.5, 255 above 49.5, linear between.
    const { grey, window } = render([-60, -50, 0, 49, 50, 60], { WindowCenter: 5000, WindowWidth: 1 }, {}, { centre: 0, width: 101 }); // prettier-ignore
    expect(grey).toEqual([0, 1, 129, 254, 255, 255]);
    expect(window).toBe('W 101 C 0');
  });

  test('without a window the percentiles of the frame are used and said, padding left out', () => {
    const values = [...Array.from({ length: 1001 }, (_, i) => i), ...Array<number>(500).fill(-2000)];
    const { grey, window } = render(values, { PixelPaddingValue: -2000, PixelRepresentation: 1 });
    expect(window).toBe('automatic, percentiles 0.5 to 99.5: 5 to 995');
    expect([grey[5], grey[500], grey[995], grey[1001]]).toEqual([0, 128, 255, 0]);
  });

  test('the percentiles are those of all pixels in order, counted or sorted, with a slope that turns them round too', () => {
    const edges = fc.constantFrom(-32768, 32767, 0, 1);
    const values = fc.array(fc.oneof(edges, fc.integer({ min: -900, max: 900 })), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(values, fc.constantFrom(1, -2, 0.5), (stored, slope) => {
        const rescale = { RescaleSlope: slope, RescaleIntercept: -10 };
        const sorted = stored.map((v) => v * slope - 10).sort((a, b) => a - b);
        const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))]!;
        const [low, high] = at(0.005) === at(0.995) ? [at(0), at(1)] : [at(0.005), at(0.995)];
        const said = [low, high].map((v) => Number(v.toPrecision(5))).join(' to ');
        expect(render(stored, rescale).window.endsWith(`: ${said}`)).toBe(true);
        const wide = { values: Int32Array.from(stored), bitsStored: 32 };
        expect(render(stored, rescale, wide).grey).toEqual(render(stored, rescale).grey);
      }),
    );
  });

  test('padding is black in an inverted image too, and a range of padding counts whole', () => {
    const more = { PixelPaddingValue: 3000, PixelPaddingRangeLimit: 3100, WindowCenter: 500, WindowWidth: 1001 };
    const { grey } = render([0, 1000, 3000, 3050, 3100, 2999], more, { photometric: 'MONOCHROME1' });
    expect(grey).toEqual([255, 0, 0, 0, 0, 0]);
    expect(render([0], more, { photometric: 'MONOCHROME2' }).grey).toEqual([0]);
  });

  test('a presentation LUT shape of INVERSE inverts once, with MONOCHROME1 or without', () => {
    const more = { WindowCenter: 0.5, WindowWidth: 2, VOILUTFunction: 'LINEAR_EXACT', PresentationLUTShape: 'INVERSE' };
    expect(render([-5, 5], more).grey).toEqual([255, 0]);
    expect(render([-5, 5], more, { photometric: 'MONOCHROME1' }).grey).toEqual([255, 0]);
  });

  test('a window of width zero is ignored', () => {
    expect(render([0, 10], { WindowCenter: 5, WindowWidth: 0 }).window).toMatch(/^automatic/);
  });

  test('a frame of one value is black, not a division by zero', () => {
    expect(render([7, 7, 7]).grey).toEqual([0, 0, 0]);
  });

  test('eight bits without a window keep their full range', () => {
    const eight = { bitsStored: 8, signed: false, values: Uint8Array.of(0, 7, 255) };
    expect(render([], {}, eight)).toEqual({ grey: [0, 7, 255], window: 'full range' });
  });

  test('rescale and window of a frame win over those shared and those of the whole image', () => {
    const item = (slope: number): ReturnType<typeof dataset> =>
      dataset({ PixelValueTransformationSequence: [dataset({ RescaleSlope: slope, RescaleIntercept: 0 })] });
    const voi = dataset({ FrameVOILUTSequence: [dataset({ WindowCenter: 50, WindowWidth: 100, VOILUTFunction: 'LINEAR_EXACT' })] }); // prettier-ignore
    const more = { SharedFunctionalGroupsSequence: [voi], PerFrameFunctionalGroupsSequence: [item(10)], RescaleSlope: 1, WindowCenter: 1, WindowWidth: 1 }; // prettier-ignore
    expect(render([5], more)).toEqual({ grey: [128], window: 'W 100 C 50 LINEAR_EXACT' });
  });

  test.each([
    ['a slope of zero', { RescaleSlope: 0, RescaleIntercept: 0 }],
    ['a modality LUT without data', { ModalityLUTSequence: [dataset({ LUTDescriptor: [10, 0, 16] })] }],
    ['a VOI LUT that is too short', { VOILUTSequence: [dataset({ LUTDescriptor: [10, 0, 16], LUTData: [1, 2, 3] })] }],
  ])('%s is refused by name', (_, more) => {
    expect(() => render([1], more as DatasetInput)).toThrow(
      expect.objectContaining({ code: 'pixel-description', where: 'here' }),
    );
  });
});
