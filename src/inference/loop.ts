import { join } from 'node:path';
import { PlumblineError, type Answer, type Notice, type Picture, type PictureMask } from '../base/index.ts';
import { embed, emptyContext, generate, hiddenRow, read, segId, type Parts } from './decode.ts';
import { floats, floatsOf, openGraphs, type Fetched, type GraphOptions, type Provider } from './graphs.ts';
import type { Manifest } from './manifest.ts';
import { toMask } from './masks.ts';
import { preprocess, type Pixels } from './preprocess.ts';
import { chatText, promptOf, type Request } from './prompt.ts';
import { stopwatch, type Stopwatch } from './stopwatch.ts';
import { openTokenizer } from './tokenizer.ts';

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

async function answer(model: Parts, picture: Picture, request: Request): Promise<Answer> {
  const watch = stopwatch();
  const prompt = promptOf(model.m, request);
  const seen = await look(model, picture, request, watch);
  const asked = await embed(model, promptIds(model, prompt, seen), seen.visual);
  const said = await generate(model, emptyContext(model.m), asked, watch);
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
  const whole = await embed(model, [...asked, ...ids], seen.visual);
  const out = await watch.time('prefill', () => read(model, emptyContext(model.m), whole));
  const states = ids.flatMap((id, i) => (id === segId(model.m) ? [hiddenRow(model.m, out, asked.length + i)] : []));
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
