export type StoredValues = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array;

/** One decoded frame. */
export interface DecodedFrame {
  readonly rows: number;
  readonly columns: number;
  readonly samples: 1 | 3;
  readonly bitsStored: number;
  readonly signed: boolean;
  /** Of `values`: `RGB` where the codec undid a colour transform, `YBR_FULL` where it only spread the chroma samples. */
  readonly photometric: string;
  /**
   * Stored values [rows, columns, samples], colour by pixel: no rescale and no look-up applied, bits beyond Bits Stored
   * removed, sign extended. Frames of one bit hold 0 and 1; Float and Double Float Pixel Data are `Float32Array`.
   */
  readonly values: StoredValues;
}

/** The Image Pixel module of one file (PS3.3 C.7.6.3), checked. */
export interface PixelDescription {
  readonly rows: number;
  readonly columns: number;
  readonly samples: 1 | 3;
  readonly bitsAllocated: 1 | 8 | 16 | 32 | 64;
  readonly bitsStored: number;
  readonly signed: boolean;
  readonly float: boolean;
  /** Colour by plane. */
  readonly planar: boolean;
  readonly photometric: string;
}

/** One frame on its way to the worker. */
export interface FrameJob {
  readonly transferSyntax: string;
  readonly description: PixelDescription;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly firstBit: number;
}

/** Bytes of one decoded frame, colour by pixel. */
export function decodedBytes({ rows, columns, samples, bitsAllocated }: PixelDescription): number {
  return rows * columns * samples * Math.ceil(bitsAllocated / 8);
}

/**
 * Little-endian words to stored values: bits beyond Bits Stored removed, sign extended (PS3.5 8.1.1).
 * @param bits how many low bits count
 */
export function storedValues(
  bytes: Uint8Array<ArrayBuffer>,
  description: PixelDescription,
  bits: number,
): StoredValues {
  const { bitsAllocated, signed, float } = description;
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  const at = [aligned.buffer, aligned.byteOffset, aligned.length / Math.ceil(bitsAllocated / 8)] as const;
  if (float) return bitsAllocated === 32 ? new Float32Array(...at) : Float32Array.from(new Float64Array(...at));
  const values =
    bitsAllocated <= 8 ? new Uint8Array(...at) : bitsAllocated === 16 ? new Uint16Array(...at) : new Uint32Array(...at);
  const size = values.BYTES_PER_ELEMENT * 8;
  if (!signed) {
    if (bits < size) {
      const mask = 2 ** bits - 1;
      for (let i = 0; i < values.length; i++) values[i] = values[i]! & mask;
    }
    return values;
  }
  const result = size === 8 ? new Int8Array(...at) : size === 16 ? new Int16Array(...at) : new Int32Array(...at);
  const shift = 32 - bits;
  if (bits < size) for (let i = 0; i < values.length; i++) result[i] = (values[i]! << shift) >> shift;
  return result;
}

/** The same values in an array of Bits Allocated. */
export function widened(values: StoredValues, bitsAllocated: number): StoredValues {
  if (values.BYTES_PER_ELEMENT * 8 >= bitsAllocated) return values;
  const signed = values instanceof Int8Array || values instanceof Int16Array;
  if (bitsAllocated === 16) return signed ? Int16Array.from(values) : Uint16Array.from(values);
  return signed ? Int32Array.from(values) : Uint32Array.from(values);
}
