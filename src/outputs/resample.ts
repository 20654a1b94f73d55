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
  const out = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let [r, g, b] = [0, 0, 0];
      for (const [row, u] of down[y]!) {
        for (const [column, v] of across[x]!) {
          const at = (row * picture.width + column) * 3;
          r += u * v * picture.rgb[at]!;
          g += u * v * picture.rgb[at + 1]!;
          b += u * v * picture.rgb[at + 2]!;
        }
      }
      const at = (y * width + x) * 3;
      out[at] = Math.round(r);
      out[at + 1] = Math.round(g);
      out[at + 2] = Math.round(b);
    }
  }
  return out;
}

/** For each output pixel of one axis the source pixels and their weights (a triangle, wider when reducing). */
function weights(
  length: number,
  origin: number,
  step: number,
  count: number,
): (readonly [index: number, weight: number])[][] {
  const reach = Math.max(1, step);
  return Array.from({ length: count }, (_, i) => {
    const centre = origin + (i + 0.5) * step;
    if (centre < 0 || centre > length) return [];
    const found = new Map<number, number>();
    for (let k = Math.floor(centre - 0.5 - reach); k <= Math.ceil(centre - 0.5 + reach); k++) {
      const weight = 1 - Math.abs(k + 0.5 - centre) / reach;
      if (weight <= 0) continue;
      const index = Math.min(Math.max(k, 0), length - 1);
      found.set(index, (found.get(index) ?? 0) + weight);
    }
    const sum = [...found.values()].reduce((a, w) => a + w, 0);
    return [...found].map(([index, weight]) => [index, weight / sum] as const);
  });
}
