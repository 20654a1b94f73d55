import { isUid, PlumblineError, type DicomElement, type DicomJson } from '../base/index.ts';
import { decimalString } from './decimal.ts';

/**
 * Refuse what the representation does not allow (PS3.5 table 6.2-1): lengths, repertoire, the forms of UI, CS, DA, TM,
 * DT, AS, IS and DS. dcmjs writes some of these without a word.
 * @throws PlumblineError `encoding-invalid`; `text-unencodable` for characters that no DICOM text may hold
 */
export function checkElement(tag: string, { vr, Value, InlineBinary }: DicomElement): void {
  if (!writable.has(vr)) throw invalid(tag, vr, 'is no representation that is written');
  if (InlineBinary !== undefined && !binary.has(vr)) throw invalid(tag, vr, 'takes no InlineBinary');
  if (binary.has(vr) && Value !== undefined) throw invalid(tag, vr, 'takes InlineBinary only');
  for (const value of Value ?? []) {
    if (value !== null && vr !== 'SQ') checkValue(tag, vr, value);
  }
  if (single.has(vr) && (Value?.length ?? 0) > 1) throw invalid(tag, vr, 'takes one value');
}

/**
 * Every element of a data set as it was read, items of sequences too, that its representation does not allow, in words:
 * what another program wrote, or what ours would write wrongly, is measured by the rules of the writer.
 */
export function illegalValues(dataset: DicomJson, legal = new Set<string>()): string[] {
  return Object.entries(dataset).flatMap(([tag, element]) => {
    const { vr, Value } = element;
    if (vr === 'SQ') return (Value ?? []).flatMap((item) => illegalValues(item as DicomJson, legal));
    // Thousands of frames say the same: each value is checked once. A number of fixed size that was read is one.
    if (fixedBytes[vr] !== undefined && Value?.every((v) => typeof v === 'number')) return [];
    const said = `${vr} ${JSON.stringify(Value ?? element.InlineBinary)}`;
    if (legal.has(said)) return [];
    try {
      const values = Value?.map((v) => (typeof v === 'number' ? plainNumber(vr, v) : v));
      checkElement(tag, values === undefined ? element : { vr, Value: values });
      if (values !== undefined) checkLength(tag, vr, values);
      legal.add(said);
      return [];
    } catch (thrown) {
      if (thrown instanceof PlumblineError) return [thrown.message];
      throw thrown;
    }
  });
}

/** Numbers of number strings as text, so that they are checked as they are written. */
export function plainNumber(vr: string, value: number): string | number {
  if (vr === 'DS') return decimalString(value);
  return vr === 'IS' ? String(value) : value;
}

function checkValue(tag: string, vr: string, value: unknown): void {
  if (vr in integers) return checkInteger(tag, vr, value);
  if (vr === 'FL' || vr === 'FD') {
    if (typeof value !== 'number' || !Number.isFinite(value)) throw invalid(tag, vr, 'takes finite numbers');
    return;
  }
  if (vr === 'AT') {
    if (typeof value !== 'string' || !/^[0-9A-F]{8}$/i.test(value))
      throw invalid(tag, vr, 'takes 8 hexadecimal digits');
    return;
  }
  if (vr === 'PN') return checkName(tag, value);
  if (typeof value !== 'string') throw invalid(tag, vr, `takes text, not ${typeof value}`);
  checkText(tag, vr, value);
}

/**
 * Refuse values that together are longer than a 16-bit length field can say (PS3.5 7.1.2).
 * @throws PlumblineError `encoding-invalid`
 */
export function checkLength(tag: string, vr: string, values: readonly unknown[]): void {
  if (longLength.has(vr)) return;
  const size = fixedBytes[vr];
  const bytes = size === undefined ? Buffer.byteLength(values.join('\\')) : size * values.length;
  if (bytes > 0xfffe) throw invalid(tag, vr, `takes at most 65534 bytes, not ${bytes}`);
}

const longLength = new Set(['OB', 'OD', 'OF', 'OW', 'SQ', 'UC', 'UN', 'UR', 'UT', 'UV']);
const fixedBytes: Readonly<Record<string, number>> = { AT: 4, US: 2, SS: 2, UL: 4, SL: 4, FL: 4, FD: 8 };

/** Smallest and largest value of the integer representations. */
const integers: Readonly<Record<string, readonly [bigint, bigint]>> = {
  US: [0n, 0xffffn],
  SS: [-0x8000n, 0x7fffn],
  UL: [0n, 0xffffffffn],
  SL: [-0x80000000n, 0x7fffffffn],
  UV: [0n, 2n ** 64n - 1n],
  SV: [-(2n ** 63n), 2n ** 63n - 1n],
};

function checkInteger(tag: string, vr: string, value: unknown): void {
  const [low, high] = integers[vr]!;
  const whole = typeof value === 'bigint' || Number.isSafeInteger(value) ? BigInt(value as number) : undefined;
  if (whole === undefined || whole < low || whole > high)
    throw invalid(tag, vr, `takes whole numbers from ${low} to ${high}`);
}

/** Longest value in characters, or in bytes for UT and UC, which are bound by their length field alone. */
const longest: Readonly<Record<string, number>> = { AE: 16, SH: 16, LO: 64, ST: 1024, LT: 10240, UI: 64 };

const forms: Readonly<Record<string, RegExp>> = {
  AE: /^[ -[\]-~]*$/,
  AS: /^\d{3}[DWMY]$/,
  CS: /^[A-Z0-9 _]{1,16}$/,
  DA: /^\d{8}$/,
  DS: /^ *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? *$/,
  DT: /^\d{4}(\d\d){0,5}(\.\d{1,6})?([+-]\d{4})?$/,
  IS: /^ *[+-]?\d+ *$/,
  TM: /^\d\d([0-5]\d([0-5]\d|60)?)?(\.\d{1,6})?$/,
  UR: /^[!-[\]-~]+$/,
};

function checkText(tag: string, vr: string, value: string): void {
  const max = longest[vr];
  if (max !== undefined && [...value].length > max)
    throw invalid(tag, vr, `takes at most ${max} characters, not ${[...value].length}`);
  if (value !== '' && forms[vr]?.test(value) === false)
    throw invalid(tag, vr, `does not take the value ${JSON.stringify(value.slice(0, 40))}`);
  if (vr === 'DS' && value.length > 16) throw invalid(tag, vr, 'takes at most 16 characters');
  if (vr === 'IS' && (value.length > 12 || Math.abs(Number(value)) > 2 ** 31 - (Number(value) < 0 ? 0 : 1)))
    throw invalid(tag, vr, 'takes 32-bit integers');
  if (vr === 'UI' && !isUid(value)) throw invalid(tag, vr, 'takes a UID');
  checkCharacters(tag, vr, value);
}

/** PS3.5 6.1.3 and 6.2: control characters TAB, LF, FF, CR in texts only; a backslash separates values elsewhere. */
function checkCharacters(tag: string, vr: string, value: string): void {
  const free = vr === 'LT' || vr === 'ST' || vr === 'UT';
  const illegal = free ? /[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]/ : /[\x00-\x1f\x5c\x7f-\x9f]/;
  const found = illegal.exec(value);
  if (found || !value.isWellFormed()) {
    const which = found ? `U+${found[0].charCodeAt(0).toString(16).padStart(4, '0')}` : 'half a surrogate pair';
    throw new PlumblineError('text-unencodable', `element (${tag}) of representation ${vr} can not hold ${which}`);
  }
}

/** At most 64 characters for each of the three groups, five components in each (PS3.5 6.2.1). */
function checkName(tag: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw invalid(tag, 'PN', 'takes an object of groups');
  for (const group of Object.values(value)) {
    if (typeof group !== 'string') throw invalid(tag, 'PN', 'takes text in its groups');
    if ([...group].length > 64 || group.split('^').length > 5)
      throw invalid(tag, 'PN', 'takes 64 characters and 5 components in a group');
    if (group.includes('='))
      throw new PlumblineError('text-unencodable', `element (${tag}): "=" separates the groups of a name`);
    checkCharacters(tag, 'PN', group);
  }
}

const binary = new Set(['OB', 'OD', 'OF', 'OW', 'UN']);
const single = new Set(['LT', 'ST', 'UT', 'UR']);
// Without OL, OV and SV, which dcmjs 0.52 would write as UN.
const writable = new Set([
  ...binary,
  'US',
  'SS',
  'UL',
  'SL',
  'UV',
  'SQ',
  'PN',
  'FL',
  'FD',
  'AT',
  'SH',
  'LO',
  'UC',
  'ST',
  'LT',
  'UT',
  'UI',
  ...Object.keys(forms),
]);

function invalid(tag: string, vr: string, why: string): PlumblineError {
  return new PlumblineError('encoding-invalid', `element (${tag}): ${vr} ${why}`);
}
