import { floats, floatsOf, integers, type Feeds, type Fetched } from './graphs.ts';

/** Runs a graph of the bundle by name. */
export type RunGraph = (graph: 'memory_encoder' | 'memory_attention', feeds: Feeds) => Promise<Fetched>;

/** One object on its key frame, as the mask decoder gave it. */
export interface Seed {
  /** 0-based among the frames. */
  readonly frame: number;
  /** [height, width] as the mask decoder gives them. */
  readonly logits: Float32Array;
  /** [C] */
  readonly pointer: Float32Array;
}

/** The object on a frame to which its mask was carried. */
export interface Carried {
  readonly frame: number;
  /** [height, width] */
  readonly logits: Float32Array;
  /** Predicted IoU, 0..1; uncalibrated. */
  readonly score: number;
  /** Logit; above 0 the object is there. */
  readonly objectScore: number;
}

/** Shapes that the memory of a bundle has. */
export interface MemoryShape {
  /** Side of the image embeddings, and their channels. */
  readonly side: number;
  readonly channels: number;
  /** Channels of a memory. */
  readonly memory: number;
  /** Width and height of mask logits. */
  readonly mask: { readonly width: number; readonly height: number };
}

/** SAM 2: frames of memory beside the key frame, and object pointers, the key frame's among them. */
const memoryFrames = 6;
const mostPointers = 16;

/** What a frame leaves for those that come after it. */
interface Left {
  readonly memory: Float32Array;
  readonly pointer: Float32Array;
}

/**
 * Carry the mask of one object from its key frame to the frames after it, then to those before it, as SAM 2.0 does: each frame looks
 * at the key frame, at up to six frames before it on the way, and at up to 16 object pointers. A way ends where the object is gone (object score not above 0):
 * what comes back later is another object, which the model must name itself.
 * @param featuresOf the three outputs of `sam_encoder` for a frame
 * @returns the frames on which the object is, growing; the key frame is not among them
 */
export async function propagate(
  run: RunGraph,
  featuresOf: (frame: number) => Promise<Fetched>,
  frames: number,
  seed: Seed,
  shape: MemoryShape,
): Promise<Carried[]> {
  const key: Left = {
    memory: await remember(run, await featuresOf(seed.frame), seed.logits, shape),
    pointer: seed.pointer,
  };
  const left = new Map<number, Left>();
  const carried: Carried[] = [];
  for (const step of [1, -1])
    for (let frame = seed.frame + step; frame >= 0 && frame < frames; frame += step) {
      const features = await featuresOf(frame);
      const out = await run('memory_attention', { ...features, ...memoryOf(frame, step, key, left, frames, shape) }); // prettier-ignore
      const found = {
        frame,
        logits: floatsOf(out, 'mask_logits'),
        score: floatsOf(out, 'iou_scores')[0]!,
        objectScore: floatsOf(out, 'object_scores')[0]!,
      };
      if (found.objectScore <= 0) break;
      carried.push(found);
      const memory = await remember(run, features, found.logits, shape);
      left.set(frame, { memory, pointer: floatsOf(out, 'object_pointer') });
    }
  return carried.sort((a, b) => a.frame - b.frame);
}

async function remember(
  run: RunGraph,
  features: Fetched,
  logits: Float32Array,
  { mask }: MemoryShape,
): Promise<Float32Array> {
  const mask_logits = floats(logits, [1, mask.height, mask.width]);
  const out = await run('memory_encoder', { image_embeddings: features['image_embeddings']!, mask_logits });
  return floatsOf(out, 'memory');
}

/**
 * What a frame looks back at. "Before" is against the direction of the step: on the way back these are later frames, where the
 * way forth has been already, as in SAM 2's own session.
 */
function memoryOf(
  frame: number,
  step: number,
  key: Left,
  left: ReadonlyMap<number, Left>,
  frames: number,
  { side, channels, memory }: MemoryShape,
): Feeds {
  const memories = [{ offset: 0, of: key.memory }];
  for (let offset = memoryFrames; offset > 0; offset--) {
    const before = left.get(frame - step * offset);
    if (before) memories.push({ offset, of: before.memory });
  }
  const pointers = [key.pointer];
  for (let offset = 1; offset < Math.min(frames, mostPointers); offset++) {
    const before = left.get(frame - step * offset);
    if (before) pointers.push(before.pointer);
  }
  return {
    memory: floats(joined(memories.map((m) => m.of)), [memories.length, side * side, memory]),
    memory_offsets: integers(
      memories.map((m) => m.offset),
      [memories.length],
    ),
    object_pointers: floats(joined(pointers), [pointers.length, channels]),
  };
}

function joined(arrays: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(arrays.reduce((sum, a) => sum + a.length, 0));
  let at = 0;
  for (const a of arrays) {
    all.set(a, at);
    at += a.length;
  }
  return all;
}
