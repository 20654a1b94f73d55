import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { asPlumblineError, catalogue, explainError, PlumblineError } from '../../../src/base/index.ts';
import { root } from '../../peers/index.ts';

const page = readFileSync(join(root, 'docs/errors.md'), 'utf8');
const documented = new Map(
  [...page.matchAll(/^\| `([a-z0-9-]+)` \| (\w+) \| (.+?) \| (.+?) \|$/gm)].map((m) => [
    m[1]!,
    { class: m[2], cause: m[3], remedy: m[4] },
  ]),
);
const sources = globSync('src/**/*.ts', { cwd: root }).filter((f) => !f.endsWith('catalogue.ts'));

describe('the error catalogue', () => {
  it('documents every code with its class, cause and remedy', () => {
    for (const [code, entry] of Object.entries(catalogue)) expect(documented.get(code), code).toEqual(entry);
  });

  it('documents no code that the program does not know', () => {
    expect([...documented.keys()].filter((code) => !(code in catalogue))).toEqual([]);
  });

  it('holds only codes that the program uses', () => {
    const text = sources.map((f) => readFileSync(join(root, f), 'utf8')).join('\n');
    expect(sources.length).toBeGreaterThan(40);
    expect(Object.keys(catalogue).filter((code) => !text.includes(`'${code}'`))).toEqual([]);
  });

  it('leaves no bare error in the sources', () => {
    const bare = sources.filter((f) =>
      /throw new (Error|TypeError|RangeError)\(/.test(readFileSync(join(root, f), 'utf8')),
    );
    expect(bare).toEqual([]);
  });

  it('explains an error with its code, place and remedy', () => {
    const e = new PlumblineError('peer-refused', 'pacs answered 400', { where: 'pacs' });
    expect(explainError(e)).toBe(`peer-refused: pacs answered 400 (pacs). ${catalogue['peer-refused'].remedy}`);
  });

  it('turns anything else that is thrown into an internal error that keeps its cause', () => {
    const thrown = new Error('boom');
    expect(asPlumblineError(thrown)).toMatchObject({ code: 'internal', class: 'bug', message: 'boom', cause: thrown });
    expect(asPlumblineError('text').message).toBe('text');
  });
});
