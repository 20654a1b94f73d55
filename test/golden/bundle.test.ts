import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRuntime, loadBundle, type Bundle, type Request, type Runtime } from '../../src/inference/index.ts';
import { goldensOf, overlap, pictureOf, readMask, readRgb, tinyDir, type Golden } from '../builders/bundle.ts';

let bundle: Bundle;
let runtime: Runtime;

beforeAll(async () => {
  bundle = await loadBundle(tinyDir);
  runtime = await createRuntime(bundle);
});
afterAll(() => runtime.close());

const ids = ['01', '02', '03', '04', '05', '06'];

async function golden(id: string): Promise<{ g: Golden; request: Request; picture: ReturnType<typeof pictureOf> }> {
  const g = goldensOf(bundle.manifest).find((x) => x.id === id)!;
  const request = { task: g.task, prompt: g.prompt, ...(g.box ? { box: g.box } : {}) };
  return { g, request, picture: pictureOf(await readRgb(join(tinyDir, g.image))) };
}

describe('the goldens of the bundle, from the original pictures', () => {
  it('are these six, so that none is passed over', () => {
    expect(goldensOf(bundle.manifest).map((g) => g.id)).toEqual(ids);
  });

  it.each(ids)('%s: token ids and text are equal, and each mask has an IoU of at least 0.999', async (id) => {
    const { g, request, picture } = await golden(id);
    const [answer] = await runtime.answer([picture], request);
    expect(answer!.tokenIds).toEqual(g.token_ids);
    expect(answer!.text).toBe(g.text);
    expect(answer!.stop).toBe('end');
    expect(answer!.masks).toHaveLength(g.masks.length);
    for (const [k, m] of g.masks.entries()) {
      const theirs = await readMask(join(tinyDir, m.file));
      expect(answer!.masks[k]).toMatchObject({ width: theirs.width, height: theirs.height });
      expect(overlap(answer!.masks[k]!.bits, theirs.bits).iou).toBeGreaterThanOrEqual(0.999);
      expect(answer!.masks[k]!.score).toBeCloseTo(m.score, 3);
    }
  });

  it.each(ids)('%s: the text given back in one prefill is grounded to the same masks and scores', async (id) => {
    const { g, request, picture } = await golden(id);
    const [answer] = await runtime.ask(picture, [{ ...request, text: g.text }]);
    expect(answer!.masks).toHaveLength(g.masks.length);
    for (const [k, m] of g.masks.entries()) {
      const theirs = await readMask(join(tinyDir, m.file));
      expect(overlap(answer!.masks[k]!.bits, theirs.bits).iou).toBeGreaterThanOrEqual(0.999);
      expect(answer!.masks[k]!.score).toBeCloseTo(m.score, 3);
    }
  });

  it('are the same when they are read together, in whatever order', async () => {
    const reports = await Promise.all(['02', '01', '02'].map(golden));
    const answers = await runtime.answer(
      reports.map((r) => r.picture),
      reports[0]!.request,
    );
    expect(answers.map((a) => a.text)).toEqual(reports.map((r) => r.g.text));
    expect(answers[0]!.masks).toEqual(answers[2]!.masks);
  });
});
