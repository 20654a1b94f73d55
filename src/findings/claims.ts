import type { Answer, SecondMask } from '../base/index.ts';
import { mapLabel, normalise, type MappedLabel, type Mappings } from './mappings.ts';
import type { Stretch } from './negation.ts';
import { parseAnswer, type AnswerForm, type ParsedAnswer, type ParsedPhrase, type ParsedSentence } from './parse.ts';

/** An answer with what each of its sentences claims to be there. */
export interface ClaimedAnswer extends Omit<ParsedAnswer, 'sentences'> {
  readonly sentences: readonly (ParsedSentence & { readonly claims: readonly ClaimedPhrase[] })[];
}

/** Words that say that something is there, and the mask that shows it, where the answer has one. */
export interface ClaimedPhrase extends Stretch {
  readonly label: string;
  /** Index among the answer's `[SEG]`. */
  readonly seg?: number;
  /** Code of the reason why there is no mask in the answer. */
  readonly problem?: string;
}

/** Something that an answer claims and does not show. */
export interface Unshown extends Stretch {
  /** 0-based place of its sentence in the answer. */
  readonly sentence: number;
  readonly label: string;
}

/** More is a clause, and no name of anything that could be looked for. */
const longestName = 80;

/**
 * What an answer claims. Beside what it marks these are names of findings that it leaves unmarked, and, in an answer
 * about a region, what the region is said to be. Where the mask of a whole report was looked for again sentence by
 * sentence (`answer.second`), it stays with the sentences that name what it shows.
 */
export function claimsOf(answer: Answer, form: AnswerForm, modality: string, mappings: Mappings): ClaimedAnswer {
  const slot = answer.slot ?? form.slotPhrase;
  const parsed = parseAnswer(answer.text, { ...form, ...(slot !== undefined && { slotPhrase: slot }) });
  const apart = answer.second !== undefined;
  let regionNamed = false;
  const sentences = parsed.sentences.map((sentence) => {
    const marked = sentence.phrases.flatMap((p) =>
      p.whole && apart ? ofWhole(sentence, p, modality, mappings) : [claimed(p)],
    );
    const silent = marked.length === 0 && !sentence.negative ? unmarked(sentence.text, modality, mappings) : [];
    const named = silent.map((s): ClaimedPhrase => ({ ...s, problem: 'span-missing' }));
    const claims = [...marked, ...named];
    if (form.region && !regionNamed && claims.length === 0 && !sentence.negative) {
      claims.push({ ...headOf(sentence.text), problem: 'span-missing' });
    }
    regionNamed ||= claims.length > 0;
    return { ...sentence, claims };
  });
  return { ...parsed, sentences };
}

/**
 * What a second question should ask for: claims without a mask of their own, each with the words to ask with.
 * @param answer without `second`
 */
export function unshownOf(answer: Answer, form: AnswerForm, modality: string, mappings: Mappings): Unshown[] {
  const { sentences } = claimsOf({ ...answer, second: [] }, form, modality, mappings);
  return sentences.flatMap(({ claims }, sentence) =>
    claims
      .filter((c) => c.seg === undefined && c.label !== '' && c.label.length <= longestName)
      .map(({ start, end, label }) => ({ sentence, start, end, label })),
  );
}

/** What was found for a claim. */
export function secondOf(answer: Answer, sentence: number, { start, end }: Stretch): SecondMask | undefined {
  return answer.second?.find((s) => s.sentence === sentence && s.start === start && s.end === end);
}

function claimed({ start, end, label, seg, problem }: ParsedPhrase): ClaimedPhrase {
  return { start, end, label, ...(seg !== undefined && { seg }), ...(problem !== undefined && { problem }) };
}

/** Of a sentence under one mask with others: each finding that it names, with that mask where it is what the mask shows. */
function ofWhole(sentence: ParsedSentence, whole: ParsedPhrase, modality: string, mappings: Mappings): ClaimedPhrase[] {
  const keyIn = (label: string): string => keyOf(mapLabel(mappings, label, modality), label);
  const shown = keyIn(whole.label);
  const named = unmarked(sentence.text, modality, mappings);
  if (named.length === 0) return [claimed(whole)];
  const { seg, problem } = whole;
  const own = seg === undefined ? { problem: problem ?? 'seg-missing' } : { seg };
  return named.map((n) => ({ ...n, ...(keyIn(n.label) === shown ? own : { problem: 'mask-of-another' }) }));
}

function headOf(text: string): Stretch & { readonly label: string } {
  const start = /^\s*/.exec(text)![0].length;
  const end = text.replace(/[\s.!?。,;:]+$/, '').length;
  return { start, end, label: text.slice(start, end) };
}

/** Labels that mean the same have one key: that of their mapping entry, or the label itself where none matched. */
export function keyOf(mapped: MappedLabel, label: string): string {
  return mapped.notice ? `label:${normalise(label)}` : mapped.concept.id;
}

/** Names of findings in a sentence that ties no phrase to a mask: a claim that nothing shows. */
function unmarked(text: string, modality: string, mappings: Mappings): (Stretch & { readonly label: string })[] {
  return [...text.matchAll(findingNames(mappings, modality))].map((m) => ({
    start: m.index,
    end: m.index + m[0].length,
    label: m[0],
  }));
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

function compare(p: string, q: string): number {
  return p < q ? -1 : p > q ? 1 : 0;
}
