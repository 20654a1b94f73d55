import { writeFileSync } from 'node:fs';
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
runs one again. Short forms run with every \`npm test\` [test: test/flow/faults.test.ts › $name: everything acknowledged is kept, nothing is done twice].
Damaged and hostile input has a table of its own: [hostile-input.md](hostile-input.md).
`;

/** conformance/faults.md. */
export function writeTable(reports: readonly Report[]): void {
  const rows = reports.flatMap(({ name, rows: r, breaches }) =>
    r.map((row, i) => [
      name,
      row.fault,
      row.asked,
      row.answered,
      row.left,
      i === 0 && breaches.length > 0 ? `no: ${breaches.join('; ')}` : 'yes',
    ]),
  );
  const lines = [
    head,
    '| scenario | fault | asked | answered | what remains | as asked |',
    '|---|---|---|---|---|---|',
    ...rows.map((cells) => `| ${cells.map((c) => c.replaceAll('|', '\\|')).join(' | ')} |`),
  ];
  writeFileSync(join(root, 'conformance/faults.md'), `${lines.join('\n')}\n`);
}
