import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { printed, runPage, stepsOf } from '../builders/docs-runner.ts';
import { accepts, startReceiver } from '../builders/hl7-receiver.ts';
import { startMedplum } from '../peers/fhir-server.ts';
import { startHapiServer } from '../peers/hapi.ts';
import { missing, root } from '../peers/index.ts';

const page = (name: string): string => readFileSync(join(root, 'docs', name), 'utf8');
const portOf = (url: string): number => Number(new URL(url).port);

describe.skipIf(missing('hapi', 'java'))('the commands of docs/peers/fhir-server.md', () => {
  it('print what the page says, with HAPI and Medplum', async () => {
    const [hapi, medplum] = await Promise.all([startHapiServer('r4'), startMedplum({ root: '/fhir/R4' })]);
    try {
      await runPage(page('peers/fhir-server.md'), { ports: { 8080: portOf(hapi.url), 8103: portOf(medplum.url) } });
    } finally {
      await medplum.stop();
      await hapi.stop();
    }
  }, 180_000);
});

describe('the commands of docs/peers/hl7-engine.md', () => {
  it('print what the page says, and the engine gets the report that it shows', async () => {
    const engine = await startReceiver(() => accepts);
    const text = page('peers/hl7-engine.md');
    try {
      await runPage(text, { ports: { 6661: engine.port } });
    } finally {
      await engine.stop();
    }
    const [report] = [...text.matchAll(/^```text\n(MSH[^\n]*ORU[\s\S]*?)^```$/gm)].map((m) => m[1]!);
    const [came = ''] = engine.messages;
    expect(came.replaceAll('\r', '\n')).toSatisfy((message: string) => printed(report!, message));
    expect(stepsOf(text).some((s) => s.kind === 'file' && s.path === 'order.hl7')).toBe(true);
  }, 120_000);
});
