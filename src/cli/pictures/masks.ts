import { encode } from 'fast-png';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { countBits, emptyBits, unpackBits, type MaskSet } from '../../base/index.ts';
import type { Draft, SummaryMask } from '../../findings/index.ts';

/**
 * One PNG for each label that has a mask, and for each target that was asked for, found or not: all masks of the label
 * together, 0 or 255, of the size of the picture.
 * @param folder of the picture's results; the masks lie in `masks/`
 * @param asked targets of the command line
 * @param nameOf the asked target that a label means, else the label
 * @returns what summary.json says of them
 */
export async function writeMasks(
  draft: Draft,
  masks: MaskSet,
  folder: string,
  asked: readonly string[],
  nameOf: (label: string) => string,
): Promise<SummaryMask[]> {
  const { rows: height, columns: width } = draft.stacks[0]!.grid;
  const byTarget = new Map(asked.map((target) => [target, emptyBits(width * height)]));
  for (const { label, mask } of draft.findings) {
    if (mask === undefined) continue;
    const target = nameOf(label);
    const union = byTarget.get(target) ?? emptyBits(width * height);
    byTarget.set(target, union);
    for (const { bits } of masks.get(mask) ?? []) bits.forEach((byte, i) => (union[i]! |= byte));
  }
  if (byTarget.size > 0) await mkdir(join(folder, 'masks'), { recursive: true });
  const written: SummaryMask[] = [];
  for (const [target, bits] of byTarget) {
    const file = `masks/${freeName(target, written)}.png`;
    const data = unpackBits(bits, width * height).map((set) => set * 255);
    await writeFile(join(folder, file), encode({ width, height, channels: 1, depth: 8, data }));
    written.push({ target, file, pixels: countBits(bits), width, height });
  }
  return written;
}

/** Letters, digits and hyphens of a label; with a number where two labels come to the same. */
function freeName(label: string, taken: readonly SummaryMask[]): string {
  const plain =
    label
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '') || 'mask';
  for (let n = 1; ; n++) {
    const name = n === 1 ? plain : `${plain}-${n}`;
    if (!taken.some((m) => m.file === `masks/${name}.png`)) return name;
  }
}
