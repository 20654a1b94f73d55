import { bareAnswers } from './bare.ts';
import { findNegation, type Stretch } from './negation.ts';

/** How a model ties words to masks; from the bundle's manifest (`tasks.*.grounding`, `tasks.*.sentences`). */
export interface AnswerForm {
  /**
   * `phrase-then-seg` `<p>phrase</p> [SEG]` · `seg-then-phrase` `It is [SEG]. phrase.` · `slot` the phrase is the
   * prompt's slot, `[SEG]` stands for it · `none` text only.
   */
  readonly grounding: 'phrase-then-seg' | 'seg-then-phrase' | 'slot' | 'none';
  /** `whole`: one mask covers all sentences of the answer. */
  readonly sentences: 'per-mask' | 'whole';
  /** What was put into the prompt's slot: what `[SEG]` stands for in `slot`, what a bare `Yes.` affirms in `none`. */
  readonly slotPhrase?: string;
  /** The answer says what a given region of the picture is. */
  readonly region?: boolean;
}

export interface ParsedAnswer {
  readonly sentences: readonly ParsedSentence[];
  /** Number of `[SEG]` in the text. */
  readonly segs: number;
  /** `[SEG]` (0-based) that no phrase is tied to. */
  readonly unusedSegs: readonly number[];
}

export interface ParsedSentence {
  /** Markup removed, white space sensible, the model's words otherwise untouched. Never empty. */
  readonly text: string;
  /** Says that something is not there and claims nothing that is. */
  readonly negative: boolean;
  readonly phrases: readonly ParsedPhrase[];
  /** What the sentence says is not there; `label` where the sentence itself does not name it. */
  readonly denied: readonly (Stretch & { readonly label?: string })[];
  /** It denies findings as such: `with no finding`. */
  readonly deniesAll: boolean;
}

/** Why a phrase has no mask to look for. */
export type SpanProblem = 'seg-missing' | 'phrase-missing' | 'phrase-unclosed';

/** A positive claim: words and the mask that shows them. */
export interface ParsedPhrase extends Stretch {
  readonly label: string;
  /** Index of its mask among the answer's `[SEG]`. */
  readonly seg?: number;
  readonly problem?: SpanProblem;
  /** It has part in a mask that stands for more than its sentence. */
  readonly whole?: boolean;
}

/**
 * Split a model's answer into clean sentences and tie phrases to masks.
 * Sentences end at `.`, `!`, `?` before white space, at `。`, and at line ends. Malformed spans keep their text and are
 * marked (`problem`), never dropped. In the form `slot` each `[SEG]` is replaced by the slot's phrase; in
 * `seg-then-phrase` the stop after `[SEG]` goes with it: `It is [SEG]. pneumothorax.` becomes `It is pneumothorax.`
 */
export function parseAnswer(text: string, form: AnswerForm): ParsedAnswer {
  const clean = removeMarkup(text, form);
  const cuts = sentenceStretches(clean.text);
  const tied = form.grounding === 'seg-then-phrase' ? followSegs(clean, cuts) : clean.phrases;
  const phrases = form.sentences === 'whole' ? ofAll(clean, tied) : tied;
  const parsed = cuts.map((cut) => sentenceOf(clean.text, cut, phrases, form));
  const sentences = form.grounding === 'none' && form.slotPhrase ? bareAnswers(parsed, form.slotPhrase) : parsed;
  const used = new Set(sentences.flatMap((s) => s.phrases.map((p) => p.seg)));
  const unusedSegs = Array.from({ length: clean.segs }, (_, k) => k).filter((k) => !used.has(k));
  return { sentences, segs: clean.segs, unusedSegs };
}

interface Clean {
  readonly text: string;
  readonly phrases: readonly ParsedPhrase[];
  /** Where each `[SEG]` stood. */
  readonly segAt: readonly number[];
  readonly segs: number;
}

/** One pass over the tokens `<p>`, `</p>`, `[SEG]` and text, writing clean text and remembering places in it. */
function removeMarkup(text: string, form: AnswerForm): Clean {
  let out = '';
  let space = false;
  let afterSeg = false;
  let open: number | undefined;
  /** The last closed phrase, while only white space follows it. */
  let closed: Stretch | undefined;
  const phrases: ParsedPhrase[] = [];
  const segAt: number[] = [];
  const put = (words: string) => {
    for (const ch of words) {
      if (/\n|\r/.test(ch)) out += out === '' || out.endsWith('\n') ? '' : '\n';
      else if (/\s/.test(ch)) space = out !== '' && !out.endsWith('\n');
      else {
        if (space) out += ' ';
        out += ch;
      }
      if (!/[^\S\n\r]/.test(ch)) space = false;
    }
  };
  const here = () => out.length + (space ? 1 : 0);
  const add = (at: Stretch, more: { seg?: number; problem?: SpanProblem }) =>
    phrases.push({ start: Math.min(at.start, out.length), end: at.end, label: '', ...more });
  const drop = () => {
    if (closed) add(closed, { problem: 'seg-missing' });
    closed = undefined;
  };
  let seg = 0;
  for (const token of text.normalize('NFC').split(/(<p>|<\/p>|\[SEG\])/)) {
    if (token === '<p>') {
      drop();
      if (open !== undefined && open < out.length)
        add({ start: open, end: out.length }, { problem: 'phrase-unclosed' });
      open = here();
    } else if (token === '</p>') {
      drop();
      if (open !== undefined) closed = { start: open, end: Math.max(open, out.length) };
      open = undefined;
    } else if (token === '[SEG]') {
      const k = seg++;
      if (form.grounding === 'slot' && form.slotPhrase) {
        const start = here();
        put(form.slotPhrase);
        add({ start, end: out.length }, { seg: k });
      } else if (closed && closed.end > closed.start) add(closed, { seg: k });
      else if (form.grounding === 'phrase-then-seg')
        add({ start: out.length, end: out.length }, { seg: k, problem: 'phrase-missing' });
      closed = undefined;
      segAt.push(here());
      if (form.grounding !== 'seg-then-phrase') space = false;
      afterSeg = true;
    } else {
      if (token.trim() !== '') drop();
      let words = afterSeg ? token.replace(/^\s+(?=[.,;:!?。])/, '') : token;
      // The marker goes with its stop: what follows goes on in the same sentence.
      if (afterSeg && form.grounding === 'seg-then-phrase') words = words.replace(/^[.:,](?=\s*[^\s.])/, ' ');
      // A marker between two sentences takes its own stop with it.
      if (afterSeg && /[.!?。]$/.test(out)) words = words.replace(/^\.(?=\s|$)/, '');
      if (afterSeg && /^[.,;:!?。]/.test(words)) space = false;
      if (token !== '') afterSeg = false;
      put(words);
    }
  }
  drop();
  if (open !== undefined) add({ start: open, end: out.length }, { problem: 'phrase-unclosed' });
  return { text: out, phrases, segAt, segs: seg };
}

/** `It is [SEG]. phrase. [SEG]. other.`: the words from the marker to the end of its sentence are its phrase. */
function followSegs(clean: Clean, cuts: readonly Stretch[]): ParsedPhrase[] {
  const claims = clean.segAt.map((at, seg): ParsedPhrase => {
    const cut = cuts.find((c) => at < c.end);
    const next = clean.segAt[seg + 1] ?? Infinity;
    const end = Math.min(cut?.end ?? at, next);
    const start = Math.min(at, end);
    const said = /[\p{L}\p{N}]/u.test(clean.text.slice(start, end));
    return said ? { start, end, label: '', seg } : { start, end: start, label: '', seg, problem: 'phrase-missing' };
  });
  return [...claims, ...clean.phrases.filter((p) => p.problem !== 'phrase-missing' && p.seg === undefined)];
}

/** A mask of the whole answer whose words are not marked is about all of them. */
function ofAll(clean: Clean, phrases: readonly ParsedPhrase[]): readonly ParsedPhrase[] {
  const [seg] = phrases.filter((p) => p.seg !== undefined);
  if (!seg || phrases.some((p) => p.seg !== undefined && p.problem === undefined)) return phrases;
  const others = phrases.filter((p) => p !== seg);
  return [{ start: 0, end: clean.text.length, label: '', seg: seg.seg! }, ...others];
}

const abbreviation = /\b(?:e\.g|i\.e|approx|vs|cf|fig|dr|ca|incl)\.$/i;

/** Sentences as stretches of the text, without the white space around them. */
function sentenceStretches(text: string): Stretch[] {
  const cuts: Stretch[] = [];
  let start = 0;
  const close = (end: number) => {
    const part = text.slice(start, end);
    if (/[\p{L}\p{N}]/u.test(part)) {
      const lead = part.length - part.trimStart().length;
      cuts.push({ start: start + lead, end: start + part.trimEnd().length });
    }
    start = end;
  };
  for (const m of text.matchAll(/[.!?]+(?=\s|$)|。|\n/g)) {
    const end = m.index + m[0].length;
    if (m[0] === '.' && end < text.length && abbreviation.test(text.slice(start, end))) continue;
    if (/\bno\.$/i.test(text.slice(start, end)) && /^\s+\d/.test(text.slice(end))) continue;
    close(end);
  }
  close(text.length);
  return cuts;
}

function sentenceOf(all: string, cut: Stretch, phrases: readonly ParsedPhrase[], form: AnswerForm): ParsedSentence {
  // `Sure, [SEG].` without its marker.
  const text = all.slice(cut.start, cut.end).replace(/,(?=[.!?]$)/, '');
  const negation = findNegation(text);
  const denied = (s: Stretch) => negation.scopes.some((n) => n.start <= s.start && s.start < n.end);
  // `The heart is normal.` is no part of what the mask of a whole report shows.
  const claimsNothing = isNegative(negation) || /\b(?:normal|unremarkable|clear|intact)\b/i.test(text);
  const tied = phrases.filter((p) => !(claimsNothing && p.start < cut.start));
  const own = tied.map((p) => within(p, cut, all)).filter((p) => p !== undefined);
  const whole = form.sentences === 'whole' && !claimsNothing ? phrases.find((p) => p.seg !== undefined) : undefined;
  const claims =
    own.length === 0 && whole
      ? [
          {
            ...withoutStop(text, { start: 0, end: text.length }),
            label: headOf(whole, all),
            seg: whole.seg!,
            whole: true,
          },
        ]
      : own;
  const words = (p: Stretch): string => text.slice(p.start, p.end);
  const positive = apart(claims.filter((p) => !denied(p) && !saysNothing(words(p))));
  // `It is [SEG]. normal.`: a mask, empty or not, comes with every answer of such a model.
  const normal = claims.length > 0 && claims.every((p) => bareNormal.test(words(p)));
  return {
    text,
    negative: positive.length === 0 && (isNegative(negation) || normal),
    phrases: positive,
    denied: negation.terms.filter((t) => !positive.some((p) => t.start < p.end && p.start < t.end)),
    deniesAll: negation.anything || normal,
  };
}

const bareNormal = /^(?:(?:entirely|completely|appears?|looks?|is)\s+)*(?:normal|healthy|unremarkable)$/i;
/** Not `normal pressure hydrocephalus`. */
const normalThing = /^(?:(?:a|an|the)\s+)?(?:normal|healthy|unremarkable)\s+[\p{L}-]+(?:\s+(?:in|on)\s.*)?$/iu;

/** Words that are themselves a denial: the marked phrase of a normal picture is `no findings` or `normal`. */
function saysNothing(words: string): boolean {
  const denial = /^(?:no|not|without|neither|negative for|free of|absence of)\s/i.test(words);
  return bareNormal.test(words) || normalThing.test(words) || (denial && isNegative(findNegation(words)));
}

/** No two phrases share a word: of two, the one with a mask stays, then the first. */
function apart(phrases: readonly ParsedPhrase[]): ParsedPhrase[] {
  const kept: ParsedPhrase[] = [];
  const rank = (p: ParsedPhrase) => (p.seg === undefined ? 1 : 0);
  for (const p of [...phrases].sort((x, y) => rank(x) - rank(y) || x.start - y.start))
    if (!kept.some((k) => p.start < k.end && k.start < p.end)) kept.push(p);
  return kept.sort((x, y) => x.start - y.start || x.end - y.end);
}

function isNegative(negation: { readonly terms: readonly Stretch[]; readonly anything: boolean }): boolean {
  return negation.terms.length > 0 || negation.anything;
}

/** The part of a phrase inside a sentence, in the sentence's offsets; its label is always the phrase's first sentence. */
function within(phrase: ParsedPhrase, cut: Stretch, all: string): ParsedPhrase | undefined {
  const text = all.slice(cut.start, cut.end);
  const empty = phrase.start === phrase.end;
  const start = Math.max(phrase.start, cut.start) - cut.start;
  const end = Math.min(phrase.end, cut.end) - cut.start;
  if (empty ? phrase.start < cut.start || phrase.start > cut.end : start >= end) return undefined;
  const at = empty
    ? { start: Math.min(start, text.length), end: Math.min(start, text.length) }
    : withoutStop(text, { start, end });
  if (!empty && at.start >= at.end) return undefined;
  return { ...phrase, ...at, label: headOf(phrase, all), ...(phrase.start < cut.start && { whole: true }) };
}

/** First sentence of a phrase, without its stop: a whole report as one phrase begins with what it is about. */
function headOf(phrase: Stretch, all: string): string {
  const words = all.slice(phrase.start, phrase.end);
  const first = sentenceStretches(words)[0];
  if (!first) return '';
  const at = withoutStop(words, first);
  return words.slice(at.start, at.end);
}

function withoutStop(text: string, s: Stretch): Stretch {
  const part = text.slice(s.start, s.end);
  const lead = /^[\s.,;:]*/.exec(part)![0].length;
  const kept = part.replace(/[\s.!?。,;:]+$/, '').length;
  return { start: s.start + Math.min(lead, kept), end: s.start + kept };
}
