import type { Notice, PassedOver, SourceInstance, Stack } from '../base/index.ts';
import { isMultiFrameClass, number } from '../dicom/index.ts';
import { refusalOf, rejectedInstances } from './eligible.ts';
import { framesOf, isBad, type Frame } from './frames.ts';
import { slideStacks, wholeSlideClass } from './slides.ts';
import { stacksOfSeries, type UnnumberedStack } from './stacks.ts';

export interface ReadingOptions {
  /** What to do with images that say that they carry burned-in annotation. */
  readonly burnedIn: 'hold' | 'allow';
  /** What to do with secondary captures in series of scanners. Default `pass-over`. */
  readonly captures?: 'pass-over' | 'read';
  /** Side of the model's picture in pixels, for the choice of a slide's pyramid level. Default 256. */
  readonly modelSide?: number;
  /** Size of the pixels that the model was made for, micrometres, for the choice of a slide's pyramid level. */
  readonly pixelUm?: number;
  /** Largest total pixel matrix of a slide, pixels. Default 64 Mi. */
  readonly matrixPixels?: number;
  /** Most frames of one instance. Default 20000. */
  readonly maxFrames?: number;
}

export interface StudyReading {
  readonly stacks: readonly Stack[];
  readonly passedOver: readonly PassedOver[];
  readonly notices: readonly Notice[];
}

/**
 * What of a study can be read, as stacks with their geometry, from attributes alone; no pixel is touched.
 * Nothing is thrown for what cannot be read: every instance is in a stack or passed over with its reason. An instance with
 * several frames may be in both. The order of `instances` does not matter.
 */
export function readStudy(instances: readonly SourceInstance[], options: ReadingOptions): StudyReading {
  const rejected = rejectedInstances(instances);
  const passedOver: PassedOver[] = [];
  const slides: SourceInstance[] = [];
  const frames = new Map<string, Frame[]>();
  for (const instance of instances) {
    const { ref } = instance;
    const title = rejected.get(ref.instanceUid);
    const refusal = title
      ? { code: 'rejected', reason: `a rejection note says: ${title}` }
      : refusalOf(instance, options);
    if (!refusal && ref.sopClass === wholeSlideClass) {
      slides.push(instance);
      continue;
    }
    const found = refusal ?? usableFrames(instance, options.maxFrames ?? 20_000);
    if ('code' in found) passedOver.push({ seriesUid: ref.seriesUid, instanceUid: ref.instanceUid, ...found });
    else {
      const list = frames.get(ref.seriesUid);
      if (list) list.push(...found);
      else frames.set(ref.seriesUid, [...found]);
    }
  }
  const series = [...frames].map(([uid, list]) => stacksOfSeries(uid, list));
  const slide = slideStacks(slides, {
    modelSide: options.modelSide ?? 256,
    ...(options.pixelUm === undefined ? {} : { pixelUm: options.pixelUm }),
    matrixPixels: options.matrixPixels ?? 1 << 26,
  });
  const all = [...series, slide];
  return {
    stacks: numbered(
      all.flatMap((s) => s.stacks),
      seriesNumbers(instances),
    ),
    passedOver: [...passedOver, ...all.flatMap((s) => s.passedOver)].sort(byUid),
    notices: all.flatMap((s) => s.notices),
  };
}

function usableFrames(instance: SourceInstance, most: number): readonly Frame[] | { code: string; reason: string } {
  const count = number(instance.attributes, 'NumberOfFrames') ?? 1;
  if (isMultiFrameClass(instance.ref.sopClass) && (count > most || count < 1))
    return { code: 'frame-count', reason: `Number of Frames is ${count}, at most ${most} are read` };
  const frames = framesOf(instance);
  return isBad(frames) ? { code: 'geometry', reason: frames.problem } : frames;
}

function byUid(a: PassedOver, b: PassedOver): number {
  return a.instanceUid < b.instanceUid ? -1 : a.instanceUid > b.instanceUid ? 1 : 0;
}

function seriesNumbers(instances: readonly SourceInstance[]): ReadonlyMap<string, number> {
  return new Map(
    instances.map(({ ref, attributes }) => [ref.seriesUid, number(attributes, 'SeriesNumber') ?? Infinity]),
  );
}

/** Reading order: by Series Number, then UID; within a series as its own order gives. */
function numbered(stacks: readonly UnnumberedStack[], numberOf: ReadonlyMap<string, number>): Stack[] {
  const order = (s: UnnumberedStack): number =>
    Math.min(numberOf.get(s.seriesUid) ?? Infinity, Number.MAX_SAFE_INTEGER);
  const sorted = [...stacks].sort(
    (a, b) => order(a) - order(b) || (a.seriesUid < b.seriesUid ? -1 : a.seriesUid > b.seriesUid ? 1 : 0),
  );
  return sorted.map((stack, i) => ({ id: `k${i + 1}`, ...stack }));
}
