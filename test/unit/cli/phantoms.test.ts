import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Answer } from '../../../src/base/index.ts';
import { ctVolume, demoSeeds, phantom, type Phantom, type PhantomKind } from '../../../src/cli/demo/phantoms.ts';
import { createRuntime, loadBundle, type Runtime } from '../../../src/inference/index.ts';
import { overlap, packed, pictureOf, tinyDir } from '../../builders/bundle.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime(await loadBundle(tinyDir));
});
afterAll(() => runtime.close());

/** The phrases of a report, each with the best Dice of its mask against a finding of that name. */
function claims({ text, masks }: Answer, { truth }: Phantom): { label: string; dice: number }[] {
  return [...text.matchAll(/<p>([^<]*)<\/p> \[SEG\]/g)].map(([, label], k) => {
    const same = truth.filter((t) => t.label === label);
    return { label: label!, dice: Math.max(0, ...same.map((t) => overlap(masks[k]!.bits, packed(t.mask)).dice)) };
  });
}

const singles = (['ct', 'us', 'xray', 'derm'] as const).flatMap((kind: PhantomKind) =>
  demoSeeds[kind].map((s) => ({ kind, ...s })),
);

describe('the phantoms of the demo', () => {
  it.each(singles)(
    '$kind $seed: the tiny bundle names $shows, nothing else, and its masks lie on them',
    async ({ kind, seed, shows }) => {
      const drawn = phantom(kind, seed);
      expect(drawn.truth.map((t) => t.label).sort()).toEqual([...shows].sort());
      const [answer] = await runtime.answer([pictureOf(drawn)], { task: 'report' });
      const said = claims(answer!, drawn);
      expect(said.map((c) => c.label).sort()).toEqual([...shows].sort());
      for (const c of said) expect(c.dice, c.label).toBeGreaterThan(0.5);
    },
  );

  it.each(demoSeeds.ctVolume)(
    'volume $seed: one lesion through neighbouring slices, found there and nowhere else',
    async ({ seed, shows }) => {
      const slices = ctVolume(seed, 12);
      const answers = await runtime.answer(slices.map(pictureOf), { task: 'report' });
      const drawn = slices.flatMap((s, i) => (s.truth.length > 0 ? [i] : []));
      const found = answers.flatMap((a, i) => {
        const said = claims(a, slices[i]!);
        for (const c of said) expect([c.label, c.dice > 0.5], `slice ${i}`).toEqual([shows[0], true]);
        return said.length > 0 ? [i] : [];
      });
      expect(drawn.length).toBeGreaterThanOrEqual(6);
      expect(drawn.every((i, k) => k === 0 || i === drawn[k - 1]! + 1)).toBe(true);
      expect(found.length).toBeGreaterThanOrEqual(6);
      expect(found.every((i, k) => k === 0 || i === found[k - 1]! + 1)).toBe(true);
    },
  );

  it('are the same bytes for the same seed, and others for another', () => {
    expect(phantom('derm', 3)).toEqual(phantom('derm', 3));
    expect(phantom('derm', 3).rgb).not.toEqual(phantom('derm', 4).rgb);
  });
});
