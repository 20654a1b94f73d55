import { say, segId, type Context, type Opened, type Tokens, type Turn } from './decoder.ts';
import type { Stopwatch } from './stopwatch.ts';
import type { Tokenizer } from './tokenizer.ts';

/** A bundle's model, opened. */
export interface Parts extends Opened {
  readonly tokenizer: Tokenizer;
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
 * it is, so where the answer is cut right after one, one more step is run for its state and what that step says is
 * dropped.
 * @param untilMask end with the first `[SEG]`
 */
export async function generate(
  model: Parts,
  context: Context,
  question: Tokens,
  watch: Stopwatch,
  untilMask = false,
): Promise<Said> {
  const { m } = model;
  const most = (m.decoder.max_positions ?? Infinity) - context.length - question.ids.length - 1;
  const limit = Math.min(m.limits.max_new_tokens, most);
  const stops = stopsOf(model, untilMask);
  const ids: number[] = [];
  const states: Float32Array[] = [];
  // Its own [SEG]s are the question's, not the answer's.
  let turn = { ...(await watch.time('prefill', () => say(model, context, question, 1, stops))), states: noStates };
  const goOn = (n: number): Promise<Turn> =>
    watch.time('decode', () => say(model, turn.context, { ids: ids.slice(-1) }, n, stops));
  for (;;) {
    states.push(...turn.states);
    const stop = take(model, turn.said, ids, limit, untilMask);
    if (stop) {
      const masks = ids.filter((id) => id === segId(m)).length;
      if (states.length < masks) states.push(...(await goOn(1)).states);
      return { ids, text: textOf(model, ids), stop, states: states.slice(0, masks) };
    }
    turn = await goOn(Math.min(limit - ids.length, m.stop_texts.length > 0 ? unseen : Infinity));
  }
}

const noStates: readonly Float32Array[] = [];

/** So many tokens at most are said before somebody looks whether they spell a stop text. */
const unseen = 32;

/**
 * Sequences after which an answer may be at its end. Stop ids surely; the ids in which a stop text is usually spelt but
 * for the first, which may be fused with what stands before it, are worth a look.
 */
function stopsOf({ m, tokenizer }: Parts, untilMask: boolean): number[][] {
  const spelt = m.stop_texts.map((text) => tokenizer.encode(text)).filter((ids) => ids.length > 1);
  return [...m.stop_ids.map((id) => [id]), ...spelt.map((ids) => ids.slice(1)), ...(untilMask ? [[segId(m)]] : [])];
}

/** Put what was said to `ids`, up to where the answer ends; why it does, or that it goes on. */
function take(
  model: Parts,
  said: readonly number[],
  ids: number[],
  limit: number,
  untilMask: boolean,
): Said['stop'] | undefined {
  const { m } = model;
  for (const id of said) {
    ids.push(id);
    if (m.stop_ids.includes(id) || (untilMask && id === segId(m)) || stopText(model, ids) !== undefined) return 'end';
    if (ids.length >= limit) return 'limit';
  }
  return undefined;
}

function textOf(model: Parts, ids: readonly number[]): string {
  const { m, tokenizer } = model;
  const text = tokenizer.decode(ids.filter((id) => !m.stop_ids.includes(id)));
  const cut = stopText(model, ids);
  return cut === undefined ? text : text.slice(0, text.lastIndexOf(cut));
}

/** The stop text with which the answer so far ends, line ends aside: some families spell theirs out in ordinary tokens. */
function stopText({ m, tokenizer }: Parts, ids: readonly number[]): string | undefined {
  if (m.stop_texts.length === 0) return undefined;
  const tail = tokenizer.decode(ids.slice(-32)).replace(/[\r\n]+$/, '');
  return m.stop_texts.find((s) => tail.endsWith(s));
}
