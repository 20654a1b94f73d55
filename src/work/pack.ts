import { promisify } from 'node:util';
import { deflateRaw, inflateRaw } from 'node:zlib';
import { PlumblineError, type MaskPlane, type MaskSet } from '../base/index.ts';

/** How stage outputs lie in blobs: JSON and, beside it, the bits that it speaks of, deflated (masks are mostly empty). */
interface Packed {
  readonly schema: string;
  readonly value: unknown;
  /** Bytes of each part, in order. */
  readonly lengths: readonly number[];
}

const deflate = promisify(deflateRaw);
const inflate = promisify(inflateRaw);

/** Deflated by another thread. @param schema name and version, checked by `unpack` */
export async function pack(schema: string, value: unknown, parts: readonly Uint8Array[]): Promise<Uint8Array> {
  const head: Packed = { schema, value, lengths: parts.map((p) => p.byteLength) };
  const text = new TextEncoder().encode(JSON.stringify(head));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, text.byteLength, true);
  return (await deflate(Buffer.concat([length, text, ...parts]), { level: 1 })) as Uint8Array;
}

/** @throws PlumblineError store-damaged where the bytes are not of this schema */
export async function unpack<T>(
  schema: string,
  bytes: Uint8Array,
): Promise<{ readonly value: T; readonly parts: readonly Uint8Array[] }> {
  try {
    const all = (await inflate(bytes)) as Buffer;
    const end = 4 + all.readUInt32LE(0);
    const head = JSON.parse(all.toString('utf8', 4, end)) as Packed;
    if (head.schema !== schema) throw new PlumblineError('store-damaged', `it is ${head.schema}`);
    let at = end;
    const parts = head.lengths.map((n) => new Uint8Array(all.subarray(at, (at += n))));
    return { value: head.value as T, parts };
  } catch (cause) {
    throw new PlumblineError('store-damaged', `a stage output is no ${schema}: ${(cause as Error).message}`, { cause });
  }
}

const masksSchema = 'plumbline.masks/1';

/** The bits of a draft as one block of bytes. */
export function packMasks(masks: MaskSet): Promise<Uint8Array> {
  const entries = [...masks].map(([id, planes]) => ({ id, planes: planes.map((p) => p.plane) }));
  return pack(
    masksSchema,
    entries,
    [...masks.values()].flatMap((planes) => planes.map((p) => p.bits)),
  );
}

/** @throws PlumblineError store-damaged */
export async function unpackMasks(bytes: Uint8Array): Promise<MaskSet> {
  const { value, parts } = await unpack<{ id: string; planes: number[] }[]>(masksSchema, bytes);
  let next = 0;
  const planesOf = (planes: readonly number[]): MaskPlane[] => planes.map((plane) => ({ plane, bits: parts[next++]! }));
  return new Map(value.map(({ id, planes }) => [id, planesOf(planes)]));
}
