import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/base/index.ts';
import { resize, type Filter } from '../../../src/inference/resize.ts';
import { noise, ramp } from '../../builders/bundle.ts';
import { missing, python, root } from '../../peers/index.ts';
import expected from './expected/resize.json' with { type: 'json' };

describe('resizing', () => {
  it('is judged on at least 50 sizes: noise and a ramp, both filters, by Pillow 13', () => {
    const sizes = new Map(expected.cases.map(({ from, to }) => [`${from.join('x')} ${to.join('x')}`, { from, to }]));
    expect(sizes.size).toBeGreaterThanOrEqual(50);
    expect(expected.cases).toHaveLength(4 * sizes.size);
    expect(expected.made_with).toBe('Pillow 13.0.0');
    const kinds = { up: 0, down: 0, both: 0, equal: 0, odd: 0, pixel: 0 };
    for (const { from, to } of sizes.values()) {
      const [w, h] = [to[0]! - from[0]!, to[1]! - from[1]!];
      kinds[w === 0 && h === 0 ? 'equal' : w * h < 0 ? 'both' : w + h > 0 ? 'up' : 'down']++;
      if ([...from, ...to].some((n) => n % 2)) kinds.odd++;
      if ([...from, ...to].includes(1)) kinds.pixel++;
    }
    expect(Object.values(kinds).every((n) => n >= 3)).toBe(true);
  });

  it.each(expected.cases)(
    'gives the bytes of Pillow 13 for $kind of $from to $to, $filter',
    ({ kind, seed, from, to, filter, sha256: digest }) => {
      const picture = kind === 'noise' ? noise(seed!, from[0]!, from[1]!) : ramp(from[0]!, from[1]!);
      const out = resize(picture, to[0]!, to[1]!, filter as Filter);
      expect(sha256(out.rgb)).toBe(digest);
    },
  );

  it('can keep the pass order of older releases, which shows where the height shrinks most', () => {
    const p = noise(3, 60, 200);
    const rows = resize(p, 60, 31, 'bilinear-antialias');
    const columns = resize(p, 41, 200, 'bilinear-antialias');
    expect(resize(p, 41, 31, 'bilinear-antialias', 'pillow-13')).toEqual(resize(rows, 41, 31, 'bilinear-antialias'));
    expect(resize(p, 41, 31, 'bilinear-antialias', 'horizontal-first')).toEqual(
      resize(columns, 41, 31, 'bilinear-antialias'),
    );
    expect(resize(rows, 41, 31, 'bilinear-antialias')).not.toEqual(resize(columns, 41, 31, 'bilinear-antialias'));
  });

  it('leaves a picture of the right size as it is', () => {
    const p = noise(1, 30, 20);
    expect(resize(p, 30, 20, 'bicubic-antialias').rgb).toEqual(p.rgb);
  });
});

/** Resizes each raw picture of the list with Pillow and writes it beside. */
const script = `
import json, sys, numpy as np
from PIL import Image
for c in json.load(open(sys.argv[1] + '/cases.json')):
    x = np.fromfile(f"{sys.argv[1]}/{c['i']}.in", np.uint8).reshape(c['h'], c['w'], 3)
    f = Image.BILINEAR if c['filter'].startswith('bilinear') else Image.BICUBIC
    np.asarray(Image.fromarray(x).resize((c['W'], c['H']), f)).tofile(f"{sys.argv[1]}/{c['i']}.out")
`;

describe.skipIf(missing('python'))('resizing beside the installed Pillow', () => {
  it('is held to digests that its script prints', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'resize-'));
    const file = join(dir, 'resize.json');
    expect(await python(join(root, 'test/peers/pillow_resize.py'), [file])).toMatchObject({ code: 0 });
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(expected);
    await rm(dir, { recursive: true });
  });

  it('gives the same bytes for 120 pictures of many sizes', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'resize-'));
    const state = noise(99, 400, 1).rgb;
    const span = (at: number): number => 1 + Math.floor(2 ** ((state[at]! / 255) * 8.7));
    const cases = Array.from({ length: 120 }, (_, i) => ({
      i,
      w: span(8 * i),
      h: span(8 * i + 1),
      W: span(8 * i + 2),
      H: span(8 * i + 3),
      filter: (i % 2 ? 'bilinear-antialias' : 'bicubic-antialias') as Filter,
    }));
    const inputs = cases.map((c) => noise(c.i + 1000, c.w, c.h));
    await Promise.all(inputs.map((p, i) => writeFile(join(dir, `${i}.in`), p.rgb)));
    await writeFile(join(dir, 'cases.json'), JSON.stringify(cases));
    expect(await python(script, [dir])).toMatchObject({ code: 0 });
    for (const c of cases) {
      const theirs = await readFile(join(dir, `${c.i}.out`));
      const ours = resize(inputs[c.i]!, c.W, c.H, c.filter).rgb;
      expect(Buffer.compare(theirs, ours), JSON.stringify(c)).toBe(0);
    }
    await rm(dir, { recursive: true });
  });
});
