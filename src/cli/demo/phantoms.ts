import { blur, chance, side, texture, type Chance } from './canvas.ts';
import { drawings, type Scene } from './phantom-drawings.ts';

export type PhantomKind = 'ct' | 'us' | 'xray' | 'derm';

/** A drawn picture that looks, from afar, like a medical one; nobody was ever in front of it. */
export interface Phantom {
  readonly width: number;
  readonly height: number;
  /** [height, width, 3] */
  readonly rgb: Uint8Array;
  /** What was drawn into it; a mask is one byte per pixel, 0 or 1. */
  readonly truth: readonly { readonly label: string; readonly mask: Uint8Array }[];
}

/** A phantom with one or two findings. The same seed gives the same bytes. */
export function phantom(kind: PhantomKind, seed: number): Phantom {
  const r = chance(seed);
  const count = 1 + r.below(2);
  const labels = Array.from({ length: count }, () => findings[kind][r.below(findings[kind].length)]!);
  return draw(kind, r, chance(seed + 1e6), labels, 1);
}

/**
 * An abdominal CT volume with one lesion in the liver that grows and shrinks over neighbouring slices. The anatomy is
 * the same in every slice, the noise is not.
 * @returns slices from feet to head
 */
export function ctVolume(seed: number, slices: number): Phantom[] {
  const middle = (slices - 1) / 2;
  const reach = slices * 0.3;
  return Array.from({ length: slices }, (_, i) => {
    const size = Math.sqrt(Math.max(0, 1 - ((i - middle) / reach) ** 2));
    return draw('ct', chance(seed), chance((seed + 1) * 1000 + i), ['liver lesion'], size);
  });
}

/**
 * Seeds of which the tiny bundle says something true: each finding named, none invented, each mask with a Dice above
 * 0.5 (checked by test/unit/cli/phantoms.test.ts). The first of each is the plainest. `ctVolume` is for 12 slices.
 */
export const demoSeeds: Readonly<
  Record<PhantomKind | 'ctVolume', readonly { readonly seed: number; readonly shows: readonly string[] }[]>
> = {
  ctVolume: [
    { seed: 5, shows: ['liver lesion'] },
    { seed: 6, shows: ['liver lesion'] },
  ],
  ct: [
    { seed: 12, shows: ['liver lesion'] },
    { seed: 2, shows: ['renal cyst', 'kidney stone'] },
    { seed: 15, shows: ['kidney stone'] },
  ],
  us: [{ seed: 16, shows: ['solid mass'] }],
  xray: [
    { seed: 4, shows: ['pleural effusion'] },
    { seed: 12, shows: ['lung nodule'] },
    { seed: 16, shows: ['consolidation'] },
  ],
  derm: [
    { seed: 3, shows: ['melanoma'] },
    { seed: 11, shows: ['nevus', 'melanoma'] },
    { seed: 15, shows: ['vascular lesion'] },
  ],
};

const findings: Record<PhantomKind, readonly string[]> = {
  ct: ['liver lesion', 'renal cyst', 'kidney stone'],
  us: ['cyst', 'solid mass', 'calcification'],
  xray: ['lung nodule', 'consolidation', 'pleural effusion'],
  derm: ['nevus', 'melanoma', 'vascular lesion'],
};

function draw(kind: PhantomKind, r: Chance, grain: Chance, labels: readonly string[], size: number): Phantom {
  const scene: Scene = { r, grain, labels, size, truth: [] };
  const channels = drawings[kind](scene);
  const [gamma, gain, offset, blurred, noisy] = [
    r.uniform(0.85, 1.2),
    r.uniform(0.9, 1.05),
    r.uniform(-0.01, 0.02),
    r.uniform(0, 0.9),
    r.uniform(0, 0.015),
  ];
  const noise = texture(grain, 0);
  const rgb = new Uint8Array(side * side * 3);
  for (let c = 0; c < 3; c++) {
    const source = channels[Math.min(c, channels.length - 1)]!;
    const shaded = blur(
      source.map((v) => Math.min(1, Math.max(0, v)) ** gamma * gain + offset),
      blurred,
    );
    shaded.forEach(
      (v, i) => (rgb[3 * i + c] = Math.floor(Math.min(1, Math.max(0, v + noisy * noise[i]!)) * 255 + 0.5)),
    );
  }
  return { width: side, height: side, rgb, truth: scene.truth };
}
