import { createHash } from 'node:crypto';

/** The bytes of one file as several pieces in a row. A piece may be memory of somebody else: nobody may change it. */
export type Parts = readonly Uint8Array[];

export function lengthOf(parts: Parts): number {
  return parts.reduce((n, p) => n + p.length, 0);
}

/** All in one piece: a copy, but where there is one piece already. */
export function joined(parts: Parts): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = Buffer.allocUnsafeSlow(lengthOf(parts));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return new Uint8Array(whole.buffer);
}

/** SHA-256, hex. */
export function sha256OfParts(parts: Parts): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

/**
 * The same bytes in pieces of about `size`: small ones are gathered, large ones cut. A piece is good until the next is
 * asked for.
 */
export function* chunksOf(parts: Parts, size = 1 << 20): Generator<Uint8Array> {
  const gathered = Buffer.allocUnsafeSlow(size);
  let filled = 0;
  for (const part of parts) {
    if (filled > 0 && filled + part.length > size) {
      yield gathered.subarray(0, filled);
      filled = 0;
    }
    if (part.length > size / 2) {
      if (filled > 0) yield gathered.subarray(0, filled);
      filled = 0;
      for (let at = 0; at < part.length; at += size) yield part.subarray(at, at + size);
      continue;
    }
    gathered.set(part, filled);
    filled += part.length;
  }
  if (filled > 0) yield gathered.subarray(0, filled);
}

/** Reads bytes `start` to `end` (exclusive) of the whole: a view where they lie in one piece, else a copy. */
export function partsReader(parts: Parts): (start: number, end: number) => Uint8Array {
  const starts: number[] = [];
  let total = 0;
  for (const part of parts) {
    starts.push(total);
    total += part.length;
  }
  let last = 0;
  return (start, end) => {
    if (!(starts[last]! <= start)) last = 0;
    while (last + 1 < parts.length && starts[last + 1]! <= start) last++;
    const part = parts[last];
    if (!part || end <= start) return new Uint8Array();
    const offset = start - starts[last]!;
    if (offset + end - start <= part.length) return part.subarray(offset, offset + end - start);
    const copy = new Uint8Array(Math.max(0, Math.min(end, total) - start));
    for (let [k, at] = [last, 0]; at < copy.length; k++) {
      const piece = parts[k]!.subarray(start + at - starts[k]!, start + copy.length - starts[k]!);
      copy.set(piece, at);
      at += piece.length;
    }
    return copy;
  };
}
