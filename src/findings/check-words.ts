import type { Code, DicomJson, Notice, Stack } from '../base/index.ts';
import type { Claim, Said, Unit } from './collect.ts';
import type { Mappings } from './mappings.ts';
import { centroidOf } from './place.ts';
import type { Group } from './select.ts';
import { patientLie, pictureLie, placeWords, type Side } from './sides.ts';

/** From the bundle's manifest, `modalities[]`. */
export interface ModalityInfo {
  readonly dicom_modality: readonly string[];
  /** Whose left and right the model's words mean: the patient's, or the picture's. Default the picture's. */
  readonly laterality?: 'patient' | 'image';
}

export interface SideSources {
  /** From the bundle's manifest, `modalities[]`. */
  readonly modalityInfo: readonly ModalityInfo[];
  /**
   * Images of one side of a paired body part, by SOP Instance UID: from Image Laterality (0020,0062) or Laterality
   * (0020,0060). It wins over where the mask lies in the picture.
   */
  readonly imageLaterality?: ReadonlyMap<string, Side>;
  readonly mappings: Mappings;
}

/** Whose sides the model's words mean; a modality that the manifest does not name knows no patient's sides. */
function frameOf(input: SideSources, stack: Stack): 'patient' | 'image' {
  return input.modalityInfo.find((m) => m.dicom_modality.includes(stack.modality))?.laterality ?? 'image';
}

/**
 * The side that is written in codes: from the mask, never from the text alone. Only where the model reads in the
 * patient's frame and pictures of the labelled part hold both sides; or from the image's own laterality. `both` needs
 * a mask on both sides and a sentence that says so.
 */
export function codedSide(
  input: SideSources,
  said: Said,
  claim: Claim,
  group: Group,
): { readonly side?: Side | 'both'; readonly laterality?: Code } {
  const { mapped } = claim;
  if (mapped.side === 'left' || mapped.side === 'right') return { side: mapped.side };
  const side = imageSide(input, group) ?? maskSide(input, said, claim, group);
  if (!side) return {};
  const modified = mapped.side === 'paired' || mapped.side === 'eye';
  return { side, ...(modified && { laterality: input.mappings.laterality[side] }) };
}

function imageSide(input: SideSources, group: Group): Side | undefined {
  const sides = new Set(group.planes.map((p) => input.imageLaterality?.get(group.stack.planes[p.plane]!.instanceUid)));
  return sides.size === 1 ? [...sides][0] : undefined;
}

function maskSide(input: SideSources, said: Said, claim: Claim, group: Group): Side | 'both' | undefined {
  const { mapped } = claim;
  if (!mapped.midline || mapped.side === 'eye' || frameOf(input, group.stack) === 'image') return undefined;
  const lie = patientLie(group.stack, group.planes);
  return lie?.both && wordsOf(said, claim).side === 'both' ? 'both' : lie?.side;
}

function wordsOf(said: Said, claim: Claim): ReturnType<typeof placeWords> {
  const { text } = said.parsed;
  // `left ventricle` is a name, not a place.
  const named = claim.mapped.side === 'none' ? blank(text, claim.start, claim.end) : text;
  return placeWords(
    named,
    claim,
    said.claims.filter((c) => c !== claim),
  );
}

/** Side and height words of a sentence against the masks of its phrases; the mask wins, the text stays. */
export function wordWarnings(input: SideSources, said: Said, groupOf: ReadonlyMap<Unit, Group>): Notice[] {
  // Words about a part of a plane speak of that part, its mask is of the whole.
  if (said.picture.part) return [];
  const notices: Notice[] = [];
  for (const claim of said.claims) {
    const group = groupOf.get(claim.unit)!;
    if (group.planes.length === 0) continue;
    const words = wordsOf(said, claim);
    const shown = pictureLie(said.picture, centroidOn(group, said.picture.plane));
    if (words.side) notices.push(...sideNotices(input, group, words.side, shown.side));
    if (words.height && shown.height && words.height !== shown.height)
      notices.push({
        code: 'height-contradiction',
        message: `Height: text says ${words.height}, mask lies ${shown.height}`,
      });
  }
  return notices;
}

function sideNotices(input: SideSources, group: Group, word: Side | 'both', shown: Side | undefined): Notice[] {
  const frame = frameOf(input, group.stack);
  const attribute = imageSide(input, group);
  if (frame === 'image') return contradiction(word, shown, false);
  if (attribute) return contradiction(word, attribute, false);
  const lie = patientLie(group.stack, group.planes);
  if (!lie)
    return [
      {
        code: 'side-unknown',
        message: `Side: text says ${word === 'both' ? 'both sides' : word}; the image does not say which side is the patient's left`,
      },
    ];
  return contradiction(word, lie.side, lie.both);
}

function contradiction(word: Side | 'both', lies: Side | undefined, both: boolean): Notice[] {
  const agrees = word === 'both' ? both || lies === undefined : lies === undefined || lies === word;
  if (agrees) return [];
  const said = word === 'both' ? 'both sides' : word;
  return [{ code: 'side-contradiction', message: `Side: text says ${said}, mask lies ${lies}` }];
}

function centroidOn(group: Group, plane: number): readonly [number, number] {
  const { bits } = group.planes.find((p) => p.plane === plane) ?? group.planes[0]!;
  return centroidOf(bits, group.stack.grid.columns);
}

function blank(text: string, start: number, end: number): string {
  return text.slice(0, start) + ' '.repeat(end - start) + text.slice(end);
}

/**
 * Images of one side of a paired body part, from their attributes: Image Laterality (0020,0062), else Laterality
 * (0020,0060), where it is L or R (PS3.3 C.7.6.16.2.8 and C.7.3.1).
 */
export function imageLateralityOf(sources: ReadonlyMap<string, DicomJson>): Map<string, Side> {
  const sides = new Map<string, Side>();
  for (const [uid, attributes] of sources) {
    const value = attributes['00200062']?.Value?.[0] ?? attributes['00200060']?.Value?.[0];
    if (value === 'L' || value === 'R') sides.set(uid, value === 'L' ? 'left' : 'right');
  }
  return sides;
}
