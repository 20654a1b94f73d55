import { PlumblineError } from '../base/index.ts';

/**
 * Decodes the text values of one data set (PS3.5 6.1). `value` decodes a whole element value; the separators of
 * values (`\`) and, for names, of components are understood before or after decoding as the set demands, so that a
 * 5C, 5E, 3D or 7C inside a two-byte character separates nothing.
 */
export interface TextDecoding {
  /** @returns the values, undecodable bytes as U+FFFD */
  readonly values: (bytes: Uint8Array, kind: TextKind) => DecodedText;
}
/** `name` resets at `^` and `=` (PS3.5 6.1.2.5.3); `text` is one value in which `\` is a character. */
export type TextKind = 'strings' | 'name' | 'text';
export interface DecodedText {
  readonly values: readonly string[];
  /** Some byte does not decode in the declared sets. */
  readonly damaged: boolean;
}

/**
 * @param terms the values of Specific Character Set (0008,0005); [] or [''] is the default repertoire, ASCII
 */
export function textDecoding(terms: readonly string[]): TextDecoding {
  const sets = terms.map(normalTerm);
  const first = sets[0] ?? '';
  const whole = wholeSets[first];
  // UTF-8, GB18030 and GBK have no code extensions (PS3.3 C.12.1.1.2); a further value beside them means nothing.
  if (whole !== undefined) return { values: (bytes, kind) => decodeWhole(bytes, kind, whole) };
  const known = sets.every((s) => s === '' || s === '6' || sets9[s] !== undefined || multi[s] !== undefined);
  return {
    values: (bytes, kind) => decodeExtended(bytes, kind, { first, known, extended: sets.length > 1 || isMulti(first) }),
  };
}

/** Text of an element whose representation allows the default repertoire only. A stray 8-bit byte keeps its Latin-1 letter. */
export function asciiText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

/** @throws PlumblineError `charset-undecodable` naming the element, never its value */
export function refuseUndecodable(tag: string, terms: readonly string[]): never {
  const sets = terms.join('\\') || 'absent';
  throw new PlumblineError(
    'charset-undecodable',
    `element (${tag.slice(0, 4)},${tag.slice(4)}) does not decode in Specific Character Set ${sets}`,
  );
}

/** `ISO_IR 100`, `ISO 2022 IR 100` and the common misspellings `ISO-IR 100`, `ISO_IR_100`, `ISO IR 100` to `100`. */
function normalTerm(term: string): string {
  const plain = term.trim().toUpperCase();
  const iso = /^ISO[ _-]*(?:2022)?[ _-]*IR[ _-]*(\d+)$/.exec(plain);
  if (iso) return iso[1]!;
  return plain === 'UTF-8' || plain === 'UTF8' || plain === 'ISO_IR192' ? '192' : plain;
}

// — sets without code extensions —

const wholeSets: Readonly<Record<string, string>> = { 192: 'utf-8', GB18030: 'gb18030', GBK: 'gbk' };

function decodeWhole(bytes: Uint8Array, kind: TextKind, label: string): DecodedText {
  const { text, damaged } = decodeBytes(bytes, label);
  // ESC has no meaning in these sets and moves terminals; PS3.5 6.1.3 allows it for code extensions only.
  const clean = text.replaceAll('\x1b', '');
  return { values: kind === 'text' ? [clean] : clean.split('\\'), damaged };
}

function decodeBytes(bytes: Uint8Array, label: string): { text: string; damaged: boolean } {
  try {
    return { text: new TextDecoder(label, { fatal: true, ignoreBOM: true }).decode(bytes), damaged: false };
  } catch {
    // Not lost: the caller is told by `damaged`, and refuses or marks.
    return { text: new TextDecoder(label, { ignoreBOM: true }).decode(bytes), damaged: true };
  }
}

// — single-byte sets and ISO 2022 code extensions (PS3.3 C.12.1.1.2, PS3.5 6.1.2.5) —

/** Right halves (G1) of the single-byte sets as encodings of the WHATWG Encoding Standard; 166 is TIS 620. */
const sets9: Readonly<Record<string, string>> = {
  13: 'jis-x-0201',
  100: 'iso-8859-1',
  101: 'iso-8859-2',
  109: 'iso-8859-3',
  110: 'iso-8859-4',
  126: 'iso-8859-7',
  127: 'iso-8859-6',
  138: 'iso-8859-8',
  144: 'iso-8859-5',
  148: 'iso-8859-9',
  166: 'windows-874',
  203: 'iso-8859-15',
};
/** Two-byte sets by the half that they are invoked into: 87 and 159 in G0, 149 and 58 in G1. */
const multi: Readonly<Record<string, 'g0' | 'g1'>> = { 87: 'g0', 159: 'g0', 149: 'g1', 58: 'g1' };

/** What follows ESC, to the half and set that it designates. */
const escapes: Readonly<Record<string, readonly ['g0' | 'g1', string]>> = {
  '(B': ['g0', '6'],
  '(J': ['g0', '14'],
  ')I': ['g1', '13'],
  '-A': ['g1', '100'],
  '-B': ['g1', '101'],
  '-C': ['g1', '109'],
  '-D': ['g1', '110'],
  '-F': ['g1', '126'],
  '-G': ['g1', '127'],
  '-H': ['g1', '138'],
  '-L': ['g1', '144'],
  '-M': ['g1', '148'],
  '-T': ['g1', '166'],
  '-b': ['g1', '203'],
  $B: ['g0', '87'],
  '$(D': ['g0', '159'],
  '$)C': ['g1', '149'],
  '$)A': ['g1', '58'],
};

interface Extended {
  readonly first: string;
  readonly known: boolean;
  readonly extended: boolean;
}

function isMulti(set: string): boolean {
  return multi[set] !== undefined;
}

function decodeExtended(bytes: Uint8Array, kind: TextKind, sets: Extended): DecodedText {
  const start = { g0: '6', g1: sets.first === '' || sets.first === '6' ? '' : sets.first };
  if (isMulti(start.g1) && multi[start.g1] === 'g0') start.g1 = '';
  let { g0, g1 } = start;
  let damaged = false;
  const values = [''];
  const put = (text: string | undefined): void => {
    if (text === undefined) damaged = true;
    values[values.length - 1] += text ?? '\ufffd';
  };
  for (let i = 0; i < bytes.length;) {
    const byte = bytes[i]!;
    const escape = byte === 0x1b && sets.extended ? escapeAt(bytes, i + 1) : undefined;
    if (escape !== undefined) {
      [g0, g1] = escape.half === 'g0' ? [escape.set, g1] : [g0, escape.set];
      i += 1 + escape.length;
    } else if (byte > 0x20 && byte < 0x7f && isMulti(g0)) {
      put(pair(g0, byte, bytes[i + 1] ?? 0));
      i += 2;
    } else if (byte > 0x7f && isMulti(g1)) {
      put(pair(g1, byte, bytes[i + 1] ?? 0));
      i += 2;
    } else if (byte > 0x7f) {
      put(sets.known ? single(g1, byte) : undefined);
      i++;
    } else {
      if (byte === 0x5c && kind !== 'text') values.push('');
      else if (byte === 0x1b) damaged ||= sets.extended;
      else put(String.fromCharCode(byte));
      // PS3.5 6.1.2.5.3: at these the first set holds again, also where no escape sequence says so.
      if (byte < 0x20 || (byte === 0x5c && kind !== 'text') || (kind === 'name' && (byte === 0x5e || byte === 0x3d)))
        ({ g0, g1 } = start);
      i++;
    }
  }
  return { values, damaged };
}

function escapeAt(bytes: Uint8Array, at: number): { half: 'g0' | 'g1'; set: string; length: number } | undefined {
  for (const length of [2, 3]) {
    const found = escapes[String.fromCharCode(...bytes.subarray(at, at + length))];
    if (found) return { half: found[0], set: found[1], length };
  }
  return undefined;
}

/** One two-byte character; the 94x94 sets are the 8-bit halves of the EUC encodings. */
function pair(set: string, lead: number, trail: number): string | undefined {
  const high = [lead | 0x80, trail | 0x80];
  const [label, bytes] =
    set === '87'
      ? ['euc-jp', high]
      : set === '159'
        ? ['euc-jp', [0x8f, ...high]]
        : set === '149'
          ? ['euc-kr', high]
          : ['gb18030', high];
  if (trail < 0x21 || (set !== '87' && set !== '159' && trail < 0xa1)) return undefined;
  const { text, damaged } = decodeBytes(Uint8Array.from(bytes as number[]), label as string);
  return damaged ? undefined : text;
}

const tables = new Map<string, readonly (string | undefined)[]>();

/** One character of the right half of a single-byte set. */
function single(set: string, byte: number): string | undefined {
  const label = sets9[set];
  if (label === undefined) return undefined;
  let table = tables.get(label);
  if (!table) {
    table = Array.from({ length: 128 }, (_, i) => rightHalf(label, 0x80 + i));
    tables.set(label, table);
  }
  return table[byte - 0x80];
}

function rightHalf(label: string, byte: number): string | undefined {
  if (byte < 0xa0) return undefined; // C1 controls are not allowed (PS3.5 6.1.3)
  if (label === 'jis-x-0201')
    return byte >= 0xa1 && byte <= 0xdf ? String.fromCharCode(0xff61 + byte - 0xa1) : undefined;
  // WHATWG reads iso-8859-1 and -9 as windows-1252 and -1254, which are the same from A0 on.
  const { text, damaged } = decodeBytes(Uint8Array.of(byte), label);
  return damaged ? undefined : text;
}
