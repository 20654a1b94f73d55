// `npm test`: install what is missing, then types, lint and the whole suite. `npm test -- test/unit/base` runs a part.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ensureInstalled, findNode, root } from '../src/cli/ensure.mjs';

ensureInstalled();
const node = findNode();
const bin = join(root, 'node_modules');
const env = {
  ...process.env,
  PATH: `${dirname(node)}:${join(bin, '.bin')}:${process.env.PATH}`,
  NODE_OPTIONS: '--disable-warning=ExperimentalWarning',
};
const filters = process.argv.slice(2);

/** Run one step on the right Node; its output goes straight to the terminal. */
function step(name, args) {
  process.stdout.write(`\n— ${name}\n`);
  const started = Date.now();
  const { status } = spawnSync(node, args, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] });
  process.stdout.write(
    `— ${name}: ${status === 0 ? 'ok' : `failed (exit ${status})`}, ${Math.round((Date.now() - started) / 1000)} s\n`,
  );
  return status === 0;
}

let ok = true;
if (filters.length === 0) {
  step('peers (other programs that judge ours)', ['test/peers/install.mjs']);
  ok = step('types', [join(bin, 'typescript/bin/tsc'), '-p', '.']) && ok;
  ok = step('lint', [join(bin, 'eslint/bin/eslint.js'), '.', '--max-warnings', '0']) && ok;
  ok = step('audit of packages (says where the registry cannot be asked)', ['test/supply-chain/audit.ts']) && ok;
}

const report = join(mkdtempSync(join(tmpdir(), 'plumbline-test-')), 'report.json');
ok =
  step('tests', [
    join(bin, 'vitest/vitest.mjs'),
    'run',
    ...filters,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ]) && ok;

let counts = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0 };
try {
  counts = JSON.parse(readFileSync(report, 'utf8'));
} catch (e) {
  process.stdout.write(`the runner left no report: ${e.message}\n`);
  ok = false;
}
// A file whose set-up failed has no failed test of its own, only tests that never ran.
const broken = (counts.testResults ?? []).filter(
  (file) => file.status === 'failed' && !file.assertionResults.some((t) => t.status === 'failed'),
).length;
const failed = counts.numFailedTests + broken;
rmSync(dirname(report), { recursive: true, force: true });
const skipped = (counts.testResults ?? []).flatMap((file) =>
  file.assertionResults
    .filter((t) => t.status === 'pending' || t.status === 'skipped')
    .map((t) => `  ${file.name.slice(root.length + 1)}: ${t.fullName}`),
);
if (skipped.length > 0) {
  process.stdout.write(
    `\nSkipped, because a peer or the shared data are not here (the list of peers stands above):\n${skipped.join('\n')}\n`,
  );
}
process.stdout.write(`\n${counts.numPassedTests} passed, ${failed} failed, ${counts.numPendingTests} skipped\n`);
process.exit(ok && failed === 0 ? 0 : 1);
