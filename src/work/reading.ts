import type { Notice, Stack } from '../base/index.ts';
import { choosePlanes, type PictureOptions } from '../imaging/index.ts';
import type { Bundle } from '../inference/index.ts';
import { readingPolicy, type RouteDecision } from './routes.ts';

/** Which planes of a stack the model is asked about, 0-based, growing: by `policy.frames` for a loop, else by `policy.slices`. */
export function planesToRead(route: RouteDecision, stack: Stack): number[] {
  const { slices, frames } = readingPolicy(route, stack.seriesUid);
  return choosePlanes(stack, frames && isLoop(stack) ? { every: frames.stride, max: frames.max } : slices);
}

/** Frames of one image that have no place in the patient: what follows one another in time. */
export function isLoop({ kind, planes }: Stack): boolean {
  return kind === 'planes' && planes.length > 1 && planes[0]!.frame !== undefined;
}

/** How pictures of a stack are made: as the route says, else as the bundle says of the modality, else by the modality's own rule. */
export function pictureOptions(route: RouteDecision, { manifest }: Bundle, stack: Stack): PictureOptions {
  const ofBundle = manifest.modalities.find((m) => m.window !== undefined && m.dicom_modality.includes(stack.modality));
  const window = readingPolicy(route, stack.seriesUid).window ?? ofBundle?.window;
  return window === undefined ? {} : { window };
}

/** Routes that ask for masks to be carried from plane to plane: no bundle of format 1 has the graphs for it, so the draft says that none were. */
export function propagationNotices(route: RouteDecision, stacks: readonly Stack[]): Notice[] {
  const asked = stacks.filter((stack) => {
    const { slices, frames } = readingPolicy(route, stack.seriesUid);
    return stack.planes.length > 1 && (frames && isLoop(stack) ? frames.propagate : slices.propagate);
  });
  if (asked.length === 0) return [];
  const message =
    'The route asks for masks to be carried from plane to plane; the bundle has no memory graphs, so each plane was read by itself.';
  return [{ code: 'propagation-missing', message, about: asked.map((s) => s.seriesUid) }];
}
