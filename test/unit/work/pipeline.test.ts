import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  sha256OfParts,
  joined,
  PlumblineError,
  sha256,
  silentLog,
  type SourceInstance,
} from '../../../src/base/index.ts';
import { inspectPart10, number, text } from '../../../src/dicom/index.ts';
import { createDecoder, type Decoder } from '../../../src/imaging/index.ts';
import { loadBundle, type Bundle } from '../../../src/inference/index.ts';
import {
  openWork,
  pipelineStages,
  readAndEncode,
  encodingFiles,
  unpackMasks,
  type PipelineInput,
} from '../../../src/work/index.ts';
import { pack, packMasks, unpack } from '../../../src/work/pack.ts';
import { shippedMappings, tinyBundle } from '../../builders/answers.ts';
import { makeImage, type ImageOptions } from '../../builders/dicom.ts';
import { sampleSite } from '../../builders/encodings.ts';
import { sourceOf } from '../../builders/series.ts';
import { fromStow, testStudies } from '../../builders/store.ts';
import { stubRuntime } from '../../builders/stub-runtime.ts';
import { leaseMs, route } from '../../builders/work.ts';

let bundle: Bundle;
let decoder: Decoder;
const mappings = shippedMappings();
beforeAll(async () => {
  bundle = await loadBundle(tinyBundle);
  decoder = createDecoder({ seconds: 20, maxPixels: 1 << 24 });
});
afterAll(() => decoder.close());

/** A CT slice with a bright square on a gradient: a picture that something can be said about. */
function ctSlice(n: number, options: ImageOptions = {}): Uint8Array {
  return makeImage({
    instance: n,
    rows: 24,
    columns: 32,
    pixel: (x, y) => 100 + 4 * x + 3 * y + (x > 10 && x < 20 && y > 5 && y < 15 ? 500 : 0),
    ...options,
    attributes: {
      FrameOfReferenceUID: '2.25.77',
      ImagePositionPatient: [-10, -20, 5 * n],
      ImageOrientationPatient: [1, 0, 0, 0, 1, 0],
      PixelSpacing: [0.8, 0.7],
      SliceThickness: 5,
      ImageType: ['ORIGINAL', 'PRIMARY', 'AXIAL'],
      ...options.attributes,
    },
  });
}
const study = (): SourceInstance[] => [1, 2, 3].map((n) => sourceOf(ctSlice(n)));

/** A model that sees a renal cyst in the square of each picture. */
const runtime = stubRuntime(
  'Abdominal CT slice. There is a <p>renal cyst</p> [SEG]. No liver lesion is seen.',
  (x, y) => x > 10 && x < 20 && y > 5 && y < 15,
);

const input = (change: Partial<PipelineInput> = {}): PipelineInput => ({
  instances: study(),
  route: route({ bundle: 'plumbline-tiny', task: 'report' }),
  bundle,
  runtime,
  decoder,
  mappings,
  presence: mappings.presence,
  site: sampleSite,
  createdAt: '2026-03-04T05:06:07.000Z',
  key: sha256('key'),
  inputDigest: sha256('input'),
  ...change,
});

describe('the pipeline', () => {
  it('makes one checked set of encodings from the instances of a study', async () => {
    const progress: string[] = [];
    const made = await readAndEncode(
      input({ onProgress: (stage) => void (progress.at(-1) === stage || progress.push(stage)) }),
    );
    expect(progress).toEqual(['read', 'answer', 'draft', 'encode', 'check']);
    expect(made.problems).toEqual([]);
    expect(made.draft.sentences.map((s) => [s.kind, s.text])).toEqual([
      ['plain', 'Abdominal CT slice.'],
      ['linked', 'There is a renal cyst.'],
      ['negative', 'No liver lesion is seen.'],
    ]);
    // 9 x 9 pixels on three slices of 0.8 x 0.7 mm, 5 mm apart.
    const volume = made.draft.findings[0]!.measurements.find((m) => m.kind === 'volume')!;
    expect(volume.value).toBeCloseTo(9 * 9 * 3 * 0.8 * 0.7 * 5, 2);
    const files = encodingFiles(made.set);
    expect(files.map((f) => f.name)).toEqual(['seg-1.dcm', 'sr-1.dcm', 'fhir-r4.json', 'fhir-r5.json', 'report.html']);
    const seg = inspectPart10(joined(files[0]!.parts));
    expect(files[0]!.dicom!.ref).toMatchObject({ instanceUid: seg.instanceUid, dataDigest: seg.dataDigest });
    expect([text(seg.attributes, 'PatientID'), number(seg.attributes, 'NumberOfFrames')]).toEqual(['P1', 3]);
  });

  it('makes the same bytes again', async () => {
    const [one, two] = [await readAndEncode(input()), await readAndEncode(input({ instances: study().reverse() }))];
    expect(encodingFiles(two.set).map((f) => sha256OfParts(f.parts))).toEqual(
      encodingFiles(one.set).map((f) => sha256OfParts(f.parts)),
    );
  });

  it('makes the same bytes in the gateway, stage by stage over the store, as offline', async () => {
    const t = await testStudies();
    const work = openWork({ ...t, log: silentLog, leaseMs });
    const batch = [];
    for (const n of [1, 2, 3]) {
      const bytes = ctSlice(n);
      const blob = await t.blobs.stage();
      await blob.write(bytes);
      await blob.finish();
      const { ref, attributes } = sourceOf(bytes);
      batch.push({ ref, attributes, blob });
    }
    const [{ ref }] = batch as [(typeof batch)[0]];
    await t.studies.admit(batch, fromStow);
    const snapshot = await t.studies.snapshot(ref.studyUid);
    const asked = route({ bundle: 'plumbline-tiny', task: 'report' });
    await work.enqueue({ snapshot, route: asked, bundleDigest: bundle.ref.digest });
    const stages = pipelineStages({
      blobs: t.blobs,
      decoder,
      bundle: async () => bundle,
      runtime: async () => runtime,
      mappings,
      presence: mappings.presence,
      site: sampleSite,
      clock: { now: () => Date.parse('2026-03-04T05:06:07.000Z') },
    });
    const item = (await work.runOne(stages))!;
    expect(item).toMatchObject({ state: 'drafted' });

    const { key, inputDigest } = item;
    const offline = await readAndEncode(input({ key, inputDigest }));
    const { files } = await work.encodings(key);
    expect(files.filter((f) => f.name !== 'summary.json').map((f) => [f.name, f.digest])).toEqual(
      encodingFiles(offline.set).map((f) => [f.name, sha256OfParts(f.parts)]),
    );
    const kept = await work.draft(key);
    expect(JSON.parse(Buffer.from(kept.draft).toString())).toEqual(JSON.parse(JSON.stringify(offline.draft)));
    expect(await unpackMasks(kept.masks)).toEqual(offline.masks);
    expect((await t.studies.study(ref.studyUid))!.own).toBe(2);
    await t.remove();
  });

  it('refuses a task that the bundle does not have before it decodes anything', async () => {
    const never = { decode: () => Promise.reject(new Error('decoded')) };
    const wrong = input({ route: route({ task: 'sing' }), decoder: never });
    await expect(readAndEncode(wrong)).rejects.toMatchObject({ code: 'task-unknown' });
  });

  it('passes over an image that does not decode, names it, and reads the rest', async () => {
    const instances = study();
    const broken = await instances[1]!.load();
    const failing: Pick<Decoder, 'decode'> = {
      decode: async (file, frames) => {
        if (Buffer.from(file).equals(Buffer.from(broken)))
          throw new PlumblineError('pixel-decode', 'cut in the middle');
        return decoder.decode(file, frames);
      },
    };
    const { draft } = await readAndEncode(input({ instances, decoder: failing }));
    expect(draft.coverage.notRead).toMatchObject([
      { code: 'pixel-decode', instanceUid: instances[1]!.ref.instanceUid },
    ]);
    expect(draft.coverage.read).toMatchObject([{ planes: 2, of: 3 }]);
    const all = input({ decoder: { decode: () => Promise.reject(new PlumblineError('pixel-decode', 'cut')) } });
    await expect(readAndEncode(all)).rejects.toMatchObject({ code: 'pixel-decode' });
  });

  it('does not pass over what the store has lost', async () => {
    const load = () => Promise.reject(new PlumblineError('store-damaged', 'a blob is missing'));
    const instances = study().map((s, i) => (i === 1 ? { ...s, load } : s));
    await expect(readAndEncode(input({ instances }))).rejects.toMatchObject({ code: 'store-damaged' });
  });

  it('asks the model nothing about a blank picture', async () => {
    runtime.asked.length = 0;
    const blank = sourceOf(ctSlice(2, { pixel: () => 7 }));
    const instances = [study()[0]!, blank, study()[2]!];
    const { draft } = await readAndEncode(input({ instances }));
    expect(runtime.asked.map(({ picture: p }) => `${p.stack}/${p.plane}`)).toEqual(['k1/0', 'k1/2']);
    expect(draft.coverage.notRead).toMatchObject([{ code: 'unsuitable-blank', instanceUid: blank.ref.instanceUid }]);
    await expect(readAndEncode(input({ instances: [blank] }))).rejects.toMatchObject({
      code: 'unsuitable',
      class: 'hold',
    });
  });

  it.each([
    ['burned-in', { BurnedInAnnotation: 'YES' }],
    ['nothing-to-read', { ImageType: ['ORIGINAL', 'PRIMARY', 'LOCALIZER'] }],
  ])('is held with %s where all images are', async (code, attributes) => {
    const instances = [1, 2].map((n) => sourceOf(ctSlice(n, { attributes })));
    await expect(readAndEncode(input({ instances }))).rejects.toMatchObject({
      code,
      class: 'hold',
      message: expect.stringContaining(instances[0]!.ref.instanceUid) as string,
    });
  });

  it('stops between batches when it is told to', async () => {
    const signal = AbortSignal.abort(new PlumblineError('fence-lost', 'gone'));
    await expect(readAndEncode(input({ signal }))).rejects.toMatchObject({ code: 'fence-lost' });
  });

  it('reads no more planes than the route allows', async () => {
    const asked = route({ bundle: 'plumbline-tiny', task: 'report' });
    const two = { ...asked, policy: { ...asked.policy, slices: { every: 1, max: 2 } } };
    const { draft } = await readAndEncode(input({ route: two }));
    expect(draft.coverage.read).toMatchObject([{ planes: 2, of: 3 }]);
  });
});

describe('stage outputs', () => {
  it('come back as they were packed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.array(fc.uint8Array({ maxLength: 100 })), async (value, parts) => {
        const back = await unpack('test/1', await pack('test/1', value, parts));
        expect(back.value).toEqual(JSON.parse(JSON.stringify(value)));
        expect(back.parts).toEqual(parts.map((p) => new Uint8Array(p)));
      }),
    );
  });

  it('are store-damaged where they are of another kind or no output at all', async () => {
    const damaged = { code: 'store-damaged' };
    await expect(unpack('test/2', await pack('test/1', 1, []))).rejects.toMatchObject(damaged);
    await expect(unpackMasks(new Uint8Array([1, 2, 3]))).rejects.toMatchObject(damaged);
    await expect(unpackMasks((await packMasks(new Map())).subarray(0, 5))).rejects.toMatchObject(damaged);
  });
});
