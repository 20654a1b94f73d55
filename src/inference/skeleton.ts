import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { PlumblineError, schemaProblems } from '../base/index.ts';
import { fileDigest } from './bundle.ts';
import { readPorts } from './graphs.ts';
import { manifestSchema, type GraphName, type Ports } from './manifest.ts';

/** A manifest under way: what nobody has said yet is null. */
export type Draftlike = { readonly [key: string]: unknown };

/** What the maker must still say, and what it means. */
export interface Unsaid {
  /** JSON pointer into the manifest. */
  readonly path: string;
  readonly means: string;
}

export const graphNames: readonly GraphName[] = [
  'vision_encoder',
  'token_embed',
  'decoder',
  'sam_encoder',
  'mask_decoder',
];

/**
 * A manifest from a folder with the five graphs and tokenizer.json: all that can be read of them is filled in.
 * @param folder graphs are called as the contract calls them, e.g. `decoder.onnx`
 * @throws PlumblineError bundle-invalid where a file is missing or a graph cannot be opened
 */
export async function skeletonOf(folder: string, name: string): Promise<Draftlike> {
  const wanted = [...graphNames.map((g) => `${g}.onnx`), 'tokenizer.json'];
  const absent = wanted.filter((file) => !existsSync(join(folder, file)));
  if (absent.length > 0)
    throw new PlumblineError('bundle-invalid', `the folder lacks ${absent.join(', ')}`, {
      where: folder,
      remedy: `Put the five graphs and the tokenizer there as ${wanted.join(', ')}; docs/bring-a-model.md tells what each is.`,
    });
  const graphs: Partial<Record<GraphName, Ports>> = {};
  for (const g of graphNames) graphs[g] = await readPorts(join(folder, `${g}.onnx`));
  return manifestFrom(graphs as Record<GraphName, Ports>, await tokensOf(join(folder, 'tokenizer.json')), name);
}

function manifestFrom(graphs: Record<GraphName, Ports>, special: Draftlike, name: string): Draftlike {
  const { vision_encoder: vision, sam_encoder: sam, token_embed: embed, decoder, mask_decoder: masks } = graphs;
  const dim = (ports: Ports, side: 'inputs' | 'outputs', port: string, at: number): number | null => {
    const found = ports[side].find((p) => p.name === port)?.shape.at(at);
    return typeof found === 'number' && found > 0 ? found : null;
  };
  const keys = decoder.inputs.filter((p) => /^past_key_values\.\d+\.key$/.test(p.name));
  const branch = (ports: Ports): Draftlike => ({
    width: dim(ports, 'inputs', 'pixel_values', 3),
    height: dim(ports, 'inputs', 'pixel_values', 2),
    geometry: 'squash',
    resample: null,
    mean: null,
    std: null,
  });
  const tokens = dim(vision, 'outputs', 'image_embeds', 1);
  return {
    format: 1,
    family: 'grounded',
    name,
    version: null,
    licence: null,
    intended_use: null,
    modalities: [],
    tasks: null,
    chat: {
      system: null,
      template: null,
      image: null,
      context: (special['img_context'] as { text?: string } | null)?.text ?? null,
    },
    special_tokens: special,
    stop_ids: null,
    preprocess: {
      vision: { ...branch(vision), tiling: { min: 1, max: 1, thumbnail: false, tokens_per_tile: tokens } },
      sam: branch(sam),
    },
    decoder: {
      layers: keys.length || null,
      kv_heads: keys[0] ? dim(decoder, 'inputs', keys[0].name, 1) : null,
      head_dim: keys[0] ? dim(decoder, 'inputs', keys[0].name, 3) : null,
      hidden_size: dim(embed, 'outputs', 'inputs_embeds', 2),
      vocab_size: dim(decoder, 'outputs', 'logits', -1),
    },
    masks: {
      width: dim(masks, 'outputs', 'mask_logits', 2),
      height: dim(masks, 'outputs', 'mask_logits', 1),
      threshold: 0,
      upsample: 'bilinear',
    },
    limits: { max_new_tokens: 512, max_masks: 16, max_prompt_tokens: null },
    graphs: Object.fromEntries(graphNames.map((g) => [g, { file: `${g}.onnx`, ...graphs[g] }])),
    files: {},
  };
}

/** The four tokens that every bundle has, by what they are usually called. */
const usual: Readonly<Record<string, readonly string[]>> = {
  img_context: ['<IMG_CONTEXT>', '<image>', '<|image_pad|>'],
  seg: ['[SEG]', '<SEG>', '<seg>'],
  phrase_start: ['<p>'],
  phrase_end: ['</p>'],
};

async function tokensOf(file: string): Promise<Draftlike> {
  let added: readonly { readonly id?: unknown; readonly content?: unknown }[];
  try {
    added = (JSON.parse(await readFile(file, 'utf8')) as { added_tokens?: typeof added }).added_tokens ?? [];
  } catch (cause) {
    throw new PlumblineError('bundle-invalid', `tokenizer.json is no JSON: ${(cause as Error).message}`, {
      where: file,
      cause,
    });
  }
  const byText = new Map(added.map(({ content, id }) => [content, id]));
  return Object.fromEntries(
    Object.entries(usual).map(([name, texts]) => {
      const text = texts.find((t) => byText.has(t));
      return [name, text === undefined ? null : { text, id: byText.get(text) }];
    }),
  );
}

/** `facts` laid over a manifest: objects key by key, everything else in place of what was there. */
export function withFacts(manifest: Draftlike, facts: Draftlike): Draftlike {
  const merged: Record<string, unknown> = { ...manifest };
  for (const [key, value] of Object.entries(facts)) {
    const before = merged[key];
    merged[key] = isObject(before) && isObject(value) ? withFacts(before, value) : value;
  }
  return merged;
}

function isObject(value: unknown): value is Draftlike {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** Size and SHA-256 of every file of a bundle but its manifest, by name. */
export async function filesOf(dir: string): Promise<Record<string, { sha256: string; bytes: number }>> {
  const files: Record<string, { sha256: string; bytes: number }> = {};
  for (const entry of (await readdir(dir, { recursive: true })).sort()) {
    const path = join(dir, entry);
    const info = await stat(path);
    const name = entry.split(sep).join('/');
    if (info.isFile() && name !== 'manifest.json') files[name] = { sha256: await fileDigest(path), bytes: info.size };
  }
  return files;
}

/** What a manifest still lacks; empty where its schema holds. */
export function unsaidOf(manifest: Draftlike): Unsaid[] {
  const whole = structuredClone(manifest);
  const problems = schemaProblems(manifestSchema, whole);
  const paths = new Map<string, string>();
  for (const { path, message } of problems) {
    const at = [...paths.keys()].find((p) => path === p || path.startsWith(`${p}/`));
    if (at === undefined) paths.set(path, meanings[path] ?? message);
  }
  const optional = ((manifest['modalities'] ?? []) as unknown[]).length === 0 && !manifest['targets'];
  if (optional) paths.set('/modalities', meanings['/modalities']!);
  return [...paths].map(([path, means]) => ({ path, means }));
}

const meanings: Readonly<Record<string, string>> = {
  '/version': 'version of the weights, e.g. "1.0.0"',
  '/licence': 'licence of the weights, an SPDX identifier, e.g. "Apache-2.0"',
  '/intended_use': 'what it is for and what not, one or two sentences; stands in every report',
  '/modalities':
    'what it was made for: key, dicom_modality, laterality ("patient" or "image"), findings, organs; or targets ["*"] where any words can be asked for',
  '/tasks': 'its questions: name to prompt, slots, grounded, grounding (docs/bundles.md)',
  '/chat/template': 'the whole text that the model is given, with {image} and {prompt}, and {system} where it has one',
  '/chat/image': 'how a picture stands in the text, with {context} where its tokens go, e.g. "<img>{context}</img>"',
  '/chat/context': 'the token that one visual token takes the place of, e.g. "<IMG_CONTEXT>"',
  '/special_tokens/img_context': 'text and id of the token that visual tokens take the place of',
  '/special_tokens/seg': 'text and id of the token whose hidden state makes a mask, e.g. [SEG]',
  '/special_tokens/phrase_start': 'text and id of the token before a phrase, e.g. <p>',
  '/special_tokens/phrase_end': 'text and id of the token after a phrase, e.g. </p>',
  '/stop_ids': 'ids of the tokens that end an answer; [] where stop_texts do',
  '/preprocess/vision/resample': '"bicubic-antialias" or "bilinear-antialias", as Pillow resized in training',
  '/preprocess/vision/mean': 'mean of each channel that is taken off, three numbers (0..1)',
  '/preprocess/vision/std': 'what each channel is divided by, three numbers (0..1)',
  '/preprocess/sam/resample': '"bicubic-antialias" or "bilinear-antialias", as Pillow resized in training',
  '/preprocess/sam/mean': 'mean of each channel that is taken off, three numbers (0..1)',
  '/preprocess/sam/std': 'what each channel is divided by, three numbers (0..1)',
  '/masks/width': 'width of the mask logits, where the graph does not fix it',
  '/masks/height': 'height of the mask logits, where the graph does not fix it',
  '/limits/max_prompt_tokens': 'longest prompt with its visual tokens; at most what the decoder was trained on',
};
