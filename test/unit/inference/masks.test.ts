import { describe, expect, it } from 'vitest';
import { getBit } from '../../../src/base/index.ts';
import { toMask, upsample } from '../../../src/inference/masks.ts';
import { missing, python } from '../../peers/index.ts';

const rule = { width: 2, height: 1, threshold: 0, upsample: 'bilinear' } as const;

describe('upsampling', () => {
  it('takes pixel centres at a half and holds the edges', () => {
    expect([...upsample(Float32Array.of(0, 1), 2, 1, 4, 1)]).toEqual([0, 0.25, 0.75, 1]);
    expect([...upsample(Float32Array.of(0, 1), 1, 2, 1, 4)]).toEqual([0, 0.25, 0.75, 1]);
    expect([...upsample(Float32Array.of(3), 1, 1, 2, 2)]).toEqual([3, 3, 3, 3]);
  });

  // Enlarging, Pillow's bilinear filter on float pictures has no antialias and is the same rule.
  it.skipIf(missing('python'))("gives Pillow's values for float planes", async () => {
    const script = `
import json, numpy as np
from PIL import Image
x = (np.arange(35) * 7919 % 101 / 10 - 5).astype(np.float32).reshape(5, 7)
print(json.dumps(np.asarray(Image.fromarray(x).resize((31, 23), Image.BILINEAR)).ravel().tolist()))
`;
    const theirs = JSON.parse((await python(script)).stdout) as number[];
    const ours = upsample(
      Float32Array.from({ length: 35 }, (_, i) => ((i * 7919) % 101) / 10 - 5),
      7,
      5,
      31,
      23,
    );
    expect(theirs).toHaveLength(31 * 23);
    theirs.forEach((v, i) => expect(ours[i]).toBeCloseTo(v, 4));
  });
});

describe('a mask', () => {
  it('is set where the logit is greater than the threshold, not where it is equal', () => {
    const { bits, ...rest } = toMask(Float32Array.of(-1, 1), { width: 4, height: 1 }, rule, 0.5);
    expect([0, 1, 2, 3].map((i) => getBit(bits, i))).toEqual([false, false, true, true]);
    expect(rest).toEqual({ width: 4, height: 1, score: 0.5 });
    expect(toMask(Float32Array.of(0, 0), { width: 2, height: 1 }, rule, 0).bits[0]).toBe(0);
    expect(toMask(Float32Array.of(1, 2), { width: 2, height: 1 }, { ...rule, threshold: 1 }, 0).bits[0]).toBe(2);
  });

  it('goes over the size between, where the manifest names one', () => {
    const via = toMask(Float32Array.of(-1, 3), { width: 8, height: 1 }, { ...rule, upsample_via: [4, 1] }, 0);
    const first = upsample(Float32Array.of(-1, 3), 2, 1, 4, 1);
    const second = upsample(first, 4, 1, 8, 1);
    expect([...second].map((v) => v > 0)).toEqual(Array.from({ length: 8 }, (_, i) => getBit(via.bits, i)));
  });

  it('spreads rows that are no multiple of eight pixels without a gap', () => {
    const { bits } = toMask(Float32Array.of(1), { width: 5, height: 3 }, { ...rule, width: 1 }, 0);
    expect([...bits]).toEqual([0xff, 0x7f]);
  });
});
