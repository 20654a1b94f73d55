import { describe, expect, it } from 'vitest';
import { getBit, type MaskPlane, type Spacing, type Stack } from '../../../src/base/index.ts';
import { axesOf, cornerHull, measureMask } from '../../../src/findings/measure.ts';
import { pictureMask, sampleStack } from '../../builders/answers.ts';
import { missing, python } from '../../peers/index.ts';

type Test = (x: number, y: number) => boolean;

function planesOf(stack: Stack, tests: Readonly<Record<number, Test>>): MaskPlane[] {
  const { rows, columns } = stack.grid;
  return Object.entries(tests).map(([p, t]) => ({ plane: Number(p), bits: pictureMask(columns, rows, t).bits }));
}
function measured(
  stack: Stack,
  tests: Readonly<Record<number, Test>>,
  key = Number(Object.keys(tests)[0]),
  read?: number,
) {
  const list = measureMask(stack, planesOf(stack, tests), key, read ?? stack.planes.length);
  return Object.fromEntries(list.map((m) => [m.kind, m]));
}
const box =
  (c0: number, c1: number, r0: number, r1: number): Test =>
  (x, y) =>
    x >= c0 && x < c1 && y >= r0 && y < r1;
const withSpacing = (stack: Stack, spacing: Spacing): Stack => ({ ...stack, grid: { ...stack.grid, spacing } });

describe('measureMask', () => {
  // Sample: rows 0.8 mm apart, columns 0.6 mm, planes 2.5 mm.
  const stack = sampleStack({ rows: 40, columns: 48 });

  it('sums the volume over planes, each with its own thickness', () => {
    const thick = { ...stack.grid.depth!, thicknessMm: [1, 2, 3, 4, 5, 6] };
    const uneven = { ...stack, grid: { ...stack.grid, depth: thick } };
    const m = measured(uneven, { 1: box(0, 10, 0, 5), 2: box(0, 4, 0, 5) });
    expect(m['volume']).toMatchObject({
      value: Number((50 * 0.48 * 2 + 20 * 0.48 * 3).toPrecision(6)),
      unit: { value: 'mm3', scheme: 'UCUM' },
    });
  });

  it('measures a rectangle along its diagonal and across it', () => {
    const m = measured(stack, { 2: box(3, 13, 4, 9) });
    // 10 columns x 0.6 = 6 mm, 5 rows x 0.8 = 4 mm.
    expect(m['area']!.value).toBe(24);
    expect(m['long-axis']!.value).toBeCloseTo(Math.sqrt(52), 4);
    expect(m['short-axis']!.value).toBeCloseTo((4 * Math.sqrt(52)) / 6, 4);
    expect([m['area']!.plane, m['long-axis']!.plane, m['short-axis']!.plane]).toEqual([2, 2, 2]);
  });

  it('measures one pixel by its corners', () => {
    const m = measured(stack, { 0: box(5, 6, 5, 6) });
    expect(m['long-axis']!.value).toBe(1);
    expect(m['short-axis']!.value).toBeCloseTo((0.6 * 1) / 0.8, 6);
  });

  it('is near the diameter of a disc in both directions', () => {
    const even = withSpacing(stack, { kind: 'physical', rowMm: 0.5, columnMm: 0.5, source: 'PixelSpacing' });
    const m = measured(even, { 0: (x, y) => (x - 20) ** 2 + (y - 20) ** 2 <= 15 ** 2 });
    expect(m['long-axis']!.value).toBeGreaterThan(15);
    expect(m['long-axis']!.value).toBeLessThan(15.9);
    expect(m['short-axis']!.value).toBeGreaterThan(14.9);
  });

  it('says when slices are missing or were not read', () => {
    const gap = { ...stack, grid: { ...stack.grid, depth: { ...stack.grid.depth!, missing: true } } };
    expect(measured(gap, { 1: box(0, 4, 0, 4) })['volume']!.note).toBe('partial: slices are missing');
    expect(measured(stack, { 1: box(0, 4, 0, 4) }, 1, 3)['volume']!.note).toBe('partial: 3 of 6 slices were read');
    expect(measured(stack, { 1: box(0, 4, 0, 4) })['volume']!.note).toBeUndefined();
  });

  it('measures nothing where a pixel has no size', () => {
    expect(measured(withSpacing(stack, { kind: 'none', why: 'x' }), { 1: box(0, 4, 0, 4) })).toEqual({});
  });

  it('measures only inside the region for which the size is known', () => {
    const within = { x0: 10, y0: 10, x1: 29, y1: 29 };
    const part = withSpacing(stack, { kind: 'physical', rowMm: 0.1, columnMm: 0.1, source: 'US region', within });
    expect(measured(part, { 0: box(10, 30, 10, 30) })['area']!.value).toBe(4);
    expect(measured(part, { 0: box(9, 30, 10, 30) })).toEqual({});
  });

  it('measures no volume where planes stand alone', () => {
    const cine = { ...stack, kind: 'planes' as const };
    expect(Object.keys(measured(cine, { 1: box(0, 4, 0, 4) }))).toEqual(['area', 'long-axis', 'short-axis']);
  });

  it('keeps six significant digits', () => {
    const odd = withSpacing(stack, { kind: 'physical', rowMm: 0.123456789, columnMm: 0.987654321, source: 'x' });
    expect(measured(odd, { 0: box(0, 3, 0, 1) })['area']!.value).toBe(0.365798);
  });
});

describe('axesOf', () => {
  it('does not depend on how the image is turned', () => {
    const bits = pictureMask(
      32,
      24,
      (x, y) => (x * 7 + y * 13 + x * y) % 5 === 0 && x > 4 && x < 20 && y > 3 && y < 17,
    );
    const turned = pictureMask(24, 32, (x, y) => getBit(bits.bits, x * 32 + (31 - y)));
    const a = axesOf(cornerHull(bits.bits, 24, 32, 0.7, 0.4));
    const b = axesOf(cornerHull(turned.bits, 32, 24, 0.4, 0.7));
    expect(b.long).toBeCloseTo(a.long, 9);
    expect(b.short).toBeCloseTo(a.short, 9);
  });
});

/** Smooth random shapes: a few discs, seeded. */
function blob(seed: number, width: number, height: number): Test {
  let s = seed;
  const next = () => (s = (s * 1103515245 + 12345) % 2147483648) / 2147483648;
  const discs = Array.from(
    { length: 4 },
    () => [width * (0.3 + 0.4 * next()), height * (0.3 + 0.4 * next()), 2 + next() * width * 0.12] as const,
  );
  return (x, y) => discs.some(([cx, cy, r]) => (x - cx) ** 2 + ((y - cy) * 1.3) ** 2 < r * r);
}

describe.skipIf(missing('python'))('measurements beside an independent computation', () => {
  it('agree on random shapes to six digits', async () => {
    const cases = Array.from({ length: 12 }, (_, seed) => {
      const [rows, columns] = [30 + seed, 41 + 2 * seed];
      const stack = sampleStack({ rows, columns, planes: 4 });
      const test = blob(seed + 1, columns, rows);
      const m = measured(stack, { 1: test, 2: blob(seed + 50, columns, rows) });
      const flags = [1, 2].map((k) => {
        const t = k === 1 ? test : blob(seed + 50, columns, rows);
        return Array.from({ length: rows }, (_, y) => Array.from({ length: columns }, (_, x) => (t(x, y) ? 1 : 0)));
      });
      return { flags, ours: Object.fromEntries(Object.entries(m).map(([k, v]) => [k, v!.value])) };
    });
    // No hull: all pairs of corners; the boundary of the hull at a place is the largest interpolation of any pair.
    const script = `
import json, sys
import numpy as np
out = []
for planes in json.load(open(sys.argv[1])):
    a = np.array(planes)
    volume = float(a.sum() * 0.8 * 0.6 * 2.5)
    key = a[0]
    area = float(key.sum() * 0.8 * 0.6)
    corners = set()
    for y, x in zip(*np.nonzero(key)):
        corners |= {(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)}
    filled = lambda x, y: 0 <= y < key.shape[0] and 0 <= x < key.shape[1] and key[y, x]
    edge = [c for c in corners if sum(bool(filled(c[0] - i, c[1] - j)) for i in (0, 1) for j in (0, 1)) < 4]
    p = np.array(sorted(edge), float) * [0.6, 0.8]
    d = np.sqrt(((p[:, None] - p[None]) ** 2).sum(-1))
    best = d.max()
    short = 0.0
    for i, j in zip(*np.nonzero(d >= best * (1 - 1e-9))):
        if i >= j: continue
        along = (p[j] - p[i]) / best
        t, s = p @ along, p @ np.array([-along[1], along[0]])
        for t0 in np.unique(np.round(t, 9)):
            lo, hi = np.nonzero(t <= t0 + 1e-9)[0], np.nonzero(t >= t0 - 1e-9)[0]
            span = t[hi][None] - t[lo][:, None]
            w = np.where(span > 1e-9, (t0 - t[lo][:, None]) / np.where(span > 1e-9, span, 1), 0)
            at = s[lo][:, None] * (1 - w) + s[hi][None] * w
            short = max(short, float(at.max() - at.min()))
    out.append({'volume': volume, 'area': area, 'long-axis': float(best), 'short-axis': short})
print(json.dumps(out))`;
    const { mkdtempSync, writeFileSync, rmSync } = await import('node:fs');
    const { tmpdir } = await import('node:os');
    const { join } = await import('node:path');
    const dir = mkdtempSync(join(tmpdir(), 'measure-'));
    try {
      writeFileSync(join(dir, 'cases.json'), JSON.stringify(cases.map((c) => c.flags)));
      const { stdout, stderr } = await python(script, [join(dir, 'cases.json')]);
      expect(stderr).toBe('');
      const theirs = JSON.parse(stdout) as Record<string, number>[];
      for (const [i, c] of cases.entries())
        for (const kind of ['volume', 'area', 'long-axis', 'short-axis'])
          expect(Math.abs(c.ours[kind]! / theirs[i]![kind]! - 1), `${kind} of shape ${i}`).toBeLessThan(6e-6);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
