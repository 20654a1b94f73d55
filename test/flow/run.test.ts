import { cpSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { schemaProblems } from '../../src/base/index.ts';
import { demoStudies } from '../../src/cli/demo/studies.ts';
import { summarySchema, type Summary } from '../../src/findings/index.ts';
import { dciodvfyErrors, missing, peers, runPeer, sharedPath } from '../peers/index.ts';
import { startHapi, type Hapi } from '../peers/hapi.ts';
import { makeImage } from '../builders/dicom.ts';
import { copyRealStudies, realStudies } from '../builders/real-studies.ts';
import { plumbline, tempFolder, type Ended } from '../builders/program.ts';

function summaries(out: string): { folder: string; summary: Summary }[] {
  return readdirSync(out).map((uid) => ({
    folder: join(out, uid),
    summary: JSON.parse(readFileSync(join(out, uid, 'summary.json'), 'utf8')) as Summary,
  }));
}

describe.skipIf(missing('shared'))('plumbline run on real studies', () => {
  const input = tempFolder('in');
  const out = tempFolder('out');
  let ended: Ended;
  let results: ReturnType<typeof summaries>;

  beforeAll(async () => {
    copyRealStudies(input);
    cpSync(sharedPath('data/dicom/DICOMDIR/DICOMDIR'), join(input, 'DICOMDIR'));
    writeFileSync(join(input, 'notes.txt'), 'no DICOM');
    ended = await plumbline(['run', input, '--out', out, '--json']);
    results = summaries(out);
  }, 300_000);

  it('reads every one of them', () => {
    const failed = results.filter((r) => r.summary.status !== 'done').map((r) => r.summary.reason);
    expect(failed).toEqual([]);
    expect(results.length).toBe(Object.keys(realStudies).length);
    expect(ended.code).toBe(0);
  });

  it('says on standard output what it did, one JSON line a study and one at the end', () => {
    const lines = ended.stdout
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l) as { event: string; done?: number; otherFiles?: number });
    expect(lines.filter((l) => l.event === 'study')).toHaveLength(results.length);
    expect(lines.at(-1)).toMatchObject({ event: 'end', done: results.length, failed: 0, otherFiles: 2 });
  });

  it('writes a summary by its schema, with every file that it names', () => {
    for (const { folder, summary } of results) {
      expect(schemaProblems(summarySchema, summary), folder).toEqual([]);
      for (const f of summary.files) expect(existsSync(join(folder, f.name)), f.name).toBe(true);
      expect(summary.files.map((f) => f.name)).toEqual(
        expect.arrayContaining(['sr-1.dcm', 'fhir-r4.json', 'fhir-r5.json', 'report.html']),
      );
    }
  });

  it('ends every sentence as linked with a mask, negative, plain, or ungrounded with the reason', () => {
    for (const { summary } of results) {
      for (const s of summary.sentences) {
        const findings = summary.findings.filter((f) => f.sentence === s.id);
        if (s.kind === 'linked') expect(findings.some((f) => f.mask)).toBe(true);
        if (s.kind === 'negative') expect(findings.every((f) => f.presence === 'absent' && !f.mask)).toBe(true);
        if (s.kind === 'ungrounded') expect(findings.every((f) => f.mask || f.reason)).toBe(true);
      }
    }
  });

  it.skipIf(missing('dciodvfy', 'dsrdump'))('writes SEG and SR without an error of dciodvfy or dsrdump', async () => {
    let judged = 0;
    for (const { folder, summary } of results) {
      for (const { name } of summary.files.filter((f) => f.name.endsWith('.dcm'))) {
        expect(await dciodvfyErrors(join(folder, name)), `${folder}/${name}`).toEqual([]);
        if (name.startsWith('sr')) expect((await runPeer(peers.dsrdump!, [join(folder, name)])).code, name).toBe(0);
        judged++;
      }
    }
    expect(judged).toBeGreaterThan(results.length);
  });

  describe.skipIf(missing('hapi'))('judged by HAPI', () => {
    let hapi: Hapi;
    beforeAll(() => void (hapi = startHapi()));
    afterAll(() => hapi.stop());

    it('writes FHIR R4 and R5 without an error', async () => {
      for (const { folder } of results) {
        for (const version of ['r4', 'r5'] as const) {
          const { errors } = await hapi.validate(version, join(folder, `fhir-${version}.json`));
          expect(errors, `${folder} ${version}`).toEqual([]);
        }
      }
    }, 300_000);
  });
});

describe('plumbline run', () => {
  it('gives a study that cannot be read a summary with the reason, and exit code 5', async () => {
    const [input, out] = [tempFolder('in'), tempFolder('out')];
    const [ct, us] = demoStudies();
    // A lone structured report of ours is nothing to read.
    for (const [i, bytes] of us!.files.entries()) writeFileSync(join(input, `us-${i}`), bytes);
    const blank = Uint8Array.from(ct!.files[0]!);
    blank.fill(0, blank.length - 256 * 256 * 2);
    writeFileSync(join(input, 'blank'), blank);
    const ended = await plumbline(['run', input, '--out', out]);
    expect(ended.code).toBe(5);
    const failed = summaries(out).filter((r) => r.summary.status === 'failed');
    expect(failed.map((r) => r.summary.reason?.code)).toEqual(['unsuitable']);
    expect(readdirSync(failed[0]!.folder)).toEqual(['summary.json']);
    expect(schemaProblems(summarySchema, failed[0]!.summary)).toEqual([]);
    expect(ended.stdout).toContain('1 of 2 studies done');
  });

  it('does not read a study that names two patients, as the gateway holds it', async () => {
    const [input, out] = [tempFolder('in'), tempFolder('out')];
    for (const [i, PatientID] of ['P1', 'P2'].entries())
      writeFileSync(join(input, `${i}.dcm`), makeImage({ instance: i + 1, attributes: { PatientID } }));
    const ended = await plumbline(['run', input, '--out', out]);
    expect(ended.code).toBe(5);
    const [{ summary } = { summary: undefined }] = summaries(out);
    expect(summary?.reason).toMatchObject({
      code: 'patient-contradiction',
      message: expect.stringContaining('"P2"') as string,
    });
  });

  it('asks the bundle and task of the command line', async () => {
    const [input, out] = [tempFolder('in'), tempFolder('out')];
    for (const [i, bytes] of demoStudies()[3]!.files.entries()) writeFileSync(join(input, `${i}.dcm`), bytes);
    const ended = await plumbline([
      'run',
      input,
      '--out',
      out,
      '--bundle',
      'plumbline-tiny',
      '--task',
      'segment',
      '--target',
      'melanoma',
    ]);
    expect(ended.code).toBe(0);
    expect(summaries(out)[0]?.summary).toMatchObject({ task: 'segment', prompt: 'Please segment the melanoma.' });
  });

  it('ends with 2 and says what is wrong with the command line', async () => {
    const noOut = await plumbline(['run', '.']);
    expect([noOut.code, noOut.stderr]).toEqual([2, expect.stringContaining('--out')]);
    const noFolder = await plumbline(['run', '/no/such/folder', '--out', tempFolder('out')]);
    expect([noFolder.code, noFolder.stderr]).toEqual([2, expect.stringContaining('/no/such/folder')]);
  });

  it('names the bundles that are there where the named one is not', async () => {
    const ended = await plumbline(['run', '.', '--out', tempFolder('out'), '--bundle', 'nothing']);
    expect([ended.code, ended.stderr]).toEqual([1, expect.stringContaining('plumbline-tiny')]);
  });
});
