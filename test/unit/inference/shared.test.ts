import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Picture } from '../../../src/base/index.ts';
import { openGraphs, type Graphs } from '../../../src/inference/graphs.ts';
import { loadBundle, type Manifest, type Question } from '../../../src/inference/index.ts';
import { modelOver, type Model } from '../../../src/inference/loop.ts';
import { openTokenizer, type Tokenizer } from '../../../src/inference/tokenizer.ts';
import { goldensOf, pictureOf, readRgb, tinyDir } from '../../builders/bundle.ts';

let manifest: Manifest;
let tokenizer: Tokenizer;
let graphs: Graphs;
let pictures: Picture[];
/** Graph runs of the models that `open` made, and the positions that each run of the decoder read. */
let runs: { readonly graph: string; readonly positions: number; readonly rows: number }[];

const megabyte = 1 << 20;
const box = [0.25, 0.25, 0.75, 0.75] as const;
const questions: readonly Question[] = [
  { task: 'report' },
  { task: 'recognise' },
  { task: 'segment', slots: { target: 'renal cyst' } },
  { task: 'vqa', prompt: 'How many findings are there?' },
];

beforeAll(async () => {
  ({ manifest } = await loadBundle(tinyDir));
  tokenizer = await openTokenizer(join(tinyDir, 'tokenizer.json'), manifest);
  graphs = await openGraphs(tinyDir, manifest, { provider: 'cpu', fallback: false, threads: 1 });
  const files = goldensOf(manifest).map((g) => join(tinyDir, g.image));
  pictures = await Promise.all(files.map(async (f) => pictureOf(await readRgb(f))));
});
beforeEach(() => {
  runs = [];
});

function open(memoryBytes: number): Model {
  const counting: Graphs = {
    ...graphs,
    run: (graph, feeds) => {
      const positions = graph === 'generate' ? feeds['input_ids']!.dims[1]! : 0;
      const rows = graph === 'mask_decoder' ? feeds['seg_hidden_states']!.dims[0]! : 0;
      runs.push({ graph, positions, rows });
      return graphs.run(graph, feeds);
    },
  };
  return modelOver({ m: manifest, tokenizer, graphs: counting }, memoryBytes);
}

const timesOf = (graph: string): number => runs.filter((r) => r.graph === graph).length;
/** Longest first: what was read at once. */
const prefills = (): number[] => runs.filter((r) => r.positions > 1).map((r) => r.positions);

describe('several questions about one picture', () => {
  it('are each answered as if they were alone, to the token and to the bit of each mask', async () => {
    for (const picture of pictures.slice(0, 5)) {
      const together = await open(0).ask(picture, questions);
      for (const [i, question] of questions.entries()) {
        const [alone] = await open(0).ask(picture, [question]);
        expect(together[i]!.tokenIds).toEqual(alone!.tokenIds);
        expect(together[i]!.text).toBe(alone!.text);
        expect(together[i]!.masks.map((m) => m?.bits)).toEqual(alone!.masks.map((m) => m?.bits));
      }
    }
  });

  it('cost one look by each encoder, one prefill of the picture and one short one each, and one run of the mask decoder', async () => {
    const answers = await open(64 * megabyte).ask(pictures[0]!, questions);
    expect(timesOf('vision_encoder')).toBe(1);
    expect(timesOf('sam_encoder')).toBe(1);
    const whole = tokenizer.encode(manifest.chat.image.replace('{context}', '')).length;
    expect(whole).toBe(2);
    const [prefix, ...asked] = prefills();
    // The picture's 49 tokens and what stands before them are read once; only the questions differ.
    expect(prefix).toBeGreaterThan(49);
    expect(asked).toHaveLength(questions.length);
    expect(Math.max(...asked)).toBeLessThan(40);
    const segs = answers.reduce((sum, a) => sum + a.masks.length, 0);
    expect(segs).toBeGreaterThan(2);
    expect(runs.filter((r) => r.graph === 'mask_decoder').map((r) => r.rows)).toEqual([segs]);
  });

  it('read no token of the picture again where they are asked later', async () => {
    const model = open(64 * megabyte);
    await model.ask(pictures[0]!, [questions[0]!]);
    const [prefix] = prefills();
    runs = [];
    await model.ask(pictures[0]!, [questions[2]!]);
    expect(timesOf('vision_encoder') + timesOf('sam_encoder')).toBe(0);
    expect(prefills()).toHaveLength(1);
    expect(prefills()[0]).toBeLessThan(prefix!);
  });

  it('need no look for masks where no answer has one', async () => {
    await open(64 * megabyte).ask(pictures[5]!, [{ task: 'vqa', prompt: 'How many findings are there?' }]);
    expect(timesOf('vision_encoder')).toBe(1);
    expect(timesOf('sam_encoder') + timesOf('mask_decoder')).toBe(0);
  });

  it('look anew for a region that is drawn, but the masks are on the bare picture', async () => {
    await open(64 * megabyte).ask(pictures[4]!, [{ task: 'report' }, { task: 'region', box }, { task: 'region', box }]);
    expect(timesOf('vision_encoder')).toBe(2);
    expect(timesOf('sam_encoder')).toBe(1);
  });

  it('stop at the first mask where nothing else is wanted, and it is the same mask', async () => {
    const segment = { task: 'segment', slots: { target: 'brain tumor' } };
    const [all, short] = await open(0).ask(pictures[2]!, [segment, { ...segment, untilMask: true }]);
    expect(all!.text).toBe('Here is the <p>brain tumor</p> [SEG].');
    expect(short!.text).toBe('Here is the <p>brain tumor</p> [SEG]');
    expect(short!.masks).toEqual(all!.masks);
  });
});

describe('what was seen of pictures', () => {
  it('is bounded in bytes: the picture that was not asked about for longest is looked at again', async () => {
    const model = open(2 * megabyte);
    const ask = (i: number) => model.ask(pictures[i]!, [{ task: 'segment', slots: { target: 'liver' } }]);
    await ask(0);
    await ask(0);
    expect(timesOf('vision_encoder')).toBe(1);
    for (const i of [1, 2, 3, 4]) await ask(i);
    expect(timesOf('vision_encoder')).toBe(5);
    await ask(0);
    expect(timesOf('vision_encoder')).toBe(6);
  });
});
