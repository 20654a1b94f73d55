/** Bytes of a file, of which only what was asked for is there; the rest reads as zero. */
export interface SparseBytes {
  readonly bytes: Uint8Array;
  /** Bring the bytes from `start` to `end` (exclusive); both may lie beyond the end of the file. */
  readonly need: Need;
  /** Bytes that were read so far. */
  read(): number;
}
export type Need = (start: number, end: number) => void;

/** A page of the system's memory: reading less saves nothing, reading more fills what nobody asked for. */
const pageBytes = 4096;
/** Pages that are read at once where many follow one another. */
const runBytes = 64 << 10;

/**
 * A large file as bytes without its bytes: memory that was never written takes no room, so an object of a gigabyte costs
 * what its headers and the few values cost that are looked at. For reading what lies between and behind large values.
 * @param read fill the place with bytes of the file from `start` on; it is there
 */
export function sparseBytes(size: number, read: (start: number, into: Uint8Array) => void): SparseBytes {
  const bytes = new Uint8Array(size);
  const there = new Uint8Array(Math.ceil(size / pageBytes));
  let total = 0;
  const fill = (from: number, to: number): void => {
    const into = bytes.subarray(from * pageBytes, Math.min(size, to * pageBytes));
    read(from * pageBytes, into);
    there.fill(1, from, to);
    total += into.length;
  };
  const need: Need = (start, end) => {
    const last = Math.ceil(Math.min(end, size) / pageBytes);
    for (let page = Math.floor(start / pageBytes); page < last; page++) {
      if (there[page]) continue;
      let to = page + 1;
      while (to < last && !there[to] && (to - page) * pageBytes < runBytes) to++;
      fill(page, to);
      page = to - 1;
    }
  };
  return { bytes, need, read: () => total };
}
