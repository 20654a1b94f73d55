import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { runPage } from '../builders/docs-runner.ts';
import { root } from '../peers/index.ts';

describe('the commands of README.md and docs/cli.md', () => {
  it.each(['README.md', 'docs/cli.md'])('print what the page says: %s', { timeout: 180_000 }, async (name) => {
    await runPage(readFileSync(join(root, name), 'utf8'));
  });
});
