import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PlumblineError } from '../../src/base/index.ts';
import { inspectPart10 } from '../../src/dicom/index.ts';
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
}

/** Files that belong to one study are asked about one by one, after the one that must come first. */
const alone = new Set(['duplicate-1.dcm', 'duplicate-2.dcm', 'study-of-two-patients.dcm']);
const first = 'duplicate-1.dcm';

/**
 * Every file by `plumbline run`, beside a good study for each: twelve at a time, and again one by one where such a run
 * did not come to its end, so that one file cannot hide behind another.
 */
export async function byRun(cases: readonly Case[]): Promise<Map<string, RunAnswer>> {
  const together = cases.filter((c) => !alone.has(c.file)).map((c) => c.file);
  const groups = [
    ...Array.from({ length: Math.ceil(together.length / 12) }, (_, i) => together.slice(i * 12, (i + 1) * 12)),
    ...cases.filter((c) => alone.has(c.file)).map((c) => [c.file]),
  ];
  const answers = new Map<string, RunAnswer>();
  const work = async (): Promise<void> => {
    for (let files = groups.shift(); files; files = groups.shift()) {
      const said = await runTogether(files);
      if (!said && files.length > 1) groups.push(...files.map((f) => [f]));
      for (const f of files) {
        const ended = { outcome: 'refused', code: 'the run did not end', good: false, left: 'nothing' } as const;
        answers.set(f, said?.get(f) ?? ended);
      }
    }
  };
  await Promise.all([work(), work()]);
  return answers;
}

/** @returns undefined where the run did not come to its end */
async function runTogether(files: readonly string[]): Promise<Map<string, RunAnswer> | undefined> {
  const [input, out] = [tempFolder('hostile-in'), tempFolder('hostile-out')];
  for (const [i, file] of files.entries()) {
    mkdirSync(join(input, file));
    copyFileSync(sharedPath('data/dicom-broken', file), join(input, file, file));
    writeFileSync(join(input, file, 'good.dcm'), goodStudy(i).bytes);
    if (alone.has(file) && file !== first) copyFileSync(sharedPath('data/dicom-broken', first), join(input, first));
  }
  const ended = await plumbline(['run', input, '--out', out, '--json', '--bundle', 'plumbline-tiny']);
  const lines = ended.stdout.split('\n').filter((l) => l !== '').map((l) => JSON.parse(l) as Line); // prettier-ignore
  const whole = lines.some((l) => l.event === 'end');
  const answers = files.map((file, i): [string, RunAnswer] => [file, answerOf(file, i, lines, out)]);
  for (const folder of [input, out]) rmSync(folder, { recursive: true, force: true });
  return whole ? new Map(answers) : undefined;
}

function answerOf(file: string, i: number, lines: readonly Line[], out: string): RunAnswer {
  const of = (uid: string | undefined) => lines.find((l) => l.event === 'study' && l.studyUid === uid);
  const refused = lines.find((l) => l.event === 'end')?.refused?.find((r) => basename(r.file) === file);
  const studyUid = studyOf(file);
  const own = of(studyUid);
  const folder = join(out, studyUid ?? 'none');
  const left = !refused && existsSync(folder) ? readdirSync(folder).sort().join(' ') : 'nothing';
  const answer = { good: of(goodStudy(i).studyUid)?.status === 'done', left };
  if (refused) return { ...answer, outcome: 'refused', code: refused.code };
  if (!own) return { ...answer, outcome: 'passed over', code: '' };
  return { ...answer, outcome: own.status === 'done' ? 'done' : 'held', code: own.reason?.code ?? '' };
}

/** The study that a file says it belongs to; none where it cannot be read. */
function studyOf(file: string): string | undefined {
  try {
    return inspectPart10(readFileSync(sharedPath('data/dicom-broken', file)), { undecodable: 'mark' }).studyUid;
  } catch (thrown) {
    if (thrown instanceof PlumblineError) return undefined;
    throw thrown;
  }
}
