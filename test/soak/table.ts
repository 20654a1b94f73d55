import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../peers/index.ts';
import type { Report } from './types.ts';

export function printReport({ name, rows, breaches }: Report, seconds: number): void {
  console.log(`\n${name} (${seconds.toFixed(1)} s)`);
  for (const { fault, asked, answered, left } of rows)
    console.log(`  fault     ${fault}\n  asked     ${asked}\n  answered  ${answered}\n  left      ${left}`);
  console.log(breaches.length === 0 ? '  as asked' : breaches.map((b) => `  BREACH    ${b}`).join('\n'));
}

const head = `# Faults: what each asks, what was answered, what remains

Printed by \`npm run soak -- table\`, which ends with 1 where anything is not as asked. Each scenario starts the real program
(\`plumbline serve\`, the demonstration bundle) over a folder of its own, sends it orders by MLLP and images by STOW-RS and
C-STORE, makes the fault, lets everything come to rest, stops it, and counts three times: what the senders heard, what the
store holds (SQLite, SHA-256 of every blob, file names), and what the receiving peers hold. \`npm run soak -- NAME --seed N\`
runs one again. Short forms run with every \`npm test\` [test: test/flow/faults.test.ts › $name: everything acknowledged is kept, nothing is done twice];
that of power-cut over the store alone [test: test/unit/studies/power-cut.test.ts › leaves a store that opens, has everything acknowledged, and goes on].
Damaged and hostile input has a table of its own: [hostile-input.md](hostile-input.md).
`;

const path = join(root, 'conformance/faults.md');

/** Write conformance/faults.md; rows of scenarios that are not among the reports stay as they are. */
export function writeTable(reports: readonly Report[], order: readonly string[]): void {
  const made = new Map(reports.map((report) => [report.name, rowsOf(report)]));
  const kept = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
  const rows = order.flatMap((name) => made.get(name) ?? kept.filter((line) => line.startsWith(`| ${name} |`)));
  const lines = [
    head,
    '| scenario | fault | asked | answered | what remains | as asked |',
    '|---|---|---|---|---|---|',
    ...rows,
  ];
  writeFileSync(path, `${lines.join('\n')}\n`);
}

function rowsOf({ name, rows, breaches }: Report): string[] {
  const verdict = breaches.length === 0 ? 'yes' : `no: ${breaches.join('; ')}`;
  return rows.map(({ fault, asked, answered, left }) => {
    const cells = [name, fault, asked, answered, left, verdict].map((c) => c.replaceAll('|', '\\|'));
    return `| ${cells.join(' | ')} |`;
  });
}
