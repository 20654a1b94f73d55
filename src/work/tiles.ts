import type { DicomJson, Notice, Stack } from '../base/index.ts';
import { number } from '../dicom/index.ts';
import { loadTiles, pixelUmOf, planTiles, tissueShare, type Decoder, type TilePlan } from '../imaging/index.ts';
import type { Bundle } from '../inference/index.ts';
import { readingPolicy, type RouteDecision, type TilesPolicy } from './routes.ts';

const byDefault: TilesPolicy = { max: 256, overlap: 0.125, tissue: 0.05 };

export function tilesPolicy(route: RouteDecision, stack: Stack): TilesPolicy {
  return readingPolicy(route, stack.seriesUid).tiles ?? byDefault;
}

/** Size of the pixels of slides that a bundle was made for, micrometres, where it says one. */
export function slidePixelUm({ manifest }: Bundle, modality = 'SM'): number | undefined {
  return manifest.modalities.find((m) => m.dicom_modality.includes(modality) && m.pixel_spacing_um)?.pixel_spacing_um;
}

/** Side of the model's picture, pixels. */
export function modelSide({ manifest }: Bundle): number {
  const { vision, sam } = manifest.preprocess;
  return Math.max(vision.width, vision.height, sam.width, sam.height);
}

/** A tile is at most so many times the side of the model's picture: a level that is much finer is not worth more memory. */
const mostShrunk = 4;

/**
 * The tiles in which a slide is read: each as large on the glass as the model's picture is at the size of pixel that the bundle states.
 * Undefined where the stack is read as one picture: no slide, no colour, no size of pixel on either side, or no larger than one tile.
 */
export function slideTiles(
  route: RouteDecision,
  bundle: Bundle,
  stack: Stack,
  attributes: DicomJson,
): TilePlan[] | undefined {
  const colour = number(attributes, 'SamplesPerPixel') === 3;
  const wanted = slidePixelUm(bundle, stack.modality);
  const found = pixelUmOf(stack);
  if (stack.grid.placement.kind !== 'slide' || !colour || wanted === undefined || found === undefined) return undefined;
  const shrink = Math.min(mostShrunk, Math.max(1 / mostShrunk, wanted / found));
  const side = Math.max(16, Math.round(modelSide(bundle) * shrink));
  const { rows, columns } = stack.grid;
  const tiles = planTiles(rows, columns, side, tilesPolicy(route, stack).overlap);
  return tiles.length > 1 ? tiles : undefined;
}

/**
 * Of the tiles of a slide those that hold tissue, at most `policy.tiles.max` of them, evenly spread. All are looked at first, and only where there
 * are more than may be read.
 */
export async function tilesWithTissue(
  stack: Stack,
  sources: Parameters<typeof loadTiles>[1],
  decoder: Pick<Decoder, 'decode'>,
  tiles: readonly TilePlan[],
  policy: TilesPolicy,
): Promise<{ readonly tiles: readonly TilePlan[]; readonly notices: readonly Notice[] }> {
  if (tiles.length <= policy.max) return { tiles, notices: [] };
  const held: TilePlan[] = [];
  let at = 0;
  for await (const picture of loadTiles(stack, sources, decoder, tiles)) {
    if (tissueShare(picture) >= policy.tissue) held.push(tiles[at]!);
    at++;
  }
  if (held.length <= policy.max) return { tiles: held, notices: [] };
  const { max } = policy;
  const chosen = Array.from({ length: max }, (_, i) => held[Math.floor(((i + 0.5) * held.length) / max)]!);
  const message = `${held.length} tiles of the slide hold tissue, ${max} of them were read (policy.tiles.max)`;
  return { tiles: chosen, notices: [{ code: 'tiles-capped', message, about: [stack.seriesUid] }] };
}
