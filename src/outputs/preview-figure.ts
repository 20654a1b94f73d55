import { deflateSync } from 'node:zlib';
import type { MaskPlane, Picture, Stack } from '../base/index.ts';
import type { DraftMask, Finding } from '../findings/index.ts';
import {
  drawKeyPicture,
  encodeDrawing,
  pictureSides,
  pixelAspect,
  withLevels,
  type Drawing,
  type Levelled,
  type OutlinedMask,
} from './key-picture.ts';
import { imageName, planeName } from './study-facts.ts';
import type { EncodingInput, KeyPictures } from './types.ts';
import { escapeText, letter } from './words.ts';

/** Size of a key image on the page, CSS pixels; the PNG has twice as many, for print and fine screens. */
const size = { width: 148, height: 111 };
/** The page stays under 300 KB with 8 key images; base64 makes 4 bytes of 3. */
const pngBudget = 200_000;
const pngLargest = 25_000;
/** More key images than this would make a page that nobody scrolls and few mail gateways pass. */
export const mostPictures = 24;

/** Ways to make a smaller PNG, in order of what is lost. */
const ladder = [
  { scale: 2, levels: 128 },
  { scale: 2, levels: 64 },
  { scale: 2, levels: 32 },
  { scale: 1, levels: 64 },
  { scale: 1, levels: 16 },
] as const;

/** What `keyFigure` needs to know of one mask. */
export interface FigureOf {
  readonly mask: DraftMask;
  readonly finding: Finding;
  readonly stack: Stack;
  /** 0-based place among the masks of the draft in sentence order: its letter. */
  readonly n: number;
}

/** The key image of one mask: cropped round it, outlined, side letters, window and place named. */
export function keyFigure(input: EncodingInput, pictures: KeyPictures, of: FigureOf, pictureCount: number): string {
  const shown = pictureOf(input, pictures, of.mask);
  if (!shown) return box('no picture of this image');
  if (of.n >= mostPictures) return box(`picture left out: more than ${mostPictures}`);
  const { picture, plane } = shown;
  const place = planeName(input, of.stack, plane.plane);
  const png = smallEnough(
    picture,
    outlined(of, plane),
    pixelAspect(picture, of.stack.grid),
    Math.min(pngLargest, pngBudget / Math.min(pictureCount, mostPictures)),
  );
  const sides = pictureSides(picture, of.stack.grid);
  const side =
    of.finding.side === undefined
      ? ''
      : of.finding.side === 'both'
        ? ', on both sides'
        : `, on the patient's ${of.finding.side}`;
  const alt = `${letter(of.n)}: ${of.finding.label}, outlined, ${place}${side}`;
  const marks = sides
    ? `<span class="l" aria-hidden="true">${sides.left}</span><span class="r" aria-hidden="true">${sides.right}</span>`
    : '';
  const image = `<img src="data:image/png;base64,${Buffer.from(png).toString('base64')}" width="${size.width}" height="${size.height}" alt="${escapeText(alt)}">`;
  return `<figure><div class="pic">${image}${marks}</div><figcaption>${escapeText(`${letter(of.n)} · ${imageName(input, of.stack, plane.plane)}, ${picture.window}`)}</figcaption></figure>`;
}

export function box(words: string): string {
  return `<div class="box">${escapeText(words)}</div>`;
}

/** The picture of the key plane, else of any other plane of the mask. */
function pictureOf(
  input: EncodingInput,
  pictures: KeyPictures,
  mask: DraftMask,
): { picture: Picture; plane: MaskPlane } | undefined {
  const planes = input.masks.get(mask.id) ?? [];
  const ordered = [...planes].sort((p, q) => Number(q.plane === mask.keyPlane) - Number(p.plane === mask.keyPlane));
  for (const plane of ordered) {
    const picture = pictures.get(`${mask.stack}/${plane.plane}`);
    if (picture) return { picture, plane };
  }
  return undefined;
}

function outlined({ finding, stack }: FigureOf, plane: MaskPlane): OutlinedMask {
  return { bits: plane.bits, rows: stack.grid.rows, columns: stack.grid.columns, rgb: finding.concept.rgb };
}

function smallEnough(picture: Picture, mask: OutlinedMask, aspect: number, limit: number): Uint8Array {
  const drawings = new Map<number, Drawing>();
  const drawingOf = (scale: number): Drawing => {
    const known = drawings.get(scale);
    if (known) return known;
    const [width, height] = [size.width * scale, size.height * scale];
    const drawing = drawKeyPicture(picture, [mask], { width, height, aspect, line: scale === 2 ? 3 : 1 });
    drawings.set(scale, drawing);
    return drawing;
  };
  for (const [rung, { scale, levels }] of ladder.entries()) {
    const levelled = withLevels(drawingOf(scale), levels);
    const last = rung === ladder.length - 1;
    if (!last && surelyLarger(levelled, limit)) continue;
    const png = encodeDrawing(levelled);
    if (last || png.length <= limit) return png;
  }
  return new Uint8Array();
}

/**
 * Whether the PNG would be too large beyond doubt. Deflate at its fastest takes a thirtieth of the time that the
 * encoder takes, and its result was 1.03 to 1.40 times as long on 200 key pictures: more than 1.6 times is proof.
 */
function surelyLarger({ data }: Levelled, limit: number): boolean {
  return deflateSync(data, { level: 1 }).length > 1.6 * limit;
}

/** The palette's colours dark enough for white paper; any other colour is darkened until text in it can be read (4.5:1). */
const onPaper: Readonly<Record<string, string>> = {
  '153,204,255': '#1f6fb5',
  '255,217,102': '#8a6100',
  '255,64,64': '#c00000',
  '140,102,255': '#5b34d6',
  '224,135,157': '#a3395a',
  '255,255,255': '#444444',
};

export function paperColour(rgb: readonly [number, number, number]): string {
  const known = onPaper[rgb.join(',')];
  if (known !== undefined) return known;
  let scale = 1;
  while (contrastToWhite(rgb.map((v) => v * scale)) < 4.5) scale *= 0.95;
  return `#${rgb
    .map((v) =>
      Math.round(v * scale)
        .toString(16)
        .padStart(2, '0'),
    )
    .join('')}`;
}

/** WCAG 2.2 contrast ratio. */
function contrastToWhite(rgb: readonly number[]): number {
  const [r, g, b] = rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 1.05 / (0.2126 * r! + 0.7152 * g! + 0.0722 * b! + 0.05);
}
