import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRuntime, loadBundle, type Bundle, type Runtime } from '../../../src/inference/index.ts';
import { goldensOf, overlap, pictureOf, readMask, readRgb } from '../../builders/bundle.ts';
import { missing, peers, root, runPeer } from '../../peers/index.ts';

const dir = join(root, 'test/golden/grounded-tiny');
const reference = join(root, 'models/reference');

/** One line of models/reference/proof/answers.py. */
interface Theirs {
  readonly image: string;
  readonly task: string;
  readonly prompt: string;
  readonly box: readonly [number, number, number, number] | null;
  readonly token_ids: readonly number[];
  readonly text: string;
  readonly margin: number;
  readonly masks: readonly { readonly bits: string; readonly score: number }[];
}

let bundle: Bundle;
let runtime: Runtime;
beforeAll(async () => {
  bundle = await loadBundle(dir);
  runtime = await createRuntime(bundle);
});
afterAll(() => runtime.close());

/** Two empty masks agree. */
function agreement(ours: Uint8Array, theirs: Uint8Array): number {
  const { iou } = overlap(ours, theirs);
  return Number.isNaN(iou) ? 1 : iou;
}

async function ask(folder: string, q: Pick<Theirs, 'image' | 'task' | 'prompt' | 'box'>) {
  const request = { task: q.task, prompt: q.prompt, ...(q.box ? { box: q.box } : {}) };
  const [answer] = await runtime.answer([pictureOf(await readRgb(join(folder, q.image)))], request);
  return answer!;
}

describe('a bundle with every option of the published model', () => {
  it('has the words of the published one: an end by text, masks by slot, before and after their phrase, and none', () => {
    const { manifest: m } = bundle;
    expect(m.stop_texts).toEqual(['<|end|>']);
    expect(Object.values(m.tasks).map((t) => t.grounding)).toEqual([
      'slot',
      'seg-then-phrase',
      'phrase-then-seg',
      'phrase-then-seg',
      'none',
    ]);
    expect(m.region_prompt).toMatchObject({ stage: 'source', branch: 'both' });
    expect(m.preprocess.vision.tiling).toMatchObject({ max: 12, thumbnail: true });
  });

  it.each(['01', '02', '03', '04', '05', '06', '07', '08', '09', '10'])(
    'golden %s: the gateway says and draws what PyTorch said and drew',
    async (id) => {
      const g = goldensOf(bundle.manifest).find((x) => x.id === id)!;
      const answer = await ask(dir, g);
      expect(answer.tokenIds).toEqual(g.token_ids);
      expect(answer.text).toBe(g.text);
      // A task that is not grounded may say [SEG], but draws nothing.
      expect(answer.masks.filter((m) => m !== null)).toHaveLength(g.masks.length);
      for (const [k, m] of g.masks.entries()) {
        const theirs = await readMask(join(dir, m.file));
        expect(agreement(answer.masks[k]!.bits, theirs.bits)).toBeGreaterThanOrEqual(0.999);
        expect(answer.masks[k]!.score).toBeCloseTo(m.score, 3);
      }
    },
  );

  it('has goldens with and without masks, of several tiles, with a box', () => {
    const goldens = goldensOf(bundle.manifest);
    expect(goldens.filter((g) => g.masks.length > 0).length).toBeGreaterThan(2);
    expect(goldens.filter((g) => g.masks.length === 0).length).toBeGreaterThan(2);
    expect(goldens.filter((g) => !('vision_image' in g)).length).toBeGreaterThan(1);
    expect(goldens.filter((g) => g.box).length).toBeGreaterThan(1);
  });
});

describe.skipIf(missing('torch'))('a hundred questions about ten pictures, asked in PyTorch and in the gateway', () => {
  let folder: string;
  let theirs: readonly Theirs[];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'questions-'));
    await reckon('proof/pictures.py', folder, '--pictures', '10', '--each', '10', '--seed', '2');
    const seed = String((bundle.manifest.provenance as { seed: number }).seed);
    const out = join(folder, 'answers.json');
    await reckon('proof/answers.py', folder, '--bundle', dir, '--seed', seed, '--out', out);
    theirs = JSON.parse(readFileSync(out, 'utf8')) as Theirs[];
  }, 240_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('get the same tokens, text and masks', { timeout: 120_000 }, async () => {
    expect(theirs).toHaveLength(100);
    const different: string[] = [];
    const ious: number[] = [];
    for (const q of theirs) {
      const answer = await ask(folder, q);
      if (answer.tokenIds.join() !== q.token_ids.join() || answer.text !== q.text)
        different.push(`${q.image} ${q.prompt} (nearest other choice ${q.margin})`);
      else q.masks.forEach((m, k) => ious.push(agreement(answer.masks[k]!.bits, Buffer.from(m.bits, 'base64'))));
    }
    expect(different).toEqual([]);
    expect(ious.length).toBeGreaterThan(50);
    expect(Math.min(...ious)).toBeGreaterThanOrEqual(0.999);
  });

  it('are no easy ones: answers differ, some end by themselves, and no choice hangs on the last bit', () => {
    expect(new Set(theirs.map((q) => q.token_ids.join())).size).toBeGreaterThan(50);
    const ended = theirs.filter((q) => q.token_ids.length < bundle.manifest.limits.max_new_tokens);
    expect(ended.length).toBeGreaterThan(10);
    expect(Math.min(...theirs.map((q) => q.margin))).toBeGreaterThan(1e-5);
  });
});

describe.skipIf(missing('torch'))('the Python package that exports bundles', () => {
  it('passes its own tests of bundle, checkpoint and loop', { timeout: 240_000 }, async () => {
    const tests = ['bundle', 'checkpoint', 'loop'].map((name) => `tests/test_${name}.py`);
    const ran = await runPeer(peers.torch!, ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', ...tests], {
      cwd: reference,
      env,
    });
    expect(ran.stdout.split('\n').slice(-40).join('\n')).toMatch(/\d+ passed/);
    expect(ran.code, ran.stdout).toBe(0);
  });
});

/** Nothing is fetched, and one thread: the suite's workers have the rest. */
const env = {
  ...process.env,
  PYTHONPATH: reference,
  HF_HUB_OFFLINE: '1',
  OMP_NUM_THREADS: '1',
  PYTHONDONTWRITEBYTECODE: '1',
};

async function reckon(...args: string[]): Promise<void> {
  const ran = await runPeer(peers.torch!, args, { cwd: reference, env });
  expect(ran.code, ran.stderr).toBe(0);
}
