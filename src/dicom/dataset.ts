import type { DicomElement, DicomJson } from '../base/index.ts';
import type { PersonNameValue } from './attributes.ts';
import { tagOf, vrOf } from './dictionary.ts';

/** What may stand for one value when a data set is built. */
export type ElementValue = string | number | bigint | PersonNameValue | DicomJson | Uint8Array;

/**
 * One element in the DICOM JSON Model; its value representation comes from the dictionary.
 *
 * No value gives an empty element (type 2). A plain string for a person name is split at `=` into its groups.
 * A `Uint8Array` becomes `InlineBinary`, its bytes little endian.
 * @throws PlumblineError internal for an unknown keyword
 */
export function element(keyword: string, ...values: readonly ElementValue[]): DicomElement {
  return elementOfVr(vrOf(keyword), ...values);
}

/** Like `element`, with the value representation given: for US or SS, OB or OW. */
export function elementOfVr(vr: string, ...values: readonly ElementValue[]): DicomElement {
  const [first] = values;
  if (first instanceof Uint8Array) return { vr, InlineBinary: Buffer.from(first).toString('base64') };
  if (values.length === 0) return { vr };
  return { vr, Value: values.map((v) => (vr === 'PN' && typeof v === 'string' ? splitName(v) : v)) };
}

/** Keyword to its value, its values, its items, or a whole element; undefined leaves the element out, [] or '' makes it empty. */
export type DatasetInput = {
  readonly [keyword: string]: ElementValue | readonly ElementValue[] | DicomElement | undefined;
};

/**
 * A data set in the DICOM JSON Model from keywords, tags in growing order.
 * @throws PlumblineError internal for an unknown keyword
 */
export function dataset(input: DatasetInput): DicomJson {
  const entries: [string, DicomElement][] = [];
  for (const [keyword, value] of Object.entries(input)) {
    if (value !== undefined) entries.push([tagOf(keyword), toElement(keyword, value)]);
  }
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** `Alphabetic=Ideographic=Phonetic` to its groups (PS3.18 F.2.2); empty groups are left out. */
export function splitName(name: string): PersonNameValue {
  const [alphabetic = '', ideographic = '', phonetic = ''] = name.split('=');
  return {
    ...(alphabetic && { Alphabetic: alphabetic }),
    ...(ideographic && { Ideographic: ideographic }),
    ...(phonetic && { Phonetic: phonetic }),
  };
}

function toElement(keyword: string, value: NonNullable<DatasetInput[string]>): DicomElement {
  if (isElement(value)) return value;
  if (value === '') return element(keyword);
  return Array.isArray(value)
    ? element(keyword, ...(value as ElementValue[]))
    : element(keyword, value as ElementValue);
}

function isElement(value: unknown): value is DicomElement {
  return typeof value === 'object' && value !== null && typeof (value as { vr?: unknown }).vr === 'string';
}
