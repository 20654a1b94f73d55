import { beforeAll, describe, expect, it } from 'vitest';
import { join } from 'node:path';
import type { Answer, Picture } from '../../../src/base/index.ts';
import { benchBundle } from '../../../src/inference/bench.ts';
import { loadBundle, type Bundle } from '../../../src/inference/index.ts';
import type { Request } from '../../../src/inference/prompt.ts';
import { iouOf, verifyBundle } from '../../../src/inference/verify.ts';
import { goldensOf, packed, readMask, tinyDir } from '../../builders/bundle.ts';

let bundle: Bundle;
/** What the goldens say, by their prompt and size of picture. */
const said = new Map<string, Answer>();

beforeAll(async () => {
  bundle = await loadBundle(tinyDir);
  for (const g of goldensOf(bundle.manifest)) {
    const masks = await Promise.all(
      g.masks.map(async (m) => ({ ...(await readMask(join(tinyDir, m.file))), score: m.score })),
    );
    const { task, prompt, text, token_ids: tokenIds } = g;
    const timingsMs = { decode: 10 * (tokenIds.length - 1), total: 100 };
    const answer: Answer = { stack: 'k1', plane: 0, task, prompt, text, tokenIds, stop: 'end', masks, timingsMs };
    said.set(`${task} ${prompt} ${(await readMask(join(tinyDir, g.image))).width}`, answer);
  }
});

/** A runtime that answers as the goldens do, changed by `change`. */
function runtime(change: (answer: Answer) => Answer = (a) => a) {
  return {
    asked: 0,
    answer(pictures: readonly Picture[], { task, prompt }: Request) {
      this.asked += pictures.length;
      return Promise.resolve(pictures.map((p) => change(said.get(`${task} ${prompt} ${p.width}`)!)));
    },
  };
}

describe('a bundle is verified', () => {
  it('where pictures, token ids, text and masks are those of its goldens', async () => {
    const progress: number[] = [];
    const { passed, goldens } = await verifyBundle(bundle, runtime(), { onProgress: (done) => progress.push(done) });
    expect(passed).toBe(true);
    expect(goldens.map((g) => [g.id, g.tokens.found, g.masks.map((m) => m.iou), g.problems])).toEqual([
      ['01', 45, [1, 1], []],
      ['02', 43, [1, 1], []],
      ['03', 13, [1], []],
      ['04', 11, [1], []],
      ['05', 12, [1], []],
      ['06', 3, [], []],
    ]);
    expect(goldens.flatMap((g) => g.pictures)).toHaveLength(12);
    expect(progress).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('not where a token differs; the first one is named, and where the text goes another way', async () => {
    const other = runtime((a) => ({
      ...a,
      tokenIds: a.tokenIds.with(2, 99),
      text: a.text.replace('Histology', 'Histological'),
    }));
    const { passed, goldens } = await verifyBundle(bundle, other);
    expect(passed).toBe(false);
    expect(goldens[3]).toMatchObject({
      id: '04',
      passed: false,
      problems: ['token 3 differs: expected 305, found 99', 'the text differs from character 9 on'],
      text: { at: 8 },
    });
    expect(goldens[0]!.problems).toEqual(['token 3 differs: expected 391, found 99']);
  });

  it('not where an answer is longer than its golden', async () => {
    const { goldens } = await verifyBundle(
      bundle,
      runtime((a) => ({ ...a, tokenIds: [...a.tokenIds, 7] })),
    );
    expect(goldens[5]!.problems).toEqual(['token 4 differs: expected the end, found 7']);
  });

  it('not where a mask is another, is missing, or covers less than was wanted', async () => {
    const half = runtime((a) => ({
      ...a,
      masks: a.masks.map((m) => m && { ...m, bits: m.bits.map((v, i) => (i % 2 ? v : 0)) }),
    }));
    expect((await verifyBundle(bundle, half)).goldens[2]!.problems[0]).toMatch(
      /^mask 1: IoU 0\.[45]\d+, at least 0\.999/,
    );
    expect((await verifyBundle(bundle, half, { minIou: 0.3 })).passed).toBe(true);
    const none = runtime((a) => ({ ...a, masks: [] }));
    expect((await verifyBundle(bundle, none)).goldens[0]!.problems).toEqual(['expected 2 masks, found 0']);
    const cut = runtime((a) => ({ ...a, masks: a.masks.map(() => null) }));
    expect((await verifyBundle(bundle, cut)).goldens[2]!.masks).toMatchObject([{ iou: 0 }]);
  });

  it('not where the encoders would see another picture', async () => {
    const { manifest } = bundle;
    const vision = { ...manifest.preprocess.vision, resample: 'bicubic-antialias' as const };
    const other = { ...bundle, manifest: { ...manifest, preprocess: { ...manifest.preprocess, vision } } };
    const { goldens } = await verifyBundle(other, runtime());
    expect(goldens[0]!.problems).toEqual([
      expect.stringMatching(/^the picture of the vision encoder differs by up to \d+ levels$/),
    ]);
  });

  it('not where the model does not answer', async () => {
    const { goldens } = await verifyBundle(bundle, { answer: () => Promise.reject(new Error('gone')) });
    expect(goldens.map((g) => g.passed)).not.toContain(true);
    expect(goldens[0]!.problems).toEqual(['internal: gone']);
  });

  it('not where it has no golden: nothing was proved', async () => {
    const bare = { ...bundle, manifest: { ...bundle.manifest, golden: [] } };
    expect(await verifyBundle(bare, runtime())).toEqual({ passed: false, goldens: [] });
  });

  it('not where a golden is none', async () => {
    const bad = { ...bundle, manifest: { ...bundle.manifest, golden: [{ id: '1', image: 'golden/none.png' }] } };
    await expect(verifyBundle(bad, runtime())).rejects.toMatchObject({
      code: 'bundle-invalid',
      message: expect.stringMatching(
        /golden 1: must have required property 'task'.*golden\/none\.png has no entry/,
      ) as string,
    });
  });
});

describe('the overlap of two masks', () => {
  const mask = (...flags: number[]) => ({ width: flags.length, height: 1, bits: packed(flags) });
  it.each([
    ['equal', mask(1, 1, 0), mask(1, 1, 0), 1],
    ['half', mask(1, 1, 0), mask(0, 1, 0), 0.5],
    ['none', mask(1, 0, 0), mask(0, 1, 1), 0],
    ['both empty', mask(0, 0, 0), mask(0, 0, 0), 1],
    ['another size', mask(1, 1), mask(1, 1, 0), 0],
  ])('%s', (_what, a, b, iou) => expect(iouOf(a, b)).toBe(iou));
});

describe('a bundle is measured', () => {
  it('over as many pictures as asked for, after one that does not count', async () => {
    const one = runtime();
    const bench = await benchBundle(bundle, one, 12);
    expect(one.asked).toBe(13);
    // Twice each of the six goldens: 127 tokens, of which the first of each comes out of the prefill; 10 ms each other.
    expect(bench).toMatchObject({ pictures: 12, tokens: 254, stages: { total: { median: 100, p95: 100 } } });
    expect(bench.tokensPerSecond).toBeCloseTo(100, 6);
  });

  it('on a grey picture and a task without a slot, where it has no golden', async () => {
    const bare = { ...bundle, manifest: { ...bundle.manifest, golden: [] } };
    const asked: Request[] = [];
    const answer: Answer = [...said.values()][0]!;
    await benchBundle(bare, { answer: (_p, r) => (asked.push(r as Request), Promise.resolve([answer])) }, 1);
    expect(asked).toEqual([{ task: 'report' }, { task: 'report' }]);
  });
});
