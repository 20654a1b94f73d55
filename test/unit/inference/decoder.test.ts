import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { generate, type Parts, type Said } from '../../../src/inference/decode.ts';
import { emptyContext, say, segId, type Context } from '../../../src/inference/decoder.ts';
import { floats, floatsOf, openGraphs, type Graphs } from '../../../src/inference/graphs.ts';
import { loadBundle, promptOf, type Manifest } from '../../../src/inference/index.ts';
import { visionPixels } from '../../../src/inference/preprocess.ts';
import { chatText } from '../../../src/inference/prompt.ts';
import { stopwatch } from '../../../src/inference/stopwatch.ts';
import { openTokenizer } from '../../../src/inference/tokenizer.ts';
import { goldensOf, noise, pictureOf, readRgb, tinyDir } from '../../builders/bundle.ts';

/** The bundle run step by step, as one without the graph `generate` is, and by that graph. */
let stepped: Parts;
let looped: Parts;
/** Feeds of the runs of `generate`, newest last. */
let runs: { readonly most: number; readonly past: number }[];
/** What the vision encoder saw of five pictures of the goldens and of noise, the sixth. */
let seen: Float32Array[];

const targets = ['liver', 'renal cyst', 'lung nodule', 'brain tumor', 'polyp', 'optic disc', 'heart', 'drusen'];
const questions = [
  promptsOf('report'),
  promptsOf('recognise'),
  ...targets.map((target) => promptsOf('segment', { target })),
  promptsOf('vqa', {}, 'How many findings are there?'),
  promptsOf('vqa', {}, 'Is there a lung nodule?'),
  promptsOf('vqa', {}, 'What is in this picture?'),
  promptsOf('report', {}, 'Where is it?'),
  promptsOf('report', {}, 'nothing that was ever asked 0123456789'),
  promptsOf('report', {}, 'Again'),
  promptsOf('recognise', {}, 'Name what you see.'),
];

function promptsOf(task: string, slots = {}, prompt?: string) {
  return { task, slots, ...(prompt === undefined ? {} : { prompt }) };
}

beforeAll(async () => {
  const { manifest } = await loadBundle(tinyDir);
  const { generate: one, ...five } = manifest.graphs;
  expect(one, 'the bundle has the graph').toBeDefined();
  const tokenizer = await openTokenizer(join(tinyDir, 'tokenizer.json'), manifest);
  const open = async (m: Manifest): Promise<Parts> => ({
    m,
    tokenizer,
    graphs: await openGraphs(tinyDir, m, { provider: 'cpu', fallback: false, threads: 1 }),
  });
  stepped = await open({ ...manifest, graphs: five });
  looped = counting(await open(manifest));
  const files = goldensOf(manifest).slice(0, 5);
  const pictures = [
    ...(await Promise.all(files.map(async (g) => pictureOf(await readRgb(join(tinyDir, g.image)))))),
    pictureOf(noise(5, 90, 60)),
  ];
  seen = [];
  for (const picture of pictures) {
    const { data, tiles, height, width } = visionPixels(picture, manifest);
    const out = await looped.graphs.run('vision_encoder', { pixel_values: floats(data, [tiles, 3, height, width]) });
    seen.push(floatsOf(out, 'image_embeds'));
  }
}, 240_000);

function counting(parts: Parts): Parts {
  runs = [];
  const graphs: Graphs = {
    ...parts.graphs,
    run: (graph, feeds) => {
      if (graph === 'generate')
        runs.push({
          most: Number((feeds['max_new_tokens']!.data as BigInt64Array)[0]),
          past: feeds['past_key_values.0.key']!.dims[2]!,
        });
      return parts.graphs.run(graph, feeds);
    },
  };
  return { ...parts, graphs };
}

/** The tokens of a question, up to the picture's last and after it. */
function tokensOf({ m, tokenizer }: Parts, question: (typeof questions)[number]): { before: number[]; rest: number[] } {
  const ids = tokenizer.encode(chatText(m, promptOf(m, question), seen[0]!.length / m.decoder.hidden_size));
  const end = ids.lastIndexOf(m.special_tokens.img_context.id) + 1;
  return { before: ids.slice(0, end), rest: ids.slice(end) };
}

async function lookAt(parts: Parts, picture: number): Promise<Context> {
  const { before } = tokensOf(parts, questions[0]!);
  return (await say(parts, emptyContext(parts.m), { ids: before, visual: seen[picture]! }, 1)).context;
}

function answer(parts: Parts, context: Context, question: (typeof questions)[number], ends = false): Promise<Said> {
  return generate(parts, context, { ids: tokensOf(parts, question).rest }, stopwatch(), ends);
}

function withRules(parts: Parts, rules: Partial<Manifest>): Parts {
  return { ...parts, m: { ...parts.m, ...rules } };
}

function furthest(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  return Math.max(0, ...a.flatMap((row, k) => Array.from(row, (v, i) => Math.abs(v - b[k]![i]!))));
}

describe('the loop in one graph', () => {
  it('says the tokens that the steps say and gives the same states, on 102 prompts over shared pictures', async () => {
    let prompts = 0;
    let masks = 0;
    for (const picture of seen.keys()) {
      const [a, b] = [await lookAt(stepped, picture), await lookAt(looped, picture)];
      for (const question of questions) {
        const [theirs, ours] = [await answer(stepped, a, question), await answer(looped, b, question)];
        expect(ours.ids, question.prompt ?? question.task).toEqual(theirs.ids);
        expect([ours.text, ours.stop]).toEqual([theirs.text, theirs.stop]);
        expect(ours.states).toHaveLength(theirs.states.length);
        expect(furthest(ours.states, theirs.states)).toBeLessThan(1e-5);
        prompts++;
        masks += ours.states.length;
      }
    }
    expect(prompts).toBe(102);
    expect(masks).toBeGreaterThan(60);
  }, 240_000);

  it('brings the cache back once for the prompt and once for the whole answer', async () => {
    const context = await lookAt(looped, 0);
    runs = [];
    const { ids } = await answer(looped, context, questions[0]!);
    expect(ids.length).toBeGreaterThan(40);
    const asked = tokensOf(looped, questions[0]!).rest.length;
    expect(runs).toEqual([
      { most: 1, past: context.length },
      { most: looped.m.limits.max_new_tokens - 1, past: context.length + asked },
    ]);
  });

  it('leaves a context as it was, so that a second answer on it is the first', async () => {
    const context = await lookAt(looped, 1);
    const first = await answer(looped, context, questions[0]!);
    await answer(looped, context, questions[3]!);
    expect(await answer(looped, context, questions[0]!)).toEqual(first);
  });

  it('gives back the cache of all that was read, from which steps go on as from their own', async () => {
    const { before, rest } = tokensOf(looped, questions[0]!);
    const tokens = { ids: [...before, ...rest], visual: seen[0]! };
    const ours = await say(looped, emptyContext(looped.m), tokens, 12);
    let theirs = await say(stepped, emptyContext(stepped.m), tokens, 12);
    const said = [...theirs.said];
    while (said.length < 12) {
      theirs = await say(stepped, theirs.context, { ids: said.slice(-1) }, 1);
      said.push(...theirs.said);
    }
    expect(ours.said).toEqual(said);
    expect(ours.context.length).toBe(theirs.context.length);
    for (const [name, cache] of Object.entries(theirs.context.past)) {
      expect(ours.context.past[name]!.dims).toEqual(cache.dims);
      expect(
        furthest([ours.context.past[name]!.data as Float32Array], [cache.data as Float32Array]),
        name,
      ).toBeLessThan(1e-5);
    }
  });

  it.each([1, 5, 20, 21, 37])(
    'is cut by a limit of %i tokens as the steps are, state of a last [SEG] included',
    async (n) => {
      const rules = { limits: { ...looped.m.limits, max_new_tokens: n } };
      const ours = await answer(withRules(looped, rules), await lookAt(looped, 0), questions[0]!);
      const theirs = await answer(withRules(stepped, rules), await lookAt(stepped, 0), questions[0]!);
      expect(ours.ids).toEqual(theirs.ids);
      expect([ours.stop, ours.states.length]).toEqual(['limit', theirs.states.length]);
      expect(furthest(ours.states, theirs.states)).toBeLessThan(1e-5);
    },
  );

  it('ends with the first [SEG] where no more is wanted', async () => {
    const ours = await answer(looped, await lookAt(looped, 0), questions[0]!, true);
    expect(ours.ids.at(-1)).toBe(segId(looped.m));
    expect(ours.ids.filter((id) => id === segId(looped.m))).toHaveLength(1);
    expect(ours.states).toHaveLength(1);
  });

  it('ends at a text that is spelt in pieces, wherever in a run of tokens it is met', async () => {
    const whole = await answer(looped, await lookAt(looped, 0), questions[0]!);
    const words = whole.text.replaceAll(/<[^>]*>|\[SEG\]/g, ' ').match(/[a-z]+ [a-z]+(?= )/g)!;
    expect(words.length).toBeGreaterThan(5);
    for (const stop of words) {
      const rules = { stop_texts: [stop] };
      const ours = await answer(withRules(looped, rules), await lookAt(looped, 0), questions[0]!);
      const theirs = await answer(withRules(stepped, rules), await lookAt(stepped, 0), questions[0]!);
      expect(ours.text, stop).toBe(whole.text.slice(0, whole.text.indexOf(stop)));
      expect({ ...ours, states: ours.states.length }).toEqual({ ...theirs, states: theirs.states.length });
      expect(furthest(ours.states, theirs.states)).toBeLessThan(1e-5);
    }
  });

  it('is opened in place of the two graphs that it was made of, so that their weights are held once', async () => {
    const { graphs } = looped.m;
    const absent = {
      token_embed: { ...graphs.token_embed, file: 'none' },
      decoder: { ...graphs.decoder, file: 'none' },
    };
    const options = { provider: 'cpu', fallback: false, threads: 1 } as const;
    await expect(
      openGraphs(tinyDir, { ...looped.m, graphs: { ...graphs, ...absent } }, options),
    ).resolves.toBeDefined();
    const { generate: _, ...five } = { ...graphs, ...absent };
    await expect(openGraphs(tinyDir, { ...looped.m, graphs: five }, options)).rejects.toMatchObject({
      code: 'bundle-invalid',
    });
  });
});
