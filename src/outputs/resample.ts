import type { Picture } from '../base/index.ts';

/**
 * A window of a picture at another size: linear between pixel centres when enlarged, averaged when reduced.
 * @param window in picture pixels; what lies beyond the picture is black
 * @returns [height, width, 3]
 */
export function resample(
  picture: Picture,
  window: { readonly x: number; readonly y: number; readonly width: number; readonly height: number },
  width: number,
  height: number,
): Uint8Array {
  const across = weights(picture.width, window.x, window.width / width, width);
  const down = weights(picture.height, window.y, window.height / height, height);
  // Grey pictures are most of what comes: one channel then stands for three.
  const channels = isGrey(picture, across, down) ? 1 : 3;
  const out = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 3;
      for (let k = 0; k < channels; k++) out[at + k] = Math.round(mean(picture, across, down, x, y, k));
      if (channels === 1) out[at + 1] = out[at + 2] = out[at]!;
    }
  }
  return out;
}

/** One channel of one output pixel. */
function mean({ rgb, width }: Picture, across: Weights, down: Weights, x: number, y: number, k: number): number {
  const [fromX, fromY] = [x * across.size, y * down.size];
  const [countX, countY] = [across.count[x]!, down.count[y]!];
  let sum = 0;
  for (let j = 0; j < countY; j++) {
    const row = down.index[fromY + j]! * width;
    const u = down.weight[fromY + j]!;
    for (let i = 0; i < countX; i++)
      sum += u * across.weight[fromX + i]! * rgb[(row + across.index[fromX + i]!) * 3 + k]!;
  }
  return sum;
}

/** Whether the part of the picture that is shown has no colour. */
function isGrey({ rgb, width, height }: Picture, across: Weights, down: Weights): boolean {
  const [x0, x1, y0, y1] = [least(across, width), most(across), least(down, height), most(down)];
  for (let y = y0; y <= y1; y++) {
    for (let at = (y * width + x0) * 3, end = (y * width + x1) * 3; at <= end; at += 3)
      if (rgb[at] !== rgb[at + 1] || rgb[at] !== rgb[at + 2]) return false;
  }
  return true;
}

const least = ({ index, count, size }: Weights, length: number) =>
  count.reduce((found, n, i) => (n > 0 ? Math.min(found, index[i * size]!) : found), length);
const most = ({ index, count, size }: Weights) =>
  count.reduce((found, n, i) => (n > 0 ? Math.max(found, index[i * size + n - 1]!) : found), -1);

/** For each output pixel `i` of one axis `count[i]` source pixels and their weights, from place `i * size` on. */
interface Weights {
  readonly size: number;
  readonly count: Int32Array;
  /** Growing within one output pixel. */
  readonly index: Int32Array;
  readonly weight: Float64Array;
}

/** A triangle, wider when reducing; an output pixel whose centre lies beyond the picture has none. */
function weights(length: number, origin: number, step: number, outputs: number): Weights {
  const reach = Math.max(1, step);
  const size = Math.ceil(2 * reach) + 3;
  const count = new Int32Array(outputs);
  const index = new Int32Array(outputs * size);
  const weight = new Float64Array(outputs * size);
  for (let i = 0; i < outputs; i++) {
    const centre = origin + (i + 0.5) * step;
    if (centre < 0 || centre > length) continue;
    const from = i * size;
    let [n, sum] = [0, 0];
    for (let k = Math.floor(centre - 0.5 - reach); k <= Math.ceil(centre - 0.5 + reach); k++) {
      const w = 1 - Math.abs(k + 0.5 - centre) / reach;
      if (w <= 0) continue;
      // Beyond the border the last pixel goes on.
      const at = Math.min(Math.max(k, 0), length - 1);
      if (n === 0 || index[from + n - 1] !== at) index[from + n++] = at;
      weight[from + n - 1]! += w;
    }
    for (let j = 0; j < n; j++) sum += weight[from + j]!;
    for (let j = 0; j < n; j++) weight[from + j]! /= sum;
    count[i] = n;
  }
  return { size, count, index, weight };
}
