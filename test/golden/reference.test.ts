/** The trained reference bundle says and draws what PyTorch did: its goldens were made there, not by this program. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countBits } from '../../src/base/index.ts';
import { createRuntime, loadBundle, type Bundle, type Runtime } from '../../src/inference/index.ts';
import { goldensOf, overlap, pictureOf, readMask, readRgb } from '../builders/bundle.ts';
import { root } from '../peers/index.ts';

const dir = join(root, 'models/plumbline-reference');
let bundle: Bundle;
let runtime: Runtime;

beforeAll(async () => {
  bundle = await loadBundle(dir);
  runtime = await createRuntime(bundle);
});
afterAll(() => runtime.close());

describe('the reference bundle', () => {
  it('says and draws what PyTorch did, of every modality and task', async () => {
    const goldens = goldensOf(bundle.manifest);
    expect(new Set(goldens.map((g) => g.task))).toEqual(new Set(Object.keys(bundle.manifest.tasks)));
    expect(bundle.manifest.modalities!.length).toBe(11);
    for (const g of goldens) {
      const picture = pictureOf(await readRgb(join(dir, g.image)));
      const [answer] = await runtime.answer([picture], {
        task: g.task,
        prompt: g.prompt,
        ...(g.box ? { box: g.box } : {}),
      });
      expect({ id: g.id, ids: answer!.tokenIds }).toEqual({ id: g.id, ids: g.token_ids });
      for (const [k, m] of g.masks.entries()) {
        const theirs = await readMask(join(dir, m.file));
        const ours = answer!.masks[k]!;
        // What the model claims and then does not draw is a golden too: nothing is what both draw.
        if (countBits(theirs.bits) === 0) expect(countBits(ours.bits)).toBe(0);
        else expect(overlap(ours.bits, theirs.bits).iou).toBeGreaterThanOrEqual(0.999);
      }
    }
  });

  it('says in its manifest what it is for, and where it is not to be used', () => {
    expect(bundle.manifest.intended_use).toMatch(/demonstration.*not for clinical use/i);
  });
});
