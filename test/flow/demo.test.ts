import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { demoStudies } from '../../src/cli/demo/studies.ts';
import { plumbline, tempFolder } from '../builders/program.ts';

describe('plumbline demo --exit', () => {
  it('reads its four studies, says what was found and where each output lies, and ends with 0', async () => {
    const dir = join(tempFolder('demo'), 'demo-data');
    const ended = await plumbline(['demo', '--exit', '--dir', dir, '--port', '0']);
    expect([ended.code, ended.stderr]).toEqual([0, '']);
    for (const study of demoStudies()) expect(ended.stdout).toContain(study.title);
    expect(ended.stdout.match(/report {2}http:/g)).toHaveLength(4);
    expect(ended.stdout.match(/^ {2}found/gm)!.length).toBeGreaterThanOrEqual(4);
    const files = [...ended.stdout.matchAll(/files {3}(\S+): (.*)$/gm)];
    expect(files).toHaveLength(4);
    for (const [, folder, names] of files)
      for (const name of names!.split(', ')) expect(existsSync(join(folder!, name)), name).toBe(true);
  }, 120_000);

  it('never empties a folder that is not its own', async () => {
    const dir = tempFolder('mine');
    const ended = await plumbline(['demo', '--exit', '--dir', dir, '--port', '0']);
    expect([ended.code, ended.stderr]).toEqual([2, expect.stringContaining('no folder of a demo')]);
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe('plumbline demo --images', () => {
  it('writes the four studies as DICOM files and starts nothing', async () => {
    const dir = join(tempFolder('demo'), 'studies');
    const ended = await plumbline(['demo', '--images', dir]);
    expect([ended.code, ended.stdout.trim().split('\n')]).toEqual([
      0,
      demoStudies().map((s) => `${join(dir, s.kind)}: ${s.title}`),
    ]);
    for (const { kind, files } of demoStudies())
      expect(readdirSync(join(dir, kind)).toSorted()).toEqual(files.map((_, i) => `${i + 1}.dcm`).toSorted());
  });
});
