import { markNames, type Frame, type Place } from './frames.ts';
import { dot } from './vectors.ts';

type PlacedFrame = Frame & { readonly place: Place };

/** Frames nearer than this along the normal are at one position (mm). */
export const samePositionMm = 0.01;

/**
 * Frames of one grid as lists in which every position occurs once: time points, echoes, b-values are told apart by what
 * their attributes say. What nothing tells apart comes back in `unseparated`. Order of input does not matter.
 *
 * A mark is trusted only if it differs at one position, makes no more lists than a position has frames, and leaves a
 * stack of at least two planes: two images at one place that differ by their acquisition number make no volume.
 */
export function separate(frames: readonly PlacedFrame[]): {
  readonly parts: readonly (readonly PlacedFrame[])[];
  readonly unseparated: readonly (readonly PlacedFrame[])[];
  /** Names of the attributes used. */
  readonly by: readonly string[];
} {
  const most = mostAtOnePosition(frames);
  if (most === 1) return { parts: [frames], unseparated: [], by: [] };
  for (let mark = 0; mark < markNames.length; mark++) {
    const parts = [...Map.groupBy(frames, (f) => f.marks[mark]!)].sort(byKey).map(([, part]) => part);
    if (parts.length < 2 || parts.length > most) continue;
    if (Math.max(...parts.map((part) => mostAtOnePosition(part))) === most) continue;
    const deeper = parts.map(separate);
    if (deeper.some((d) => d.unseparated.length > 0)) continue;
    const all = deeper.flatMap((d) => d.parts);
    if (all.every((part) => part.length < 2)) continue;
    return { parts: all, unseparated: [], by: [...new Set([markNames[mark]!, ...deeper.flatMap((d) => d.by)])] };
  }
  return { parts: [], unseparated: [frames], by: [] };
}

function byKey(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0].localeCompare(b[0], 'en', { numeric: true });
}

/** The largest number of frames within the tolerance of one position. */
function mostAtOnePosition(frames: readonly PlacedFrame[]): number {
  const normal = frames[0]!.place.normal;
  const sorted = frames.map((f) => dot(f.place.position, normal)).sort((a, b) => a - b);
  let most = 1;
  let run = 1;
  for (let i = 1; i < sorted.length; i++) {
    run = sorted[i]! - sorted[i - 1]! < samePositionMm ? run + 1 : 1;
    most = Math.max(most, run);
  }
  return most;
}
