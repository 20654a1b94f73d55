import dcmjs, { type DcmjsDict, type DcmjsElement } from 'dcmjs';
import { joined, lengthOf, PlumblineError, type DicomElement, type DicomJson, type Parts } from '../base/index.ts';
import { joinName, text, type PersonNameValue } from './attributes.ts';
import { checkElement, checkLength, plainNumber } from './check.ts';
import { elementOfVr } from './dataset.ts';
import { part10Head } from './meta.ts';
import { encodeElement } from './write-frames.ts';
import { explicitLittle, transferSyntax } from './transfer-syntaxes.ts';

export interface WriteOptions {
  /** Any with an Explicit VR Little Endian data set; default that itself. The pixel bytes must already be in it. */
  readonly transferSyntax?: string;
  /** Pixel Data (7FE0,0010): the bytes as they go into the file, little endian; padded to even length here. */
  readonly pixelData?: { readonly vr: 'OB' | 'OW'; readonly bytes: Uint8Array | Parts };
}

/**
 * A Part 10 file (PS3.10 chapter 7) from a data set: tags in order, text in UTF-8 and Specific Character Set ISO_IR 192
 * whatever the data set says. Numbers of Decimal Strings are rounded to what fits 16 characters. The same input gives
 * the same bytes.
 * @throws PlumblineError `encoding-invalid` where a value breaks its representation, `text-unencodable`
 */
export function writePart10(dataset: DicomJson, options: WriteOptions = {}): Uint8Array {
  return joined(part10Parts(dataset, options));
}

/**
 * The same file in parts: all up to the value of Pixel Data, then the pixels as they were given, which are not copied.
 * @throws PlumblineError as `writePart10`
 */
export function part10Parts(dataset: DicomJson, options: WriteOptions = {}): Uint8Array[] {
  const syntaxUid = options.transferSyntax ?? explicitLittle;
  const syntax = transferSyntax(syntaxUid);
  if (syntax?.encoding !== 'explicit')
    throw new PlumblineError('encoding-invalid', `no data set is written in transfer syntax ${syntaxUid}`);
  const sopClass = text(dataset, 'SOPClassUID');
  const instanceUid = text(dataset, 'SOPInstanceUID');
  const head = part10Head({ sopClass, instanceUid, transferSyntax: syntaxUid });
  const body = writeDataset({ ...dataset, '00080005': elementOfVr('CS', 'ISO_IR 192') });
  if (!options.pixelData) return [joined([head, ...body])];
  const { vr, bytes } = options.pixelData;
  const pixels = bytes instanceof Uint8Array ? [bytes] : bytes;
  const length = lengthOf(pixels);
  const odd = length & 1;
  const before = joined([head, ...body, pixelHead(vr, length + odd, syntax.encapsulated)]);
  return [before, ...pixels, ...(odd ? [new Uint8Array(1)] : [])];
}

/** The data set alone, Explicit VR Little Endian: by dcmjs, but for sequences of many items, which it writes slowly. */
function writeDataset(dataset: DicomJson): Parts {
  const parts: Uint8Array[] = [];
  let few: Record<string, DicomElement> = {};
  const flush = (): void => {
    if (Object.keys(few).length > 0) parts.push(writeElements(few));
    few = {};
  };
  for (const tag of Object.keys(dataset).sort()) {
    const element = dataset[tag]!;
    if (tag !== perFrame && itemsIn(element) <= manyItems) {
      few[tag] = element;
      continue;
    }
    flush();
    parts.push(encodeElement(tag, element));
  }
  flush();
  return parts;
}

/** Per-frame Functional Groups Sequence. */
const perFrame = '52009230';
const manyItems = 64;

/** Items of a sequence, and of the sequences in it. */
function itemsIn({ vr, Value = [] }: DicomElement): number {
  if (vr !== 'SQ') return 0;
  const below = (item: DicomJson) => Object.values(item).reduce((n, e) => n + itemsIn(e), 0);
  return (Value as readonly DicomJson[]).reduce((n, item) => n + 1 + below(item), 0);
}

function writeElements(dataset: DicomJson): Uint8Array {
  const stream = new dcmjs.data.WriteBufferStream(1 << 16, true);
  dcmjs.data.DicomMessage.write(toDcmjs(dataset), stream, explicitLittle, {});
  const written = stream.getBuffer(0, stream.size);
  return written instanceof Uint8Array ? written : new Uint8Array(written);
}

function toDcmjs(dataset: DicomJson): DcmjsDict {
  const dict: DcmjsDict = {};
  for (const tag of Object.keys(dataset).sort()) {
    if (!/^[0-9A-F]{8}$/.test(tag) || tag.startsWith('0002') || tag.startsWith('7FE0')) {
      throw new PlumblineError('encoding-invalid', `element (${tag}) does not belong into a data set that is written`);
    }
    dict[tag] = toDcmjsElement(tag, dataset[tag]!);
  }
  return dict;
}

function toDcmjsElement(tag: string, element: DicomElement): DcmjsElement {
  const { vr, InlineBinary } = element;
  if (vr === 'SQ') return { vr, Value: (element.Value ?? []).map((item) => toDcmjs(item as DicomJson)) };
  const values = (element.Value ?? []).map((v) => (typeof v === 'number' ? plainNumber(vr, v) : v));
  checkElement(tag, element.Value === undefined ? element : { vr, Value: values });
  if (InlineBinary !== undefined) return { vr, Value: [evenBuffer(InlineBinary)] };
  const written = values.map((v) => dcmjsValue(vr, v));
  checkLength(tag, vr, written);
  return { vr, Value: written };
}

function dcmjsValue(vr: string, value: unknown): unknown {
  if (value === null) return '';
  if (vr === 'PN') return joinName(value as PersonNameValue);
  if (vr === 'AT') return Number.parseInt(value as string, 16);
  return vr === 'UV' || vr === 'SV' ? BigInt(value as number) : value;
}

function evenBuffer(base64: string): ArrayBuffer {
  const bytes = Buffer.from(base64, 'base64');
  const even = new Uint8Array(bytes.length + (bytes.length & 1));
  even.set(bytes);
  return even.buffer;
}

/** Header of (7FE0,0010); encapsulated pixel data has no length, its bytes end with the sequence delimiter. */
function pixelHead(vr: 'OB' | 'OW', length: number, encapsulated: boolean): Uint8Array {
  if (!encapsulated && length > 0xfffffffe)
    throw new PlumblineError('encoding-invalid', `${length} bytes of pixels are too many for one element`);
  const head = new Uint8Array(12);
  const view = new DataView(head.buffer);
  view.setUint16(0, 0x7fe0, true);
  view.setUint16(2, 0x0010, true);
  head.set([vr.charCodeAt(0), vr.charCodeAt(1)], 4);
  view.setUint32(8, encapsulated ? 0xffffffff : length, true);
  return head;
}
