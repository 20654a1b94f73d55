/**
 * `npm run soak -- [NAME…] [--short] [--seed N] [--messages N --associations N --minutes N]`: the real program under every
 * fault of its rules, with counts. Without a name the soak itself; `all` every scenario; `table` every scenario, or those
 * that are named with it, written to conformance/faults.md. Exit code 1 where anything is not as asked.
 */
import { parseArgs } from 'node:util';
import { scenarios } from './scenarios.ts';
import { printReport, writeTable } from './table.ts';
import type { Plan, Report } from './types.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: 'boolean', default: false },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    messages: { type: 'string', default: '10000' },
    associations: { type: 'string', default: '200' },
    minutes: { type: 'string', default: '0' },
  },
});

const plan: Plan = {
  short: values.short,
  seed: Number(values.seed),
  messages: Number(values.messages),
  associations: Number(values.associations),
  minutes: Number(values.minutes),
};
const table = positionals.includes('table');
const named = positionals.filter((p) => p !== 'table' && p !== 'all');
const every = positionals.includes('all') || (table && named.length === 0);
const names = every ? [...scenarios.keys()] : named.length > 0 ? named : ['soak'];
const unknown = names.find((n) => !scenarios.has(n));
if (unknown !== undefined) {
  console.error(`no scenario "${unknown}"; there are: ${[...scenarios.keys(), 'all', 'table'].join(', ')}`);
  process.exit(2);
}
console.log(`seed ${plan.seed}`);
const reports: Report[] = [];
for (const name of names) {
  const began = performance.now();
  const report = await scenarios.get(name)!(plan).catch((e: unknown) => ended(name, e));
  reports.push(report);
  printReport(report, (performance.now() - began) / 1000);
  if (table) writeTable(reports, [...scenarios.keys()]);
}
process.exitCode = reports.some((r) => r.breaches.length > 0) ? 1 : 0;

/** A scenario that could not be brought to its end is one that does not hold. */
function ended(name: string, e: unknown): Report {
  const words = e instanceof Error ? e.message : String(e);
  return {
    name,
    breaches: [words],
    rows: [{ fault: 'the scenario', asked: 'comes to its end', answered: words, left: '' }],
  };
}
