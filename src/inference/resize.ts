/** An 8-bit RGB picture, [height, width, 3], row-major. */
export interface Rgb {
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
}

export type Filter = 'bilinear-antialias' | 'bicubic-antialias';

/**
 * Which pass comes first; it shows in the last bit, as both passes round. `pillow-13`: vertical first where the height
 * shrinks and by more than twice what the width shrinks, else horizontal first. `horizontal-first`: as Pillow did
 * before 13.0 (pictures more than 100 times as high as wide aside).
 */
export type PassOrder = 'pillow-13' | 'horizontal-first';

/**
 * Resize as Pillow's `Image.resize` does, bit for bit: a separable filter whose support grows when shrinking
 * (antialias), both passes rounded and clipped to 8 bit, a pass without change of size left out. Models are trained
 * on pictures made that way, and other libraries' kernels differ by many levels.
 * Rule: Pillow's src/libImaging/Resample.c; the pass order of 13.0 was found by trying it on 12 000 sizes.
 */
export function resize(
  picture: Rgb,
  width: number,
  height: number,
  filter: Filter,
  order: PassOrder = 'pillow-13',
): Rgb {
  const { width: w, height: h } = picture;
  if (order === 'pillow-13' && height < h && h - height > 2 * (w - width))
    return across(down(picture, height, filter), width, filter);
  return down(across(picture, width, filter), height, filter);
}

function across(p: Rgb, to: number, filter: Filter): Rgb {
  return to === p.width ? p : { width: to, height: p.height, rgb: horizontal(p.rgb, p.width, p.height, to, filter) };
}

function down(p: Rgb, to: number, filter: Filter): Rgb {
  return to === p.height ? p : { width: p.width, height: to, rgb: vertical(p.rgb, p.width, p.height, to, filter) };
}

const precision = 22;
const half = 1 << (precision - 1);

/** Weights of one output place: input places `first` to `first + n - 1`. */
interface Taps {
  readonly size: number;
  readonly first: Int32Array;
  readonly n: Int32Array;
  /** `size` fixed-point weights for each output place. */
  readonly weights: Int32Array;
}

const kernels: Record<Filter, { readonly support: number; readonly at: (x: number) => number }> = {
  'bilinear-antialias': { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  'bicubic-antialias': { support: 2, at: bicubic },
};

/** Keys' cubic convolution with a = -0.5. */
function bicubic(signed: number): number {
  const x = Math.abs(signed);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * -0.5;
  return 0;
}

function taps(from: number, to: number, filter: Filter): Taps {
  const kernel = kernels[filter];
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const support = kernel.support * stretch;
  const size = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(to);
  const n = new Int32Array(to);
  const weights = new Int32Array(to * size);
  const exact = new Float64Array(size);
  for (let place = 0; place < to; place++) {
    const centre = (place + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(from, Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let i = start; i < end; i++) sum += exact[i - start] = kernel.at((i - centre + 0.5) * (1 / stretch));
    for (let i = 0; i < end - start; i++) {
      const share = (sum === 0 ? exact[i]! : exact[i]! / sum) * (1 << precision);
      weights[place * size + i] = Math.trunc(share < 0 ? share - 0.5 : share + 0.5);
    }
    first[place] = start;
    n[place] = end - start;
  }
  return { size, first, n, weights };
}

function clip8(fixed: number): number {
  const v = fixed >> precision;
  return v < 0 ? 0 : v > 255 ? 255 : v;
}

function horizontal(src: Uint8Array, width: number, height: number, to: number, filter: Filter): Uint8Array {
  const { size, first, n, weights } = taps(width, to, filter);
  const out = new Uint8Array(to * height * 3);
  let o = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < to; x++) {
      let r = half;
      let g = half;
      let b = half;
      let s = (y * width + first[x]!) * 3;
      for (let k = x * size, end = k + n[x]!; k < end; k++) {
        const w = weights[k]!;
        r += src[s++]! * w;
        g += src[s++]! * w;
        b += src[s++]! * w;
      }
      out[o++] = clip8(r);
      out[o++] = clip8(g);
      out[o++] = clip8(b);
    }
  }
  return out;
}

function vertical(src: Uint8Array, width: number, height: number, to: number, filter: Filter): Uint8Array {
  const { size, first, n, weights } = taps(height, to, filter);
  const row = width * 3;
  const out = new Uint8Array(row * to);
  const sums = new Int32Array(row);
  for (let y = 0; y < to; y++) {
    sums.fill(half);
    for (let k = 0; k < n[y]!; k++) {
      const w = weights[y * size + k]!;
      const s = (first[y]! + k) * row;
      for (let i = 0; i < row; i++) sums[i]! += src[s + i]! * w;
    }
    for (let i = 0; i < row; i++) out[y * row + i] = clip8(sums[i]!);
  }
  return out;
}
