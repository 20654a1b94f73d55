import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../peers/index.ts';
import { scenarios } from '../soak/scenarios.ts';

/** Few of everything; `npm run soak -- NAME` is the long form. */
const plan = { short: true, seed: 9, messages: 150, associations: 4, minutes: 0 };
// Power cuts are drawn in test/unit/studies/power-cut.test.ts, many of them, and without a process for each.
const names = [...scenarios.keys()].filter((name) => name !== 'power-cut').map((name) => ({ name }));

describe('under a fault', () => {
  // Side by side: each waits more than it works.
  it.concurrent.each(names)(
    '$name: everything acknowledged is kept, nothing is done twice',
    async ({ name }) => {
      const { rows, breaches } = await scenarios.get(name)!(plan);
      expect(breaches).toEqual([]);
      expect(rows.length).toBeGreaterThan(0);
    },
    300_000,
  );
});

describe('conformance/faults.md', () => {
  const rows = readFileSync(join(root, 'conformance/faults.md'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1);

  it('has rows of every scenario, each as asked', () => {
    expect(new Set(rows.map((r) => r.split(' | ')[0]!.slice(2)))).toEqual(new Set(scenarios.keys()));
    expect(rows.filter((r) => !r.endsWith('| yes |'))).toEqual([]);
  });
});
