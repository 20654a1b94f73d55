import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stepsOf } from '../builders/docs-runner.ts';
import { root } from '../peers/index.ts';

/** Pages that people read, by their path from the root. */
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...['docs', 'docs/peers', 'conformance', 'bench'].flatMap(
    (dir) =>
    readdirSync(join(root, dir)).filter((name) => name.endsWith('.md')).map((name) => `${dir}/${name}`), // prettier-ignore
  ),
];
const read = (page: string): string => readFileSync(join(root, page), 'utf8');

/** Pages and pictures of the project that a page links to, by their path from the root; with their anchor. */
function linksOf(page: string): { readonly target: string; readonly anchor: string }[] {
  const text = read(page).replaceAll(/^```[\s\S]*?^```$/gm, '').replaceAll(/`[^`\n]*`/g, ''); // prettier-ignore
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((m) => m[1]!)
    .filter((link) => !/^\w+:/.test(link))
    .map((link) => {
      const [path = '', anchor = ''] = link.split('#');
      return { target: path === '' ? page : relative(root, resolve(root, dirname(page), path)), anchor };
    });
}

/** Anchors that a page has: its headings in small letters, blanks as hyphens, other marks left out. */
function anchorsOf(page: string): Set<string> {
  const headings = read(page).matchAll(/^#+ (.*)$/gm);
  return new Set([...headings].map((m) => m[1]!.toLowerCase().replaceAll(/[^\w\- ]/g, '').replaceAll(' ', '-'))); // prettier-ignore
}

describe('the documentation', () => {
  it.each(pages)('links to nothing that is not there: %s', (page) => {
    const broken = linksOf(page).filter(
      ({ target, anchor }) =>
        !existsSync(join(root, target)) || (anchor !== '' && target.endsWith('.md') && !anchorsOf(target).has(anchor)),
    );
    expect(broken).toEqual([]);
  });

  it('can be reached from docs/README.md, every page of it', () => {
    const seen = new Set(['docs/README.md']);
    for (const page of seen)
      for (const { target } of linksOf(page))
        if (pages.includes(target) && target.startsWith('docs/')) seen.add(target);
    const docs = pages.filter((p) => p.startsWith('docs/'));
    expect(docs.filter((p) => !seen.has(p))).toEqual([]);
  });

  it('names only keys of the configuration and commands that are there, where it says what to do about an error', () => {
    const keys = read('docs/configuration.md');
    const commands = readdirSync(join(root, 'src/cli/commands')).map((file) => read(`src/cli/commands/${file}`)).join(''); // prettier-ignore
    const remedies = read('docs/errors.md');
    const rooms = [...new Set([...keys.matchAll(/^\| `(\w+)[.[]/gm)].map((m) => m[1]!))].join('|');
    const named = [...remedies.matchAll(new RegExp(`\\b(?:${rooms})(?:\\[\\])?\\.[\\w.[\\]]*\\w`, 'g'))].map(
      (m) => m[0],
    );
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((key) => !keys.includes(key) && !/\.json$/.test(key))).toEqual([]);
    const told = [...remedies.matchAll(/`plumbline [a-z-]+(?: ([a-z]+))?/g)].flatMap((m) => m[1] ?? []);
    expect(told.filter((sub) => !new RegExp(`['(]${sub}\\b`).test(commands))).toEqual([]);
  });

  it.each(readdirSync(join(root, 'docs/peers')))('docs/peers/%s has commands that a test runs', (name) => {
    const steps = stepsOf(read(`docs/peers/${name}`));
    expect(steps.filter((s) => s.kind === 'run').length).toBeGreaterThan(0);
    const tests = readdirSync(join(root, 'test/flow')).filter((f) => f.startsWith('docs'));
    expect(tests.some((f) => read(`test/flow/${f}`).includes(`peers/${name}`))).toBe(true);
  });
});
