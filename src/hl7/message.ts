import { Message } from 'node-hl7-client';
import { PlumblineError } from '../base/index.ts';
import { decodeMessage } from './charset.ts';
import { unescapeText, usualSeparators, type Separators } from './escape.ts';

/** One message, its segments in order. */
export interface Hl7Message {
  readonly separators: Separators;
  /** Name of table 0211 in which its bytes were read. */
  readonly charset: string;
  readonly segments: readonly Hl7Segment[];
  /** The first segment of that name. */
  segment(id: string): Hl7Segment | undefined;
  all(id: string): readonly Hl7Segment[];
}

/** Fields are counted as the standard counts them, from 1; in MSH the first is the field separator itself. */
export interface Hl7Segment {
  readonly id: string;
  /** As it came, with escapes; '' where it is not there. */
  raw(field: number): string;
  /** Each repetition of a field; one that is empty is left out. */
  repetitions(field: number): readonly Hl7Value[];
  /** Component (and subcomponent) of the first repetition, unescaped; `""` (delete it, 2.5.3) reads as ''. */
  text(field: number, component?: number, subcomponent?: number): string;
  /** Whether the field is `""`: the value is to be deleted. */
  isNull(field: number): boolean;
}

export interface Hl7Value {
  readonly raw: string;
  text(component?: number, subcomponent?: number): string;
}

/**
 * One message from its bytes.
 * @param options.fallback character set for an empty MSH-18
 * @throws PlumblineError hl7-charset, hl7-invalid
 */
export function parseMessage(bytes: Uint8Array, options: { readonly fallback?: string } = {}): Hl7Message {
  const { text, charset } = decodeMessage(bytes, options.fallback);
  return parseText(text, charset);
}

/**
 * One message from its text; segments may end in CR, LF or both.
 * @throws PlumblineError hl7-invalid
 */
export function parseText(text: string, charset = 'UNICODE UTF-8'): Hl7Message {
  const normal = text.replace(/^\ufeff/, '').replace(/[\r\n]+/g, '\r');
  const separators = separatorsOf(normal);
  const segments = readSegments(normal).map((fields) => segmentOf(fields, separators, charset));
  return {
    separators,
    charset,
    segments,
    segment: (id) => segments.find((s) => s.id === id),
    all: (id) => segments.filter((s) => s.id === id),
  };
}

/** MSH-1 and MSH-2. @throws PlumblineError hl7-invalid */
function separatorsOf(text: string): Separators {
  if (!text.startsWith('MSH')) throw new PlumblineError('hl7-invalid', 'the first segment is no MSH', { where: 'MSH' });
  const field = text[3] ?? '';
  const msh2 = text
    .slice(4)
    .split(field || '\r')[0]!
    .split('\r')[0]!;
  if (!/^[^\w\s]$/.test(field) || msh2.length < 3)
    throw new PlumblineError('hl7-invalid', 'MSH-1 and MSH-2 do not name the delimiters', { where: 'MSH' });
  const [component = '^', repetition = '~', escape = '\\', subcomponent = ''] = msh2;
  return { field, component, repetition, escape, subcomponent };
}

/** The library finds segments and fields; their content is read here, since it resolves escapes in another way. */
function readSegments(text: string): string[][] {
  const separator = text[3]!;
  try {
    const { children } = new Message({ text }) as unknown as { children: readonly { toString(): string }[] };
    return children.map((segment) => segment.toString().split(separator));
  } catch (cause) {
    throw new PlumblineError('hl7-invalid', `no HL7 v2 message: ${(cause as Error).message}`, { where: 'MSH', cause });
  }
}

function segmentOf(split: readonly string[], separators: Separators, charset: string): Hl7Segment {
  const id = split[0] ?? '';
  // MSH-1 is the separator itself, so that its fields stand one further.
  const fields = id === 'MSH' ? [id, separators.field, ...split.slice(1)] : split;
  const raw = (field: number): string => fields[field] ?? '';
  const valueOf = (text: string): Hl7Value => ({
    raw: text,
    text: (component = 1, subcomponent = 1) => {
      const part = text.split(separators.component)[component - 1] ?? '';
      const sub = separators.subcomponent === '' ? part : (part.split(separators.subcomponent)[subcomponent - 1] ?? '');
      return sub === '""' ? '' : unescapeText(sub, separators, charset);
    },
  });
  return {
    id,
    raw,
    repetitions: (field) =>
      raw(field)
        .split(separators.repetition)
        .filter((r) => r !== '')
        .map(valueOf),
    text: (field, component, subcomponent) =>
      valueOf(raw(field).split(separators.repetition)[0]!).text(component, subcomponent),
    isNull: (field) => raw(field) === '""',
  };
}

/** What an answer needs of a header, from bytes that may be no message at all. */
export interface Hl7Header {
  readonly separators: Separators;
  /** Raw fields by number, MSH-1 first; [0] is `MSH`. */
  readonly fields: readonly string[];
}

/** The header as far as it can be read, byte for character; undefined where there is none. */
export function readHeader(bytes: Uint8Array): Hl7Header | undefined {
  const text = Buffer.from(bytes.subarray(0, 4096)).toString('latin1').replace(/^ï»¿/, '');
  const line = text.split(/[\r\n]/)[0]!;
  if (!/^MSH[^\w\s]/.test(line)) return undefined;
  const field = line[3]!;
  const split = line.split(field);
  const [component = '^', repetition = '~', escape = '\\', subcomponent = '&'] = split[1] ?? '';
  const separators = split[1] ? { field, component, repetition, escape, subcomponent } : usualSeparators;
  return { separators, fields: ['MSH', field, ...split.slice(1)] };
}
