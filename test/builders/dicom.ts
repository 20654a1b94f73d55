/** Small Part 10 files of any kind. `makeImage` goes by the program's own writer; `rawPart10` writes bytes by hand. */
import { deflateRawSync } from 'node:zlib';
import { derivedUid } from '../../src/base/index.ts';
import { dataset, writePart10, type DatasetInput } from '../../src/dicom/index.ts';

export const sopClass = {
  ct: '1.2.840.10008.5.1.4.1.1.2',
  mr: '1.2.840.10008.5.1.4.1.1.4',
  dx: '1.2.840.10008.5.1.4.1.1.1.1',
  us: '1.2.840.10008.5.1.4.1.1.6.1',
  usMultiFrame: '1.2.840.10008.5.1.4.1.1.3.1',
  sc: '1.2.840.10008.5.1.4.1.1.7',
  seg: '1.2.840.10008.5.1.4.1.1.66.4',
  basicText: '1.2.840.10008.5.1.4.1.1.88.11',
} as const;

export interface ImageOptions {
  readonly sopClass?: string;
  readonly modality?: string;
  /** Names of study, series and instance; the same names give the same UIDs. */
  readonly study?: string;
  readonly series?: string;
  readonly instance?: string | number;
  readonly rows?: number;
  readonly columns?: number;
  readonly frames?: number;
  readonly samples?: 1 | 3;
  readonly bitsAllocated?: 1 | 8 | 16;
  readonly bitsStored?: number;
  readonly signed?: boolean;
  readonly photometric?: string;
  /** Stored value of a sample; default a ramp. */
  readonly pixel?: (x: number, y: number, frame: number, sample: number) => number;
  /** More attributes, or others in place of the default ones; undefined takes one away. */
  readonly attributes?: DatasetInput;
}

/** An image in Explicit VR Little Endian: 16 x 12, one frame, 16-bit grey CT unless told otherwise. */
export function makeImage(options: ImageOptions = {}): Uint8Array {
  const o = {
    rows: 12,
    columns: 16,
    frames: 1,
    samples: 1 as 1 | 3,
    bitsAllocated: 16 as 1 | 8 | 16,
    signed: false,
    ...options,
  };
  const attributes = dataset({
    SOPClassUID: o.sopClass ?? sopClass.ct,
    SOPInstanceUID: derivedUid('instance', o.study ?? 'study', o.series ?? 'series', o.instance ?? 1),
    StudyInstanceUID: derivedUid('study', o.study ?? 'study'),
    SeriesInstanceUID: derivedUid('series', o.study ?? 'study', o.series ?? 'series'),
    StudyDate: '20260102',
    StudyTime: '101112',
    AccessionNumber: 'A1',
    Modality: o.modality ?? 'CT',
    PatientName: 'Doe^Jane',
    PatientID: 'P1',
    PatientBirthDate: '19700101',
    PatientSex: 'F',
    StudyID: '1',
    SeriesNumber: 1,
    InstanceNumber: typeof o.instance === 'number' ? o.instance : 1,
    SamplesPerPixel: o.samples,
    PhotometricInterpretation: o.photometric ?? (o.samples === 3 ? 'RGB' : 'MONOCHROME2'),
    ...(o.samples === 3 ? { PlanarConfiguration: 0 } : {}),
    ...(o.frames > 1 ? { NumberOfFrames: o.frames } : {}),
    Rows: o.rows,
    Columns: o.columns,
    BitsAllocated: o.bitsAllocated,
    BitsStored: o.bitsStored ?? o.bitsAllocated,
    HighBit: (o.bitsStored ?? o.bitsAllocated) - 1,
    PixelRepresentation: o.signed ? 1 : 0,
    ...o.attributes,
  });
  return writePart10(attributes, { pixelData: { vr: o.bitsAllocated === 16 ? 'OW' : 'OB', bytes: pixelBytes(o) } });
}

/** A data set without pixels (a report, a presentation state) with identity filled in. */
export function makeObject(attributes: DatasetInput = {}): Uint8Array {
  return writePart10(dataset({ ...identity(), SOPClassUID: sopClass.basicText, Modality: 'SR', ...attributes }));
}

/** UIDs and patient of a made-up instance. */
export function identity(name = 'object'): DatasetInput {
  return {
    SOPClassUID: sopClass.sc,
    SOPInstanceUID: derivedUid('instance', name),
    StudyInstanceUID: derivedUid('study', name),
    SeriesInstanceUID: derivedUid('series', name),
    PatientName: 'Doe^Jane',
    PatientID: 'P1',
  };
}

type Pixels = Required<Pick<ImageOptions, 'rows' | 'columns' | 'frames' | 'samples' | 'bitsAllocated'>> &
  Pick<ImageOptions, 'pixel'>;

function pixelBytes({ rows, columns, frames, samples, bitsAllocated, pixel }: Pixels): Uint8Array {
  const count = rows * columns * frames * samples;
  const bytes = new Uint8Array(Math.ceil((count * bitsAllocated) / 8));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (let frame = 0; frame < frames; frame++) {
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        for (let sample = 0; sample < samples; sample++, at++) {
          const value = pixel ? pixel(x, y, frame, sample) : x + y * columns + frame + sample * 40;
          if (bitsAllocated === 1) bytes[at >> 3]! |= (value & 1) << (at & 7);
          else if (bitsAllocated === 8) view.setUint8(at, value & 0xff);
          else view.setUint16(at * 2, value & 0xffff, true);
        }
      }
    }
  }
  return bytes;
}

// — bytes by hand, independent of the program's writer —

/** An element as bytes; `value` is text in Latin-1, bytes as they are, items of a sequence, or fragments. */
export interface RawSpec {
  /** 8 hex digits. */
  readonly tag: string;
  readonly vr: string;
  readonly value: string | Uint8Array | readonly (readonly RawSpec[])[];
  /** Encapsulated pixel data: these in place of `value`, the first is the offset table. */
  readonly fragments?: readonly Uint8Array[];
  /** Write undefined length. */
  readonly open?: boolean;
}

export type RawEncoding = 'implicit' | 'explicit' | 'big';

export interface RawOptions {
  readonly transferSyntax?: string;
  readonly encoding?: RawEncoding;
  readonly deflate?: boolean;
  /** UIDs that are put first unless `elements` has the tags. */
  readonly identity?: boolean;
  readonly metaClass?: string;
}

/** A Part 10 file from elements written byte for byte, in the order given. */
export function rawPart10(elements: readonly RawSpec[], options: RawOptions = {}): Uint8Array {
  const syntax = options.transferSyntax ?? '1.2.840.10008.1.2.1';
  const names: readonly RawSpec[] = [
    { tag: '00080016', vr: 'UI', value: sopClass.sc },
    { tag: '00080018', vr: 'UI', value: '1.2.826.0.1.3680043.10.543.3' },
    { tag: '0020000D', vr: 'UI', value: '1.2.826.0.1.3680043.10.543.1' },
    { tag: '0020000E', vr: 'UI', value: '1.2.826.0.1.3680043.10.543.2' },
  ];
  const own = new Set(elements.map((e) => e.tag));
  const all =
    options.identity === false
      ? elements
      : [...elements, ...names.filter((n) => !own.has(n.tag))].sort((a, b) => (a.tag < b.tag ? -1 : 1));
  const body = rawDataset(all, options.encoding ?? 'explicit');
  const meta = rawDataset(
    [
      { tag: '00020002', vr: 'UI', value: options.metaClass ?? sopClass.sc },
      { tag: '00020010', vr: 'UI', value: syntax },
    ],
    'explicit',
  );
  return new Uint8Array(
    Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), meta, options.deflate ? deflateRawSync(body) : body]),
  );
}

export function rawDataset(elements: readonly RawSpec[], encoding: RawEncoding): Buffer {
  return Buffer.concat(elements.map((e) => rawElement(e, encoding)));
}

function rawElement(spec: RawSpec, encoding: RawEncoding): Buffer {
  if (spec.fragments) {
    const items = spec.fragments.map((f) => Buffer.concat([header('FFFEE000', f.length, encoding), f]));
    return Buffer.concat([elementHeader(spec, 0xffffffff, encoding), ...items, header('FFFEE0DD', 0, encoding)]);
  }
  const open = spec.open === true;
  let value: Buffer;
  if (typeof spec.value === 'string')
    value = Buffer.from(spec.value.length & 1 ? spec.value + (spec.vr === 'UI' ? '\0' : ' ') : spec.value, 'latin1');
  else if (spec.value instanceof Uint8Array) value = Buffer.from(spec.value);
  else
    value = Buffer.concat([
      ...spec.value.map((item) => rawItem(item, open, encoding)),
      ...(open ? [header('FFFEE0DD', 0, encoding)] : []),
    ]);
  return Buffer.concat([elementHeader(spec, open ? 0xffffffff : value.length, encoding), value]);
}

function rawItem(item: readonly RawSpec[], open: boolean, encoding: RawEncoding): Buffer {
  const body = rawDataset(item, encoding);
  const end = open ? header('FFFEE00D', 0, encoding) : Buffer.alloc(0);
  return Buffer.concat([header('FFFEE000', open ? 0xffffffff : body.length, encoding), body, end]);
}

const longVrs = ['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV'];

function elementHeader({ tag, vr }: RawSpec, length: number, encoding: RawEncoding): Buffer {
  if (encoding === 'implicit') return header(tag, length, encoding);
  const head = Buffer.alloc(longVrs.includes(vr) ? 12 : 8);
  header(tag, 0, encoding).copy(head, 0, 0, 4);
  head.write(vr, 4, 'latin1');
  if (head.length === 12) writeInt(head, length, 8, 4, encoding);
  else writeInt(head, length, 6, 2, encoding);
  return head;
}

function header(tag: string, length: number, encoding: RawEncoding): Buffer {
  const head = Buffer.alloc(8);
  writeInt(head, Number.parseInt(tag.slice(0, 4), 16), 0, 2, encoding);
  writeInt(head, Number.parseInt(tag.slice(4), 16), 2, 2, encoding);
  writeInt(head, length, 4, 4, encoding);
  return head;
}

function writeInt(to: Buffer, value: number, at: number, bytes: number, encoding: RawEncoding): void {
  if (encoding === 'big') to.writeUIntBE(value, at, bytes);
  else to.writeUIntLE(value, at, bytes);
}

/** US value, little endian. */
export function us(...values: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((v, i) => bytes.writeUInt16LE(v, i * 2));
  return bytes;
}

/** The Image Pixel module as raw elements, without the pixels. */
export function rawImagePixel(
  rows: number,
  columns: number,
  more: {
    samples?: number;
    photometric?: string;
    bits?: number;
    stored?: number;
    signed?: boolean;
    frames?: number;
  } = {},
): RawSpec[] {
  const bits = more.bits ?? 8;
  return [
    { tag: '00280002', vr: 'US', value: us(more.samples ?? 1) },
    { tag: '00280004', vr: 'CS', value: more.photometric ?? 'MONOCHROME2' },
    ...(more.frames === undefined ? [] : [{ tag: '00280008', vr: 'IS', value: String(more.frames) }]),
    { tag: '00280010', vr: 'US', value: us(rows) },
    { tag: '00280011', vr: 'US', value: us(columns) },
    { tag: '00280100', vr: 'US', value: us(bits) },
    { tag: '00280101', vr: 'US', value: us(more.stored ?? bits) },
    { tag: '00280102', vr: 'US', value: us((more.stored ?? bits) - 1) },
    { tag: '00280103', vr: 'US', value: us(more.signed ? 1 : 0) },
  ];
}

/** A numbered random source, so that a failing place can be named. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
