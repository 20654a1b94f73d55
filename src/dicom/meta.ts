import { isUid, PlumblineError } from '../base/index.ts';
import { parsePart10 } from './parse.ts';

export interface MetaInput {
  readonly sopClass: string;
  readonly instanceUid: string;
  readonly transferSyntax: string;
  /** AE title of the sender, for objects that came over an association (PS3.10 7.1). */
  readonly sourceAeTitle?: string;
}

/** Under the 2.25 root of PS3.5 B.2: the UUID of this implementation, once and for all. */
export const implementationClassUid = '2.25.173639172296364199926934248331139809465';
export const implementationVersionName = 'PLUMBLINE';

/**
 * A Part 10 file around data set bytes that are already in the transfer syntax, e.g. as they came in a C-STORE.
 * @throws PlumblineError `encoding-invalid` where a UID is none
 */
export function part10FromDataset(dataset: Uint8Array, meta: MetaInput): Uint8Array {
  const head = part10Head(meta);
  const file = new Uint8Array(head.length + dataset.length);
  file.set(head);
  file.set(dataset, head.length);
  return file;
}

/**
 * The opposite of `part10FromDataset`: the bytes after group 2 as they stand, e.g. for a C-STORE.
 * @throws PlumblineError `not-dicom`, `dicom-damaged`, `transfer-syntax-unknown`
 */
export function splitPart10(file: Uint8Array): { readonly transferSyntax: string; readonly dataset: Uint8Array } {
  const { transferSyntaxUid, dataStart } = parsePart10(file);
  return { transferSyntax: transferSyntaxUid, dataset: file.subarray(dataStart) };
}

/** 128 zero bytes, DICM, and group 2 in Explicit VR Little Endian (PS3.10 7.1). */
export function part10Head(meta: MetaInput): Uint8Array {
  for (const uid of [meta.sopClass, meta.instanceUid, meta.transferSyntax]) {
    if (!isUid(uid)) throw new PlumblineError('encoding-invalid', `group 2 needs UIDs, not ${JSON.stringify(uid)}`);
  }
  const group = Buffer.concat([
    long(0x0001, 'OB', Buffer.from([0, 1])),
    short(0x0002, 'UI', meta.sopClass),
    short(0x0003, 'UI', meta.instanceUid),
    short(0x0010, 'UI', meta.transferSyntax),
    short(0x0012, 'UI', implementationClassUid),
    short(0x0013, 'SH', implementationVersionName),
    ...(meta.sourceAeTitle ? [short(0x0016, 'AE', meta.sourceAeTitle)] : []),
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(group.length);
  return new Uint8Array(Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), short(0, 'UL', length), group]));
}

function short(element: number, vr: string, value: string | Buffer): Buffer {
  const bytes = typeof value === 'string' ? padded(value, vr) : value;
  const head = Buffer.alloc(8);
  head.writeUInt16LE(2, 0);
  head.writeUInt16LE(element, 2);
  head.write(vr, 4, 'latin1');
  head.writeUInt16LE(bytes.length, 6);
  return Buffer.concat([head, bytes]);
}

function long(element: number, vr: string, bytes: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16LE(2, 0);
  head.writeUInt16LE(element, 2);
  head.write(vr, 4, 'latin1');
  head.writeUInt32LE(bytes.length, 8);
  return Buffer.concat([head, bytes]);
}

function padded(value: string, vr: string): Buffer {
  return Buffer.from(value.length & 1 ? value + (vr === 'UI' ? '\0' : ' ') : value, 'latin1');
}
