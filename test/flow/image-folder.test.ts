import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode, encode } from 'fast-png';
import { beforeAll, describe, expect, it } from 'vitest';
import { schemaProblems } from '../../src/base/index.ts';
import { phantom } from '../../src/cli/demo/phantoms.ts';
import { summarySchema, type Summary } from '../../src/findings/index.ts';
import { dciodvfyErrors, missing, python } from '../peers/index.ts';
import { plumbline, tempFolder, type Ended } from '../builders/program.ts';

const input = tempFolder('images');
const out = tempFolder('out');

function summaryOf(name: string): Summary {
  return JSON.parse(readFileSync(join(out, name, 'summary.json'), 'utf8')) as Summary;
}

describe('plumbline run --image-folder', () => {
  let ended: Ended;

  beforeAll(async () => {
    const { width, height, rgb } = phantom('us', 14);
    writeFileSync(join(input, 'a.png'), encode({ width, height, channels: 3, data: rgb }));
    const ct = phantom('ct', 3);
    writeFileSync(join(input, 'c.png'), encode({ width: ct.width, height: ct.height, channels: 3, data: ct.rgb }));
    writeFileSync(join(input, 'b.png'), 'no picture');
    const args = ['--modality', 'ct', '--out', out, '--bundle', 'plumbline-tiny', '--target', 'Hepatic Parenchyma'];
    ended = await plumbline(['run', '--image-folder', input, ...args, '--json']);
  }, 120_000);

  it('reads each picture in order, names the broken one, and ends with 5', () => {
    const lines = ended.stdout
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l) as Record<string, unknown>);
    expect(lines.map((l) => [l['sourceFile'], l['status']])).toEqual([
      ['a.png', 'done'],
      ['b.png', 'failed'],
      ['c.png', 'done'],
      [undefined, undefined],
    ]);
    expect(lines.at(-1)).toMatchObject({ event: 'end', studies: 3, done: 2, failed: 1 });
    expect([ended.code, ended.stderr]).toEqual([5, '']);
  });

  it('says in summary.json which file it was, by the schema, and why one was not read', () => {
    for (const name of ['a', 'b', 'c']) {
      expect(summaryOf(name).sourceFile).toBe(`${name}.png`);
      expect(schemaProblems(summarySchema, summaryOf(name))).toEqual([]);
    }
    expect(summaryOf('b').reason).toMatchObject({ code: 'picture-invalid', where: 'b.png' });
  });

  it('asks for the target in the bundle’s own words', () => {
    expect(summaryOf('c')).toMatchObject({ task: 'segment', prompt: 'Please segment the liver.' });
  });

  it('writes the mask of the target as a PNG of the picture’s size, with as many pixels as it says, even where none', () => {
    for (const name of ['a', 'c']) {
      const [mask] = summaryOf(name).masks!;
      expect(mask).toMatchObject({ target: 'Hepatic Parenchyma', file: 'masks/hepatic-parenchyma.png' });
      const png = decode(readFileSync(join(out, name, mask!.file)));
      expect([png.width, png.height, png.channels, png.depth]).toEqual([mask!.width, mask!.height, 1, 8]);
      expect(png.data.filter((v) => v === 255)).toHaveLength(mask!.pixels);
      expect(png.data.filter((v) => v !== 255 && v !== 0)).toHaveLength(0);
    }
    expect(summaryOf('c').masks![0]!.pixels).toBeGreaterThan(1000);
  });

  it.skipIf(missing('python'))('writes the same pixels in the PNG as in the SEG', async () => {
    const script = `
import sys, numpy as np
from pydicom import dcmread
from PIL import Image
seg = dcmread(sys.argv[1]).pixel_array
mask = np.asarray(Image.open(sys.argv[2])) > 0
print(bool(((seg if seg.ndim == 2 else seg.max(0)) > 0).__eq__(mask).all()))
`;
    const { stdout } = await python(script, [join(out, 'c/seg-1.dcm'), join(out, 'c/masks/hepatic-parenchyma.png')]);
    expect(stdout.trim()).toBe('True');
  });

  it.skipIf(missing('dciodvfy'))('writes SEG and SR without an error of dciodvfy', async () => {
    for (const file of ['c/seg-1.dcm', 'c/sr-1.dcm', 'a/sr-1.dcm'])
      expect(await dciodvfyErrors(join(out, file)), file).toEqual([]);
  });
});

describe('the targets of plumbline run', () => {
  it('are refused where there is none of that name, before anything is written', async () => {
    const none = join(out, 'none');
    const args = ['run', '--image-folder', input, '--out', none, '--modality', 'ct', '--target', 'livr'];
    args.push('--bundle', 'plumbline-tiny');
    const { code, stdout, stderr } = await plumbline(args);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('target-unknown: the bundle plumbline-tiny knows no "livr" in CT; nearest: "liver"');
    expect(existsSync(none)).toBe(false);
  });

  it('are listed of a bundle, with their other names', async () => {
    const { code, stdout } = await plumbline([
      'run',
      '--list-targets',
      '--bundle',
      'plumbline-tiny',
      '--modality',
      'us',
    ]);
    expect(code).toBe(0);
    expect(stdout.split('\n')).toContain('US: solid mass (mass, solid lesion, solid tumor)');
    expect(stdout).not.toContain('liver');
  });
});
