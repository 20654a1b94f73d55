import { PlumblineError } from '../base/index.ts';
import { floats, floatsOf, integers, type Feeds, type Fetched, type Graphs } from './graphs.ts';
import type { Manifest } from './manifest.ts';
import type { Stopwatch } from './stopwatch.ts';
import type { Tokenizer } from './tokenizer.ts';

/** A bundle's model, opened. */
export interface Parts {
  readonly m: Manifest;
  readonly tokenizer: Tokenizer;
  readonly graphs: Graphs;
}

/**
 * What the decoder has read so far. Reading on makes another and leaves this one as it was, so that any number of
 * questions may go on from one picture.
 */
export interface Context {
  /** Key-value cache, `past_key_values.*` [1, heads, length, dim]. */
  readonly past: Feeds;
  /** Positions. */
  readonly length: number;
}

/** Nothing read yet. */
export function emptyContext(m: Manifest): Context {
  const { layers, kv_heads: heads, head_dim: dim } = m.decoder;
  const empty = floats(new Float32Array(0), [1, heads, 0, dim]);
  const names = Array.from({ length: layers }, (_, i) => [`past_key_values.${i}.key`, `past_key_values.${i}.value`]);
  return { past: Object.fromEntries(names.flat().map((name) => [name, empty])), length: 0 };
}

/** What a context takes in memory. */
export function contextBytes({ decoder: { layers, kv_heads: heads, head_dim: dim } }: Manifest, c: Context): number {
  return 2 * layers * heads * dim * c.length * Float32Array.BYTES_PER_ELEMENT;
}

/** Text as the decoder takes it. */
export interface Embedded {
  /** `inputs_embeds` [1, length, hidden]. */
  readonly embeds: Fetched;
  readonly length: number;
}

/**
 * Tokens as embeddings.
 * @param visual what the vision encoder saw, [visual tokens, hidden]: fills the image's places in order
 * @throws PlumblineError bundle-invalid where the places are not as many as the visual tokens
 */
export async function embed({ m, graphs }: Parts, ids: readonly number[], visual?: Float32Array): Promise<Embedded> {
  const embeds = await graphs.run('token_embed', { input_ids: integers(ids, [1, ids.length]) });
  if (visual) fillImage(m, ids, floatsOf(embeds, 'inputs_embeds'), visual);
  return { embeds, length: ids.length };
}

function fillImage(m: Manifest, ids: readonly number[], rows: Float32Array, visual: Float32Array): void {
  const hidden = m.decoder.hidden_size;
  const places = ids.flatMap((id, i) => (id === m.special_tokens.img_context.id ? [i] : []));
  const tokens = visual.length / hidden;
  if (places.length !== tokens)
    throw new PlumblineError(
      'bundle-invalid',
      `the chat template makes ${places.length} image places for ${tokens} visual tokens`,
      { where: m.name },
    );
  places.forEach((place, k) => rows.set(visual.subarray(k * hidden, (k + 1) * hidden), place * hidden));
}

/** What the decoder says after reading. */
export interface Read {
  readonly context: Context;
  /** [vocabulary], of the last position. */
  readonly logits: Float32Array;
  /** [read now, hidden], after the final norm. */
  readonly hidden: Float32Array;
}

/** Read on from `context`, which stays as it is. */
export async function read(
  { graphs }: Parts,
  { past, length: before }: Context,
  { embeds, length }: Embedded,
): Promise<Read> {
  const out = await graphs.run('decoder', {
    inputs_embeds: embeds['inputs_embeds']!,
    attention_mask: integers(new Array<number>(before + length).fill(1), [1, before + length]),
    position_ids: integers(
      Array.from({ length }, (_, i) => before + i),
      [1, length],
    ),
    ...past,
  });
  return {
    context: { past: grown(out), length: before + length },
    logits: floatsOf(out, 'logits'),
    hidden: floatsOf(out, 'hidden_states'),
  };
}

function grown(out: Fetched): Feeds {
  const present = Object.entries(out).filter(([name]) => name.startsWith('present.'));
  return Object.fromEntries(present.map(([name, t]) => [name.replace('present', 'past_key_values'), t]));
}

/** What the model answers. */
export interface Said {
  readonly ids: readonly number[];
  readonly text: string;
  readonly stop: 'end' | 'limit';
  /** Hidden state of the k-th `[SEG]`, [hidden]. */
  readonly states: readonly Float32Array[];
}

/**
 * Greedy decoding after `question`, read on from `context`. The state of a `[SEG]` is the row of the step whose *input*
 * it is, so where the limit cuts right after one, one more step is run for its state and what that step says is dropped.
 * @param untilMask end with the first `[SEG]`
 */
export async function generate(
  model: Parts,
  context: Context,
  question: Embedded,
  watch: Stopwatch,
  untilMask = false,
): Promise<Said> {
  const { m } = model;
  const most = (m.decoder.max_positions ?? Infinity) - context.length - question.length - 1;
  const limit = Math.min(m.limits.max_new_tokens, most);
  const ids: number[] = [];
  const states: Float32Array[] = [];
  let step = await watch.time('prefill', () => read(model, context, question));
  for (;;) {
    const id = argmax(step.logits);
    ids.push(id);
    if (m.stop_ids.includes(id)) return finished(model, ids, 'end', states);
    const ended = stopText(model, ids) !== undefined || (untilMask && id === segId(m));
    const last = ended || ids.length >= limit;
    if (last && id !== segId(m)) return finished(model, ids, ended ? 'end' : 'limit', states);
    step = await watch.time('decode', async () => read(model, step.context, await embed(model, [id])));
    if (id === segId(m)) states.push(hiddenRow(m, step, 0));
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

/** The state of one of the positions that were read, [hidden], a copy. */
export function hiddenRow(m: Manifest, { hidden }: Read, row: number): Float32Array {
  const size = m.decoder.hidden_size;
  return hidden.slice(row * size, (row + 1) * size);
}

export function segId(m: Manifest): number {
  return m.special_tokens.seg.id;
}

/** Index of the largest value, the lowest on a tie. */
export function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}
