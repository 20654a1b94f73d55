import { decodeBytes } from './charset.ts';

/** The delimiters of MSH-1 and MSH-2 (HL7 v2 2.5.4). */
export interface Separators {
  readonly field: string;
  readonly component: string;
  readonly repetition: string;
  readonly escape: string;
  readonly subcomponent: string;
}

export const usualSeparators: Separators = {
  field: '|',
  component: '^',
  repetition: '~',
  escape: '\\',
  subcomponent: '&',
};

/**
 * Text of a field without its escape sequences (2.7): delimiters, bytes of the character set as `\Xhh..\`, `\.br\` as a
 * new line; highlighting and other formatting fall away. What is not known stays as it came.
 */
export function unescapeText(raw: string, separators: Separators, charset: string): string {
  const { escape } = separators;
  if (escape === '' || !raw.includes(escape)) return raw;
  const parts = raw.split(escape);
  let text = parts[0]!;
  for (let i = 1; i < parts.length; i += 2) {
    const inside = parts[i]!;
    // An odd escape character at the end begins nothing.
    if (i === parts.length - 1) return `${text}${escape}${inside}`;
    text += meaningOf(inside, separators, charset) ?? `${escape}${inside}${escape}`;
    text += parts[i + 1]!;
  }
  return text;
}

function meaningOf(inside: string, s: Separators, charset: string): string | undefined {
  const delimiters: Readonly<Record<string, string>> = {
    F: s.field,
    S: s.component,
    T: s.subcomponent,
    R: s.repetition,
    E: s.escape,
    H: '',
    N: '',
  };
  if (inside in delimiters) return delimiters[inside];
  if (/^X([0-9A-Fa-f]{2})+$/.test(inside)) {
    try {
      return decodeBytes(Buffer.from(inside.slice(1), 'hex'), charset);
    } catch {
      return undefined; // stays as it came, which is what the caller wants of anything unknown
    }
  }
  if (/^\.(br|sp\+?\d*)$/.test(inside)) return '\n';
  if (/^\.[a-z]{2}[+-]?\d*$/.test(inside)) return '';
  return undefined;
}

/** Text as it may stand in a field of ours, with the usual delimiters: line ends as `\.br\`, other controls as bytes. */
export function escapeField(text: string): string {
  return text
    .replace(/[|^~\\&]/g, (c) => `\\${{ '|': 'F', '^': 'S', '~': 'R', '\\': 'E', '&': 'T' }[c]!}\\`)
    .replace(/\r\n|\r|\n/g, '\\.br\\')
    .replace(/[\u0000-\u001f\u007f]/g, (c) => `\\X${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}\\`);
}
