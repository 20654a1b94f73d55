import { createHash, type Hash } from 'node:crypto';
import { isUid, lengthOf, PlumblineError, type DicomJson, type Parts } from '../base/index.ts';
import { refuseUndecodable } from './charset.ts';
import { plainText, toJson, valueAt, type BulkUri } from './json.ts';
import { parseHead, parsePart10, rawElement, type Fragment, type ParsedPart10, type RawElement } from './parse.ts';
import type { Need } from './sparse.ts';
import { isNotStorable } from './sop-classes.ts';
import { texts } from './attributes.ts';

/** Where the pixels of an instance lie. */
export interface PixelLocation {
  readonly keyword: 'PixelData' | 'FloatPixelData' | 'DoubleFloatPixelData';
  readonly vr: string;
  /** First byte of the value, and its length, in the file; in the inflated data set where the transfer syntax is deflated. */
  readonly offset: number;
  readonly length: number;
  /** Encapsulated pixel data: the fragments, without the offset table. */
  readonly fragments?: readonly Fragment[];
  /** Offset of each frame from the first fragment's item tag: the Extended Offset Table, or the basic one; [] when neither is there. */
  readonly offsetTable?: readonly number[];
}

export interface InspectedFile {
  readonly studyUid: string;
  readonly seriesUid: string;
  readonly instanceUid: string;
  readonly sopClass: string;
  /** Media Storage SOP Instance UID of group 2; empty where it is absent. Published files often keep an old one there. */
  readonly metaInstanceUid: string;
  readonly transferSyntax: string;
  /** SHA-256 (hex) over transfer syntax UID, one zero byte, and the data set bytes as they stand in the file. */
  readonly dataDigest: string;
  /** The data set without pixels in the DICOM JSON Model; see `toJson` for what is left out. */
  readonly attributes: DicomJson;
  readonly pixel?: PixelLocation;
  /** Tags whose text did not decode; only with `undecodable: 'mark'`. */
  readonly undecodable: readonly string[];
}

export interface InspectOptions {
  /** `refuse` (default) throws `charset-undecodable`; `mark` puts U+FFFD and names the tags. */
  readonly undecodable?: 'refuse' | 'mark';
  /** What follows `file`, all of it in the value of the last element: the pixels of an object written in parts. */
  readonly rest?: Parts;
  /** The digest of the data set where the caller has made it while the bytes came in: then it is not made again. */
  readonly dataDigest?: string;
  /** Gives long binary values a BulkDataURI instead of leaving them out. */
  readonly bulk?: BulkUri;
  /** Asked before bytes of `file` are looked at, where not all are there (`sparseBytes`); `dataDigest` is needed then. */
  readonly need?: Need;
}

/**
 * One long value of a file as bytes, little endian.
 * @param path as `BulkUri` has it
 * @returns undefined where there is none, and for sequences, pixel data and short values
 * @throws PlumblineError `not-dicom`, `dicom-damaged`, `transfer-syntax-unknown`
 */
export function bulkValue(file: Uint8Array, path: string): Uint8Array | undefined {
  return valueAt(parsePart10(file), path);
}

/**
 * Read everything but the pixels of a Part 10 file, and prove that the file is whole. The UIDs of the data set win over
 * group 2: published files often keep old ones there.
 * @throws PlumblineError `not-dicom`, `dicom-damaged`, `inflated-too-large`, `transfer-syntax-unknown`, `uid-missing`, `class-not-storable`,
 * `class-mismatch`, `charset-undecodable`
 */
export function inspectPart10(file: Uint8Array, options: InspectOptions = {}): InspectedFile {
  const parsed = parsePart10(file, lengthOf(options.rest ?? []), options.need);
  const identity = identityOf(parsed);
  const { attributes, undecodable } = attributesIn(parsed, options);
  const pixel = pixelLocation(parsed);
  return {
    ...identity,
    metaInstanceUid: plainText(rawElement(parsed.meta, '00020003'), parsed.file),
    transferSyntax: parsed.transferSyntaxUid,
    dataDigest: options.dataDigest ?? digestOf(parsed, options.rest),
    attributes,
    ...(pixel && { pixel }),
    undecodable,
  };
}

/** Makes the `dataDigest` of a data set while its bytes come in. */
export function dataHash(transferSyntaxUid: string): Hash {
  return createHash('sha256').update(transferSyntaxUid).update('\0');
}

/**
 * `dataHash` for a whole file.
 * @param head the beginning of the file, with all of group 2; what is of the data set is hashed, what follows is to come
 * @throws PlumblineError `not-dicom`, `dicom-damaged`, `transfer-syntax-unknown`
 */
export function dataHashFrom(head: Uint8Array): Hash {
  const { transferSyntaxUid, dataStart } = parseHead(head);
  return dataHash(transferSyntaxUid).update(head.subarray(dataStart));
}

/**
 * The attributes alone, of a file that was inspected when it came.
 * @throws PlumblineError as `inspectPart10`
 */
export function attributesOf(file: Uint8Array): DicomJson {
  return attributesIn(parsePart10(file), {}).attributes;
}

function attributesIn(parsed: ParsedPart10, { undecodable: policy, bulk }: InspectOptions) {
  const { attributes, undecodable } = toJson(parsed, bulk);
  if (undecodable.length > 0 && policy !== 'mark')
    refuseUndecodable(undecodable[0]!, texts(attributes, 'SpecificCharacterSet'));
  return { attributes, undecodable };
}

type Identity = Pick<InspectedFile, 'studyUid' | 'seriesUid' | 'instanceUid' | 'sopClass'>;

function identityOf(parsed: ParsedPart10): Identity {
  const sopClass = uidOf(parsed, '00080016');
  const metaClass = plainText(rawElement(parsed.meta, '00020002'), parsed.file);
  for (const uid of [sopClass, metaClass]) {
    if (isNotStorable(uid))
      throw new PlumblineError('class-not-storable', `SOP class ${uid} is not an instance to store`);
  }
  const identity = {
    studyUid: needUid(parsed, '0020000D', 'Study Instance UID'),
    seriesUid: needUid(parsed, '0020000E', 'Series Instance UID'),
    instanceUid: needUid(parsed, '00080018', 'SOP Instance UID'),
    sopClass: needUid(parsed, '00080016', 'SOP Class UID'),
  };
  if (metaClass !== '' && metaClass !== sopClass) {
    throw new PlumblineError(
      'class-mismatch',
      `group 2 says SOP class ${shown(metaClass)}, the data set says ${sopClass}`,
    );
  }
  return identity;
}

function uidOf(parsed: ParsedPart10, tag: string): string {
  return plainText(rawElement(parsed.dataset, tag), parsed.bytes);
}

function needUid(parsed: ParsedPart10, tag: string, name: string): string {
  const uid = uidOf(parsed, tag);
  if (!isUid(uid))
    throw new PlumblineError('uid-missing', uid === '' ? `no ${name}` : `${name} ${shown(uid)} is no UID`);
  return uid;
}

/** Foreign text for a message: short, and harmless in a log. */
function shown(text: string): string {
  return JSON.stringify(text.slice(0, 70));
}

function digestOf({ transferSyntaxUid, file, dataStart }: ParsedPart10, rest: Parts = []): string {
  const hash = dataHash(transferSyntaxUid).update(file.subarray(dataStart));
  for (const part of rest) hash.update(part);
  return hash.digest('hex');
}

/** The pixels of a parsed file; undefined where it has none. */
export function pixelLocation(parsed: ParsedPart10): PixelLocation | undefined {
  for (const [tag, keyword] of pixelElements) {
    const element = rawElement(parsed.dataset, tag);
    if (element === undefined) continue;
    const { vr, offset, length, fragments } = element;
    if (fragments === undefined) return { keyword, vr, offset, length };
    return { keyword, vr, offset, length, fragments, offsetTable: offsetTableOf(parsed, element) };
  }
  return undefined;
}

const pixelElements = [
  ['7FE00010', 'PixelData'],
  ['7FE00008', 'FloatPixelData'],
  ['7FE00009', 'DoubleFloatPixelData'],
] as const;

/** The Extended Offset Table (PS3.3 C.7.6.3.1.8) stands in place of an empty basic one. */
function offsetTableOf({ dataset, bytes }: ParsedPart10, pixel: RawElement): readonly number[] {
  const extended = rawElement(dataset, '7FE00001');
  if (extended === undefined || extended.length === 0) return pixel.offsetTable ?? [];
  const view = new DataView(bytes.buffer, bytes.byteOffset + extended.offset, extended.length);
  return Array.from({ length: extended.length >> 3 }, (_, i) => Number(view.getBigUint64(i * 8, true)));
}
