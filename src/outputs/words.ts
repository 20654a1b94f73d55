import type { Measurement, Sentence } from '../findings/index.ts';

/** The marking of everything that no person has verified. */
export const draftNotice = 'not verified by a physician';

/** What each kind of sentence is called, in words: colour and shape are never alone. */
export const kindWords: Readonly<Record<Sentence['kind'], string>> = {
  linked: 'Shown by a mask.',
  negative: 'Negative finding: no mask expected.',
  ungrounded: 'Grounding failed.',
  plain: 'No image evidence given by the model.',
};

/** What a sentence answers, for whoever reads its words alone; empty where they need no question. */
export function questionWords({ question }: Sentence): string[] {
  return question === undefined ? [] : [`Question: ${question}`];
}

/** A number for reading: 3 significant digits, never in exponent form. */
export function threeDigits(value: number): string {
  const rounded = Number(value.toPrecision(3));
  return readable.format(rounded);
}

const readable = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3, useGrouping: false });

/** `0.8 mL`, `24 mm³`, `12.1 mm`; cubic millimetres read as millilitres from 0.1 mL on. */
export function measured({ value, unit }: Measurement): string {
  if (unit.value === 'mm3' && value >= 100) return `${threeDigits(value / 1000)} mL`;
  return `${threeDigits(value)} ${unitText(unit.value)}`;
}

function unitText(ucum: string): string {
  return ucum === '1' ? '' : ucum.replace(/2$/, '²').replace(/3$/, '³');
}

/** `12.1 × 10.9 mm` where both axes are there, then the others in the draft's order. */
export function measuredList(measurements: readonly Measurement[]): string[] {
  const size = axes(measurements);
  const rest = measurements.filter((m) => m.kind !== 'long-axis' && m.kind !== 'short-axis');
  const note = (m: Measurement) => (m.note === undefined ? '' : ` (${m.note})`);
  return [...(size === '' ? [] : [size]), ...rest.map((m) => `${restNames[m.kind] ?? ''}${measured(m)}${note(m)}`)];
}

const restNames: Readonly<Partial<Record<Measurement['kind'], string>>> = {
  area: 'area ',
  'max-diameter': 'largest diameter ',
};

/** Long by short axis, or the one that is there, or ''. */
export function axes(measurements: readonly Measurement[]): string {
  const long = measurements.find((m) => m.kind === 'long-axis');
  const short = measurements.find((m) => m.kind === 'short-axis');
  if (long && short && long.unit.value === short.unit.value) return `${threeDigits(long.value)} × ${measured(short)}`;
  return [long, short].flatMap((m) => (m ? [measured(m)] : [])).join(' × ');
}

/** A, B, … Z, AA, … for the n-th mask (0-based) of a draft. */
export function letter(n: number): string {
  return n < 26 ? String.fromCharCode(65 + n) : letter(Math.floor(n / 26) - 1) + letter(n % 26);
}

/**
 * Text that can stand in HTML and XHTML: markup escaped; controls and the bidi characters that could turn a sentence
 * round (embedding, override, isolate) are shown by name, so that what is read is what is there.
 */
export function escapeText(text: string): string {
  return text
    .toWellFormed()
    .replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
    .replace(
      /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/g,
      (c) => `[U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}]`,
    );
}
