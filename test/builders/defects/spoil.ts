/** Changing a written object as a faulty encoder would have written it: no rule is checked, illegal values included. */
import { joined } from '../../../src/base/index.ts';
import type { DicomElement, DicomJson } from '../../../src/base/index.ts';
import { dataset, inspectPart10, tagOf, text } from '../../../src/dicom/index.ts';
import type { DicomObject } from '../../../src/outputs/index.ts';
import { rawDataset, type RawSpec } from '../dicom.ts';

export type Open = Record<string, DicomElement>;

/** What a defect may change; a change of pixels is returned. */
export interface Spoilt {
  readonly ds: Open;
  pixels: Uint8Array;
  /** Elements of group 2, by tag. */
  readonly meta: Record<string, string>;
  /** Leave Pixel Data at an odd length. */
  odd?: boolean;
}

export type Change = (spoilt: Spoilt) => void;

/** The object again after a change, written byte by byte. */
export function spoil(object: DicomObject, change: Change): DicomObject {
  const bytes = joined(object.parts);
  const { pixel, sopClass, instanceUid } = inspectPart10(bytes);
  const before = pixel ? bytes.slice(pixel.offset, pixel.offset + pixel.length) : new Uint8Array();
  const ds = structuredClone(object.dataset) as Open;
  ds['00080005'] ??= { vr: 'CS', Value: ['ISO_IR 192'] };
  const meta = { '00020002': sopClass, '00020003': instanceUid, '00020010': '1.2.840.10008.1.2.1' };
  const spoilt: Spoilt = { ds, pixels: before, meta };
  change(spoilt);
  // Group 2 follows the data set where the defect is not about group 2.
  const said = (tag: keyof typeof meta, keyword: string, was: string) =>
    meta[tag] === was ? text(spoilt.ds, keyword) || was : meta[tag];
  meta['00020002'] = said('00020002', 'SOPClassUID', sopClass);
  meta['00020003'] = said('00020003', 'SOPInstanceUID', instanceUid);
  return { ...object, dataset: spoilt.ds, parts: [part10(spoilt, pixel !== undefined)] };
}

function part10(spoilt: Spoilt, hasPixels: boolean): Uint8Array {
  const { ds, pixels, meta, odd } = spoilt;
  const body = rawDataset(specs(ds), 'explicit');
  const padded = odd || pixels.length % 2 === 0 ? pixels : Buffer.concat([pixels, Buffer.alloc(1)]);
  const pixelData = hasPixels
    ? rawDataset([{ tag: '7FE00010', vr: 'OB', value: padded }], 'explicit')
    : Buffer.alloc(0);
  const group2 = rawDataset(
    [
      { tag: '00020001', vr: 'OB', value: Uint8Array.of(0, 1) },
      ...Object.entries(meta).map(([tag, value]) => ({ tag, vr: 'UI', value })),
      { tag: '00020012', vr: 'UI', value: '2.25.1' },
    ].sort((a, b) => (a.tag < b.tag ? -1 : 1)),
    'explicit',
  );
  const length = Buffer.alloc(4);
  length.writeUInt32LE(group2.length);
  const first = rawDataset([{ tag: '00020000', vr: 'UL', value: length }], 'explicit');
  return new Uint8Array(Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), first, group2, body, pixelData]));
}

function specs(ds: DicomJson): RawSpec[] {
  return Object.entries(ds)
    .filter(([tag]) => !tag.startsWith('7FE0'))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([tag, element]) => ({ tag, vr: element.vr, value: bytesOf(element) }));
}

function bytesOf({ vr, Value = [], InlineBinary }: DicomElement): RawSpec['value'] {
  if (vr === 'SQ') return Value.map((item) => specs(item as DicomJson));
  if (InlineBinary !== undefined) return evened(Buffer.from(InlineBinary, 'base64'), 0);
  const size = { US: 2, SS: 2, AT: 4, UL: 4, SL: 4, FL: 4, FD: 8 }[vr];
  if (size !== undefined) return Buffer.concat(Value.map((v) => numberBytes(vr, v)));
  const texts = Value.map((v) => (v !== null && typeof v === 'object' ? nameText(v as DicomJson) : String(v ?? '')));
  return evened(Buffer.from(texts.join('\\'), 'utf8'), vr === 'UI' ? 0 : 32);
}

function nameText(name: object): string {
  const { Alphabetic = '', Ideographic = '', Phonetic = '' } = name as Record<string, string>;
  return [Alphabetic, Ideographic, Phonetic].join('=').replace(/=+$/, '');
}

function numberBytes(vr: string, value: unknown): Buffer {
  const bytes = Buffer.alloc({ US: 2, SS: 2, FD: 8 }[vr] ?? 4);
  if (vr === 'AT') {
    bytes.writeUInt16LE(Number.parseInt(String(value).slice(0, 4), 16), 0);
    bytes.writeUInt16LE(Number.parseInt(String(value).slice(4), 16), 2);
  } else if (vr === 'US') bytes.writeUInt16LE(Number(value));
  else if (vr === 'SS') bytes.writeInt16LE(Number(value));
  else if (vr === 'UL') bytes.writeUInt32LE(Number(value));
  else if (vr === 'SL') bytes.writeInt32LE(Number(value));
  else if (vr === 'FL') bytes.writeFloatLE(Number(value));
  else bytes.writeDoubleLE(Number(value));
  return bytes;
}

function evened(bytes: Buffer, pad: number): Buffer {
  return bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.from([pad])]);
}

// — words of the defects —

export const set = (ds: DicomJson, keyword: string, ...values: (string | number)[]): unknown =>
  Object.assign(ds, dataset({ [keyword]: values }));
export const drop = (ds: DicomJson, ...keywords: string[]): void =>
  keywords.forEach((k) => delete (ds as Open)[tagOf(k)]);
export const items = (ds: DicomJson, keyword: string): Open[] => (ds[tagOf(keyword)]?.Value ?? []) as Open[];
export const at = (ds: DicomJson, ...path: string[]): Open => path.reduce((d, k) => items(d, k)[0]!, ds as Open);
export const frames = (ds: DicomJson): Open[] => items(ds, 'PerFrameFunctionalGroupsSequence');

/** Content items, depth first, whose concept has the code value. */
export function content(ds: DicomJson, value: string): Open[] {
  return items(ds, 'ContentSequence').flatMap((c) => [...(conceptOf(c) === value ? [c] : []), ...content(c, value)]);
}

export function removeContent(ds: DicomJson, ...values: string[]): void {
  const list = (ds[tagOf('ContentSequence')]?.Value ?? []) as Open[];
  for (const c of [...list]) {
    if (values.includes(conceptOf(c))) list.splice(list.indexOf(c), 1);
    else removeContent(c, ...values);
  }
}

function conceptOf(item: Open): string {
  const concept = items(item, 'ConceptNameCodeSequence')[0];
  return concept ? text(concept, 'CodeValue') : '';
}

/** Content items anywhere with the value type. */
export function ofType(ds: DicomJson, type: string): Open[] {
  return items(ds, 'ContentSequence').flatMap((c) => [
    ...(text(c, 'ValueType') === type ? [c] : []),
    ...ofType(c, type),
  ]);
}
