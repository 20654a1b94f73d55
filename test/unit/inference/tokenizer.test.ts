import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadBundle, type Manifest } from '../../../src/inference/index.ts';
import { openTokenizer, type Tokenizer } from '../../../src/inference/tokenizer.ts';
import { tinyDir } from '../../builders/bundle.ts';
import expected from './expected/tokens.json' with { type: 'json' };

let tokenizer: Tokenizer;
let manifest: Manifest;

beforeAll(async () => {
  ({ manifest } = await loadBundle(tinyDir));
  tokenizer = await openTokenizer(join(tinyDir, 'tokenizer.json'), manifest);
});

describe('the tokenizer', () => {
  it('gives the ids of the reference tokenizer for prompts, markup and any Unicode text', () => {
    for (const { text, ids } of expected.cases) expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
  });

  it('gives back the text of the reference tokenizer, special tokens kept', () => {
    for (const { ids, decoded } of expected.cases) expect(tokenizer.decode(ids)).toBe(decoded);
  });

  it('refuses a bundle whose manifest gives a special token another id', async () => {
    const seg = { text: '[SEG]', id: 3 };
    const wrong = { ...manifest, special_tokens: { ...manifest.special_tokens, seg } };
    await expect(openTokenizer(join(tinyDir, 'tokenizer.json'), wrong)).rejects.toMatchObject({
      code: 'bundle-invalid',
      message: expect.stringContaining('the manifest says id 3, the tokenizer 667') as string,
    });
  });
});
