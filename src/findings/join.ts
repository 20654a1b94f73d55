import { getBit, type MaskPlane } from '../base/index.ts';
import { eachSetPixel, setPixels } from './place.ts';

/** A mask on one plane that may be part of something larger. */
export interface Piece extends MaskPlane {
  /** Only pieces of equal key are joined. */
  readonly key: string;
}

/**
 * Which pieces belong together: equal key, on neighbouring planes of those that were read, and their pixels overlap
 * or touch (8-neighbourhood). Pieces on one plane are joined only through a third.
 * @param read the planes that were read, growing
 * @returns groups of indices into `pieces`, each growing, in order of their first
 */
export function joinPieces(
  pieces: readonly Piece[],
  read: readonly number[],
  rows: number,
  columns: number,
): number[][] {
  const order = new Map(read.map((plane, i) => [plane, i]));
  const boxes = pieces.map((p) => boxOf(p.bits, rows, columns));
  const parent = pieces.map((_, i) => i);
  const top = (i: number): number => (parent[i] === i ? i : (parent[i] = top(parent[i]!)));
  for (let i = 0; i < pieces.length; i++)
    for (let j = i + 1; j < pieces.length; j++) {
      const [p, q] = [pieces[i]!, pieces[j]!];
      const neighbours = Math.abs(order.get(p.plane)! - order.get(q.plane)!) === 1;
      if (!neighbours || p.key !== q.key || !near(boxes[i]!, boxes[j]!)) continue;
      if (top(i) !== top(j) && touch(p.bits, q.bits, rows, columns))
        parent[Math.max(top(i), top(j))] = Math.min(top(i), top(j));
    }
  const groups = new Map<number, number[]>();
  for (let i = 0; i < pieces.length; i++) groups.set(top(i), [...(groups.get(top(i)) ?? []), i]);
  return [...groups.values()];
}

interface Box {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

function boxOf(bits: Uint8Array, rows: number, columns: number): Box {
  const box = { x0: columns, y0: rows, x1: -1, y1: -1 };
  eachSetPixel(bits, columns, (x, y) => {
    if (x < box.x0) box.x0 = x;
    if (x > box.x1) box.x1 = x;
    if (y < box.y0) box.y0 = y;
    box.y1 = y;
  });
  return box;
}

function near(a: Box, b: Box): boolean {
  return a.x0 <= b.x1 + 1 && b.x0 <= a.x1 + 1 && a.y0 <= b.y1 + 1 && b.y0 <= a.y1 + 1;
}

function touch(a: Uint8Array, b: Uint8Array, rows: number, columns: number): boolean {
  for (let i = 0; i < a.length; i++) if (a[i]! & b[i]!) return true;
  for (const i of setPixels(a, rows * columns)) {
    const [x, y] = [i % columns, Math.trunc(i / columns)];
    for (let yy = Math.max(0, y - 1); yy <= Math.min(rows - 1, y + 1); yy++)
      for (let xx = Math.max(0, x - 1); xx <= Math.min(columns - 1, x + 1); xx++)
        if (getBit(b, yy * columns + xx)) return true;
  }
  return false;
}
