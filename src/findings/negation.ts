/** A stretch of a text, UTF-16 offsets, end exclusive. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
}

export interface Negation {
  /** What is denied, one stretch a term: `No cyst or stone is seen.` has two. Empty for `no finding`. */
  readonly terms: readonly Stretch[];
  /** The words from the negating word to the end of its reach. */
  readonly scopes: readonly Stretch[];
  /** Nothing at all is denied by name, but findings as such are: `with no finding`, `No abnormality is seen.` */
  readonly anything: boolean;
}

const lookedFor = 'seen|present|identified|detected|visible|visualized|noted|found|evident|observed|demonstrated|shown';
/** Negating words before what they deny. */
const before =
  /\b(?:no|without|neither|(?:negative|unremarkable) for|free of|absence of|(?:(?:do|does|did) )?not (?:show|see|have|contain|demonstrate))\b\s+/gi;
/** Where the reach of a negating word ends. */
const reachEnd = new RegExp(
  String.raw`[;:!?]|\.(?=\s|$)|,?\s+(?:but|however|although|though|except|apart from|while|which|that|because|and\s+(?:an?|the|there))\b|` +
    String.raw`\s+(?:is|are|was|were|can|could|has|have|in|on|at|within|of the|to suggest)\b|\s+(?:${lookedFor})\b|$`,
  'i',
);
/** `A and B are not seen`, `A is absent`. */
const after = new RegExp(
  String.raw`(?:^|[.;]\s+|,?\s+but\s+)([^.;]+?)\s+(?:(?:is|are|was|were)\s+(?:not\s+(?:${lookedFor})|absent)|cannot be (?:${lookedFor}))\b`,
  'gi',
);
const separator = /\s*,\s*(?:and\s+|or\s+|nor\s+)?|\s+(?:and|or|nor)\s+/g;
const leadIn =
  /^(?:(?:clear|definite|obvious)\s+)?(?:(?:evidence|signs?|indication|suggestion|features)\s+of\s+)?(?:(?:an?|the|any|other|further|additional|new)\s+)*(?:no\s+)?/i;
/** Words that make `no …` deny findings as such. */
const generic =
  /^(?:(?:significant|relevant|other|focal|acute|obvious|suspicious|pathologic(?:al)?)\s+)*(?:abnormal\s+)?(?:findings?|abnormalit(?:y|ies)|lesions?\s+at\s+all|patholog(?:y|ies))$/i;
/** `no longer`, `no change`, `no doubt`: nothing is denied. */
const idle = /^(?:longer|change|changes|doubt|comparison|prior|previous|increase|decrease|interval)\b/i;

/**
 * What a sentence says is not there. English only; meant for the short sentences of report models, not for
 * free prose: what it does not recognise stays a plain sentence.
 * @param text one sentence without markup
 */
export function findNegation(text: string): Negation {
  const scopes: Stretch[] = [];
  for (const m of text.matchAll(before)) {
    const start = m.index + m[0].length;
    const end = start + text.slice(start).search(reachEnd);
    if (!scopes.some((s) => start < s.end)) scopes.push({ start, end });
  }
  for (const m of text.matchAll(after)) {
    const start = m.index + m[0].indexOf(m[1]!);
    if (!scopes.some((s) => start < s.end && s.start < start + m[1]!.length))
      scopes.push({ start, end: start + m[1]!.length });
  }
  const said = scopes.filter((s) => !idle.test(text.slice(s.start, s.end)));
  const all = said.flatMap((s) => termsOf(text, s));
  const terms = all.filter((t) => !generic.test(text.slice(t.start, t.end)));
  return { terms, scopes: said, anything: terms.length < all.length };
}

function termsOf(text: string, scope: Stretch): Stretch[] {
  const terms: Stretch[] = [];
  const scoped = text.slice(scope.start, scope.end);
  let from = 0;
  for (const m of [...scoped.matchAll(separator), undefined]) {
    const to = m ? m.index : scoped.length;
    const part = scoped.slice(from, to);
    const lead = leadIn.exec(part)?.[0].length ?? 0;
    const start = scope.start + from + lead;
    const end = scope.start + from + part.trimEnd().length;
    if (end > start) terms.push({ start, end });
    if (m) from = m.index + m[0].length;
  }
  return terms;
}
