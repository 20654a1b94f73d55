import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { catalogue } from '../../src/base/index.ts';
import { runPage } from '../builders/docs-runner.ts';
import { root } from '../peers/index.ts';

const read = (name: string): string => readFileSync(join(root, 'docs', name), 'utf8');
const text = read('operations.md');

describe('docs/operations.md', () => {
  it('shows commands that print what it says', async () => {
    const run = await runPage(text);
    expect(run.commands).toBeGreaterThan(10);
  }, 180_000);

  it('alerts on metrics that there are', () => {
    const [, rules = ''] = /```yaml prometheus-rules\.yaml\n([\s\S]*?)```/.exec(text) ?? [];
    const { groups } = parse(rules) as { groups: { rules: { expr: string }[] }[] };
    const used = groups.flatMap((g) => g.rules).flatMap((r) => [...r.expr.matchAll(/plumbline_\w+/g)].map((m) => m[0]));
    expect(used.length).toBeGreaterThan(5);
    for (const name of used) expect(read('metrics.md'), name).toContain(`\`${name}\``);
  });

  it('names holds that there are', () => {
    const table = text.slice(text.indexOf('| you see |'), text.indexOf('## What to watch'));
    const codes = [...table.matchAll(/^\| (`[^|]+) \|/gm)].flatMap((m) =>
      [...m[1]!.matchAll(/`([a-z-]+)`/g)].map((c) => c[1]!),
    );
    expect(codes.length).toBeGreaterThan(15);
    for (const code of codes) expect(Object.keys(catalogue), code).toContain(code);
  });
});
