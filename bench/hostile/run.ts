import { copyFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { plumbline, tempFolder } from '../../test/builders/program.ts';
import { sharedPath } from '../../test/peers/index.ts';
import { goodStudy } from './good.ts';
import type { Case, RunAnswer } from './judge.ts';

interface Line {
  readonly event: 'study' | 'end';
  readonly studyUid?: string;
  readonly status?: 'done' | 'failed';
  readonly reason?: { readonly code: string };
  readonly refused?: readonly { readonly file: string; readonly code: string }[];
  readonly otherFiles?: number;
}

/** Each file by `plumbline run`, two at a time; beside it a good study, and the file that must have come before it. */
export async function byRun(cases: readonly Case[]): Promise<Map<string, RunAnswer>> {
  const answers = new Map<string, RunAnswer>();
  const todo = [...cases];
  const work = async (): Promise<void> => {
    for (let c = todo.shift(); c; c = todo.shift()) answers.set(c.file, await runOne(c.file));
  };
  await Promise.all([work(), work()]);
  return answers;
}

async function runOne(file: string): Promise<RunAnswer> {
  const [input, out] = [tempFolder('hostile-in'), tempFolder('hostile-out')];
  const good = goodStudy(0);
  copyFileSync(sharedPath('data/dicom-broken', file), join(input, file));
  writeFileSync(join(input, 'good.dcm'), good.bytes);
  if (file === 'duplicate-2.dcm' || file === 'study-of-two-patients.dcm')
    copyFileSync(sharedPath('data/dicom-broken/duplicate-1.dcm'), join(input, 'a-duplicate-1.dcm'));
  const ended = await plumbline(['run', input, '--out', out, '--json', '--bundle', 'plumbline-tiny']);
  const lines = ended.stdout.split('\n').filter((l) => l !== '').map((l) => JSON.parse(l) as Line); // prettier-ignore
  const end = lines.find((l) => l.event === 'end');
  const studies = lines.filter((l) => l.event === 'study');
  const own = studies.find((s) => s.studyUid !== good.studyUid);
  const beside = studies.find((s) => s.studyUid === good.studyUid);
  const refused = end?.refused?.find((r) => basename(r.file) === file);
  const left = own && readdirSync(join(out, own.studyUid!)).sort().join(' ');
  for (const folder of [input, out]) rmSync(folder, { recursive: true, force: true });
  const answer = { good: beside?.status === 'done' && end !== undefined, left: left ?? 'nothing' };
  if (!end) return { ...answer, outcome: 'refused', code: `ended with ${ended.code ?? ended.signal}` };
  if (refused) return { ...answer, outcome: 'refused', code: refused.code };
  if (!own) return { ...answer, outcome: 'passed over', code: '' };
  return { ...answer, outcome: own.status === 'done' ? 'done' : 'held', code: own.reason?.code ?? '' };
}
