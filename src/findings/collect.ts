import { countBits, PlumblineError, type Answer, type Notice, type Stack } from '../base/index.ts';
import { mapLabel, normalise, type MappedLabel, type Mappings } from './mappings.ts';
import type { Stretch } from './negation.ts';
import { parseAnswer, type AnswerForm, type ParsedSentence } from './parse.ts';
import { placeMask, placePart, type Patch, type PicturePlace } from './place.ts';

/** One sentence as one answer said it. */
export interface Said {
  readonly stack: Stack;
  readonly picture: PicturePlace;
  readonly parsed: ParsedSentence;
  readonly claims: readonly Claim[];
  /** Place among all sentences, in reading order of the answers. */
  readonly order: number;
}

/** A phrase that says that something is there. */
export interface Claim extends Stretch {
  readonly label: string;
  readonly mapped: MappedLabel;
  readonly unit: Unit;
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
  const parsed = parseAnswer(answer.text, input.form);
  const units = new Map<number, Unit>();
  const unitOf = (key: string, seg: number | undefined, problem: string | undefined): Unit => {
    const known = seg === undefined ? undefined : units.get(seg);
    if (known) return known;
    const mask = seg === undefined || problem ? undefined : answer.masks[seg];
    const unsure = (mask?.score ?? 1) < (input.minMaskScore ?? 0);
    const sure = unsure ? undefined : mask;
    const { rows, columns } = stack.grid;
    const patch = sure && picture.part && placePart(sure, picture, picture.part, rows, columns);
    const bits = patch?.bits ?? (sure ? placeMask(sure, picture, rows, columns) : new Uint8Array());
    const pixels = countBits(bits);
    const why = problem ?? (unsure ? 'mask-unsure' : mask ? 'mask-empty' : 'mask-missing');
    const unit: Unit = {
      stack,
      plane: answer.plane,
      key,
      bits,
      pixels,
      ...(patch && { patch }),
      ...(mask?.score !== undefined && { score: mask.score }),
      ...(pixels === 0 && { problem: why }),
    };
    if (seg !== undefined) units.set(seg, unit);
    return unit;
  };
  const sentences = parsed.sentences.map((sentence) => {
    const claims = sentence.phrases.map((p): Claim => {
      const label = p.label || 'unnamed region';
      const mapped = mapLabel(input.mappings, label, stack.modality);
      return { start: p.start, end: p.end, label, mapped, unit: unitOf(keyOf(mapped, label), p.seg, p.problem) };
    });
    const silent =
      claims.length === 0 && !sentence.negative ? unmarked(sentence.text, stack.modality, input.mappings) : [];
    const more = silent.map((s): Claim => {
      const label = sentence.text.slice(s.start, s.end);
      const mapped = mapLabel(input.mappings, label, stack.modality);
      return { ...s, label, mapped, unit: unitOf(keyOf(mapped, label), undefined, 'span-missing') };
    });
    return { stack, picture, parsed: sentence, claims: [...claims, ...more] };
  });
  return { sentences, unused: parsed.unusedSegs };
}

/** Labels that mean the same have one key: that of their mapping entry, or the label itself where none matched. */
export function keyOf(mapped: MappedLabel, label: string): string {
  return mapped.notice ? `label:${normalise(label)}` : mapped.concept.id;
}

/** Names of findings in a sentence that ties no phrase to a mask: a claim that nothing shows. */
function unmarked(text: string, modality: string, mappings: Mappings): Stretch[] {
  const found: Stretch[] = [];
  for (const m of text.matchAll(findingNames(mappings, modality)))
    found.push({ start: m.index, end: m.index + m[0].length });
  return found;
}

const patterns = new WeakMap<Mappings, Map<string, RegExp>>();

function findingNames(mappings: Mappings, modality: string): RegExp {
  const cache = patterns.get(mappings) ?? new Map<string, RegExp>();
  patterns.set(mappings, cache);
  const known = cache.get(modality);
  if (known) return known;
  const names = [...mappings.byName].filter(
    ([name, entries]) => name.length > 3 && entries.some((e) => e.lesion && e.modalities.includes(modality)),
  );
  const words = names.map(([name]) => name.split('_').map(escape).join('[\\s_-]+'));
  words.sort((p, q) => q.length - p.length || compare(p, q));
  const pattern = words.length > 0 ? new RegExp(String.raw`\b(?:${words.join('|')})s?\b`, 'gi') : /(?!)/g;
  cache.set(modality, pattern);
  return pattern;
}

function escape(text: string): string {
  return text.replace(/[^\p{L}\p{N}]/gu, '\\$&');
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
  const lost = unused.filter((k) => answer.masks[k]);
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
