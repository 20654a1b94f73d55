import { mkdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/base/index.ts';
import { createRuntime, listBundles, loadBundle, type Manifest } from '../../../src/inference/index.ts';
import { copyBundle, replaceFile, tinyDir } from '../../builders/bundle.ts';

type Json = { [key: string]: Json };

/** Set what stands at a path of the manifest (keys between bars); undefined takes it away. */
function set(path: string, value: unknown): (m: object) => void {
  return (m) => {
    const keys = path.split('|');
    const parent = keys.slice(0, -1).reduce((at, key) => at[key]!, m as Json);
    if (value === undefined) delete parent[keys.at(-1)!];
    else parent[keys.at(-1)!] = value as Json;
  };
}

async function refusal(
  edit?: (m: object) => void,
  spoil?: (dir: string) => Promise<void>,
): Promise<{ code: string; message: string }> {
  const dir = await copyBundle(edit);
  await spoil?.(dir);
  const thrown = await loadBundle(dir).then(
    () => ({ code: 'accepted', message: '' }),
    (e: { code: string; message: string }) => e,
  );
  await rm(dirname(dir), { recursive: true });
  return { code: thrown.code, message: thrown.message };
}

describe('the committed bundle', () => {
  it('is accepted, and is known by its folder, its manifest and the digest of that', async () => {
    const bundle = await loadBundle(tinyDir);
    expect(bundle.name).toBe('plumbline-tiny');
    expect(bundle.ref).toMatchObject({ name: 'plumbline-reference-grounded', version: '0.1.0' });
    expect(bundle.ref.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(bundle.manifest.decoder.hidden_size).toBe(192);
  });

  it('means, where a field of later families is missing, what it always meant', async () => {
    const { manifest } = await loadBundle(tinyDir);
    expect(manifest.tasks['report']).toMatchObject({
      grounding: 'phrase-then-seg',
      sentences: 'per-mask',
      needs_box: false,
    });
    expect(manifest.region_prompt?.stage).toBe('resized');
    expect(manifest.stop_texts).toEqual([]);
  });
});

describe('the licence of a bundle', () => {
  it('may be any where the site does not say, and else must be one that it allows', async () => {
    await expect(loadBundle(tinyDir, ['MIT', 'Apache-2.0'])).resolves.toMatchObject({ name: 'plumbline-tiny' });
    await expect(loadBundle(tinyDir, ['MIT'])).rejects.toMatchObject({
      code: 'bundle-licence',
      message: 'its licence is "Apache-2.0"; inference.licences allows MIT',
    });
    await expect(loadBundle(tinyDir, [])).rejects.toMatchObject({ code: 'bundle-licence' });
  });
});

describe('a bundle is refused', () => {
  it.each<[string, string, unknown, RegExp]>([
    ['of an unknown format', 'format', 2, /format: expected 1, found 2/],
    ['of an unknown family', 'family', 'oracle', /family: expected "grounded", found "oracle"/],
    ['without a graph', 'graphs|sam_encoder', undefined, /sam_encoder/],
    ['without a graph input', 'graphs|decoder|inputs|0|name', 'x', /graph decoder, input inputs_embeds is missing/],
    ['without a graph output', 'graphs|decoder|outputs|1|name', 'x', /graph decoder, output hidden_states is missing/],
    [
      'with an input that nothing feeds',
      'graphs|token_embed|inputs|1',
      { name: 'mystery', type: 'int64', shape: [1] },
      /input mystery/,
    ],
    [
      'with a shape that contradicts its dimensions',
      'decoder|hidden_size',
      256,
      /expected shape \[\*, 49, 256\], found \[tiles, 49, 192\]/,
    ],
    ['with half floats at a boundary', 'graphs|sam_encoder|inputs|0|type', 'float16', /float32/],
    [
      'with a key that is not understood where numbers depend on it',
      'preprocess|vision|gamma',
      2.2,
      /unknown key "gamma"/,
    ],
    [
      'with another hidden state than the loop takes',
      'seg_hidden',
      { layer: -2, norm: 'final', position: 'seg-input' },
      /seg_hidden/,
    ],
    ['with a graph that has no digest', 'files|decoder.onnx', undefined, /decoder\.onnx is needed, but has no entry/],
    [
      'with a file outside its folder',
      'files|../x.onnx',
      { sha256: '0'.repeat(64), bytes: 1 },
      /\.\.\/x\.onnx: points outside/,
    ],
    [
      'with a file by a way over the outside',
      'files|../copy/manifest.json',
      { sha256: '0'.repeat(64), bytes: 1 },
      /points outside/,
    ],
    [
      'with a file by absolute path',
      'files|/etc/hostname',
      { sha256: '0'.repeat(64), bytes: 1 },
      /\/etc\/hostname: points outside/,
    ],
    ['with a task that has no words', 'tasks|report|prompt', undefined, /task report: neither prompt/],
    ['without a licence', 'licence', undefined, /licence/],
    ['with a code for a label that it does not have', 'codes|findings|gremlin', {}, /codes: "gremlin" is no finding/],
    ['with a golden of a modality that it does not have', 'golden|0|modality', 'ect', /golden 01: modality "ect"/],
    ['with a golden of a task that it does not have', 'golden|1|task', 'recite', /golden 02: task "recite" is none of/],
    [
      'with a golden that names what it does not know',
      'golden|3|text',
      'A <p>small gremlin</p> [SEG].',
      /golden 04: "small gremlin" holds no finding or organ/,
    ],
    ['with a token beyond the vocabulary', 'special_tokens|seg|id', 5000, /not below vocab_size/],
  ])('%s', async (_, path, value, message) => {
    expect(await refusal(set(path, value))).toMatchObject({
      code: 'bundle-invalid',
      message: expect.stringMatching(message) as string,
    });
  });

  it('with a changed byte, naming file, expected and found digest', async () => {
    const spoiled = new TextEncoder().encode('Yes.\n!!');
    const { code, message } = await refusal(undefined, (dir) => writeFile(join(dir, 'golden/06.txt'), spoiled));
    expect(code).toBe('bundle-invalid');
    expect(message).toContain(
      'golden/06.txt: expected sha256 fe85d5bc98cf9e9bedfff1fd3083dc655c7245eeede32c431453afbd863474a4',
    );
    expect(message).toContain(`found ${sha256(spoiled)}`);
  });

  it('with a cut file', async () => {
    const { message } = await refusal(undefined, (dir) => truncate(join(dir, 'mask_decoder.onnx'), 1000));
    expect(message).toBe('mask_decoder.onnx: expected 941351 bytes, found 1000');
  });

  it('with a missing file', async () => {
    const { message } = await refusal(undefined, (dir) => rm(join(dir, 'sam_encoder.onnx')));
    expect(message).toBe('sam_encoder.onnx: expected 1998621 bytes, found no file');
  });

  it('with a graph that is not listed, since a listed one could load it', async () => {
    const { message } = await refusal(undefined, (dir) => writeFile(join(dir, 'sam_encoder.onnx.data'), 'x'));
    expect(message).toContain('sam_encoder.onnx.data: lies in the bundle, but has no entry under files');
  });

  it('with a link that leads out of its folder', async () => {
    const { message } = await refusal(undefined, async (dir) => {
      await rm(join(dir, 'tokenizer.json'));
      await symlink(join(tinyDir, 'tokenizer.json'), join(dir, 'tokenizer.json'));
    });
    expect(message).toBe('tokenizer.json: is a link that points outside the bundle');
  });

  it('without a manifest, as unknown', async () => {
    expect(await refusal(undefined, (dir) => rm(join(dir, 'manifest.json')))).toMatchObject({ code: 'bundle-unknown' });
  });

  it('with a manifest that is no JSON', async () => {
    const { code, message } = await refusal(undefined, (dir) => writeFile(join(dir, 'manifest.json'), '{'));
    expect([code, message]).toEqual(['bundle-invalid', expect.stringContaining('is no JSON')]);
  });

  it('when opened, where a graph file is not the graph that the manifest states', async () => {
    const dir = await copyBundle();
    const { readFile } = await import('node:fs/promises');
    await replaceFile(dir, 'mask_decoder.onnx', await readFile(join(tinyDir, 'vision_encoder.onnx')));
    const bundle = await loadBundle(dir);
    await expect(createRuntime(bundle)).rejects.toMatchObject({
      code: 'bundle-invalid',
      message: expect.stringContaining(
        'graph mask_decoder, input image_embeddings is missing (found: pixel_values)',
      ) as string,
    });
    await replaceFile(dir, 'mask_decoder.onnx', new TextEncoder().encode('no graph at all'));
    await expect(createRuntime(await loadBundle(dir))).rejects.toMatchObject({
      code: 'bundle-invalid',
      message: expect.stringContaining('cannot be opened') as string,
    });
    await rm(dirname(dir), { recursive: true });
  });
});

describe('a folder of bundles', () => {
  it('lists each by name, says what is wrong with one, and passes over what is no bundle', async () => {
    const dir = await copyBundle((m) => (m['format'] = 9));
    const models = dirname(dir);
    await symlink(tinyDir, join(models, 'tiny'));
    await mkdir(join(models, 'notes'));
    await writeFile(join(models, 'README.md'), '');
    const found = await listBundles(models);
    expect(found.map((b) => b.name)).toEqual(['copy', 'tiny']);
    expect(found[0]!.problem?.code).toBe('bundle-invalid');
    expect((found[1]!.manifest as Manifest).version).toBe('0.1.0');
    expect(found[1]!.problem).toBeUndefined();
    await rm(models, { recursive: true });
  });

  it('is empty where the folder is not there', async () => {
    expect(await listBundles(join(tinyDir, 'nowhere'))).toEqual([]);
  });
});
