import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testTitles } from '../builders/test-titles.ts';
import { root } from '../peers/index.ts';

it('docs/security-tests.md names a test that exists in each row', () => {
  const rows = readFileSync(join(root, 'docs/security-tests.md'), 'utf8')
    .split('\n')
    .filter((line) => /^\| (?!surface)/.test(line));
  expect(rows.length).toBeGreaterThan(10);
  const wrong = rows.flatMap((row) => {
    const claims = [...row.matchAll(/\[test: ([^\]]*)\]/g)].map((m) => m[1]!.split(' › '));
    const missing = claims.filter(([path = '', title = '']) => !testTitles(path)?.has(title)).map((c) => c.join(' › '));
    return claims.length === 0 ? [row] : missing;
  });
  expect(wrong).toEqual([]);
});
