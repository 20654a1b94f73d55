import { PlumblineError, type DicomJson } from '../base/index.ts';
import { bytesOf, has, numbers, text } from '../dicom/index.ts';

/** A look-up table (PS3.3 C.11.1, C.11.2, C.7.6.3.1.5). */
export interface Lut {
  /** Input value of the first entry. */
  readonly first: number;
  readonly entries: Uint16Array;
  /** Significant bits of an entry. */
  readonly bits: number;
}

export function applyLut(lut: Lut, value: number): number {
  const i = Math.round(value) - lut.first;
  return lut.entries[i < 0 ? 0 : i >= lut.entries.length ? lut.entries.length - 1 : i]!;
}

/**
 * Descriptor and data of a look-up table.
 * @param signed the first mapped value is signed
 * @throws PlumblineError pixel-description where the data are missing or fewer than the descriptor says
 */
export function readLut(ds: DicomJson, descriptorKey: string, dataKey: string, signed: boolean, where: string): Lut {
  const [count, start, bits] = numbers(ds, descriptorKey);
  if (count === undefined || start === undefined || bits === undefined || bits < 1 || bits > 16)
    throw new PlumblineError('pixel-description', `${descriptorKey} is not three usable numbers`, { where });
  const length = count === 0 ? 65536 : count & 0xffff;
  const entries = lutEntries(ds, dataKey, length);
  if (!entries || entries.length < length) {
    const found = entries ? `${entries.length} of ${length} entries` : 'no data';
    throw new PlumblineError('pixel-description', `${dataKey} holds ${found}`, { where });
  }
  return { first: signedWord(start, signed), entries: entries.subarray(0, length), bits };
}

/** 16 bits as the pixel representation means them, whichever way the data set wrote them. */
function signedWord(value: number, signed: boolean): number {
  const word = value & 0xffff;
  return signed && word > 0x7fff ? word - 0x10000 : word;
}

/** Entries as numbers, or little-endian words, or bytes where there are just as many bytes as entries. */
function lutEntries(ds: DicomJson, key: string, length: number): Uint16Array | undefined {
  const bytes = bytesOf(ds, key);
  if (!bytes) return has(ds, key) ? Uint16Array.from(numbers(ds, key), (v) => v & 0xffff) : undefined;
  if (bytes.length < 2 * length && bytes.length >= length) return Uint16Array.from(bytes);
  return words(bytes);
}

function words(bytes: Uint8Array): Uint16Array {
  return Uint16Array.from({ length: bytes.length >> 1 }, (_, i) => bytes[2 * i]! | (bytes[2 * i + 1]! << 8));
}

export type Palette = readonly [Lut, Lut, Lut];

/**
 * Palette of a PALETTE COLOR image, plain or segmented (PS3.3 C.7.9).
 * @throws PlumblineError pixel-description
 */
export function readPalette(ds: DicomJson, signed: boolean, where: string): Palette {
  return ['Red', 'Green', 'Blue'].map((colour) => {
    const descriptor = `${colour}PaletteColorLookupTableDescriptor`;
    const segmented = `Segmented${colour}PaletteColorLookupTableData`;
    return has(ds, segmented)
      ? readSegmented(ds, descriptor, segmented, signed, where)
      : readLut(ds, descriptor, `${colour}PaletteColorLookupTableData`, signed, where);
  }) as unknown as Palette;
}

function readSegmented(ds: DicomJson, descriptorKey: string, key: string, signed: boolean, where: string): Lut {
  const [count, start, bits] = numbers(ds, descriptorKey);
  const bytes = bytesOf(ds, key);
  if (count === undefined || start === undefined || (bits !== 8 && bits !== 16) || !bytes)
    throw new PlumblineError('pixel-description', `${key} or its descriptor is not usable`, { where });
  const length = count === 0 ? 65536 : count;
  const entries = expandSegments(bits === 8 ? Uint16Array.from(bytes) : words(bytes), bits, length);
  if (entries.length < length)
    throw new PlumblineError('pixel-description', `${key} expands to ${entries.length} of ${length} entries`, {
      where,
    });
  return { first: signedWord(start, signed), entries: Uint16Array.from(entries.slice(0, length)), bits };
}

/** Discrete (0), linear (1) and indirect (2) segments, PS3.3 C.7.9.2. Stops at `most` entries and at anything illegal. */
function expandSegments(data: Uint16Array, bits: 8 | 16, most: number): number[] {
  const out: number[] = [];
  const one = (at: number): number => {
    const [opcode, length] = [data[at], data[at + 1]];
    if (opcode === undefined || length === undefined) return data.length;
    if (opcode === 0) {
      for (let i = 0; i < length && out.length < most; i++) out.push(data[at + 2 + i] ?? 0);
      return at + 2 + length;
    }
    if (opcode === 1) {
      const [from, to] = [out.at(-1) ?? 0, data[at + 2] ?? 0];
      for (let i = 1; i <= length && out.length < most; i++) out.push(Math.round(from + ((to - from) * i) / length));
      return at + 3;
    }
    return data.length;
  };
  for (let at = 0; at < data.length && out.length < most;) {
    if (data[at] !== 2) {
      at = one(at);
      continue;
    }
    // Byte offset of the first segment to repeat: two words, or four bytes in an 8-bit table.
    const [low, high] =
      bits === 8
        ? [data[at + 2]! | (data[at + 3]! << 8), data[at + 4]! | (data[at + 5]! << 8)]
        : [data[at + 2]!, data[at + 3]!];
    const offset = (low + high * 65536) / (bits / 8);
    let from = offset;
    for (let i = 0; i < (data[at + 1] ?? 0) && from < at && data[from] !== 2; i++) from = one(from);
    at += bits === 8 ? 6 : 4;
  }
  return out;
}

/** Text of the LUT's own explanation, for people. */
export function lutName(item: DicomJson): string {
  return text(item, 'LUTExplanation');
}
