import { emptyBits, type PictureMask } from '../base/index.ts';
import type { Manifest } from './manifest.ts';

/** Where an output place falls between two input places: a, b, and the weight of b. */
interface Axis {
  readonly a: Int32Array;
  readonly b: Int32Array;
  readonly share: Float32Array;
}

/** Half-pixel centres, edges held (`align_corners=false`). */
function axis(from: number, to: number): Axis {
  const a = new Int32Array(to);
  const b = new Int32Array(to);
  const share = new Float32Array(to);
  for (let i = 0; i < to; i++) {
    const at = Math.max(0, ((i + 0.5) * from) / to - 0.5);
    a[i] = Math.min(Math.floor(at), from - 1);
    b[i] = Math.min(a[i]! + 1, from - 1);
    share[i] = at - a[i]!;
  }
  return { a, b, share };
}

/** Bilinear upsampling of [height, width] logits, row by row: no plane of floats is kept. */
function eachRow(
  src: Float32Array,
  w: number,
  h: number,
  toW: number,
  toH: number,
  use: (row: Float32Array, y: number) => void,
): void {
  const xs = axis(w, toW);
  const ys = axis(h, toH);
  const mixed = new Float32Array(w);
  const row = new Float32Array(toW);
  for (let y = 0; y < toH; y++) {
    const top = ys.a[y]! * w;
    const bottom = ys.b[y]! * w;
    const down = ys.share[y]!;
    for (let x = 0; x < w; x++) mixed[x] = src[top + x]! * (1 - down) + src[bottom + x]! * down;
    for (let x = 0; x < toW; x++) {
      const right = xs.share[x]!;
      row[x] = mixed[xs.a[x]!]! * (1 - right) + mixed[xs.b[x]!]! * right;
    }
    use(row, y);
  }
}

/** Bilinear upsampling, [height, width] to [toH, toW]. */
export function upsample(src: Float32Array, w: number, h: number, toW: number, toH: number): Float32Array {
  const out = new Float32Array(toW * toH);
  eachRow(src, w, h, toW, toH, (row, y) => out.set(row, y * toW));
  return out;
}

/**
 * Logits as a mask of the picture's size: upsampled (over `upsample_via` where the manifest has it), set where greater
 * than the threshold.
 * @param logits [masks.height, masks.width]
 */
export function toMask(
  logits: Float32Array,
  size: { readonly width: number; readonly height: number },
  rule: Manifest['masks'],
  score: number,
): PictureMask {
  let [w, h] = [rule.width, rule.height];
  let src = logits;
  if (rule.upsample_via) {
    const [viaW, viaH] = rule.upsample_via as unknown as readonly [number, number];
    src = upsample(src, w, h, viaW, viaH);
    [w, h] = [viaW, viaH];
  }
  const bits = emptyBits(size.width * size.height);
  eachRow(src, w, h, size.width, size.height, (row, y) => {
    const start = y * size.width;
    for (let x = 0; x < row.length; x++)
      if (row[x]! > rule.threshold) bits[(start + x) >> 3]! |= 1 << ((start + x) & 7);
  });
  return { width: size.width, height: size.height, bits, score };
}
