import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testTitles } from '../builders/test-titles.ts';
import { root } from '../peers/index.ts';

/** Lines of the tables that name tests, by the heading of their first column. */
function rowsOf(page: string, heading: string): string[] {
  const lines = readFileSync(join(root, page), 'utf8').split('\n');
  const from = lines.findIndex((line) => line.startsWith(`| ${heading} |`));
  const rows = lines.slice(from + 2);
  return rows.slice(
    0,
    rows.findIndex((line) => !line.startsWith('|')),
  );
}

function claimsIn(row: string): string[] {
  return [...row.matchAll(/\[test: ([^\]]*)\]/g)].map((m) => m[1]!);
}

it.each([
  ['docs/security-tests.md', 'surface'],
  ['SECURITY.md', 'threat'],
])('%s names a test that exists in each row', (page, heading) => {
  const rows = rowsOf(page, heading);
  expect(rows.length).toBeGreaterThan(10);
  const wrong = rows.flatMap((row) => {
    const claims = claimsIn(row);
    const missing = claims.filter((claim) => {
      const [path = '', title = ''] = claim.split(' › ');
      return !testTitles(path)?.has(title);
    });
    return claims.length === 0 ? [row] : missing;
  });
  expect(wrong).toEqual([]);
});

it.each(['test/unit/server/hostile-http.test.ts', 'test/unit/access/outbound.test.ts'])(
  'docs/security-tests.md tells of every attack in %s',
  (path) => {
    const told = new Set(rowsOf('docs/security-tests.md', 'surface').flatMap(claimsIn));
    const titles = [...testTitles(path)!].map((title) => `${path} › ${title}`);
    expect(titles.length).toBeGreaterThan(3);
    expect(titles.filter((title) => !told.has(title))).toEqual([]);
  },
);
