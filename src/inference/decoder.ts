import { PlumblineError } from '../base/index.ts';
import { floats, floatsOf, integers, type Feeds, type Fetched, type Graphs } from './graphs.ts';
import type { Manifest } from './manifest.ts';

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

/** Tokens to be read. */
export interface Tokens {
  readonly ids: readonly number[];
  /** What the vision encoder saw, [visual tokens, hidden]: fills the image's places in order. */
  readonly visual?: Float32Array;
}

/** What came of reading. */
export interface Turn {
  /** At least one; the last of them is not read yet. */
  readonly said: readonly number[];
  /** After everything that was read: the tokens given, and those said but the last. */
  readonly context: Context;
  /** State of each `[SEG]` that was read, [hidden], after the final norm. */
  readonly states: readonly Float32Array[];
}

/** The opened graphs of a bundle, and what its manifest says of them. */
export interface Opened {
  readonly m: Manifest;
  readonly graphs: Graphs;
}

/**
 * Read `tokens` after `context`, which stays as it is, and say what is likeliest then. One step of the decoder says one
 * token. A bundle with the graph `generate` says up to `most` before its cache comes back here, and may say some more
 * than the caller wants.
 * @param stops it need say nothing after one of these sequences; -1 stands for any token
 * @throws PlumblineError bundle-invalid where the image's places are not as many as the visual tokens
 */
export function say(
  opened: Opened,
  context: Context,
  tokens: Tokens,
  most: number,
  stops: readonly (readonly number[])[] = [],
): Promise<Turn> {
  checkPlaces(opened.m, tokens);
  return opened.m.graphs.generate ? manySteps(opened, context, tokens, most, stops) : oneStep(opened, context, tokens);
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

function checkPlaces(m: Manifest, { ids, visual }: Tokens): void {
  if (!visual) return;
  const places = placesOf(m, ids).length;
  const tokens = visual.length / m.decoder.hidden_size;
  if (places !== tokens)
    throw new PlumblineError(
      'bundle-invalid',
      `the chat template makes ${places} image places for ${tokens} visual tokens`,
      { where: m.name },
    );
}

function placesOf(m: Manifest, ids: readonly number[]): number[] {
  return ids.flatMap((id, i) => (id === m.special_tokens.img_context.id ? [i] : []));
}

async function oneStep({ m, graphs }: Opened, context: Context, { ids, visual }: Tokens): Promise<Turn> {
  const hidden = m.decoder.hidden_size;
  const length = context.length + ids.length;
  const embeds = await graphs.run('token_embed', { input_ids: integers(ids, [1, ids.length]) });
  if (visual) {
    const rows = floatsOf(embeds, 'inputs_embeds');
    placesOf(m, ids).forEach((at, k) => rows.set(visual.subarray(k * hidden, (k + 1) * hidden), at * hidden));
  }
  const out = await graphs.run('decoder', {
    inputs_embeds: embeds['inputs_embeds']!,
    attention_mask: integers(new Array<number>(length).fill(1), [1, length]),
    position_ids: integers(
      ids.map((_, i) => context.length + i),
      [1, ids.length],
    ),
    ...context.past,
  });
  const states = floatsOf(out, 'hidden_states');
  return {
    said: [argmax(floatsOf(out, 'logits'))],
    context: { past: grown(out), length },
    states: ids.flatMap((id, i) => (id === segId(m) ? [states.slice(i * hidden, (i + 1) * hidden)] : [])),
  };
}

async function manySteps(
  { m, graphs }: Opened,
  context: Context,
  { ids, visual = new Float32Array(0) }: Tokens,
  most: number,
  stops: readonly (readonly number[])[],
): Promise<Turn> {
  const hidden = m.decoder.hidden_size;
  const out = await graphs.run('generate', {
    input_ids: integers(ids, [1, ids.length]),
    image_embeds: floats(visual, [visual.length / hidden, hidden]),
    max_new_tokens: integers([Math.max(1, most)], [1]),
    stop_sequences: rowsOf(stops),
    ...context.past,
  });
  const said = Array.from(out['token_ids']!.data as BigInt64Array, Number);
  const states = floatsOf(out, 'seg_hidden_states');
  return {
    said,
    context: { past: grown(out), length: context.length + ids.length + said.length - 1 },
    states: Array.from({ length: states.length / hidden }, (_, k) => states.slice(k * hidden, (k + 1) * hidden)),
  };
}

/** The sequences as rows of one length, filled up in front with what fits any token. */
function rowsOf(stops: readonly (readonly number[])[]) {
  const longest = Math.max(1, ...stops.map((s) => s.length));
  const rows = stops.flatMap((s) => [...new Array<number>(longest - s.length).fill(-1), ...s]);
  return integers(rows, [stops.length, longest]);
}

function grown(out: Fetched): Feeds {
  const present = Object.entries(out).filter(([name]) => name.startsWith('present.'));
  return Object.fromEntries(present.map(([name, t]) => [name.replace('present', 'past_key_values'), t]));
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
