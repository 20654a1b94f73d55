import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { printedFiles } from '../../src/cli/printed.ts';
import { root } from '../peers/index.ts';

interface Cruise {
  readonly modules: readonly { readonly source: string; readonly dependencies: readonly unknown[] }[];
  readonly summary: {
    readonly violations: readonly {
      readonly from: string;
      readonly to: string;
      readonly rule: { readonly name: string };
    }[];
    readonly totalCruised: number;
  };
}

function cruise(): Cruise {
  const args = [
    join(root, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs'),
    '--config',
    '.dependency-cruiser.cjs',
    '--output-type',
    'json',
    'src',
  ];
  let out: string;
  try {
    out = execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });
  } catch (e) {
    out = (e as { stdout: string }).stdout; // violations give a non-zero exit
  }
  return JSON.parse(out) as Cruise;
}

describe('the house', () => {
  const result = cruise();

  it('was read: the dependency test saw every source file and their imports', () => {
    const files = globSync('src/**/*.ts', { cwd: root }).filter((f) => !f.endsWith('.d.ts'));
    const seen = new Set(result.modules.map((m) => m.source));
    expect(files.filter((f) => !seen.has(f))).toEqual([]);
    expect(result.modules.reduce((n, m) => n + m.dependencies.length, 0)).toBeGreaterThan(files.length);
  });

  it('has arrows that only point down, and rooms that are entered by their front door', () => {
    expect(result.summary.violations.map((v) => `${v.rule.name}: ${v.from} → ${v.to}`)).toEqual([]);
  });

  it('has a front page of three lines at the top of every room', () => {
    const rooms = globSync('src/*/index.ts', { cwd: root });
    expect(rooms.length).toBeGreaterThan(10);
    for (const room of rooms) {
      const lines = readFileSync(join(root, room), 'utf8').split('\n').slice(0, 3);
      expect(
        lines.every((l) => l.startsWith('// ')),
        room,
      ).toBe(true);
    }
  });

  it('prints its documents from the program', () => {
    for (const [path, text] of printedFiles())
      expect(readFileSync(join(root, path), 'utf8'), `${path}: run npm run docs`).toBe(text);
  });
});
