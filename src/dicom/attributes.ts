import type { Code, DicomElement, DicomJson } from '../base/index.ts';
import { tagOf } from './dictionary.ts';

/** One value of a PN element in the DICOM JSON Model (PS3.18 F.2.2). */
export interface PersonNameValue {
  readonly Alphabetic?: string;
  readonly Ideographic?: string;
  readonly Phonetic?: string;
}

/** All values as text, in order; numbers as written by JavaScript, an empty value as ''. */
export function texts(dataset: DicomJson, keyword: string): string[] {
  return (elementOf(dataset, keyword)?.Value ?? []).map(valueText);
}

/** The first value as text; '' when the element is absent or empty. */
export function text(dataset: DicomJson, keyword: string): string {
  const value = elementOf(dataset, keyword)?.Value?.[0];
  return value === undefined ? '' : valueText(value);
}

/** All values as finite numbers. A value that is no number makes the whole list empty: a list with a hole misleads. */
export function numbers(dataset: DicomJson, keyword: string): number[] {
  const values = (elementOf(dataset, keyword)?.Value ?? []).map(valueNumber);
  return values.some((v) => v === undefined) ? [] : (values as number[]);
}

/** The first value as a finite number; undefined when absent, empty or no number. */
export function number(dataset: DicomJson, keyword: string): number | undefined {
  const value = elementOf(dataset, keyword)?.Value?.[0];
  return value === undefined ? undefined : valueNumber(value);
}

/** The items of a sequence; [] when absent. */
export function items(dataset: DicomJson, keyword: string): DicomJson[] {
  const element = elementOf(dataset, keyword);
  if (element?.vr !== 'SQ') return [];
  return (element.Value ?? []).filter((v): v is DicomJson => typeof v === 'object' && v !== null);
}

/** The first value of a person name as it stands in a file: `Alphabetic=Ideographic=Phonetic`, trailing empty groups left out. */
export function personName(dataset: DicomJson, keyword: string): string {
  return text(dataset, keyword);
}

/** The bytes of a binary element (little endian); undefined when absent or left out for its size. */
export function bytesOf(dataset: DicomJson, keyword: string): Uint8Array | undefined {
  const inline = elementOf(dataset, keyword)?.InlineBinary;
  return inline === undefined ? undefined : new Uint8Array(Buffer.from(inline, 'base64'));
}

/**
 * The coded concept of a code sequence item (PS3.3 8.8): Code Value, or Long Code Value or URN Code Value in its place.
 * Undefined where the value is missing; a URN has no scheme.
 */
export function codeOf(item: DicomJson | undefined): Code | undefined {
  if (item === undefined) return undefined;
  const value = text(item, 'CodeValue') || text(item, 'LongCodeValue') || text(item, 'URNCodeValue');
  if (value === '') return undefined;
  return { value, scheme: text(item, 'CodingSchemeDesignator'), meaning: text(item, 'CodeMeaning') };
}

/** Whether the element is there, with or without a value. */
export function has(dataset: DicomJson, keyword: string): boolean {
  return elementOf(dataset, keyword) !== undefined;
}

function elementOf(dataset: DicomJson, keyword: string): DicomElement | undefined {
  return dataset[tagOf(keyword)];
}

function valueText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return '';
  if (typeof value === 'object') return joinName(value as PersonNameValue);
  return String(value);
}

/** @returns `Alphabetic=Ideographic=Phonetic` without trailing `=` (PS3.5 6.2.1.1) */
export function joinName(name: PersonNameValue): string {
  return [name.Alphabetic ?? '', name.Ideographic ?? '', name.Phonetic ?? ''].join('=').replace(/=+$/, '');
}

/** Decimal Strings that are none ("0,5", "NaN", 1e400) stay text in the JSON model, and are no number here. */
function valueNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (typeof value !== 'string') return undefined;
  const trimmed = value.trim();
  if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(trimmed)) return undefined;
  const number = Number(trimmed);
  return Number.isFinite(number) ? number : undefined;
}
