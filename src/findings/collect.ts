import {
  countBits,
  PlumblineError,
  type Answer,
  type Notice,
  type PictureMask,
  type SecondMask,
  type Stack,
} from '../base/index.ts';
import { claimsOf, keyOf, secondOf, type ClaimedPhrase } from './claims.ts';
import { mapLabel, type MappedLabel, type Mappings } from './mappings.ts';
import { findNegation, type Stretch } from './negation.ts';
import type { AnswerForm, ParsedSentence } from './parse.ts';
import { placeMask, placePart, type Patch, type PicturePlace } from './place.ts';

/** One sentence as one answer said it. */
export interface Said {
  readonly stack: Stack;
  readonly picture: PicturePlace;
  readonly parsed: ParsedSentence;
  readonly claims: readonly Claim[];
  /** What was asked, where the words alone do not say what they are about. */
  readonly question?: string;
  /** Place among all sentences, in reading order of the answers. */
  readonly order: number;
}

/** A phrase that says that something is there. */
export interface Claim extends Stretch {
  readonly label: string;
  readonly mapped: MappedLabel;
  readonly unit: Unit;
  /** Its mask comes from a second question. */
  readonly asked: boolean;
}

/** What claims are about: one mask of one answer, or its lack. */
export interface Unit {
  readonly stack: Stack;
  readonly plane: number;
  /** Equal for labels that mean the same. */
  readonly key: string;
  /** On the source grid, or, of a part of a plane, on the `patch`; empty without mask. */
  readonly bits: Uint8Array;
  /** Where the picture showed a part of the plane: where its bits lie. */
  readonly patch?: Patch;
  readonly pixels: number;
  readonly score?: number;
  /** Code of the reason why there are no bits. */
  readonly problem?: string;
}

export interface Collected {
  readonly said: readonly Said[];
  /** Planes with an answer, growing, by stack id. */
  readonly read: ReadonlyMap<string, readonly number[]>;
  readonly notices: readonly Notice[];
}

export interface CollectInput {
  readonly form: AnswerForm;
  readonly stacks: readonly Stack[];
  readonly pictures: readonly PicturePlace[];
  readonly answers: readonly Answer[];
  readonly mappings: Mappings;
  /** A mask with a lower score proves nothing. Default 0. */
  readonly minMaskScore?: number;
}

/**
 * Parse all answers, in order of stack and plane whatever their order in the input, and put their masks on the
 * source grids.
 * @throws PlumblineError draft-invalid: an answer about a picture that is not there
 */
export function collect(input: CollectInput): Collected {
  const pictures = new Map(input.pictures.map((p) => [placeName(p), p]));
  const rank = new Map(input.stacks.map((s, i) => [s.id, i]));
  const answers = [...input.answers].sort(
    (p, q) =>
      (rank.get(p.stack) ?? 0) - (rank.get(q.stack) ?? 0) ||
      p.plane - q.plane ||
      (p.part?.row ?? 0) - (q.part?.row ?? 0) ||
      (p.part?.column ?? 0) - (q.part?.column ?? 0) ||
      compare(p.prompt, q.prompt) ||
      compare(p.text, q.text),
  );
  const said: Said[] = [];
  const notices: Notice[] = [];
  const read = new Map<string, number[]>(input.stacks.map((s) => [s.id, []]));
  for (const answer of answers) {
    const where = placeName(answer);
    const stack = input.stacks.find((s) => s.id === answer.stack);
    const picture = pictures.get(where);
    if (!stack || !picture || !stack.planes[answer.plane])
      throw new PlumblineError('draft-invalid', 'an answer names a picture that was not shown', { where });
    if (!read.get(stack.id)!.includes(answer.plane)) read.get(stack.id)!.push(answer.plane);
    const { sentences, unused } = sentencesOf(answer, stack, picture, input);
    for (const s of sentences) said.push({ ...s, order: said.length });
    notices.push(...answerNotices(answer, sentences.length, unused));
  }
  return { said, read, notices };
}

/** A picture among those of a study, by plane and, for a part of a plane, by where that begins. */
function placeName({ stack, plane, part }: Pick<Answer, 'stack' | 'plane' | 'part'>): string {
  return part ? `${stack}/${plane} ${part.row},${part.column}` : `${stack}/${plane}`;
}

function sentencesOf(answer: Answer, stack: Stack, picture: PicturePlace, input: CollectInput) {
  const parsed = claimsOf(answer, input.form, stack.modality, input.mappings);
  const { rows, columns } = stack.grid;
  const unitFor = (key: string, mask: PictureMask | null | undefined, problem: string): Unit => {
    const unsure = (mask?.score ?? 1) < (input.minMaskScore ?? 0);
    const sure = unsure ? undefined : mask;
    const patch = sure && picture.part && placePart(sure, picture, picture.part, rows, columns);
    const bits = patch?.bits ?? (sure ? placeMask(sure, picture, rows, columns) : new Uint8Array());
    const pixels = countBits(bits);
    return {
      stack,
      plane: answer.plane,
      key,
      bits,
      pixels,
      ...(patch && { patch }),
      ...(mask?.score !== undefined && { score: mask.score }),
      ...(pixels === 0 && { problem: unsure ? 'mask-unsure' : problem }),
    };
  };
  const units = new Map<number, Unit>();
  const unitOf = (key: string, claim: ClaimedPhrase, second: SecondMask | undefined): Unit => {
    const { seg, problem } = claim;
    if (second) return unitFor(key, second.mask, second.mask ? 'mask-empty' : unshown(second.text));
    const known = seg === undefined ? undefined : units.get(seg);
    if (known) return known;
    const mask = seg === undefined || problem ? undefined : answer.masks[seg];
    const unit = unitFor(key, mask, problem ?? (mask ? 'mask-empty' : 'mask-missing'));
    if (seg !== undefined) units.set(seg, unit);
    return unit;
  };
  const sentences = parsed.sentences.map((sentence, i) => {
    const claims = sentence.claims.map((c): Claim => {
      const label = c.label || 'unnamed region';
      const mapped = mapLabel(input.mappings, label, stack.modality);
      const second = secondOf(answer, i, c);
      const unit = unitOf(keyOf(mapped, label), c, second);
      return { start: c.start, end: c.end, label, mapped, unit, asked: second?.by === 'model' && unit.pixels > 0 };
    });
    const question = input.form.grounding === 'none' || input.form.region ? answer.prompt : undefined;
    return { stack, picture, parsed: sentence, claims, ...(question !== undefined && { question }) };
  });
  return { sentences, unused: parsed.unusedSegs };
}

/** Why a second question gave no mask. */
function unshown(text: string): string {
  const { terms, anything } = findNegation(text.replace(/<\/?p>|\[SEG\]/g, ''));
  return terms.length > 0 || anything ? 'mask-denied' : 'mask-missing';
}

function answerNotices(answer: Answer, sentences: number, unused: readonly number[]): Notice[] {
  const where = planeName(answer.stack, answer.plane);
  const notices: Notice[] = [];
  if (answer.stop === 'limit')
    notices.push({
      code: 'answer-cut',
      message: `The answer about ${where} was cut at the token limit: its end is missing.`,
    });
  if (sentences === 0) notices.push({ code: 'answer-empty', message: `The answer about ${where} holds no words.` });
  const lost = unused.filter((k) => answer.masks[k] && countBits(answer.masks[k].bits) > 0);
  if (lost.length > 0)
    notices.push({
      code: 'mask-unused',
      message: `${lost.length} mask(s) of the answer about ${where} belong to no phrase that claims something, and are not in the draft.`,
    });
  return notices;
}

export function compare(p: string, q: string): number {
  return p < q ? -1 : p > q ? 1 : 0;
}

/** A plane for people, counted from 1. */
export function planeName(stack: string, plane: number): string {
  return `plane ${plane + 1} of ${stack}`;
}
