import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { runPage } from '../builders/docs-runner.ts';
import { root } from '../peers/index.ts';
import { orthancMissing } from '../peers/orthanc.ts';

const page = (name: string): string => readFileSync(join(root, 'docs', name), 'utf8');

describe.skipIf(orthancMissing)('the commands of docs/peers/orthanc.md', () => {
  it('print what the page says, with Orthanc', async () => {
    await runPage(page('peers/orthanc.md'));
  }, 180_000);
});
