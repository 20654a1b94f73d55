import type { FromSchema } from 'json-schema-to-ts';
import { windowSchema } from '../base/index.ts';

const text = { type: 'string', minLength: 1 } as const;
const count = { type: 'integer', minimum: 1 } as const;
const channels3 = { type: 'array', items: { type: 'number' }, minItems: 3, maxItems: 3 } as const;

/** One input or output of a graph; a dimension is a number, or a name where it is free. */
const port = {
  type: 'object',
  required: ['name', 'type', 'shape'],
  additionalProperties: false,
  properties: {
    name: text,
    type: { enum: ['float32', 'int64'] },
    shape: { type: 'array', items: { type: ['integer', 'string'] } },
  },
} as const;

const graph = {
  type: 'object',
  required: ['file', 'inputs', 'outputs'],
  additionalProperties: false,
  properties: {
    file: text,
    opset: count,
    inputs: { type: 'array', items: port, minItems: 1 },
    outputs: { type: 'array', items: port, minItems: 1 },
  },
} as const;

/** How 8-bit RGB becomes the float input of an image encoder. */
const branch = {
  type: 'object',
  required: ['width', 'height', 'geometry', 'resample', 'mean', 'std'],
  additionalProperties: false,
  properties: {
    width: count,
    height: count,
    geometry: { const: 'squash' },
    resample: { enum: ['bilinear-antialias', 'bicubic-antialias'] },
    /** Which pass of the resize comes first: `horizontal-first` for models trained with a Pillow older than 13. */
    pass_order: { enum: ['pillow-13', 'horizontal-first'], default: 'pillow-13' },
    channels: { const: 'rgb', default: 'rgb' },
    scale: { type: 'number', exclusiveMinimum: 0, default: 1 / 255 },
    mean: channels3,
    std: { type: 'array', items: { type: 'number', exclusiveMinimum: 0 }, minItems: 3, maxItems: 3 },
    tiling: {
      type: 'object',
      required: ['min', 'max', 'thumbnail', 'tokens_per_tile'],
      additionalProperties: false,
      properties: {
        min: count,
        max: { type: 'integer', minimum: 1, maximum: 64 },
        thumbnail: { type: 'boolean' },
        tokens_per_tile: count,
      },
    },
  },
} as const;

/** `grounding` and `sentences` tell how text and masks belong together; they are read by whoever parses answers. */
const task = {
  type: 'object',
  required: ['grounded'],
  additionalProperties: false,
  properties: {
    prompt: text,
    prompts: { type: 'array', items: text, minItems: 1 },
    slots: { type: 'array', items: text, default: [] },
    grounded: { type: 'boolean' },
    needs_box: { type: 'boolean', default: false },
    grounding: { enum: ['phrase-then-seg', 'seg-then-phrase', 'slot', 'none'], default: 'phrase-then-seg' },
    sentences: { enum: ['per-mask', 'whole'], default: 'per-mask' },
  },
} as const;

const specialToken = {
  type: 'object',
  required: ['text', 'id'],
  additionalProperties: false,
  properties: { text, id: { type: 'integer', minimum: 0 } },
} as const;

const modality = {
  type: 'object',
  required: ['key', 'dicom_modality', 'laterality'],
  properties: {
    key: text,
    view: text,
    dicom_modality: { type: 'array', items: text },
    laterality: { enum: ['patient', 'image'] },
    /** How grey values became dark and bright in the pictures that it was trained on: a window, or the name of a rule. */
    window: windowSchema,
    /** Size of a pixel of the pictures that it was trained on, micrometres: whole slides are then read in tiles. */
    pixel_spacing_um: { type: 'number', exclusiveMinimum: 0 },
    findings: { type: 'array', items: text, default: [] },
    organs: { type: 'array', items: text, default: [] },
  },
} as const;

/**
 * manifest.json of a bundle, format 1, family `grounded`. Keys that could change a number are a closed list: a
 * manifest that asks for something this version does not do is refused, never half obeyed. Descriptions (provenance,
 * metrics, codes, goldens, modalities) may say more. A missing optional field means what the first bundle did.
 */
export const manifestSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Plumbline bundle manifest, format 1',
  type: 'object',
  required: [
    'format',
    'family',
    'name',
    'version',
    'licence',
    'intended_use',
    'tasks',
    'chat',
    'special_tokens',
    'stop_ids',
    'preprocess',
    'decoder',
    'masks',
    'limits',
    'graphs',
    'files',
  ],
  additionalProperties: false,
  properties: {
    format: { const: 1 },
    family: { const: 'grounded' },
    name: text,
    version: text,
    licence: text,
    intended_use: text,
    provenance: { type: 'object' },
    modalities: { type: 'array', items: modality, default: [] },
    /** What can be segmented beside findings and organs of the modalities; `*`: any words. */
    targets: { type: 'array', items: text, default: [] },
    tasks: { type: 'object', minProperties: 1, additionalProperties: task },
    chat: {
      type: 'object',
      required: ['template', 'image', 'context'],
      additionalProperties: false,
      properties: { template: text, system: { type: ['string', 'null'], default: null }, image: text, context: text },
    },
    special_tokens: {
      type: 'object',
      required: ['img_context', 'seg', 'phrase_start', 'phrase_end'],
      additionalProperties: specialToken,
      properties: {
        img_context: specialToken,
        seg: specialToken,
        phrase_start: specialToken,
        phrase_end: specialToken,
      },
    },
    stop_ids: { type: 'array', items: { type: 'integer', minimum: 0 } },
    stop_texts: { type: 'array', items: text, default: [] },
    preprocess: {
      type: 'object',
      required: ['vision', 'sam'],
      additionalProperties: false,
      properties: { vision: { ...branch, required: [...branch.required, 'tiling'] }, sam: branch },
    },
    region_prompt: {
      type: 'object',
      required: ['kind', 'branch', 'color', 'width_px'],
      additionalProperties: false,
      properties: {
        kind: { const: 'drawn_box' },
        stage: { enum: ['resized', 'source'], default: 'resized' },
        branch: { enum: ['vision', 'both'] },
        color: { type: 'array', items: { type: 'integer', minimum: 0, maximum: 255 }, minItems: 3, maxItems: 3 },
        width_px: { type: 'integer', minimum: 1, maximum: 64 },
      },
    },
    decoder: {
      type: 'object',
      required: ['layers', 'kv_heads', 'head_dim', 'hidden_size', 'vocab_size'],
      additionalProperties: false,
      properties: {
        layers: count,
        kv_heads: count,
        head_dim: count,
        hidden_size: count,
        vocab_size: count,
        max_positions: count,
      },
    },
    seg_hidden: {
      type: 'object',
      required: ['layer', 'norm', 'position'],
      additionalProperties: false,
      properties: { layer: { const: 'last' }, norm: { const: 'final' }, position: { const: 'seg-input' } },
    },
    masks: {
      type: 'object',
      required: ['width', 'height', 'threshold', 'upsample'],
      additionalProperties: false,
      properties: {
        width: count,
        height: count,
        threshold: { type: 'number' },
        upsample: { const: 'bilinear' },
        /** [width, height] of a step between, where the reference takes two. */
        upsample_via: { type: 'array', items: count, minItems: 2, maxItems: 2 },
        score: text,
        /** Masks with a lower score (`iou_scores`) prove nothing: the bundle's own figure, from held-out pictures. */
        min_score: { type: 'number', minimum: 0, maximum: 1 },
      },
    },
    limits: {
      type: 'object',
      required: ['max_new_tokens', 'max_masks', 'max_prompt_tokens'],
      additionalProperties: false,
      properties: { max_new_tokens: count, max_masks: count, max_prompt_tokens: count },
    },
    codes: { type: 'object' },
    graphs: {
      type: 'object',
      required: ['vision_encoder', 'token_embed', 'decoder', 'sam_encoder', 'mask_decoder'],
      additionalProperties: false,
      properties: {
        vision_encoder: graph,
        token_embed: graph,
        decoder: graph,
        sam_encoder: graph,
        mask_decoder: graph,
        /** The greedy loop over `token_embed` and `decoder` as one graph, which then is run in place of the two. */
        generate: graph,
      },
    },
    files: {
      type: 'object',
      minProperties: 1,
      additionalProperties: {
        type: 'object',
        required: ['sha256', 'bytes'],
        additionalProperties: false,
        properties: { sha256: { type: 'string', pattern: '^[0-9a-f]{64}$' }, bytes: { type: 'integer', minimum: 0 } },
      },
    },
    golden: { type: 'array', items: { type: 'object' } },
    metrics: { type: 'object' },
  },
} as const;

export interface SpecialToken {
  readonly text: string;
  readonly id: number;
}
/** manifest.json, defaults filled in. */
export type Manifest = Omit<FromSchema<typeof manifestSchema>, 'special_tokens'> & {
  special_tokens: Record<'img_context' | 'seg' | 'phrase_start' | 'phrase_end', SpecialToken> &
    Record<string, SpecialToken>;
};
export type Branch = Manifest['preprocess']['vision'] | Manifest['preprocess']['sam'];
export type Task = Manifest['tasks'][string];
export type GraphName = keyof Manifest['graphs'];
export type Graph = NonNullable<Manifest['graphs'][GraphName]>;

/** What the manifest's other fields demand of a graph: names, and dimensions where they are fixed. */
interface Wanted {
  readonly inputs: Readonly<Record<string, Shape>>;
  readonly outputs: Readonly<Record<string, Shape>>;
}
type Shape = readonly [type: 'float32' | 'int64', ...dims: (number | undefined)[]];

/**
 * The graphs of the contract, their sides taken from the manifest; `undefined` is a free dimension. Five, and `generate`
 * where the bundle has it.
 */
export function wantedGraphs(m: Manifest): ReadonlyMap<GraphName, Wanted> {
  const { vision, sam } = m.preprocess;
  const { layers, kv_heads: heads, head_dim: dim, hidden_size: hidden, vocab_size: vocab } = m.decoder;
  const layered = (prefix: string): Record<string, Shape> =>
    Object.fromEntries(
      Array.from({ length: layers }, (_, i) => ['key', 'value'].map((kv) => `${prefix}.${i}.${kv}`))
        .flat()
        .map((name) => [name, ['float32', undefined, heads, undefined, dim] as const]),
    );
  const features: Record<string, Shape> = {
    image_embeddings: ['float32', undefined, undefined, undefined, undefined],
    high_res_feats_0: ['float32', undefined, undefined, undefined, undefined],
    high_res_feats_1: ['float32', undefined, undefined, undefined, undefined],
  };
  const always: Record<Exclude<GraphName, 'generate'>, Wanted> = {
    vision_encoder: {
      inputs: { pixel_values: ['float32', undefined, 3, vision.height, vision.width] },
      outputs: { image_embeds: ['float32', undefined, vision.tiling.tokens_per_tile, hidden] },
    },
    token_embed: {
      inputs: { input_ids: ['int64', undefined, undefined] },
      outputs: { inputs_embeds: ['float32', undefined, undefined, hidden] },
    },
    decoder: {
      inputs: {
        inputs_embeds: ['float32', undefined, undefined, hidden],
        attention_mask: ['int64', undefined, undefined],
        position_ids: ['int64', undefined, undefined],
        ...layered('past_key_values'),
      },
      outputs: {
        logits: ['float32', undefined, vocab],
        hidden_states: ['float32', undefined, undefined, hidden],
        ...layered('present'),
      },
    },
    sam_encoder: { inputs: { pixel_values: ['float32', undefined, 3, sam.height, sam.width] }, outputs: features },
    mask_decoder: {
      inputs: { ...features, seg_hidden_states: ['float32', undefined, hidden] },
      outputs: {
        mask_logits: ['float32', undefined, m.masks.height, m.masks.width],
        iou_scores: ['float32', undefined],
      },
    },
  };
  const generate: Wanted = {
    inputs: {
      input_ids: ['int64', 1, undefined],
      image_embeds: ['float32', undefined, hidden],
      ...layered('past_key_values'),
      max_new_tokens: ['int64', 1],
      stop_sequences: ['int64', undefined, undefined],
    },
    outputs: {
      token_ids: ['int64', undefined],
      seg_hidden_states: ['float32', undefined, hidden],
      ...layered('present'),
    },
  };
  return new Map(Object.entries({ ...always, ...(m.graphs.generate ? { generate } : {}) }) as [GraphName, Wanted][]);
}

/** What of `graph` is not as wanted, in words; empty where all is well. Extra outputs are allowed, extra inputs are not. */
export function graphProblems(name: GraphName, graph: Ports, wanted: Wanted): string[] {
  const problems: string[] = [];
  for (const side of ['inputs', 'outputs'] as const) {
    const found = new Map(graph[side].map((p) => [p.name, p]));
    for (const [portName, [type, ...dims]] of Object.entries(wanted[side])) {
      const p = found.get(portName);
      const where = `graph ${name}, ${side.slice(0, -1)} ${portName}`;
      if (!p) problems.push(`${where} is missing (found: ${[...found.keys()].join(', ')})`);
      else if (p.type !== type) problems.push(`${where}: expected ${type}, found ${p.type}`);
      else if (!sameShape(p.shape, dims))
        problems.push(`${where}: expected shape ${shown(dims)}, found ${shown(p.shape)}`);
    }
    if (side === 'inputs')
      for (const extra of found.keys())
        if (!(extra in wanted.inputs)) problems.push(`graph ${name}: input ${extra} is none that the loop can feed`);
  }
  return problems;
}

/** Inputs and outputs as the manifest or the graph file itself states them. */
export interface Ports {
  readonly inputs: readonly {
    readonly name: string;
    readonly type: string;
    readonly shape: readonly (number | string)[];
  }[];
  readonly outputs: readonly {
    readonly name: string;
    readonly type: string;
    readonly shape: readonly (number | string)[];
  }[];
}

function sameShape(found: readonly (number | string)[], wanted: readonly (number | undefined)[]): boolean {
  return (
    found.length === wanted.length &&
    found.every((d, i) => typeof d === 'string' || d < 0 || wanted[i] === undefined || d === wanted[i])
  );
}

function shown(dims: readonly (number | string | undefined)[]): string {
  return `[${dims.map((d) => d ?? '*').join(', ')}]`;
}
