/** Questions about bit-packed planes, answered 32 pixels at a time; together they look at each byte once. */

/** A plane, or a tile, on which something is segmented. */
export interface Placed {
  /** Index into the places of the stack; undefined where it is none of them. */
  readonly place: number | undefined;
  readonly bits: Uint8Array;
  /** `firstSet` of the bits, where it is known: what stands before it is not looked at again. */
  readonly first?: number;
}

/** @returns the byte before which nothing is set, a multiple of 4; undefined where nothing is set at all */
export function firstSet(bits: Uint8Array): number | undefined {
  const own = words(bits);
  const from = pastZeros(own, 0);
  return from === own.length ? undefined : from * 4;
}

/** Some pixel of some place is set in more than one of the planes. */
export function overlap(planes: readonly Placed[]): boolean {
  const byPlace = new Map<number | undefined, Placed[]>();
  for (const plane of planes) {
    const own = byPlace.get(plane.place);
    if (own) own.push(plane);
    else byPlace.set(plane.place, [plane]);
  }
  // One union is enough, place after place; it is as long as the longest plane.
  const union = new Uint32Array(planes.reduce((n, p) => Math.max(n, (p.bits.length + 3) >> 2), 0));
  return [...byPlace.values()].some((own) => own.length > 1 && meet(own, union));
}

/** @param union all zero, and so again where the planes do not meet */
function meet(planes: readonly Placed[], union: Uint32Array): boolean {
  let [least, most] = [union.length, 0];
  for (const { bits, first = 0 } of planes) {
    const own = words(bits);
    const from = pastZeros(own, first >> 2);
    const to = beforeZeros(own, from);
    let common = 0;
    for (let i = from; i < to; i++) {
      const word = own[i]!;
      common |= union[i]! & word;
      union[i] = union[i]! | word;
    }
    if (common !== 0) return true;
    least = Math.min(least, from);
    most = Math.max(most, to);
  }
  union.fill(0, least, Math.max(least, most));
  return false;
}

function pastZeros(own: Uint32Array, from: number): number {
  let i = from;
  while (i + 4 <= own.length && (own[i]! | own[i + 1]! | own[i + 2]! | own[i + 3]!) === 0) i += 4;
  while (i < own.length && own[i] === 0) i++;
  return i;
}

function beforeZeros(own: Uint32Array, from: number): number {
  let i = own.length;
  while (i - 4 >= from && (own[i - 1]! | own[i - 2]! | own[i - 3]! | own[i - 4]!) === 0) i -= 4;
  while (i > from && own[i - 1] === 0) i--;
  return i;
}

/** Bits as 32-bit words: a view where the memory allows it, else a copy. */
function words(bits: Uint8Array): Uint32Array {
  if (bits.byteOffset % 4 === 0 && bits.length % 4 === 0)
    return new Uint32Array(bits.buffer, bits.byteOffset, bits.length / 4);
  const copy = new Uint8Array(Math.ceil(bits.length / 4) * 4);
  copy.set(bits);
  return new Uint32Array(copy.buffer);
}
