/** Bit-packed planes: bit i is byte i>>3, bit i&7 (the order of PS3.5 8.1.1 for 1-bit pixels). */

export function emptyBits(pixels: number): Uint8Array {
  return new Uint8Array((pixels + 7) >> 3);
}

export function getBit(bits: Uint8Array, i: number): boolean {
  return ((bits[i >> 3]! >> (i & 7)) & 1) === 1;
}

export function setBit(bits: Uint8Array, i: number): void {
  bits[i >> 3]! |= 1 << (i & 7);
}

/** @param flags one byte per pixel, 0 or not 0 */
export function packBits(flags: ArrayLike<number>): Uint8Array {
  const bits = emptyBits(flags.length);
  for (let i = 0; i < flags.length; i++) if (flags[i]) bits[i >> 3]! |= 1 << (i & 7);
  return bits;
}

/** @returns one byte per pixel, 0 or 1 */
export function unpackBits(bits: Uint8Array, pixels: number): Uint8Array {
  const flags = new Uint8Array(pixels);
  for (let i = 0; i < pixels; i++) flags[i] = (bits[i >> 3]! >> (i & 7)) & 1;
  return flags;
}

const ones = Uint8Array.from({ length: 256 }, (_, v) => {
  let n = 0;
  for (let b = v; b; b >>= 1) n += b & 1;
  return n;
});

/** Number of set bits. */
export function countBits(bits: Uint8Array): number {
  let n = 0;
  for (let i = 0; i < bits.length; i++) n += ones[bits[i]!]!;
  return n;
}
