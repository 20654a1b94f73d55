import { PlumblineError } from '../base/index.ts';

/** HL7 table 0211 (MSH-18) to the label of the Encoding Standard; `latin1` is not there: its label means windows-1252. */
const labels: Readonly<Record<string, string>> = {
  ASCII: 'utf-8',
  'UNICODE UTF-8': 'utf-8',
  UNICODE: 'utf-8',
  'UTF-8': 'utf-8',
  '8859/1': 'latin1',
  '8859/2': 'iso-8859-2',
  '8859/3': 'iso-8859-3',
  '8859/4': 'iso-8859-4',
  '8859/5': 'iso-8859-5',
  '8859/6': 'iso-8859-6',
  '8859/7': 'iso-8859-7',
  '8859/8': 'iso-8859-8',
  '8859/15': 'iso-8859-15',
  'GB 18030-2000': 'gb18030',
  'GB 18030-2022': 'gb18030',
  'KS X 1001': 'euc-kr',
  'BIG-5': 'big5',
  'ISO IR6': 'utf-8',
  'ISO IR14': 'shift_jis',
  'ISO IR87': 'iso-2022-jp',
  'ISO IR159': 'iso-2022-jp',
};

/** Names that MSH-18 may have here. */
export const charsets: readonly string[] = Object.keys(labels);

export interface Decoded {
  readonly text: string;
  /** Name of table 0211 in which the bytes were read. */
  readonly charset: string;
}

/**
 * The text of one message, in the character set that its MSH-18 names. Delimiters are looked for only after this: trail
 * bytes of multi-byte sets may equal them.
 * @param fallback for an empty MSH-18; without it, UTF-8 where the bytes are UTF-8, else 8859/1
 * @throws PlumblineError hl7-charset
 */
export function decodeMessage(bytes: Uint8Array, fallback?: string): Decoded {
  if (looksLikeUtf16(bytes))
    throw new PlumblineError('hl7-charset', 'UTF-16 is no wire form of MLLP', { where: 'MSH-18' });
  const bom = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  const plain = bom ? bytes.subarray(3) : bytes;
  const declared = declaredCharset(plain) || (bom ? 'UNICODE UTF-8' : fallback);
  if (declared === undefined || declared === '') {
    const charset = isUtf8(plain) ? 'UNICODE UTF-8' : '8859/1';
    return { text: decodeBytes(plain, charset), charset };
  }
  return { text: decodeBytes(plain, declared), charset: declared };
}

/**
 * @param charset a name of HL7 table 0211
 * @throws PlumblineError hl7-charset where the name is unknown or the bytes are none of it
 */
export function decodeBytes(bytes: Uint8Array, charset: string): string {
  const label = labels[charset];
  if (label === undefined)
    throw new PlumblineError('hl7-charset', `the character set "${charset.slice(0, 40)}" is not known`, {
      where: 'MSH-18',
    });
  if (label === 'latin1') return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  try {
    return new TextDecoder(label, { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new PlumblineError('hl7-charset', `the bytes are no ${charset}`, { where: 'MSH-18', cause });
  }
}

/**
 * Text as bytes of UTF-8, ASCII or 8859/1, the sets in which Plumbline writes.
 * @throws PlumblineError text-unencodable
 */
export function encodeText(text: string, charset: string): Uint8Array {
  if (labels[charset] === 'utf-8' && charset !== 'ASCII') return new TextEncoder().encode(text.toWellFormed());
  const highest = charset === '8859/1' ? 0xff : 0x7f;
  for (const char of text) {
    const point = char.codePointAt(0)!;
    if (point > highest)
      throw new PlumblineError(
        'text-unencodable',
        `U+${point.toString(16).toUpperCase().padStart(4, '0')} is not in ${charset}`,
      );
  }
  return Buffer.from(text, 'latin1');
}

/** First repetition of MSH-18, read from bytes: up to there a header is ASCII in every set that MLLP can carry. */
function declaredCharset(bytes: Uint8Array): string {
  const end = bytes.findIndex((b) => b === 0x0d || b === 0x0a);
  const line = Buffer.from(bytes.subarray(0, end < 0 ? Math.min(bytes.length, 4096) : end)).toString('latin1');
  const fields = line.split(line[3] ?? '|');
  const repetition = (fields[1] ?? '')[1] ?? '~';
  // The first segment is MSH-1 itself: MSH-18 is the 18th after the name (2.16.9.18).
  return (fields[17] ?? '').split(repetition)[0]!.trim();
}

function looksLikeUtf16(bytes: Uint8Array): boolean {
  const [a, b, c] = bytes;
  return (a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff) || (a === 0x4d && b === 0 && c === 0x53);
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false; // the answer itself
  }
}
