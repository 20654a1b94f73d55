import { join } from 'node:path';
import type { Answer, Notice, Picture, PictureMask } from '../base/index.ts';
import { generate, type Parts } from './decode.ts';
import { say as readOn, segId } from './decoder.ts';
import { floats, floatsOf, openGraphs, type Fetched, type GraphOptions, type Provider } from './graphs.ts';
import type { Manifest } from './manifest.ts';
import { toMask } from './masks.ts';
import { createMemory, type Memory } from './memory.ts';
import { promptOf, type Question } from './prompt.ts';
import { openSight, type Sight } from './sight.ts';
import { stopwatch, type Stopwatch } from './stopwatch.ts';
import { openTokenizer } from './tokenizer.ts';

/** A grounded model, ready to be asked. One picture at a time. */
export interface Model {
  readonly provider: Provider;
  readonly notices: readonly Notice[];
  /**
   * One answer for each question about a picture, each as if it were the only one: they share what the encoders saw and
   * what the decoder read of the picture, not each other's words.
   * @throws PlumblineError task-unknown · prompt-invalid · prompt-too-long
   */
  ask(picture: Picture, questions: readonly Question[]): Promise<Answer[]>;
}

export interface ModelOptions extends GraphOptions {
  /** What was seen of pictures is kept for later questions, up to so many bytes. */
  readonly memoryBytes: number;
}

/**
 * The grounded loop of bundle format 1: encode the picture once, prefill, decode greedily with a key-value cache, take
 * the hidden state of each `[SEG]`, decode all masks, bring them to the picture's size.
 * @throws PlumblineError bundle-invalid · provider-missing
 */
export async function openModel(dir: string, m: Manifest, options: ModelOptions): Promise<Model> {
  const tokenizer = await openTokenizer(join(dir, 'tokenizer.json'), m);
  const graphs = await openGraphs(dir, m, options);
  return modelOver({ m, tokenizer, graphs }, options.memoryBytes);
}

/** The loop over graphs that are open already. */
export function modelOver(parts: Parts, memoryBytes: number): Model {
  const memory = createMemory(memoryBytes);
  const { provider, notices } = parts.graphs;
  return { provider, notices, ask: (picture, questions) => ask(parts, memory, picture, questions) };
}

async function ask(parts: Parts, memory: Memory, picture: Picture, questions: readonly Question[]): Promise<Answer[]> {
  const prompts = questions.map((q) => promptOf(parts.m, q));
  const said: (Said & { readonly sight: Sight; readonly watch: Stopwatch })[] = [];
  for (const [i, question] of questions.entries()) {
    const watch = stopwatch();
    const sight = openSight(parts, memory, picture, question.box);
    said.push({ ...(await say(parts, sight, question, prompts[i]!, watch)), sight, watch });
  }
  const masks = await masksOf(parts, said, questions, picture);
  return questions.map((question, i) => answerOf(parts.m, picture, question, prompts[i]!, said[i]!, masks[i]!));
}

interface Said {
  readonly ids: readonly number[];
  readonly text: string;
  readonly stop: Answer['stop'];
  /** Hidden state of the k-th `[SEG]`. */
  readonly states: readonly Float32Array[];
}

/** The words of the answer; those that are there already are only read. */
async function say(
  parts: Parts,
  sight: Sight,
  { text, untilMask }: Question,
  prompt: string,
  watch: Stopwatch,
): Promise<Said> {
  const { context, rest } = await sight.prefix(prompt, watch);
  if (text === undefined) return generate(parts, context, { ids: rest }, watch, untilMask);
  const ids = parts.tokenizer.encode(text);
  const read = await watch.time('prefill', () => readOn(parts, context, { ids: [...rest, ...ids] }, 1));
  const asked = rest.filter((id) => id === segId(parts.m)).length;
  const states = read.states.slice(asked);
  return { ids, text, stop: 'end', states };
}

/** So many masks at a time: the mask decoder of the 1B family needs 8 MB for each. */
const chunk = 16;

/** Of each answer its masks, at most `limits.max_masks`; those on one picture are decoded together. */
async function masksOf(
  parts: Parts,
  said: readonly (Said & { readonly sight: Sight; readonly watch: Stopwatch })[],
  questions: readonly Question[],
  picture: Picture,
): Promise<(PictureMask | null)[][]> {
  const { m } = parts;
  const masks: (PictureMask | null)[][] = said.map(({ states }) => states.map(() => null));
  const wanted = said.flatMap(({ states, sight, watch }, of) =>
    m.tasks[questions[of]!.task]!.grounded
      ? states.slice(0, m.limits.max_masks).map((state, k) => ({ state, sight, watch, of, k }))
      : [],
  );
  for (const key of new Set(wanted.map((w) => w.sight.featuresKey))) {
    const own = wanted.filter((w) => w.sight.featuresKey === key);
    for (let i = 0; i < own.length; i += chunk) {
      const some = own.slice(i, i + chunk);
      const { watch, sight } = some[0]!;
      const features = await sight.features(watch);
      const out = await watch.time('masks', () => decodeMasks(parts, features, some));
      const logits = floatsOf(out, 'mask_logits');
      const scores = floatsOf(out, 'iou_scores');
      const n = m.masks.width * m.masks.height;
      for (const [j, w] of some.entries())
        masks[w.of]![w.k] = await w.watch.time('upsample', () =>
          toMask(logits.subarray(j * n, (j + 1) * n), picture, m.masks, scores[j]!),
        );
    }
  }
  return masks;
}

function decodeMasks(
  { m, graphs }: Parts,
  { image_embeddings, high_res_feats_0, high_res_feats_1 }: Fetched,
  wanted: readonly { readonly state: Float32Array }[],
): Promise<Fetched> {
  const hidden = m.decoder.hidden_size;
  const rows = new Float32Array(wanted.length * hidden);
  wanted.forEach(({ state }, i) => rows.set(state, i * hidden));
  return graphs.run('mask_decoder', {
    image_embeddings: image_embeddings!,
    high_res_feats_0: high_res_feats_0!,
    high_res_feats_1: high_res_feats_1!,
    seg_hidden_states: floats(rows, [wanted.length, hidden]),
  });
}

function answerOf(
  m: Manifest,
  { stack, plane }: Picture,
  { task, slots }: Question,
  prompt: string,
  { text, ids, stop, watch }: Said & { readonly watch: Stopwatch },
  masks: readonly (PictureMask | null)[],
): Answer {
  const slot = slots?.[m.tasks[task]!.slots[0] ?? ''];
  return {
    stack,
    plane,
    task,
    prompt,
    ...(slot === undefined ? {} : { slot }),
    text,
    tokenIds: ids,
    stop,
    masks,
    timingsMs: watch.times(),
  };
}
