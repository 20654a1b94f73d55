import {
  area,
  blur,
  both,
  either,
  ellipse,
  inner,
  mask,
  outline,
  paint,
  plane,
  side,
  soft,
  texture,
  without,
  type Chance,
  type Mask,
  type Outline,
  type Plane,
} from './canvas.ts';

/** What a drawing works with. `r` decides the anatomy and `grain` the noise; `size` scales the findings. */
export interface Scene {
  readonly r: Chance;
  readonly grain: Chance;
  readonly labels: readonly string[];
  readonly size: number;
  readonly truth: { readonly label: string; readonly mask: Mask }[];
}

/** What each drawing gives: one plane for grey, three for colour. Values may pass 0 and 1; they are cut later. */
export const drawings = { ct, us, xray, derm } as const satisfies Record<string, (s: Scene) => Plane[]>;

/** A large or a small radius, pixels. */
function radius(r: Chance): number {
  return r.below(2) === 1 ? r.uniform(19, 29) : r.uniform(9, 13);
}

/** A place among `allowed` pixels, off the midlines and clear of what is there already. */
function spot(s: Scene, allowed: readonly number[], reach: number): { x: number; y: number } | undefined {
  for (let tries = 0; tries < 25 && allowed.length > 0; tries++) {
    const i = allowed[s.r.below(allowed.length)]!;
    const [x, y] = [i % side, Math.floor(i / side)];
    if (Math.abs(x - side / 2) < 12 || Math.abs(y - side / 2) < 12) continue;
    const near = s.truth.some((t) =>
      t.mask.some((v, j) => v && Math.hypot((j % side) - x, Math.floor(j / side) - y) < reach + 4),
    );
    if (!near) return { x, y };
  }
  return undefined;
}

/** Note a finding, if it is large enough to be one. */
function add(s: Scene, label: string, m: Mask): boolean {
  if (area(m) < 60) return false;
  s.truth.push({ label, mask: m });
  return true;
}

/** A finding at a random place of `allowed`, kept inside `within`. */
function place(
  s: Scene,
  label: string,
  allowed: readonly number[],
  reach: number,
  shape: Outline,
  within?: Mask,
): { readonly mask: Mask; readonly x: number; readonly y: number } | undefined {
  const at = spot(s, allowed, reach);
  if (!at) return undefined;
  const whole = shape(at.x, at.y, reach * s.size);
  const m = within ? both(whole, within) : whole;
  return add(s, label, m) ? { mask: m, ...at } : undefined;
}

function everywhere(margin: number): number[] {
  return inner(
    mask((x, y) => x >= margin && x < side - margin && y >= margin && y < side - margin),
    1,
  );
}

function ct(s: Scene): Plane[] {
  const { r, grain } = s;
  const [cx, cy] = [128 + r.uniform(-6, 6), 128 + r.uniform(-6, 6)];
  const [a, b] = [r.uniform(100, 116), r.uniform(80, 98)];
  const dark = r.uniform(0, 0.05);
  const im = plane(() => dark);
  const wall = ellipse(cx, cy, a - r.uniform(6, 14), b - r.uniform(6, 14));
  const base = r.uniform(0.36, 0.44);
  const coarse = texture(grain, 9);
  const fine = texture(grain, 2);
  paint(im, ellipse(cx, cy, a, b), r.uniform(0.2, 0.28));
  paint(
    im,
    wall,
    coarse.map((v) => base + 0.03 * v),
  );
  const lobe = either(outline(r, 0.08, 1)(cx - 42, cy - 12, r.uniform(44, 52)), ellipse(cx - 12, cy - 35, 34, 18, 0.2));
  const liver = both(lobe, wall);
  const bright = base + r.uniform(0.1, 0.16);
  paint(
    im,
    liver,
    fine.map((v) => bright + 0.012 * v),
  );
  paint(im, both(outline(r, 0.1, 1.4)(cx + 58, cy - 10, r.uniform(20, 27)), wall), bright - 0.02);
  const kidneys = [-44, 46].map((dx) => {
    const k = both(
      ellipse(
        cx + dx + r.uniform(-4, 4),
        cy + 48 + r.uniform(-4, 4),
        r.uniform(18, 22),
        r.uniform(22, 27),
        r.uniform(-0.3, 0.3),
      ),
      wall,
    );
    paint(im, k, bright + r.uniform(0.08, 0.13));
    return k;
  });
  paint(im, ellipse(cx, cy + 58, 17, 15), r.uniform(0.85, 0.95));
  paint(im, ellipse(cx - 6, cy + 30, 9, 9), bright + 0.06);
  const parenchyma = kidneys.reduce(without, liver);
  for (const label of s.labels) ctFinding(s, label, im, { base, bright, fine, parenchyma, kidneys });
  const grainy = r.uniform(0.005, 0.025);
  const noise = texture(grain, r.below(2));
  return [im.map((v, i) => v + grainy * noise[i]!)];
}

interface Abdomen {
  readonly base: number;
  readonly bright: number;
  readonly fine: Plane;
  readonly parenchyma: Mask;
  readonly kidneys: readonly Mask[];
}

function ctFinding(s: Scene, label: string, im: Plane, { base, bright, fine, parenchyma, kidneys }: Abdomen): void {
  const { r } = s;
  if (label === 'liver lesion') {
    const reach = radius(r);
    const found = place(s, label, inner(parenchyma, 19), reach, outline(r, 0.12, r.uniform(0.8, 1.3)), parenchyma);
    const [drop, edge] = [r.uniform(0.15, 0.24), r.uniform(0.7, 1.6)];
    if (found)
      paint(
        im,
        found.mask,
        fine.map((v) => bright - drop + 0.015 * v),
        edge,
      );
    return;
  }
  const cyst = label === 'renal cyst';
  const found = place(
    s,
    label,
    inner(kidneys[r.below(2)]!, 11),
    cyst ? r.uniform(8.5, 13) : r.uniform(6, 8),
    outline(r, 0.06, 1),
  );
  if (found) paint(im, found.mask, cyst ? base - r.uniform(0.1, 0.18) : r.uniform(0.92, 1), 0.8);
}

function us(s: Scene): Plane[] {
  const { r, grain } = s;
  const apex = r.uniform(-25, 5);
  const angle = r.uniform(0.62, 0.8);
  const fan = mask((x, y) => {
    const depth = Math.hypot(x - 128, y - apex);
    return Math.abs(Math.atan2(x - 128, y - apex)) < angle && depth < 250 - Math.max(apex, 0) && depth > 28;
  });
  const base = r.uniform(0.3, 0.42);
  const coarse = texture(grain, 9);
  const im = coarse.map((v, i) => base * (1 + 0.25 * v) * (1.15 - (0.4 * Math.floor(i / side)) / side));
  const shade = plane(() => 1);
  const allowed = inner(fan, 27);
  for (const label of s.labels) usFinding(s, label, im, shade, allowed);
  const speckle = texture(grain, 1 + r.below(2));
  return [
    im.map(
      (v, i) =>
        v *
        Math.min(2, Math.max(0.3, 0.55 + 0.45 * Math.abs(speckle[i]!))) *
        Math.min(2, Math.max(0.1, shade[i]!)) *
        fan[i]!,
    ),
  ];
}

function usFinding(s: Scene, label: string, im: Plane, shade: Plane, allowed: readonly number[]): void {
  const { r, grain } = s;
  const stone = label === 'calcification';
  const reach = stone ? r.uniform(7, 10) : radius(r);
  const found = place(
    s,
    label,
    allowed,
    reach,
    outline(r, label === 'cyst' ? 0.04 : 0.15, stone ? 1.7 : r.uniform(0.85, 1.2)),
  );
  if (!found) return;
  const below = mask(
    (x, y) => Math.abs(x - found.x) < reach * 0.8 && y > found.y + reach && (stone || y < found.y + 3 * reach),
  );
  if (label === 'cyst') {
    // Fluid lets sound through: brighter behind.
    paint(im, found.mask, 0.02);
    soft(below, 4).forEach((v, i) => (shade[i]! *= 1 + 0.35 * v));
  } else if (stone) {
    paint(im, found.mask, 1.7, 0.8);
    soft(below, 2.5).forEach((v, i) => (shade[i]! *= 1 - 0.75 * v));
  } else {
    const echo = r.uniform(0.66, 0.78);
    paint(
      im,
      found.mask,
      texture(grain, 4).map((v) => echo * (1 + 0.1 * v)),
      1.6,
    );
  }
}

function xray(s: Scene): Plane[] {
  const { r, grain } = s;
  const cx = 128 + r.uniform(-6, 6);
  const haze = texture(grain, 24);
  let im = plane((x, y) => 0.62 + (0.08 * y) / side + 0.02 * haze[y * side + x]!);
  const base = r.uniform(0.2, 0.3);
  const streaks = texture(grain, 4);
  const lungs = [-1, 1].map((d) => {
    const lung = ellipse(
      cx + d * r.uniform(50, 56),
      125 + r.uniform(-6, 6),
      r.uniform(34, 40),
      r.uniform(80, 92),
      -d * 0.12,
    );
    paint(
      im,
      lung,
      streaks.map((v) => base + 0.03 * v),
      2.5,
    );
    return lung;
  });
  const [phase, period, ribs] = [r.uniform(0, 24), r.uniform(24, 30), r.uniform(0.03, 0.08)];
  im = im.map((v, i) => {
    const [x, y] = [i % side, Math.floor(i / side)];
    return v + (Math.sin(((y + 0.25 * Math.abs(x - cx) + phase) * 2 * Math.PI) / period) > 0.55 ? ribs : 0);
  });
  const heart = outline(r, 0.06, r.uniform(1, 1.25))(cx + 20, 168, r.uniform(34, 42));
  paint(im, heart, r.uniform(0.68, 0.76), 2);
  paint(
    im,
    mask((x) => Math.abs(x - cx) < 13),
    0.74,
    3,
  );
  const free = lungs.map((l) => without(l, heart));
  for (const label of s.labels) xrayFinding(s, label, im, free[r.below(2)]!, cx);
  const [blurred, grainy] = [r.uniform(0, 1), r.uniform(0.005, 0.02)];
  const noise = texture(grain, 0);
  return [blur(im, blurred).map((v, i) => v + grainy * noise[i]!)];
}

function xrayFinding(s: Scene, label: string, im: Plane, lung: Mask, cx: number): void {
  const { r, grain } = s;
  if (label === 'pleural effusion') {
    const level = r.uniform(160, 185);
    const fluid = both(
      lung,
      mask((x, y) => y > level - 14 * ((Math.abs(x - cx) - 50) / 38) ** 2),
    );
    const clear = s.truth.every((t) => area(both(t.mask, fluid)) === 0);
    if (clear && add(s, label, fluid)) paint(im, fluid, r.uniform(0.72, 0.8), 1.6);
    return;
  }
  const nodule = label === 'lung nodule';
  const found = place(
    s,
    label,
    inner(lung, 19),
    nodule ? r.uniform(7.5, 12) : r.uniform(19, 27),
    outline(r, nodule ? 0.06 : 0.2, 1),
    lung,
  );
  if (!found) return;
  const dense = r.uniform(0.48, 0.58);
  if (nodule) paint(im, found.mask, r.uniform(0.66, 0.8), 1);
  else
    paint(
      im,
      found.mask,
      texture(grain, 2).map((v) => dense + 0.07 * v),
      3,
    );
}

function derm(s: Scene): Plane[] {
  const { r, grain } = s;
  const tone = r.uniform(0.55, 0.95);
  const skin = [tone, tone * r.uniform(0.72, 0.8), tone * r.uniform(0.6, 0.7)];
  const [fine, coarse] = [texture(grain, 4), texture(grain, 24)];
  const im = skin.map((v) => fine.map((f, i) => v * (1 + 0.03 * f + 0.05 * coarse[i]!)));
  for (const label of s.labels) {
    const reach = radius(r);
    const found = place(
      s,
      label,
      everywhere(Math.ceil(reach + 6)),
      reach,
      outline(r, label === 'melanoma' ? 0.24 : 0.04, r.uniform(0.85, 1.2)),
    );
    if (found) dermFinding(s, label, im, found.mask, skin);
  }
  return im;
}

function dermFinding({ r, grain }: Scene, label: string, im: readonly Plane[], m: Mask, skin: readonly number[]): void {
  if (label === 'melanoma') {
    const islands = texture(grain, 4);
    const colours = { blue: [0.22, 0.25, 0.38], brown: [0.4, 0.22, 0.14], black: [0.12, 0.08, 0.08] };
    im.forEach((p, c) =>
      paint(
        p,
        m,
        islands.map((v) => (v > 0.5 ? colours.blue : v < -0.5 ? colours.brown : colours.black)[c]!),
        0.9,
      ),
    );
    return;
  }
  const colour = label === 'nevus' ? skin.map((v, c) => v * [0.62, 0.5, 0.4][c]!) : [r.uniform(0.7, 0.85), 0.1, 0.16];
  const grainy = texture(grain, 2);
  const depth = label === 'nevus' ? 0.03 : 0.06;
  im.forEach((p, c) =>
    paint(
      p,
      m,
      grainy.map((v) => colour[c]! * (1 + depth * v)),
      label === 'nevus' ? 1.4 : 1,
    ),
  );
}
