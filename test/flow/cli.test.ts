import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { demoStudies } from '../../src/cli/demo/studies.ts';
import { stow } from '../../src/cli/stow-client.ts';
import { makeImage } from '../builders/dicom.ts';
import { mappingsTo } from '../builders/mappings.ts';
import { plumbline, serveChild, tempFolder, until, type ServedGateway } from '../builders/program.ts';
import { freePort } from '../peers/orthanc.ts';

let gateway: ServedGateway | undefined;
afterEach(async () => {
  await gateway?.stop();
  gateway = undefined;
});

/** A configuration file over a data folder of its own. */
function site(more: object = {}): string {
  const dir = mkdtempSync(join(tmpdir(), 'plumbline-cli-'));
  const file = join(dir, 'plumbline.yaml');
  const config = {
    dataDir: tempFolder('data'),
    http: { port: 0 },
    gate: { quietSeconds: 0.3 },
    log: { level: 'error' },
    ...more,
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

describe('plumbline init and check', () => {
  it('write a configuration that check takes, and never overwrite one unasked', async () => {
    const file = join(tempFolder('init'), 'plumbline.yaml');
    expect((await plumbline(['init', '--config', file])).code).toBe(0);
    const checked = await plumbline(['check', '--config', file]);
    expect([checked.code, checked.stdout]).toEqual([0, expect.stringContaining('Everything is there.')]);
    expect(checked.stdout).toContain('runs on cpu');
    const again = await plumbline(['init', '--config', file]);
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('already there')]);
    expect(readFileSync(file, 'utf8')).toContain('dataDir');
  }, 60_000);

  it('say what a site lacks, in words, and end with 1', async () => {
    const port = await freePort();
    const file = site({ destinations: [{ name: 'pacs', kind: 'dicomweb', url: `http://127.0.0.1:${port}` }] });
    const checked = await plumbline(['check', '--config', file]);
    expect(checked.code).toBe(1);
    expect(checked.stdout).toMatch(/✗ destination pacs: peer-unreachable: pacs does not answer: ECONNREFUSED/);
  }, 60_000);
});

describe('plumbline jobs', () => {
  it('show and release a study whose instances name two patients', async () => {
    const config = readFileSync(site(), 'utf8');
    gateway = await serveChild(config);
    const image = (patient: string, n: number): Uint8Array =>
      makeImage({
        attributes: {
          PatientID: patient,
          StudyInstanceUID: '2.25.77',
          SeriesInstanceUID: '2.25.77.1',
          SOPInstanceUID: `2.25.77.1.${n}`,
          Modality: 'US',
        },
      } as never);
    expect((await stow(gateway.dicomweb, [image('A', 1), image('B', 2)])).stored).toHaveLength(2);
    const file = join(tempFolder('config'), 'plumbline.yaml');
    writeFileSync(file, config);
    const listed = await until(async () => {
      const { stdout } = await plumbline(['jobs', 'list', '--config', file]);
      return stdout.includes('2.25.77') ? stdout : undefined;
    }, 'the held study');
    expect(listed).toContain('held');
    expect(listed).toContain('patient-contradiction');
    const released = await plumbline([
      'jobs',
      'release',
      '2.25.77',
      '--reason',
      'one person, two ids',
      '--config',
      file,
    ]);
    expect([released.code, released.stdout]).toEqual([0, 'Released.\n']);
    await until(async () => {
      const { stdout } = await plumbline(['jobs', 'list', '--config', file]);
      return stdout.includes('patient-contradiction') ? undefined : stdout;
    }, 'the study to go on');
  }, 90_000);

  it('show the whole story of a workitem by the beginning of its key', async () => {
    const file = site();
    gateway = await serveChild(readFileSync(file, 'utf8'));
    const us = demoStudies()[1]!;
    await stow(gateway.dicomweb, us.files, us.files.length);
    const key = await until(async () => {
      const { stdout } = await plumbline(['jobs', 'list', '--state', 'delivered', '--json', '--config', file]);
      return (JSON.parse(stdout) as { workitems: { key: string }[] }).workitems[0]?.key;
    }, 'the workitem');
    const shown = await plumbline(['jobs', 'show', key.slice(0, 8), '--config', file]);
    for (const event of ['created', 'claimed', 'answered', 'drafted', 'encoded', 'delivered'])
      expect(shown.stdout).toContain(event);
    const explained = await plumbline(['explain', us.studyUid, '--config', file]);
    expect(explained.stdout).toContain('✓ reads  rule ultrasound');
    expect(explained.stdout).toContain('✗ modality: wanted CT, is US');
    const unknown = await plumbline(['jobs', 'show', 'ffffffff', '--config', file]);
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('no workitem ffffffff')]);
  }, 90_000);
});

describe('plumbline dead-letters', () => {
  it('list what could not be delivered, with the reason, and give it another life', async () => {
    const port = await freePort();
    const file = site({
      mappingsDir: mappingsTo(['pacs']),
      delivery: { firstPauseSeconds: 0.1, maxPauseSeconds: 0.2, giveUpAfterHours: 0.0002 },
      destinations: [{ name: 'pacs', kind: 'dicomweb', url: `http://127.0.0.1:${port}` }],
    });
    gateway = await serveChild(readFileSync(file, 'utf8'));
    const us = demoStudies()[1]!;
    await stow(gateway.dicomweb, us.files, us.files.length);
    const listed = await until(async () => {
      const { stdout } = await plumbline(['dead-letters', '--config', file]);
      return stdout.includes('dead') ? stdout : undefined;
    }, 'the dead letter');
    expect(listed).toMatch(/pacs.*peer-unreachable: pacs does not answer/);
    const retried = await plumbline([
      'dead-letters',
      'retry',
      '--destination',
      'pacs',
      '--reason',
      'archive is back',
      '--config',
      file,
    ]);
    expect(retried.stdout).toBe('1 delivery will be tried again.\n');
  }, 90_000);
});

describe('plumbline send and explain', () => {
  it('send a folder, passing over what is no DICOM, and explain it without a store', async () => {
    const file = site();
    gateway = await serveChild(readFileSync(file, 'utf8'));
    const folder = tempFolder('send');
    for (const [i, bytes] of demoStudies()[0]!.files.entries()) writeFileSync(join(folder, `${i}.dcm`), bytes);
    writeFileSync(join(folder, 'readme.txt'), 'hello');
    const sent = await plumbline(['send', folder, '--to', gateway.dicomweb, '--json']);
    expect(JSON.parse(sent.stdout)).toMatchObject({ sent: 13, stored: 12, failed: [], passedOver: 1 });
    const explained = await plumbline(['explain', folder, '--json']);
    expect((JSON.parse(explained.stdout) as { decisions: object[] }).decisions).toMatchObject([
      { bundle: 'plumbline-tiny', task: 'report' },
    ]);
    expect(existsSync(folder)).toBe(true);
  }, 60_000);

  it('say in one line that nobody listens', async () => {
    const folder = tempFolder('send');
    writeFileSync(join(folder, 'a.dcm'), demoStudies()[1]!.files[0]!);
    const sent = await plumbline(['send', folder, '--to', `http://127.0.0.1:${await freePort()}`]);
    expect([sent.code, sent.stderr]).toEqual([1, expect.stringContaining('does not answer: ECONNREFUSED')]);
  });
});
