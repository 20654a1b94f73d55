import { PlumblineError, type DicomElement, type DicomJson } from '../base/index.ts';
import type { SqlValue } from '../store/index.ts';
import { fold, foldName } from './names.ts';

/** A match on one attribute, in SQL where a column holds it, else as a test of the summary (PS3.4 C.2.2.2). */
export type Match =
  | {
      readonly kind: 'sql';
      /** Over `k`: a row of search_keys or of instances, which have these columns in common. */
      readonly text: string;
      readonly params: readonly SqlValue[];
      /** An index leads to what matches. */
      readonly indexed: boolean;
    }
  | { readonly kind: 'summary'; readonly test: (summary: DicomJson) => boolean };

const uidColumns: Readonly<Record<string, string>> = {
  '0020000D': 'k.study_uid',
  '0020000E': 'k.series_uid',
  '00080018': 'k.instance_uid',
  '00080016': 'k.sop_class',
};
const textColumns: Readonly<Record<string, string>> = {
  '00100020': 'k.patient_id',
  '00080050': 'k.accession',
  '00080060': 'k.modality',
};

/**
 * @param tag 8 hex digits
 * @returns undefined for universal matching: an empty value, or `*` alone, matches everything
 * @throws PlumblineError query-invalid where the value is no range that the attribute can have
 */
export function matchOf(tag: string, value: string): Match | undefined {
  if (value === '' || /^\*+$/.test(value)) return undefined;
  const uids = uidColumns[tag];
  if (uids) return oneOf(uids, listOf(value));
  if (textColumns[tag]) return like(textColumns[tag], value);
  if (tag === '00080020') return dateRange('k.study_date', tag, value);
  if (tag === '00100010') return nameMatch(value);
  // Modalities in Study and SOP Classes in Study: of any instance of the study.
  if (tag === '00080061') return anyInStudy(like('s.modality', value));
  if (tag === '00080062') return anyInStudy(oneOf('s.sop_class', listOf(value)));
  return { kind: 'summary', test: (summary) => elementMatches(summary[tag], tag, value) };
}

export type SqlMatch = Extract<Match, { kind: 'sql' }>;

/** UID lists: `\` in DIMSE, `,` in QIDO-RS. */
function listOf(value: string): string[] {
  return value
    .split(/[\\,]/)
    .map((v) => v.trim())
    .filter(Boolean);
}

function oneOf(column: string, values: readonly string[]): SqlMatch {
  const text = `${column} IN (${values.map(() => '?').join(', ')})`;
  return { kind: 'sql', text, params: values, indexed: column !== 'k.sop_class' };
}

function like(column: string, value: string): SqlMatch {
  const indexed = column === 'k.patient_id' || column === 'k.accession';
  if (!/[*?]/.test(value)) return { kind: 'sql', text: `${column} = ?`, params: [value.trim()], indexed };
  return { kind: 'sql', text: `${column} LIKE ? ESCAPE '\\'`, params: [likePattern(value)], indexed: false };
}

function likePattern(value: string): string {
  return value
    .replace(/[\\%_]/g, '\\$&')
    .replaceAll('*', '%')
    .replaceAll('?', '_');
}

/** The name or one of its groups; a value with `=` names several groups and all must match. */
function nameMatch(value: string): SqlMatch {
  const groups = ['k.name_alphabetic', 'k.name_ideographic', 'k.name_phonetic'];
  const wanted = Object.values(foldName(value)) as string[];
  if (!value.includes('=')) {
    const each = groups.map((g) => like(g, fold(value)));
    return {
      kind: 'sql',
      text: `(${each.map((e) => e.text).join(' OR ')})`,
      params: each.flatMap((e) => e.params),
      indexed: false,
    };
  }
  const each = groups.flatMap((g, i) => (wanted[i] ? [like(g, wanted[i])] : []));
  if (each.length === 0) return { kind: 'sql', text: '1 = 1', params: [], indexed: false };
  return {
    kind: 'sql',
    text: each.map((e) => e.text).join(' AND '),
    params: each.flatMap((e) => e.params),
    indexed: false,
  };
}

function anyInStudy(match: SqlMatch): SqlMatch {
  return {
    kind: 'sql',
    text: `EXISTS (SELECT 1 FROM search_keys s WHERE s.study_uid = k.study_uid AND ${match.text})`,
    params: match.params,
    indexed: false,
  };
}

function dateRange(column: string, tag: string, value: string): SqlMatch {
  const [from, to] = rangeOf(tag, value, /^\d{8}$/);
  const text = [`${column} <> ''`, ...(from ? [`${column} >= ?`] : []), ...(to ? [`${column} <= ?`] : [])];
  return { kind: 'sql', text: text.join(' AND '), params: [from, to].filter(Boolean), indexed: true };
}

/** `a-b`, `a-`, `-b`, or one value. @returns both ends, '' where open */
function rangeOf(tag: string, value: string, form: RegExp): [string, string] {
  const cut = value.indexOf('-');
  const [from, to] = cut < 0 ? [value, value] : [value.slice(0, cut), value.slice(cut + 1)];
  const ends = [from.trim(), to.trim()] as [string, string];
  if (ends.every((e) => e === '') || ends.some((e) => e !== '' && !form.test(e))) {
    throw new PlumblineError('query-invalid', `"${value.slice(0, 64)}" is no value or range for ${tag}`);
  }
  return ends;
}

function elementMatches(element: DicomElement | undefined, tag: string, value: string): boolean {
  const vr = element?.vr ?? '';
  if (vr === 'DA') return inRange(textsOf(element), rangeOf(tag, value, /^\d{8}$/));
  if (vr === 'TM') return inRange(textsOf(element).map(fullTime), timeRange(tag, value));
  if (vr === 'PN')
    return (element?.Value ?? []).some((v) =>
      Object.values(foldName(v)).some((g) => wildcard(fold(value), g as string)),
    );
  if (vr === 'UI') return textsOf(element).some((v) => listOf(value).includes(v));
  if (['IS', 'DS', 'US', 'SS', 'UL', 'SL', 'FL', 'FD'].includes(vr))
    return textsOf(element).some((v) => Number(v) === Number(value));
  return textsOf(element).some((v) => wildcard(value.trim(), v));
}

function textsOf(element: DicomElement | undefined): string[] {
  return (element?.Value ?? [])
    .filter((v) => typeof v === 'string' || typeof v === 'number')
    .map((v) => String(v).trim());
}

function inRange(values: readonly string[], [from, to]: readonly [string, string]): boolean {
  return values.some((v) => v !== '' && (from === '' || v >= from) && (to === '' || v <= to));
}

function timeRange(tag: string, value: string): [string, string] {
  const [from, to] = rangeOf(tag, value, /^\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?$/);
  // A shorter time is a span: 10 up to 10:59:59.999999 (PS3.5 table 6.2-1, TM).
  return [from && fullTime(from), to && `${to}${'235959.999999'.slice(to.length)}`];
}

function fullTime(time: string): string {
  return time === '' ? '' : `${time}${'000000.000000'.slice(time.length)}`;
}

/** `*` any text, `?` one character; without regular expressions, so that no pattern can take long. */
export function wildcard(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let resume = 0;
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++resume;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
