import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { runPage } from '../builders/docs-runner.ts';
import { missing, root } from '../peers/index.ts';
import { freePort, orthancMissing, startOrthanc } from '../peers/orthanc.ts';

const page = (name: string): string => readFileSync(join(root, 'docs', name), 'utf8');

describe.skipIf(orthancMissing)('the commands of docs/peers/orthanc.md', () => {
  it('print what the page says, with Orthanc', async () => {
    await runPage(page('peers/orthanc.md'));
  }, 180_000);
});

describe.skipIf(orthancMissing || missing('storescu'))('the commands of docs/peers/dcm4chee.md', () => {
  it('print what the page says, with the addresses of dcm4chee and Orthanc behind them', async () => {
    const orthanc = await startOrthanc({
      DicomAet: 'DCM4CHEE',
      DicomPort: await freePort(),
      DicomWeb: { Enable: true, Root: '/dcm4chee-arc/aets/DCM4CHEE/rs/' },
    });
    try {
      await runPage(page('peers/dcm4chee.md'), { ports: { 8080: Number(new URL(orthanc.url).port) } });
    } finally {
      await orthanc.stop();
    }
  }, 180_000);
});
