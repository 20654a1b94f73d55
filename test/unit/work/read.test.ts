import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sha256, type Answer, type Picture, type SourceInstance } from '../../../src/base/index.ts';
import { createDecoder, type Decoder } from '../../../src/imaging/index.ts';
import { loadBundle, type Bundle } from '../../../src/inference/index.ts';
import { answerStudy, encodeStudy, draftStudy } from '../../../src/work/index.ts';
import { pictureMask, shippedMappings, tinyBundle } from '../../builders/answers.ts';
import { makeImage, sopClass } from '../../builders/dicom.ts';
import { sampleSite } from '../../builders/encodings.ts';
import { sourceOf } from '../../builders/series.ts';
import { route } from '../../builders/work.ts';

let bundle: Bundle;
let decoder: Decoder;
const mappings = shippedMappings();
beforeAll(async () => {
  bundle = await loadBundle(tinyBundle);
  decoder = createDecoder({ seconds: 20, maxPixels: 1 << 24 });
});
afterAll(() => decoder.close());

const pixel = (x: number, y: number, frame: number): number => 60 + 3 * x + 2 * y + frame;
const slice = (n: number): Uint8Array =>
  makeImage({
    instance: n,
    rows: 24,
    columns: 32,
    pixel,
    attributes: {
      FrameOfReferenceUID: '2.25.77',
      ImagePositionPatient: [0, 0, 5 * n],
      ImageOrientationPatient: [1, 0, 0, 0, 1, 0],
      PixelSpacing: [0.8, 0.7],
      ImageType: ['ORIGINAL', 'PRIMARY', 'AXIAL'],
    },
  });
const cine = (): Uint8Array =>
  makeImage({
    sopClass: sopClass.usMultiFrame,
    modality: 'US',
    frames: 10,
    rows: 24,
    columns: 32,
    bitsAllocated: 8,
    pixel,
    attributes: { ImageType: ['ORIGINAL', 'PRIMARY'], BurnedInAnnotation: 'NO', FrameTime: 40 },
  });

/** Instances and a decoder that keep count. */
function counted(files: readonly Uint8Array[]) {
  const loads = new Map<string, number>();
  const frames: number[] = [];
  const instances = files.map((file): SourceInstance => {
    const source = sourceOf(file);
    const load = () => {
      loads.set(source.ref.instanceUid, (loads.get(source.ref.instanceUid) ?? 0) + 1);
      return source.load();
    };
    return { ...source, load };
  });
  const decode: Decoder['decode'] = (file, which) => {
    frames.push(...which);
    return decoder.decode(file, which);
  };
  return { instances, decoder: { decode }, loads, frames };
}

const said = (p: Picture, task: string): Answer => ({
  stack: p.stack,
  plane: p.plane,
  task,
  prompt: '',
  text: 'There is a <p>nodule</p> [SEG].',
  tokenIds: [],
  stop: 'end',
  masks: [pictureMask(p.width, p.height, (x, y) => x > 10 && x < 20 && y > 5 && y < 15)],
  timingsMs: {},
});
const answering = {
  notices: [],
  ask: async (p: Picture, questions: readonly { task: string }[]) => questions.map(({ task }) => said(p, task)),
};
const asked = () => ({
  route: route({ bundle: 'plumbline-tiny', task: 'report' }),
  bundle,
  mappings,
  runtime: answering,
});

describe('reading a study', () => {
  it('loads each file once and decodes each frame once, of slices', async () => {
    const { instances, decoder: counting, loads, frames } = counted([1, 2, 3, 4, 5, 6, 7, 8, 9].map(slice));
    const { answers } = await answerStudy({ ...asked(), instances, decoder: counting });
    expect(answers).toHaveLength(9);
    expect([...loads.values()]).toEqual(Array(9).fill(1));
    expect(frames).toHaveLength(9);
  });

  it('loads a file of many frames once, however many batches of pictures it makes', async () => {
    const { instances, decoder: counting, loads, frames } = counted([cine()]);
    const { answers } = await answerStudy({ ...asked(), instances, decoder: counting });
    expect(answers).toHaveLength(10);
    expect([...loads.values()]).toEqual([1]);
    expect(frames).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('reads frames of a loop by the stride of its route, and slices by theirs', async () => {
    const { instances, decoder: counting, frames } = counted([cine()]);
    const asking = asked();
    const policy = { ...asking.route.policy, frames: { stride: 4, max: 16, propagate: true } };
    const { notices } = await answerStudy({
      ...asking,
      route: { ...asking.route, policy },
      instances,
      decoder: counting,
    });
    // Ten frames in steps of four, each from the middle of its step, the last one held inside.
    expect(frames).toEqual([2, 6, 9]);
    // No masks are carried between them, and the draft must not let anyone think so.
    expect(notices.map((n) => n.code)).toContain('propagation-missing');
    const slices = counted([1, 2, 3].map(slice));
    const read = await answerStudy({ ...asking, route: { ...asking.route, policy }, ...slices });
    expect(read.answers).toHaveLength(3);
    expect(read.notices.map((n) => n.code)).not.toContain('propagation-missing');
  });

  it('makes the next pictures while the model looks at these', async () => {
    const { instances, decoder: counting, frames } = counted([1, 2, 3, 4, 5, 6].map(slice));
    const later = Promise.withResolvers<void>();
    const decode: Decoder['decode'] = async (file, which) => {
      const decoded = await counting.decode(file, which);
      if (frames.length === 6) later.resolve();
      return decoded;
    };
    // The first answer comes only when all frames are decoded, those of the second batch too.
    const runtime = {
      notices: [],
      ask: (...args: Parameters<typeof answering.ask>) => later.promise.then(() => answering.ask(...args)),
    };
    const { answers } = await answerStudy({ ...asked(), instances, decoder: { decode }, runtime });
    expect(answers.map((a) => a.plane)).toEqual([0, 1, 2, 3, 4, 5]);
  });
});

it('encoding loads and decodes only the planes that the report page shows', async () => {
  const { instances, decoder: counting, loads, frames } = counted([1, 2, 3, 4, 5].map(slice));
  const input = { ...asked(), instances, decoder: counting };
  const answered = await answerStudy(input);
  const form = { createdAt: '2026-03-04T05:06:07.000Z', key: sha256('key'), inputDigest: sha256('input') };
  const { draft, masks } = draftStudy({ ...input, mappings, ...form }, answered);
  loads.clear();
  frames.length = 0;
  await encodeStudy({ ...input, presence: mappings.presence, site: sampleSite }, draft, masks);
  const keys = new Set(draft.masks.map((m) => m.keyPlane));
  expect(frames).toHaveLength(keys.size);
  expect([...loads.values()]).toEqual(Array(keys.size).fill(1));
});
