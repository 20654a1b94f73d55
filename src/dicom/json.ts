import type { DicomElement, DicomJson } from '../base/index.ts';
import { splitName } from './dataset.ts';
import { asciiText, textDecoding, type TextDecoding, type TextKind } from './charset.ts';
import { isPrivateTag, isSignDependent, vrOfTag } from './dictionary.ts';
import { rawElement, type ParsedPart10, type RawDataset, type RawElement } from './parse.ts';

/** Longer values are left out, but for text and look-up tables. */
const longest = 4096;

/** @param path `TAG` of an element, `TAG.ITEM.TAG` (items from 1 on) of one in a sequence */
export type BulkUri = (path: string) => string;

export interface JsonDataset {
  readonly attributes: DicomJson;
  /** Tags of elements whose text holds bytes that do not decode; there U+FFFD stands in their place. */
  readonly undecodable: readonly string[];
}

/**
 * A parsed data set in the DICOM JSON Model (PS3.18 annex F): text in Unicode, numbers as numbers, sequences nested.
 *
 * Left out: pixel data, group lengths, private elements without a known representation, and binary or numeric values of
 * more than 4 KiB that are no palette or look-up table. A Decimal or Integer String that is no number stays text.
 * @param bulk where a value that is left out for its length can be fetched: then its element has a BulkDataURI
 */
export function toJson(file: ParsedPart10, bulk?: BulkUri): JsonDataset {
  const context: Context = {
    ...(bulk && { bulk }),
    path: '',
    bytes: file.bytes,
    bigEndian: file.bigEndian,
    signed: isSigned(file.dataset, file),
    undecodable: [],
  };
  const attributes = datasetJson(file.dataset, { ...context, terms: [], text: textDecoding([]) });
  return { attributes, undecodable: context.undecodable };
}

/** The Image Pixel module alone (group 0028 at the top level), for those who need no more. */
export function imagePixelJson(file: ParsedPart10): DicomJson {
  return toJson({ ...file, dataset: file.dataset.filter((e) => e.tag.startsWith('0028')) }).attributes;
}

/** The value of an element of the default repertoire, padding removed; for UIDs. */
export function plainText(element: RawElement | undefined, bytes: Uint8Array): string {
  if (element === undefined) return '';
  return asciiText(bytes.subarray(element.offset, element.offset + Math.min(element.length, 1 << 16))).replace(
    /[\0 ]+$/,
    '',
  );
}

interface Context {
  readonly bytes: Uint8Array;
  readonly bigEndian: boolean;
  /** Pixel Representation of the data set is 1. */
  readonly signed: boolean;
  readonly undecodable: string[];
  readonly bulk?: BulkUri;
  /** Of the sequence and item around, with a dot at its end; '' at the top. */
  readonly path: string;
}
interface TextContext extends Context {
  readonly terms: readonly string[];
  readonly text: TextDecoding;
}

function isSigned(dataset: RawDataset, { bytes, bigEndian }: ParsedPart10): boolean {
  const element = rawElement(dataset, '00280103');
  return element !== undefined && element.length >= 2 && bytes[element.offset + (bigEndian ? 1 : 0)] === 1;
}

function datasetJson(dataset: RawDataset, context: TextContext): DicomJson {
  const inside = withCharset(dataset, context);
  const json: Record<string, DicomElement> = {};
  for (const element of dataset) {
    const value = elementJson(element, inside);
    if (value !== undefined) json[element.tag] = value;
  }
  return json;
}

/** A data set or item may name its own sets; otherwise those of the data set around it hold (PS3.3 C.12.1.1.2). */
function withCharset(dataset: RawDataset, context: TextContext): TextContext {
  const own = rawElement(dataset, '00080005');
  if (own === undefined) return context;
  const terms = plainText(own, context.bytes)
    .split('\\')
    .map((t) => t.trim());
  return { ...context, terms, text: textDecoding(terms) };
}

function elementJson(element: RawElement, context: TextContext): DicomElement | undefined {
  const { tag } = element;
  if (tag.endsWith('0000') || pixelTags.has(tag) || tag === 'FFFCFFFC') return undefined;
  const vr = knownVr(element, context);
  if (vr === 'UN' && (isPrivateTag(tag) || element.items)) return undefined;
  if (vr === 'SQ') {
    const items = (element.items ?? []).map((item, i) =>
      datasetJson(item, { ...context, path: `${context.path}${tag}.${i + 1}.` }),
    );
    return items.length === 0 ? { vr } : { vr, Value: items };
  }
  if (element.length === 0) return { vr };
  const kind = textKinds[vr];
  if (kind !== undefined) return textJson(element, vr, kind, context);
  if (plainStrings.has(vr))
    return {
      vr,
      ...valueOf(
        plainText(element, context.bytes)
          .split('\\')
          .map((v) => plainValue(vr, v)),
      ),
    };
  if (element.length > longest && !keptWhole(tag))
    return context.bulk && { vr, BulkDataURI: context.bulk(context.path + tag) };
  return binaryJson(element, vr, context);
}

const pixelTags = new Set(['7FE00001', '7FE00002', '7FE00008', '7FE00009', '7FE00010']);

function keptWhole(tag: string): boolean {
  return tag.startsWith('002812') || tag === '00283006';
}

/** UN of a tag that the dictionary knows is that representation in implicit little endian (PS3.5 6.2.2). */
function knownVr({ tag, vr, items }: RawElement, { signed }: Context): string {
  const known = vr === 'UN' && !isPrivateTag(tag) ? (vrOfTag(tag) ?? 'UN') : vr;
  if (known === 'SQ' && items === undefined) return 'UN';
  return known === 'US' && signed && isSignDependent(tag) && !tag.startsWith('002811') && tag !== '00283002'
    ? 'SS'
    : known;
}

/**
 * The long value that `path` names (see `BulkUri`), little endian whatever the file is.
 * @returns undefined where there is none, and for sequences, pixel data and what is short enough to stand in the JSON
 */
export function valueAt(file: ParsedPart10, path: string): Uint8Array | undefined {
  let inside: RawDataset | undefined = file.dataset;
  const steps = path.split('.');
  for (let i = 0; i + 2 < steps.length; i += 2)
    inside = inside && rawElement(inside, steps[i]!)?.items?.[Number(steps[i + 1]) - 1];
  const element = steps.length % 2 === 1 && inside ? rawElement(inside, steps.at(-1)!) : undefined;
  if (!element || element.items || pixelTags.has(element.tag) || element.length <= longest) return undefined;
  const { vr, offset, length } = element;
  const bytes = file.bytes.subarray(offset, offset + length);
  const word = wordBytes[vr] ?? readers[vr]?.[0] ?? 1;
  return file.bigEndian && word > 1 ? swapped(bytes, vr === 'AT' ? 2 : word) : bytes;
}

// — text —

const textKinds: Readonly<Record<string, TextKind>> = {
  SH: 'strings',
  LO: 'strings',
  UC: 'strings',
  PN: 'name',
  LT: 'text',
  ST: 'text',
  UT: 'text',
};
const plainStrings = new Set(['AE', 'AS', 'CS', 'DA', 'DS', 'DT', 'IS', 'TM', 'UI', 'UR']);

function textJson({ tag, offset, length }: RawElement, vr: string, kind: TextKind, context: TextContext): DicomElement {
  const { values, damaged } = context.text.values(context.bytes.subarray(offset, offset + length), kind);
  if (damaged) context.undecodable.push(tag);
  // PS3.5 6.2: trailing spaces never count; leading ones do in LT, ST, UT and UC.
  const trimmed = values.map((v) =>
    kind === 'text' || vr === 'UC' ? v.replace(/[\0 ]+$/, '') : v.replace(/^ +|[\0 ]+$/g, ''),
  );
  return { vr, ...valueOf(trimmed.map((v) => (kind === 'name' && v !== '' ? splitName(v) : v))) };
}

function plainValue(vr: string, raw: string): string | number {
  const value = raw.replace(/^ +|[\0 ]+$/g, '');
  if (vr !== 'DS' && vr !== 'IS') return value;
  const number = vr === 'DS' ? decimal(value) : integer(value);
  return number ?? value;
}

function decimal(text: string): number | undefined {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) return undefined;
  const number = Number(text);
  return Number.isFinite(number) ? number : undefined;
}

function integer(text: string): number | undefined {
  return /^[+-]?\d{1,12}$/.test(text) ? Number(text) : undefined;
}

/** An empty value among others is null (PS3.18 F.2.5). */
function valueOf(values: readonly unknown[]): Pick<DicomElement, 'Value'> {
  if (values.length === 1 && values[0] === '') return {};
  return { Value: values.map((v) => (v === '' ? null : v)) };
}

// — binary —

type Reader = (view: DataView, at: number, little: boolean) => unknown;
const readers: Readonly<Record<string, readonly [bytes: number, read: Reader]>> = {
  US: [2, (v, i, l) => v.getUint16(i, l)],
  SS: [2, (v, i, l) => v.getInt16(i, l)],
  UL: [4, (v, i, l) => v.getUint32(i, l)],
  SL: [4, (v, i, l) => v.getInt32(i, l)],
  FL: [4, (v, i, l) => real(v.getFloat32(i, l))],
  FD: [8, (v, i, l) => real(v.getFloat64(i, l))],
  UV: [8, (v, i, l) => big(v.getBigUint64(i, l))],
  SV: [8, (v, i, l) => big(v.getBigInt64(i, l))],
  AT: [4, (v, i, l) => hex4(v.getUint16(i, l)) + hex4(v.getUint16(i + 2, l))],
};
const wordBytes: Readonly<Record<string, number>> = { OW: 2, OL: 4, OF: 4, OD: 8, OV: 8 };

function binaryJson(
  { vr: written, offset, length }: RawElement,
  vr: string,
  { bytes, bigEndian }: Context,
): DicomElement {
  const little = !bigEndian || written === 'UN';
  const reader = readers[vr];
  if (reader === undefined)
    return { vr, InlineBinary: base64(bytes.subarray(offset, offset + length), little ? 1 : (wordBytes[vr] ?? 1)) };
  const [size, read] = reader;
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, length);
  const values = Array.from({ length: Math.floor(length / size) }, (_, i) => read(view, i * size, little));
  return { vr, ...valueOf(values) };
}

/** JSON has no NaN and no infinity: they stay text, as 64-bit integers beyond 2^53 do (PS3.18 F.2.2). */
function real(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

function big(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

function hex4(value: number): string {
  return value.toString(16).toUpperCase().padStart(4, '0');
}

/** @param word bytes of a word to be reversed; 1 leaves the order */
function base64(bytes: Uint8Array, word: number): string {
  return swapped(bytes, word).toString('base64');
}

function swapped(bytes: Uint8Array, word: number): Buffer {
  const copy = Buffer.from(bytes);
  for (let i = 0; word > 1 && i + word <= copy.length; i += word) copy.subarray(i, i + word).reverse();
  return copy;
}
