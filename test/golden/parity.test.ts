import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parityOf, readParity } from '../builders/parity.ts';
import { root } from '../peers/index.ts';

const folder = join(root, 'test/golden/parity');
const bundles = readdirSync(folder).map((file) => file.replace(/\.json$/, ''));

describe('answers that another implementation gave', () => {
  it('are kept for a bundle', () => {
    expect(bundles.length).toBeGreaterThan(0);
  });

  it.each(bundles)(
    'by %s: the same token ids on at least 100 prompts, and each mask with an IoU of 0.999',
    async (name) => {
      const dir = join(root, 'models', name);
      const file = await readParity(join(folder, `${name}.json`));
      expect(new Set(file.cases.map((c) => c.task)).size).toBeGreaterThanOrEqual(5);
      const { prompts, masks, differences, memory } = await parityOf(dir, file);
      expect(differences).toEqual([]);
      expect(prompts).toBeGreaterThanOrEqual(100);
      expect(masks).toBeGreaterThanOrEqual(50);
      // Flat over the last 48: one cache left behind with each answer would be 22 MiB more.
      if (memory.length > 0) expect(memory.at(-1)! - memory.at(-48)!).toBeLessThan(16);
    },
    240_000,
  );
});
