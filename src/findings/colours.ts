/**
 * Colours of masks on report page, review page and in SEG (0062,000D), chosen for the largest smallest distance under
 * normal, protan, deutan and tritan vision. Findings take them in sentence order; organs keep their mapping's colour.
 */
const palette = [
  [0x99, 0xcc, 0xff],
  [0xff, 0xd9, 0x66],
  [0xff, 0x40, 0x40],
  [0x8c, 0x66, 0xff],
  [0xe0, 0x87, 0x9d],
  [0xff, 0xff, 0xff],
] as const;

/** The colour of the n-th finding (0-based); from the seventh on they repeat. */
export function findingColour(n: number): readonly [number, number, number] {
  return palette[n % palette.length]!;
}

/**
 * sRGB (0..255) to the unsigned 16-bit CIELab of Recommended Display CIELab Value, PS3.3 C.10.7.1.1:
 * L* 0..100 to 0..65535, a* and b* -128..127 to 0..65535 (0x8080 is 0). D65 white point.
 */
export function dicomLab(rgb: readonly [number, number, number]): [number, number, number] {
  const [r, g, b] = rgb.map(linear) as [number, number, number];
  const x = root((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047);
  const y = root(0.2126 * r + 0.7152 * g + 0.0722 * b);
  const z = root((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883);
  const scaled = [(116 * y - 16) / 100, (500 * (x - y) + 128) / 255, (200 * (y - z) + 128) / 255];
  return scaled.map((v) => Math.round(Math.min(1, Math.max(0, v)) * 65535)) as [number, number, number];
}

function linear(value: number): number {
  const c = value / 255;
  return c > 0.04045 ? ((c + 0.055) / 1.055) ** 2.4 : c / 12.92;
}

/** CIE 15: cube root, linear near black. */
function root(t: number): number {
  return t > (6 / 29) ** 3 ? Math.cbrt(t) : (841 / 108) * t + 4 / 29;
}
