import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runPage } from '../builders/docs-runner.ts';
import { root } from '../peers/index.ts';

describe('docs/bring-a-model.md', () => {
  it('makes a bundle of graphs in an empty folder, proves it, and reads with it', { timeout: 300_000 }, async () => {
    const run = await runPage(readFileSync(join(root, 'docs/bring-a-model.md'), 'utf8'));
    expect(run.commands).toBe(8);
  });
});
