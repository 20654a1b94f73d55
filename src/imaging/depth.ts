import type { Grid, Notice, Vec3 } from '../base/index.ts';
import { dot, length, median, minus, plus } from './vectors.ts';

type Depth = NonNullable<Grid['depth']>;

/**
 * Distances between the planes of a volume, in order along the normal.
 * @param positions at least two, mm, growing along `normal`
 * @param sliceMm Slice Thickness of each plane where it is known
 * @param pixelMm finest pixel, for the tolerance of sideways shift
 */
export function depthOf(
  positions: readonly Vec3[],
  normal: Vec3,
  sliceMm: readonly (number | undefined)[],
  pixelMm: number,
): { readonly depth: Depth; readonly notices: (seriesUid: string, instanceUids: readonly string[]) => Notice[] } {
  const along = positions.map((p) => dot(p, normal));
  const steps = along.slice(1).map((v, i) => v - along[i]!);
  const spacingMm = median(steps);
  const usual = usualSteps(steps, sliceMm, spacingMm);
  const gaps = steps.flatMap((step, i) => (step > 1.5 * usual[i]! ? [i] : []));
  const regular = steps.every((step) => Math.abs(step - spacingMm) <= 0.01 * spacingMm);
  const tilted = positions.slice(1).some((p, i) => sideways(minus(p, positions[i]!), normal) > 0.1 * pixelMm);
  const depth: Depth = {
    spacingMm,
    regular,
    tilted,
    thicknessMm: thicknesses(steps, usual),
    missing: gaps.length > 0,
  };
  return { depth, notices: (series, uids) => depthNotices(depth, gaps, steps, series, uids) };
}

/**
 * The step to be expected between neighbours: the median, or, where Slice Thickness is known throughout, in proportion to it.
 * A head scanned in 4 mm and then in 7 mm slices misses nothing.
 */
function usualSteps(
  steps: readonly number[],
  sliceMm: readonly (number | undefined)[],
  spacingMm: number,
): readonly number[] {
  const pairs = steps.map((_, i) => ((sliceMm[i] ?? NaN) + (sliceMm[i + 1] ?? NaN)) / 2);
  if (!pairs.every((mm) => mm > 0)) return steps.map(() => spacingMm);
  const ratio = median(steps.map((step, i) => step / pairs[i]!));
  return pairs.map((mm) => ratio * mm);
}

/** Length of the part of `step` that is across the normal: gantry tilt makes each slice shift in its own plane. */
function sideways(step: Vec3, normal: Vec3): number {
  return length(plus(step, normal, -dot(step, normal)));
}

/**
 * Midpoint rule: a plane stands for half the way to each neighbour, an end plane for as much outwards as inwards.
 * Where planes are missing it stands for half a usual step only: what was not seen is not measured.
 */
function thicknesses(steps: readonly number[], usual: readonly number[]): number[] {
  const halves = steps.map((step, i) => (step > 1.5 * usual[i]! ? usual[i]! : step) / 2);
  return Array.from({ length: steps.length + 1 }, (_, i) => {
    const before = halves[i - 1] ?? halves[i]!;
    return before + (halves[i] ?? before);
  });
}

function depthNotices(
  depth: Depth,
  gaps: readonly number[],
  steps: readonly number[],
  seriesUid: string,
  uids: readonly string[],
): Notice[] {
  const notices: Notice[] = [];
  const mm = (v: number): string => `${Number(v.toPrecision(4))} mm`;
  if (depth.missing) {
    const where = gaps.map((i) => `${mm(steps[i]!)} between ${uids[i]} and ${uids[i + 1]}`).slice(0, 5);
    const message = `slices seem to be missing: ${where.join('; ')}; the usual distance is ${mm(depth.spacingMm)}. Volumes are partial`;
    notices.push({
      code: 'missing-slices',
      message,
      about: [...new Set(gaps.flatMap((i) => [uids[i]!, uids[i + 1]!]))],
    });
  } else if (!depth.regular) {
    const message = `slice distances differ from ${mm(Math.min(...steps))} to ${mm(Math.max(...steps))}; volumes are summed slice by slice`;
    notices.push({ code: 'irregular-slices', message, about: [seriesUid] });
  }
  if (depth.tilted)
    notices.push({
      code: 'gantry-tilt',
      message:
        'the slices shift sideways (gantry tilt); nothing is resampled, volumes use the distance along the normal',
      about: [seriesUid],
    });
  return notices;
}
