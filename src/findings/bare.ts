import type { Stretch } from './negation.ts';

/** What is read and set of a parsed sentence (parse.ts). */
interface Sentence {
  readonly text: string;
  readonly negative: boolean;
  readonly phrases: readonly Stretch[];
}

const denying =
  /^(?:no|none|absent|not (?:seen|present|visible|found))(?:,? (?:there|it|they) (?:is|are) (?:not|none))?[.!]?$/i;
/** A side or a place is an answer only about what is there. */
const affirming =
  /^(?:yes(?:,? (?:there|it|they) (?:is|are)(?: one)?)?|present|(?:(?:on|in) the )?(?:left|right|both|upper|lower|middle|cent(?:er|re))(?: (?:side|sides|part|half|upper|lower|left|right))*)[.!]?$/i;

/**
 * Sentences that answer a question about one thing without naming it: `Yes.` claims it, `No.` denies it, `Right.` says where
 * it is and so claims it.
 * @param asked what the question is about, from its slot
 */
export function bareAnswers<S extends Sentence>(sentences: readonly S[], asked: string): S[] {
  return sentences.map((s) => {
    const at = { start: 0, end: s.text.replace(/[.!]$/, '').length, label: asked };
    if (denying.test(s.text)) return { ...s, negative: true, phrases: [], denied: [at] };
    return affirming.test(s.text) ? { ...s, phrases: [{ ...at, problem: 'seg-missing' }] } : s;
  });
}
