import { createHash } from 'node:crypto';
import { PlumblineError, sha256, type Picture } from '../base/index.ts';
import type { Parts } from './decode.ts';
import { contextBytes, emptyContext, say, type Context } from './decoder.ts';
import { floats, floatsOf, type Fetched } from './graphs.ts';
import type { Memory } from './memory.ts';
import { samPixels, visionPixels, type Pixels } from './preprocess.ts';
import { chatText } from './prompt.ts';
import type { Box } from './region.ts';
import type { Stopwatch } from './stopwatch.ts';

/** One picture as the model sees it. Each encoder looks at it when first asked, and then no more. */
export interface Sight {
  /**
   * What the decoder knows when it has read all tokens up to the last of the picture, and the tokens after them. A
   * special token bounds the prefix, so that reading on from it is reading the whole.
   * @throws PlumblineError prompt-too-long · bundle-invalid
   */
  prefix(prompt: string, watch: Stopwatch): Promise<{ readonly context: Context; readonly rest: readonly number[] }>;
  /** Equal for sights that share their features. */
  readonly featuresKey: string;
  /** For the masks: `image_embeddings`, `high_res_feats_0`, `high_res_feats_1`. */
  features(watch: Stopwatch): Promise<Fetched>;
}

/**
 * @param memory of this bundle alone: values are known by the picture's digest and the region that is drawn on it
 * @param box drawn on the picture as the manifest's `region_prompt` says
 */
export function openSight(parts: Parts, memory: Memory, picture: Picture, box?: Box): Sight {
  const { m, graphs } = parts;
  const digest = digestOf(picture);
  const shown = `${digest} ${box ? box.join() : ''}`;
  // Where a region is drawn for the language model alone, the masks are looked for on the bare picture.
  const featuresKey = `sam ${m.region_prompt?.branch === 'both' ? shown : digest}`;

  const visual = (watch: Stopwatch): Promise<Float32Array> =>
    memory.get(`vision ${shown}`, async () => {
      const pixels = await watch.time('preprocess', () => visionPixels(picture, m, box));
      const out = await watch.time('vision', () => graphs.run('vision_encoder', { pixel_values: tensor(pixels) }));
      const value = floatsOf(out, 'image_embeds');
      return { value, bytes: value.byteLength };
    });
  const contextOf = (ids: readonly number[], seen: Float32Array, watch: Stopwatch): Promise<Context> =>
    memory.get(`prefix ${shown} ${sha256(ids.join())}`, async () => {
      const { context } = await watch.time('prefill', () => say(parts, emptyContext(m), { ids, visual: seen }, 1));
      return { value: context, bytes: contextBytes(m, context) };
    });
  return {
    prefix: async (prompt, watch) => {
      const seen = await visual(watch);
      const ids = promptIds(parts, prompt, seen.length / m.decoder.hidden_size);
      const end = ids.lastIndexOf(m.special_tokens.img_context.id) + 1;
      return { context: await contextOf(ids.slice(0, end), seen, watch), rest: ids.slice(end) };
    },
    featuresKey,
    features: (watch) =>
      memory.get(featuresKey, async () => {
        const pixels = await watch.time('preprocess', () => samPixels(picture, m, box));
        const value = await watch.time('sam', () => graphs.run('sam_encoder', { pixel_values: tensor(pixels) }));
        return { value, bytes: Object.values(value).reduce((sum, t) => sum + 4 * t.size, 0) };
      }),
  };
}

function digestOf({ width, height, rgb }: Picture): string {
  return createHash('sha256').update(`${width}x${height}\n`).update(rgb).digest('hex');
}

function tensor(p: Pixels) {
  return floats(p.data, [p.tiles, 3, p.height, p.width]);
}

/** @throws PlumblineError prompt-too-long */
function promptIds({ m, tokenizer }: Parts, prompt: string, visualTokens: number): number[] {
  const ids = tokenizer.encode(chatText(m, prompt, visualTokens));
  const most = Math.min(m.limits.max_prompt_tokens, (m.decoder.max_positions ?? Infinity) - 2);
  if (ids.length > most)
    throw new PlumblineError(
      'prompt-too-long',
      `the prompt has ${ids.length} tokens with the picture's ${visualTokens}; the bundle ${m.name} takes ${most}`,
    );
  return ids;
}
