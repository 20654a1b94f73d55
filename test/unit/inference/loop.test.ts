import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Answer, Picture } from '../../../src/base/index.ts';
import { loadBundle, type Manifest, type Request } from '../../../src/inference/index.ts';
import { argmax } from '../../../src/inference/decoder.ts';
import { openModel } from '../../../src/inference/loop.ts';
import { goldensOf, overlap, pictureOf, readMask, readRgb, tinyDir, type Golden } from '../../builders/bundle.ts';

let manifest: Manifest;
let golden: Golden;
let picture: Picture;

beforeAll(async () => {
  ({ manifest } = await loadBundle(tinyDir));
  golden = goldensOf(manifest)[0]!;
  picture = pictureOf(await readRgb(join(tinyDir, golden.image)));
});

/** The answer of golden 01 by a bundle with other rules. Its [SEG]s are tokens 20 and 37 of 45. */
async function ask(rules: Partial<Manifest>, request: Request = { task: 'report' }): Promise<Answer> {
  const options = { provider: 'cpu', fallback: true, threads: 1, memoryBytes: 0 } as const;
  const model = await openModel(tinyDir, { ...manifest, ...rules }, options);
  const [answer] = await model.ask(picture, [request]);
  return answer!;
}

function newTokens(n: number): Partial<Manifest> {
  return { limits: { ...manifest.limits, max_new_tokens: n } };
}

describe('an answer that the limit cuts', () => {
  it('right after a [SEG] still has its mask, since one more step is run for its state', async () => {
    const answer = await ask(newTokens(20));
    expect(answer).toMatchObject({ stop: 'limit', tokenIds: golden.token_ids.slice(0, 20) });
    expect(answer.text.endsWith('<p>renal cyst</p> [SEG]')).toBe(true);
    const theirs = await readMask(join(tinyDir, golden.masks[0]!.file));
    expect(answer.masks).toHaveLength(1);
    expect(overlap(answer.masks[0]!.bits, theirs.bits).iou).toBeGreaterThanOrEqual(0.999);
  });

  it.each([
    [15, 'there is a small <p>'],
    [18, '<p>renal cyst</p>'],
  ])('after %i tokens is kept as it stands, without a mask', async (n, end) => {
    const answer = await ask(newTokens(n));
    expect(answer).toMatchObject({ stop: 'limit', masks: [] });
    expect(answer.text.endsWith(end)).toBe(true);
  });

  it('for want of positions has as many tokens as there are', async () => {
    const answer = await ask({ decoder: { ...manifest.decoder, max_positions: golden.prompt_tokens + 6 } });
    expect(answer.tokenIds).toEqual(golden.token_ids.slice(0, 5));
    expect(answer.stop).toBe('limit');
  });
});

describe('an answer', () => {
  it('ends where a stop text is spelt out, and is without it', async () => {
    const answer = await ask({ stop_texts: ['No liver'] });
    expect(answer.stop).toBe('end');
    expect(answer.text).toBe(golden.text.slice(0, golden.text.indexOf('No liver')));
    expect(answer.masks).toHaveLength(2);
  });

  it('of more masks than the bundle allows has null for those beyond', async () => {
    const answer = await ask({ limits: { ...manifest.limits, max_masks: 1 } });
    expect(answer.masks.map((m) => m !== null)).toEqual([true, false]);
  });

  it('to a prompt that is too long is refused, with both numbers', async () => {
    await expect(ask({}, { task: 'report', prompt: 'why? '.repeat(150) })).rejects.toMatchObject({
      code: 'prompt-too-long',
      message: expect.stringMatching(/^the prompt has \d{3,} tokens with the picture's 49; .* takes 256$/) as string,
    });
  });

  it('says how long each stage took', async () => {
    const { timingsMs } = await ask({});
    expect(Object.keys(timingsMs).sort()).toEqual([
      'decode',
      'masks',
      'prefill',
      'preprocess',
      'sam',
      'total',
      'upsample',
      'vision',
    ]);
  });
});

describe('the greedy choice', () => {
  it('is the lowest id on a tie', () => {
    expect(argmax(Float32Array.of(0, 2, 2, 1))).toBe(1);
  });
});
