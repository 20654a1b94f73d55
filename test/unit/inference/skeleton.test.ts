import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { filesOf, skeletonOf, unsaidOf, withFacts } from '../../../src/inference/skeleton.ts';
import { tinyDir } from '../../builders/bundle.ts';

const theirs = JSON.parse(await readFile(join(tinyDir, 'manifest.json'), 'utf8')) as Record<string, unknown> & {
  preprocess: { vision: object; sam: object };
  special_tokens: Record<string, object>;
  decoder: object;
};

describe('a manifest made from graphs', () => {
  it('holds what the graphs and the tokenizer say, as their maker wrote it', async () => {
    const made = (await skeletonOf(tinyDir, 'mine')) as typeof theirs;
    const { layers, kv_heads, head_dim, hidden_size, vocab_size } = theirs.decoder as Record<string, number>;
    expect(made.decoder).toEqual({ layers, kv_heads, head_dim, hidden_size, vocab_size });
    expect(theirs.preprocess.vision).toMatchObject({ width: 224, height: 224, tiling: { tokens_per_tile: 49 } });
    expect(made.preprocess).toMatchObject({
      vision: { width: 224, height: 224, geometry: 'squash', tiling: { tokens_per_tile: 49 }, mean: null },
      sam: { width: 256, height: 256, std: null },
    });
    const { img_context, seg, phrase_start, phrase_end } = theirs.special_tokens;
    expect(made.special_tokens).toEqual({ img_context, seg, phrase_start, phrase_end });
    expect(made).toMatchObject({ format: 1, family: 'grounded', name: 'mine', licence: null, tasks: null });
  });

  it('says what its maker must still say, and nothing more once that is said', async () => {
    const made = await skeletonOf(tinyDir, 'mine');
    const paths = unsaidOf(made).map((u) => u.path);
    expect(paths).toEqual(
      expect.arrayContaining([
        '/version',
        '/licence',
        '/intended_use',
        '/tasks',
        '/chat/template',
        '/stop_ids',
        '/modalities',
      ]),
    );
    expect(unsaidOf(made).every((u) => u.means.length > 10)).toBe(true);
    const { graphs: _graphs, name: _name, ...facts } = theirs;
    expect(unsaidOf({ ...withFacts(made, facts), files: await filesOf(tinyDir) })).toEqual([]);
  });

  it('is refused where a graph is missing, with what to do', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'graphs-'));
    await writeFile(join(folder, 'decoder.onnx'), '');
    await expect(skeletonOf(folder, 'x')).rejects.toMatchObject({
      code: 'bundle-invalid',
      message:
        'the folder lacks vision_encoder.onnx, token_embed.onnx, sam_encoder.onnx, mask_decoder.onnx, tokenizer.json',
    });
    await rm(folder, { recursive: true });
  });
});

describe('facts', () => {
  it('are laid over key by key; lists and values are replaced', () => {
    const before = { a: { b: 1, c: [1, 2] }, d: null };
    expect(withFacts(before, { a: { c: [3] }, d: { e: 1 }, f: 2 })).toEqual({ a: { b: 1, c: [3] }, d: { e: 1 }, f: 2 });
    expect(before).toEqual({ a: { b: 1, c: [1, 2] }, d: null });
  });
});

describe('the files of a bundle', () => {
  it('are those that its maker listed, with the same digests', async () => {
    const files = await filesOf(tinyDir);
    for (const [name, file] of Object.entries(theirs['files'] as object)) expect(files[name]).toEqual(file);
    expect(files).not.toHaveProperty('manifest.json');
  });
});
