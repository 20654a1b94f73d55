/** Markup that is safe to send: made only by `html`, which escapes everything else. */
export interface Html {
  readonly markup: string;
}

type Part = Html | string | number | undefined | false | readonly Part[];

/** Template tag: literal parts are markup, values are text and escaped, unless they come from `html` themselves. */
export function html(literals: TemplateStringsArray, ...values: readonly Part[]): Html {
  return { markup: literals.map((literal, i) => (i === 0 ? '' : render(values[i - 1])) + literal).join('') };
}

function render(part: Part): string {
  if (part === undefined || part === false) return '';
  if (typeof part === 'string' || typeof part === 'number') return escapeHtml(String(part));
  if ('markup' in part) return part.markup;
  return part.map(render).join('');
}

/**
 * Text as HTML text or attribute value. Bidirectional controls could make a name read as another one (and so can
 * other controls): they are shown as U+FFFD.
 */
export function escapeHtml(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text
    .replaceAll(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
    .replaceAll(/[&<>"']/g, (c) => names[c]!);
}
