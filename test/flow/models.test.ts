import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { copyBundle, replaceFile } from '../builders/bundle.ts';
import { plumbline, tempFolder } from '../builders/program.ts';

/** A configuration whose routes name the bundle `copy`. */
function site(modelsDir: string): string {
  const mappingsDir = tempFolder('mappings');
  const rules = [{ name: 'all', when: {}, then: { bundle: 'copy', task: 'report' } }];
  writeFileSync(join(mappingsDir, 'routes.json'), JSON.stringify({ version: 1, rules }));
  const file = join(tempFolder('site'), 'plumbline.yaml');
  const http = { port: 0 };
  writeFileSync(file, JSON.stringify({ dataDir: tempFolder('data'), mappingsDir, modelsDir, http }));
  return file;
}

describe('a bundle that is not as its manifest says', async () => {
  const dir = await copyBundle();
  writeFileSync(join(dir, 'golden/06.txt'), 'No.\n!!!');
  const config = site(dirname(dir));

  it.each([
    ['serve', ['serve', '--config', config]],
    ['run', ['run', dir, '--out', tempFolder('out'), '--config', config]],
  ])(
    'is refused at the start of %s, with what to do',
    async (_what, args) => {
      const { code, stdout, stderr } = await plumbline(args);
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(/bundle-invalid: golden\/06\.txt: expected .* found .*Build or copy the bundle again/);
    },
    60_000,
  );

  it('is named by models ls, with what to do', async () => {
    const { code, stdout } = await plumbline(['models', 'ls', '--config', config]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^✗ copy: [\s\S]*bundle-invalid: golden\/06\.txt.*Build or copy the bundle again/);
  }, 60_000);
});

describe('plumbline models verify', () => {
  it('shows what differs from the goldens, and ends with 1', async () => {
    const dir = await copyBundle((m) => {
      const golden = m['golden'] as { text: string; token_ids: number[] }[];
      m['golden'] = golden.slice(4);
      golden[5] = { ...golden[5]!, text: 'Left.', token_ids: [330, 13, 661] };
      (m['golden'] as object[])[1] = golden[5];
    });
    await replaceFile(dir, 'golden/05.mask-0.png', new Uint8Array(readFileSync(join(dir, 'golden/04.mask-0.png'))));
    const { code, stdout } = await plumbline(['models', 'verify', 'copy', '--models', dirname(dir)]);
    expect(code).toBe(1);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^✗ 05 region: 12 tokens; IoU 0\.\d{4}; 2 pictures/);
    expect(lines[1]).toMatch(/mask 1: IoU 0\.\d{4}, at least 0\.999 wanted/);
    expect(lines[2]).toMatch(/^✗ 06 vqa/);
    expect(lines.slice(3)).toEqual([
      '    token 1 differs: expected 330, found 338',
      '    the text differs from character 1 on',
      '    expected: »Left.',
      '    found:    »Right.',
      '0 of 2 goldens as they were, on cpu',
      '',
    ]);
  }, 60_000);
});
