/**
 * Every damaged or hostile file of the test data through the whole program: `node bench/hostile.ts [--only TEXT]`.
 *
 * Each of `dicom-broken` by `plumbline run`, beside a good study, by STOW-RS into one running gateway, each followed by a
 * good study, and by C-STORE, each followed by a good object; each of `hl7` by MLLP into another gateway, each followed by
 * a good order. One row a file: what the index asks, what was answered, what is on disk afterwards.
 * Sound files of every transfer syntax and character set: bench/syntaxes.ts.
 * Written to conformance/hostile-input.md. Exit code 1 where an answer is worse than asked.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { judgeStore, type StoreAnswer } from '../test/builders/broken-by-store.ts';
import { missing, root } from '../test/peers/index.ts';
import { byGateway } from './hostile/gateway.ts';
import { brokenCases, judgeGateway, judgeRun, reasonOf, type Case, type Verdict } from './hostile/judge.ts';
import { cell } from './hostile/cell.ts';
import { hl7Rows, hl7Table } from './hostile/hl7.ts';
import { byRun } from './hostile/run.ts';
import { byStore } from './hostile/store.ts';

async function main(): Promise<void> {
  if (missing('shared', 'python')) throw new Error('needs the shared test data and the Python peers');
  const only = process.argv[process.argv.indexOf('--only') + 1];
  const filter = process.argv.includes('--only') && only !== undefined ? only : '';
  const cases = brokenCases().filter((c) => c.file.includes(filter));
  const [served, stored, ran, hl7] = await Promise.all([
    byGateway(cases),
    byStore(cases),
    byRun(cases),
    filter === '' ? hl7Rows() : { rows: [], faults: [] },
  ]);
  const broken = cases.map((c) => {
    const [run, gateway, store] = [ran.get(c.file)!, served.answers.get(c.file)!, stored.answers.get(c.file)!];
    const verdicts = [judgeRun(c, run), judgeGateway(c, gateway), judgeStore(c, store)];
    return { case: c, run, gateway, store, verdicts };
  });

  const worse = [
    ...broken.flatMap((b) => b.verdicts.filter((v) => v.worse).map((v) => `${b.case.file}: ${v.worse}`)),
    ...served.faults,
    ...stored.faults,
    ...hl7.rows.filter((r) => r.worse).map((r) => `${r.file}: ${r.worse}`),
    ...hl7.faults,
  ];
  const text = [...head(served.peakMb), ...brokenTable(broken), ...hl7Table(hl7.rows)].join('\n');
  if (filter === '') writeFileSync(join(root, 'conformance/hostile-input.md'), `${text.trimEnd()}\n`);
  else console.log(text);
  console.log(worse.length === 0 ? 'Every answer is as asked, or as good.' : `Worse than asked:\n${worse.join('\n')}`);
  process.exitCode = worse.length === 0 ? 0 : 1;
}

function head(peakMb: number): string[] {
  return `# Hostile input: what each file asks, and what it gets

Printed by \`node bench/hostile.ts\`, which ends with 1 where an answer is worse than asked. Each file goes into the program
three times: by \`plumbline run\`, beside a good study, by STOW-RS into one running gateway, each followed by
a good study, and by C-STORE, each followed by a good object over the same association. Every good study was read to its end, the gateway lived through all of it (peak memory of its process
${peakMb} MiB), and nothing half-written was left in its store.

In the tables *reject* means: not kept. *hold* means: kept, not given to the model (or its answer not sent), the reason
shown to a person; by \`run\`, which keeps nothing, the file is named with the reason. *accept* means: read to its end. The code behind *run* and *gateway* is that of [docs/errors.md](../docs/errors.md).
`.split('\n');
}

interface BrokenRow {
  readonly case: Case;
  readonly run: Parameters<typeof judgeRun>[1];
  readonly gateway: Parameters<typeof judgeGateway>[1];
  readonly store: StoreAnswer;
  readonly verdicts: readonly Verdict[];
}

function brokenTable(rows: readonly BrokenRow[]): string[] {
  return [
    '## Damaged and hostile files',
    '',
    '| file | what is wrong | asked | STOW-RS | C-STORE | gateway | on its disk | run | written by run | as good because |',
    '|---|---|---|---|---|---|---|---|---|---|',
    ...rows.map(({ case: c, run, gateway, store, verdicts }) => {
      const asked = c.action === 'reject' ? `reject ${c.stow} ${c.code}` : c.action;
      const why = [...new Set(verdicts.flatMap((v) => (v.asGood ? [v.asGood] : [])))].join('; ') || reasonOf(c.file);
      const cells = [
        c.file,
        c.wrong,
        asked,
        `${gateway.status}${gateway.failure ? ` ${gateway.failure}` : ''}`,
        store.status,
        `${gateway.outcome}${gateway.code ? `: ${gateway.code}` : ''}`,
        gateway.left,
        `${run.outcome}${run.code ? `: ${run.code}` : ''}`,
        run.left,
        why,
      ];
      return `| ${cells.map(cell).join(' | ')} |`;
    }),
    '',
  ];
}

await main();
