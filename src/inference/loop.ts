import { join } from 'node:path';
import { PlumblineError, type Answer, type Notice, type Picture, type PictureMask } from '../base/index.ts';
import {
  floats,
  floatsOf,
  integers,
  openGraphs,
  type Feeds,
  type Fetched,
  type GraphOptions,
  type Graphs,
  type Provider,
} from './graphs.ts';
import type { Manifest } from './manifest.ts';
import { toMask } from './masks.ts';
import { preprocess, type Pixels } from './preprocess.ts';
import { chatText, promptOf, type Request } from './prompt.ts';
import { openTokenizer, type Tokenizer } from './tokenizer.ts';

/** A grounded model, ready to be asked. One question at a time. */
export interface Model {
  readonly provider: Provider;
  readonly notices: readonly Notice[];
  /** @throws PlumblineError task-unknown · prompt-invalid · prompt-too-long */
  answer(picture: Picture, request: Request): Promise<Answer>;
  /** The masks of a text that is already there: prompt and text in one prefill, nothing generated. */
  reground(picture: Picture, request: Request, text: string): Promise<Answer>;
}

/**
 * The grounded loop of bundle format 1: encode the picture once, prefill, decode greedily with a key-value cache, take
 * the hidden state of each `[SEG]`, decode all masks, bring them to the picture's size.
 * @throws PlumblineError bundle-invalid · provider-missing
 */
export async function openModel(dir: string, m: Manifest, options: GraphOptions): Promise<Model> {
  const tokenizer = await openTokenizer(join(dir, 'tokenizer.json'), m);
  const graphs = await openGraphs(dir, m, options);
  const model: Parts = { m, tokenizer, graphs };
  return {
    provider: graphs.provider,
    notices: graphs.notices,
    answer: (picture, request) => answer(model, picture, request),
    reground: (picture, request, text) => reground(model, picture, request, text),
  };
}

interface Parts {
  readonly m: Manifest;
  readonly tokenizer: Tokenizer;
  readonly graphs: Graphs;
}

async function answer(model: Parts, picture: Picture, request: Request): Promise<Answer> {
  const watch = stopwatch();
  const prompt = promptOf(model.m, request);
  const seen = await look(model, picture, request, watch);
  const start = await startOf(model, promptIds(model, prompt, seen), seen, []);
  const said = await generate(model, start, watch);
  const masks = await segment(model, seen, said.states, picture, watch);
  return {
    stack: picture.stack,
    plane: picture.plane,
    task: request.task,
    prompt,
    text: said.text,
    tokenIds: said.ids,
    stop: said.stop,
    masks: said.states.map((_, k) => masks[k] ?? null),
    timingsMs: watch.times(),
  };
}

async function reground(model: Parts, picture: Picture, request: Request, text: string): Promise<Answer> {
  const watch = stopwatch();
  const prompt = promptOf(model.m, request);
  const seen = await look(model, picture, request, watch);
  const asked = promptIds(model, prompt, seen);
  const ids = model.tokenizer.encode(text);
  const out = await watch.time('prefill', async () => decode(model, await startOf(model, asked, seen, ids)));
  const states = ids.flatMap((id, i) => (id === segId(model) ? [hiddenRow(model, out, asked.length + i)] : []));
  const masks = await segment(model, seen, states, picture, watch);
  return {
    stack: picture.stack,
    plane: picture.plane,
    task: request.task,
    prompt,
    text,
    tokenIds: ids,
    stop: 'end',
    masks: states.map((_, k) => masks[k] ?? null),
    timingsMs: watch.times(),
  };
}

/** A picture as both encoders see it. */
interface Seen {
  /** [visual tokens, hidden] */
  readonly visual: Float32Array;
  readonly visualTokens: number;
  readonly features: Fetched;
}

async function look({ m, graphs }: Parts, picture: Picture, request: Request, watch: Stopwatch): Promise<Seen> {
  const { vision, sam } = await watch.time('preprocess', () => preprocess(picture, m, request.box));
  const embedded = await watch.time('vision', () => graphs.run('vision_encoder', { pixel_values: tensor(vision) }));
  // A text-only question needs no masks, so the costliest graph can rest.
  const features = m.tasks[request.task]!.grounded
    ? await watch.time('sam', () => graphs.run('sam_encoder', { pixel_values: tensor(sam) }))
    : {};
  const visual = floatsOf(embedded, 'image_embeds');
  return { visual, visualTokens: visual.length / m.decoder.hidden_size, features };
}

function tensor(p: Pixels) {
  return floats(p.data, [p.tiles, 3, p.height, p.width]);
}

/** @throws PlumblineError prompt-too-long */
function promptIds({ m, tokenizer }: Parts, prompt: string, seen: Seen): number[] {
  const ids = tokenizer.encode(chatText(m, prompt, seen.visualTokens));
  const most = Math.min(m.limits.max_prompt_tokens, (m.decoder.max_positions ?? Infinity) - 2);
  if (ids.length > most)
    throw new PlumblineError(
      'prompt-too-long',
      `the prompt has ${ids.length} tokens with the picture's ${seen.visualTokens}; the bundle ${m.name} takes ${most}`,
    );
  return ids;
}

/** What one call of the decoder is given: embeddings of the new positions, and the cache of those before. */
interface Step {
  readonly embeds: Fetched;
  readonly past: Feeds;
  /** Positions before this step. */
  readonly before: number;
  readonly length: number;
}

/** Prompt (and text after it) as embeddings, the image's places filled with what the vision encoder saw. */
async function startOf(model: Parts, prompt: readonly number[], seen: Seen, after: readonly number[]): Promise<Step> {
  const { m, graphs } = model;
  const ids = [...prompt, ...after];
  const embeds = await graphs.run('token_embed', { input_ids: integers(ids, [1, ids.length]) });
  const hidden = m.decoder.hidden_size;
  const rows = floatsOf(embeds, 'inputs_embeds');
  const places = prompt.flatMap((id, i) => (id === m.special_tokens.img_context.id ? [i] : []));
  if (places.length !== seen.visualTokens)
    throw new PlumblineError(
      'bundle-invalid',
      `the chat template makes ${places.length} image places for ${seen.visualTokens} visual tokens`,
      { where: m.name },
    );
  places.forEach((place, k) => rows.set(seen.visual.subarray(k * hidden, (k + 1) * hidden), place * hidden));
  return { embeds, past: emptyPast(m), before: 0, length: ids.length };
}

function emptyPast(m: Manifest): Feeds {
  const { layers, kv_heads: heads, head_dim: dim } = m.decoder;
  const empty = floats(new Float32Array(0), [1, heads, 0, dim]);
  return Object.fromEntries(
    Array.from({ length: layers }, (_, i) => [`past_key_values.${i}.key`, `past_key_values.${i}.value`])
      .flat()
      .map((name) => [name, empty]),
  );
}

/** @returns `logits` [1, vocab] of the last position, `hidden_states` [1, length, hidden], and the grown cache */
function decode({ graphs }: Parts, { embeds, past, before, length }: Step): Promise<Fetched> {
  return graphs.run('decoder', {
    inputs_embeds: embeds['inputs_embeds']!,
    attention_mask: integers(new Array<number>(before + length).fill(1), [1, before + length]),
    position_ids: integers(
      Array.from({ length }, (_, i) => before + i),
      [1, length],
    ),
    ...past,
  });
}

interface Said {
  readonly ids: readonly number[];
  readonly text: string;
  readonly stop: 'end' | 'limit';
  /** Hidden state of the k-th `[SEG]`. */
  readonly states: readonly Float32Array[];
}

/**
 * Greedy decoding. The state of a `[SEG]` is the row of the step whose *input* it is, so where the limit cuts right
 * after one, one more step is run for its state and what that step says is dropped.
 */
async function generate(model: Parts, start: Step, watch: Stopwatch): Promise<Said> {
  const { m, graphs } = model;
  const limit = Math.min(m.limits.max_new_tokens, (m.decoder.max_positions ?? Infinity) - start.length - 1);
  const ids: number[] = [];
  const states: Float32Array[] = [];
  let step = start;
  let out = await watch.time('prefill', () => decode(model, step));
  for (;;) {
    const id = argmax(floatsOf(out, 'logits'));
    ids.push(id);
    if (m.stop_ids.includes(id)) return finished(model, ids, 'end', states);
    const ended = stopText(model, ids) !== undefined;
    const last = ended || ids.length >= limit;
    if (last && id !== segId(model)) return finished(model, ids, ended ? 'end' : 'limit', states);
    out = await watch.time('decode', async () => {
      const embeds = await graphs.run('token_embed', { input_ids: integers([id], [1, 1]) });
      step = { embeds, past: grown(out), before: step.before + step.length, length: 1 };
      return decode(model, step);
    });
    if (id === segId(model)) states.push(hiddenRow(model, out, 0));
    if (last) return finished(model, ids, ended ? 'end' : 'limit', states);
  }
}

function finished(model: Parts, ids: readonly number[], stop: Said['stop'], states: readonly Float32Array[]): Said {
  const { m, tokenizer } = model;
  const text = tokenizer.decode(ids.filter((id) => !m.stop_ids.includes(id)));
  const cut = stopText(model, ids);
  return { ids, text: cut === undefined ? text : text.slice(0, text.lastIndexOf(cut)), stop, states };
}

/** The stop text with which the answer so far ends, line ends aside: some families spell theirs out in ordinary tokens. */
function stopText({ m, tokenizer }: Parts, ids: readonly number[]): string | undefined {
  if (m.stop_texts.length === 0) return undefined;
  const tail = tokenizer.decode(ids.slice(-32)).replace(/[\r\n]+$/, '');
  return m.stop_texts.find((s) => tail.endsWith(s));
}

function grown(out: Fetched): Feeds {
  const present = Object.entries(out).filter(([name]) => name.startsWith('present.'));
  return Object.fromEntries(present.map(([name, t]) => [name.replace('present', 'past_key_values'), t]));
}

function hiddenRow({ m }: Parts, out: Fetched, row: number): Float32Array {
  const hidden = m.decoder.hidden_size;
  return floatsOf(out, 'hidden_states').slice(row * hidden, (row + 1) * hidden);
}

function segId({ m }: Parts): number {
  return m.special_tokens.seg.id;
}

/** Index of the largest value, the lowest on a tie. */
export function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

/** So many masks at a time: the mask decoder of the 1B family needs 8 MB for each. */
const chunk = 16;

/** Masks of the picture's size, at most `limits.max_masks`. */
async function segment(
  model: Parts,
  seen: Seen,
  states: readonly Float32Array[],
  size: Picture,
  watch: Stopwatch,
): Promise<PictureMask[]> {
  const { m } = model;
  const wanted = 'image_embeddings' in seen.features ? states.slice(0, m.limits.max_masks) : [];
  const masks: PictureMask[] = [];
  for (let i = 0; i < wanted.length; i += chunk) {
    const some = wanted.slice(i, i + chunk);
    const out = await watch.time('masks', () => decodeMasks(model, seen, some));
    const logits = floatsOf(out, 'mask_logits');
    const scores = floatsOf(out, 'iou_scores');
    const n = m.masks.width * m.masks.height;
    for (let k = 0; k < some.length; k++)
      masks.push(
        await watch.time('upsample', () => toMask(logits.subarray(k * n, (k + 1) * n), size, m.masks, scores[k]!)),
      );
  }
  return masks;
}

function decodeMasks({ m, graphs }: Parts, seen: Seen, states: readonly Float32Array[]): Promise<Fetched> {
  const hidden = m.decoder.hidden_size;
  const rows = new Float32Array(states.length * hidden);
  states.forEach((state, i) => rows.set(state, i * hidden));
  const { image_embeddings, high_res_feats_0, high_res_feats_1 } = seen.features;
  return graphs.run('mask_decoder', {
    image_embeddings: image_embeddings!,
    high_res_feats_0: high_res_feats_0!,
    high_res_feats_1: high_res_feats_1!,
    seg_hidden_states: floats(rows, [states.length, hidden]),
  });
}

interface Stopwatch {
  time<T>(stage: string, work: () => T | Promise<T>): Promise<T>;
  times(): Record<string, number>;
}

function stopwatch(): Stopwatch {
  const begun = performance.now();
  const spent = new Map<string, number>();
  return {
    async time(stage, work) {
      const t = performance.now();
      const result = await work();
      spent.set(stage, (spent.get(stage) ?? 0) + performance.now() - t);
      return result;
    },
    times: () => {
      spent.set('total', performance.now() - begun);
      return Object.fromEntries([...spent].map(([stage, ms]) => [stage, Math.round(ms * 100) / 100]));
    },
  };
}
