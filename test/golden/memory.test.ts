/** Masks carried from frame to frame, beside transformers' Sam2VideoModel (`python -m grounded.memory`, random weights). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { floats, type Fetched } from '../../src/inference/graphs.ts';
import { propagate, type Carried, type MemoryShape, type RunGraph } from '../../src/inference/propagate.ts';
import { root } from '../peers/index.ts';

interface Expected {
  readonly hidden: number;
  readonly side: number;
  readonly frames: number;
  readonly key: number;
  /** By frame: object score, the mask as 0 and 1 row by row, and the first logits. */
  readonly said: Readonly<
    Record<string, { readonly score: number; readonly bits: string; readonly logits: readonly number[] }>
  >;
}

const folder = join(root, 'test/golden/memory');
const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Expected;
const { hidden, side, frames, key } = expected;
const size = 4 * side;
const shape: MemoryShape = { side, channels: hidden, memory: 64, mask: { width: size, height: size } };

/** The waves of `frame_features` in models/reference/grounded/memory.py. */
function featuresOf(frame: number): Promise<Fetched> {
  const wave = (level: number, channels: number, s: number) => {
    const of = (i: number): number => Math.sin(i * 0.37 + (i % 97) * 0.11 + frame * 0.6 + level);
    return floats(
      Float32Array.from({ length: channels * s * s }, (_, i) => of(i)),
      [1, channels, s, s],
    );
  };
  return Promise.resolve({
    image_embeddings: wave(0, hidden, side),
    high_res_feats_0: wave(1, hidden / 8, 4 * side),
    high_res_feats_1: wave(2, hidden / 4, 2 * side),
  });
}

/** `key_mask` and the object pointer of the key frame there. */
const seed = {
  frame: key,
  logits: Float32Array.from(
    { length: size * size },
    (_, i) => size / 5 - Math.hypot((i % size) - 0.4 * size, Math.floor(i / size) - 0.5 * size),
  ),
  pointer: Float32Array.from({ length: hidden }, (_, i) => Math.cos(i * 0.9)),
};

describe('a mask that is carried through eight frames from its key frame, both ways', () => {
  let run: RunGraph;
  const frameCounts: number[] = [];
  let carried: Carried[];
  beforeAll(async () => {
    const open = (name: string) => InferenceSession.create(join(folder, `${name}.onnx`), { intraOpNumThreads: 1 });
    const sessions = { memory_encoder: await open('memory_encoder'), memory_attention: await open('memory_attention') };
    run = async (graph, feeds) => {
      if (graph === 'memory_attention') frameCounts.push(feeds['memory']!.dims[0]!);
      return (await sessions[graph].run(feeds)) as Fetched;
    };
    carried = await propagate(run, featuresOf, frames, seed, shape);
  }, 60_000);

  it('is on every frame the mask of Sam2VideoModel, IoU 0.999 and more', () => {
    expect(carried.map((c) => c.frame)).toEqual([0, 1, 2, 4, 5, 6, 7]);
    for (const { frame, logits, objectScore } of carried) {
      const { bits, score, logits: first } = expected.said[frame]!;
      let [both, either] = [0, 0];
      logits.forEach((v, i) => {
        const [a, b] = [v > 0, bits[i] === '1'];
        if (a && b) both++;
        if (a || b) either++;
      });
      expect(either, `frame ${frame}`).toBeGreaterThan(20);
      expect(both / either, `frame ${frame}`).toBeGreaterThanOrEqual(0.999);
      expect(objectScore).toBeCloseTo(score, 1);
      // The library keeps memories in bfloat16, this program in float32.
      first.forEach((v, i) => expect(Math.abs(logits[i]! - v)).toBeLessThan(0.02 * Math.max(1, Math.abs(v))));
    }
  });

  it('looks back at the key frame and at no more than six frames on its way', () => {
    // Forward 4 to 7: key frame and 0, 1, 2, 3 before; back 2 to 0: key frame, the frames behind it that lie within six.
    expect(frameCounts).toEqual([1, 2, 3, 4, 5, 6, 6]);
  });
});

describe('an object that leaves', () => {
  it('ends its way there, and the other way goes on', async () => {
    const run: RunGraph = (graph, feeds) => {
      if (graph === 'memory_encoder') return Promise.resolve({ memory: floats(new Float32Array(2), [1, 1, 2]) });
      const frame = feeds['image_embeddings']!.data[0] as number;
      return Promise.resolve({
        mask_logits: floats(Float32Array.of(frame), [1, 1, 1]),
        iou_scores: floats(Float32Array.of(0.5), [1]),
        object_scores: floats(Float32Array.of(frame === 7 ? -1 : 1), [1]),
        object_pointer: floats(Float32Array.of(frame), [1, 1]),
      });
    };
    const features = (frame: number): Promise<Fetched> =>
      Promise.resolve({ image_embeddings: floats(Float32Array.of(frame), [1, 1, 1, 1]) });
    const one = { frame: 5, logits: Float32Array.of(1), pointer: Float32Array.of(1) };
    const small = { side: 1, channels: 1, memory: 2, mask: { width: 1, height: 1 } };
    const carried = await propagate(run, features, 20, one, small);
    expect(carried.map((c) => c.frame)).toEqual([0, 1, 2, 3, 4, 6]);
  });
});
