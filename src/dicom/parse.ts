import dicomParser, { type ByteStream } from 'dicom-parser';
import { PlumblineError } from '../base/index.ts';
import { isPrivateTag, vrOfTag } from './dictionary.ts';
import { inflateDataset } from './inflate.ts';
import type { Need } from './sparse.ts';
import { transferSyntax, type TransferSyntax } from './transfer-syntaxes.ts';

/** One element as it lies in the bytes; nothing of its value is read yet. */
export interface RawElement {
  /** 8 upper-case hex digits. */
  readonly tag: string;
  /** As written, or by the dictionary in implicit VR; `UN` where neither is known. */
  readonly vr: string;
  /** First byte of the value in `ParsedPart10.bytes`. */
  readonly offset: number;
  readonly length: number;
  /** For sequences. */
  readonly items?: readonly RawDataset[];
  /** For encapsulated pixel data: without the offset table item. */
  readonly fragments?: readonly Fragment[];
  /** Basic Offset Table, as written. */
  readonly offsetTable?: readonly number[];
}
export type RawDataset = readonly RawElement[];

/** `offset` is that of the first byte of the fragment's value in `ParsedPart10.bytes`. */
export interface Fragment {
  readonly offset: number;
  readonly length: number;
}

export interface ParsedPart10 {
  readonly transferSyntaxUid: string;
  readonly transferSyntax: TransferSyntax;
  /** Group 2. */
  readonly meta: RawDataset;
  readonly dataset: RawDataset;
  /** What the offsets of `meta` refer to. */
  readonly file: Uint8Array;
  /** What the offsets of `dataset` refer to: the file, or the inflated data set. */
  readonly bytes: Uint8Array;
  /** Where the data set starts in the file. */
  readonly dataStart: number;
  readonly bigEndian: boolean;
}

const itemStart = 0xfffee000;
const itemDelimiter = 0xfffee00d;
const sequenceDelimiter = 0xfffee0dd;

/** Nesting and number of elements that no real object reaches, and that bound time and memory. */
const maxDepth = 64;
const maxElements = 2_000_000;

/**
 * Find every element of a Part 10 file (PS3.10 chapter 7, PS3.5 chapter 7) and prove that all lengths fit: each value
 * lies in its item, each item in its sequence, and the data set ends where the file ends.
 *
 * dicom-parser reads the headers. The walk over them is ours, because it has to be bounded in depth and number, has
 * to notice a sequence that ends early, and has to know the 64-bit representations (OV of the Extended Offset Table).
 * @param beyond bytes of the file that follow these; they must lie in the value of the last element
 * @param need asked before bytes are looked at, where not all of the file is there (sparse.ts): headers, and values that
 * are not pixels nor as large
 * @throws PlumblineError `not-dicom`, `dicom-damaged`, `inflated-too-large`, `transfer-syntax-unknown`
 */
export function parsePart10(file: Uint8Array, beyond = 0, need: Need = allThere): ParsedPart10 {
  const { meta, transferSyntaxUid, transferSyntax: syntax, dataStart } = parseHead(file, need);
  return guarded(() => {
    const deflated = syntax.encoding === 'deflated';
    const bytes = deflated ? inflateDataset(file, dataStart, need) : file;
    const start = deflated ? 0 : dataStart;
    const bigEndian = syntax.encoding === 'explicit-big';
    const dataset =
      start < bytes.length ? walkDataset(bytes, start, syntax, beyond, bytes === file ? need : allThere) : [];
    return { transferSyntaxUid, transferSyntax: syntax, meta, dataset, file, bytes, dataStart, bigEndian };
  });
}

/**
 * Preamble and group 2 of a file (PS3.10 7.1), of which what follows them need not be there.
 * @throws PlumblineError `not-dicom`, `dicom-damaged`, `transfer-syntax-unknown`
 */
export function parseHead(
  file: Uint8Array,
  need: Need = allThere,
): Pick<ParsedPart10, 'meta' | 'transferSyntaxUid' | 'transferSyntax' | 'dataStart'> {
  need(0, 132);
  if (file.length < 132 || String.fromCharCode(...file.subarray(128, 132)) !== 'DICM') {
    throw new PlumblineError('not-dicom', `no DICM prefix after a preamble of 128 bytes (${file.length} bytes)`);
  }
  return guarded(() => {
    const { meta, end } = readMeta(file, need);
    const uid = transferSyntaxOf(file, meta);
    const syntax = transferSyntax(uid);
    if (syntax === undefined)
      throw new PlumblineError('transfer-syntax-unknown', `transfer syntax ${uid} is not known`);
    return { meta, transferSyntaxUid: uid, transferSyntax: syntax, dataStart: end };
  });
}

/** The element with the tag, at the top level of a raw data set. */
export function rawElement(dataset: RawDataset, tag: string): RawElement | undefined {
  return dataset.find((e) => e.tag === tag);
}

function readMeta(file: Uint8Array, need: Need): { meta: RawDataset; end: number } {
  const walk = newWalk(file, 132, false, need);
  const meta: RawElement[] = [];
  // The group length is often wrong in real files; group 2 ends where another group begins.
  while (walk.stream.position < file.length && peekTag(walk) >>> 16 === 2) {
    meta.push(readElement(walk, { explicit: true, end: file.length, depth: 0 }));
  }
  return { meta, end: walk.stream.position };
}

function transferSyntaxOf(file: Uint8Array, meta: RawDataset): string {
  const element = rawElement(meta, '00020010');
  if (element === undefined) throw new PlumblineError('not-dicom', 'no Transfer Syntax UID (0002,0010) in group 2');
  const text = String.fromCharCode(...file.subarray(element.offset, element.offset + Math.min(element.length, 80)));
  return text.replace(/[\0 ]+$/, '');
}

interface Walk {
  readonly stream: ByteStream;
  readonly size: number;
  readonly need: Need;
  count: number;
}
/** `end` is the end of the item or data set that the element must lie in. */
interface Place {
  readonly explicit: boolean;
  readonly end: number;
  readonly depth: number;
}

const allThere: Need = () => undefined;

function newWalk(bytes: Uint8Array, position: number, bigEndian: boolean, need: Need): Walk {
  const parser = bigEndian ? dicomParser.bigEndianByteArrayParser : dicomParser.littleEndianByteArrayParser;
  return { stream: new dicomParser.ByteStream(parser, bytes, position), size: bytes.length, need, count: 0 };
}

function walkDataset(bytes: Uint8Array, start: number, syntax: TransferSyntax, beyond: number, need: Need): RawDataset {
  const walk = newWalk(bytes, start, syntax.encoding === 'explicit-big', need);
  const end = bytes.length + beyond;
  const place = { explicit: syntax.encoding !== 'implicit', end, depth: 0 };
  const elements: RawElement[] = [];
  while (walk.stream.position < bytes.length) elements.push(readElement(walk, place));
  if (walk.stream.position !== end)
    throw damaged(`the last element ends ${end - walk.stream.position} bytes too early`);
  for (const { tag } of elements) {
    // PS3.10 7.1: group 2 comes once and first. PS3.7: group 0 never is in a file. A second file glued on starts with zeros.
    if (/^000[0-35-7]/.test(tag)) throw damaged(`element (${tag.slice(0, 4)},${tag.slice(4)}) in the data set`);
  }
  checkUnique(elements);
  return elements;
}

function readElement(walk: Walk, place: Place): RawElement {
  const { stream } = walk;
  const start = stream.position;
  countOne(walk);
  const header = readHeader(walk, place);
  const { tag, vr, length } = header;
  if (length === 0xffffffff) return readUndefined(walk, place, header);
  if (stream.position + length > place.end) {
    throw damaged(
      `element (${tag.slice(0, 4)},${tag.slice(4)}) at byte ${start} claims ${length} bytes, ${place.end - stream.position} follow`,
    );
  }
  const offset = stream.position;
  if (vr === 'SQ') {
    const items = readItems(walk, { ...place, end: offset + length }, false);
    return { tag, vr, offset, length, items };
  }
  if (isLookedAt(tag, vr, length)) walk.need(offset, offset + length);
  stream.seek(length);
  return { tag, vr, offset, length };
}

/** Large values that nobody who looks at a data set without its pixels needs (json.ts leaves them out). */
function isLookedAt(tag: string, vr: string, length: number): boolean {
  return length <= 1 << 16 || !/^(O[BDFLVW]|UN)$/.test(vr) || tag.startsWith('0028') || tag === '7FE00001';
}

interface Header {
  readonly tag: string;
  readonly vr: string;
  readonly length: number;
}

function readHeader({ stream, need }: Walk, place: Place): Header {
  const start = stream.position;
  need(start, start + 12);
  if (start + 8 > place.end) throw damaged(`${place.end - start} bytes at byte ${start} are too few for an element`);
  // With the tag itself as `untilTag` dicom-parser stops after the header, before the value.
  const until = dicomParser.readTag(stream);
  stream.seek(-4);
  const tag = until.slice(1).toUpperCase();
  if (tag.startsWith('FFFE')) throw damaged(`a delimiter (${tag}) at byte ${start} that closes nothing`);
  if (!place.explicit) {
    const { length } = dicomParser.readDicomElementImplicit(stream, until);
    return { tag, vr: implicitVr(tag), length };
  }
  const { vr = '', length } = dicomParser.readDicomElementExplicit(stream, [], until);
  if (!explicitVrs.has(vr)) throw damaged(`element (${tag}) at byte ${start} has no known value representation`);
  if (vr !== 'OV' && vr !== 'SV' && vr !== 'UV') return { tag, vr, length };
  // dicom-parser takes the 64-bit representations for short ones (PS3.5 7.1.2: they have 32 bits of length).
  stream.seek(8 - (stream.position - start));
  return { tag, vr, length: stream.readUint32() };
}

function implicitVr(tag: string): string {
  if (isPrivateTag(tag)) return /^....00[1-9A-F]/.test(tag) ? 'LO' : 'UN'; // PS3.5 7.8.1: private creators are LO
  return vrOfTag(tag) ?? 'UN';
}

const explicitVrs = new Set(
  'AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV'.split(' '),
);

/** Only sequences, unknown values that are sequences (PS3.5 6.2.2) and encapsulated pixels (A.4) may have no length. */
function readUndefined(walk: Walk, place: Place, { tag, vr }: Header): RawElement {
  const offset = walk.stream.position;
  if (tag === '7FE00010' && (vr === 'OB' || vr === 'OW') && place.explicit) {
    const { fragments, offsetTable } = readFragments(walk, place.end);
    return { tag, vr, offset, length: walk.stream.position - offset, fragments, offsetTable };
  }
  if (vr !== 'SQ' && vr !== 'UN') throw damaged(`element (${tag}) of representation ${vr} has no length`);
  const items = readItems(walk, vr === 'UN' ? { ...place, explicit: false } : place, true);
  return {
    tag,
    vr: vr === 'UN' && vrOfTag(tag) === 'SQ' ? 'SQ' : vr,
    offset,
    length: walk.stream.position - offset,
    items,
  };
}

function readItems(walk: Walk, place: Place, untilDelimiter: boolean): RawDataset[] {
  const { stream } = walk;
  if (place.depth >= maxDepth) throw damaged(`sequences are nested deeper than ${maxDepth}`);
  const items: RawDataset[] = [];
  while (stream.position < place.end) {
    countOne(walk);
    const start = stream.position;
    if (start + 8 > place.end) throw damaged(`a sequence ends inside the head of an item at byte ${start}`);
    const tag = peekTag(walk);
    stream.seek(4);
    const length = stream.readUint32();
    if (tag === sequenceDelimiter && untilDelimiter) return items;
    if (tag !== itemStart) throw damaged(`an item is expected at byte ${start}`);
    items.push(readItem(walk, place, length));
  }
  if (untilDelimiter) throw damaged('a sequence is never closed');
  return items;
}

function readItem(walk: Walk, place: Place, length: number): RawDataset {
  const { stream } = walk;
  const undefinedLength = length === 0xffffffff;
  const end = undefinedLength ? place.end : stream.position + length;
  if (end > place.end)
    throw damaged(`an item at byte ${stream.position} claims ${length} bytes, ${place.end - stream.position} follow`);
  const inside = { explicit: place.explicit, end, depth: place.depth + 1 };
  const elements: RawElement[] = [];
  while (stream.position < end) {
    if (undefinedLength && end - stream.position >= 8 && peekTag(walk) === itemDelimiter) {
      stream.seek(8);
      checkUnique(elements);
      return elements;
    }
    elements.push(readElement(walk, inside));
  }
  if (undefinedLength) throw damaged('an item is never closed');
  checkUnique(elements);
  return elements;
}

function readFragments(walk: Walk, end: number): { fragments: Fragment[]; offsetTable: number[] } {
  const { stream } = walk;
  const found: Fragment[] = [];
  for (;;) {
    countOne(walk);
    if (stream.position + 8 > end) throw damaged('the pixel fragments are never closed');
    const tag = peekTag(walk);
    stream.seek(4);
    const length = stream.readUint32();
    if (tag === sequenceDelimiter) break;
    if (tag !== itemStart) throw damaged(`a pixel fragment is expected at byte ${stream.position - 8}`);
    if (length > end - stream.position)
      throw damaged(`a pixel fragment claims ${length} bytes, ${end - stream.position} follow`);
    found.push({ offset: stream.position, length });
    stream.seek(length);
  }
  const [table, ...fragments] = found;
  if (table === undefined) throw damaged('encapsulated pixel data without an offset table item');
  walk.need(table.offset, table.offset + table.length);
  const view = new DataView(stream.byteArray.buffer, stream.byteArray.byteOffset + table.offset, table.length);
  return { fragments, offsetTable: Array.from({ length: table.length >> 2 }, (_, i) => view.getUint32(i * 4, true)) };
}

/** The next tag as a number, group x 65536 + element; the length behind it is there too. The stream stays. */
function peekTag({ stream, need }: Walk): number {
  const { byteArrayParser, byteArray, position } = stream;
  need(position, position + 8);
  return (
    byteArrayParser.readUint16(byteArray, position) * 0x10000 + byteArrayParser.readUint16(byteArray, position + 2)
  );
}

function countOne(walk: Walk): void {
  if (++walk.count > maxElements) throw damaged(`more than ${maxElements} elements`);
}

/** PS3.5 7.1: a tag occurs once. Two values for one tag are two readings of one file. */
function checkUnique(elements: RawDataset): void {
  if (elements.length < 2) return;
  const seen = new Set<string>();
  for (const { tag } of elements) {
    if (seen.has(tag)) throw damaged(`element (${tag.slice(0, 4)},${tag.slice(4)}) occurs twice`);
    seen.add(tag);
  }
}

function damaged(message: string): PlumblineError {
  return new PlumblineError('dicom-damaged', message);
}

/** dicom-parser throws strings and RangeErrors where it would read beyond the end. */
function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (e) {
    if (e instanceof PlumblineError) throw e;
    throw new PlumblineError('dicom-damaged', e instanceof Error ? e.message : String(e), { cause: e });
  }
}
