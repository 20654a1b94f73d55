import type { Stack } from '../base/index.ts';

/**
 * Which planes of a stack are read: every n-th, starting in the middle of the first step, and of these at most `max`, evenly spread.
 * @returns 0-based, growing
 */
export function choosePlanes(stack: Stack, limits: { readonly every?: number; readonly max?: number } = {}): number[] {
  const count = stack.planes.length;
  const every = Math.max(1, Math.floor(limits.every ?? 1));
  const chosen = Array.from({ length: Math.ceil(count / every) }, (_, i) =>
    Math.min(count - 1, i * every + (every >> 1)),
  );
  const max = Math.max(1, Math.floor(limits.max ?? Infinity));
  if (chosen.length <= max) return chosen;
  return Array.from({ length: max }, (_, i) => chosen[Math.floor(((i + 0.5) * chosen.length) / max)]!);
}
