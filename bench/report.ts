/** How every bench says what it measured, where and when: Markdown on standard output. */
import { spawnSync } from 'node:child_process';
import { cpus, loadavg, totalmem } from 'node:os';
import { root } from '../test/peers/index.ts';

/**
 * Title and circumstances: date, commit, machine, load at the start, versions, settings.
 * @param settings what else decides the figures: sizes, rounds, versions and settings of peers
 */
export function heading(title: string, settings: Readonly<Record<string, string | number>>): void {
  const facts: Record<string, string | number> = {
    date: new Date().toISOString().slice(0, 16).replace('T', ' ') + ' UTC',
    commit: commit(),
    machine: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    load: `${loadavg()[0]!.toFixed(1)} at the start`,
    Node: process.versions.node,
    ...settings,
  };
  console.log(`## ${title}\n`);
  for (const [name, value] of Object.entries(facts)) console.log(`- ${name}: ${value}`);
  console.log('');
}

export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
  console.log(`${line(head)}\n${line(head.map(() => '---'))}\n${rows.map(line).join('\n')}\n`);
}

function commit(): string {
  const git = (...args: string[]) => spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout?.trim() ?? '';
  const hash = git('rev-parse', '--short', 'HEAD');
  if (hash === '') return 'unknown';
  return git('status', '--porcelain', '--', 'src', 'bench') === '' ? hash : `${hash} and changes`;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function quantile(values: readonly number[], q: number): number {
  return [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))]!;
}

/** Milliseconds as `1.23 s (1.20 to 1.30)`. */
export function seconds(ms: readonly number[]): string {
  const [m, lo, hi] = [median(ms), Math.min(...ms), Math.max(...ms)].map((v) => (v / 1000).toFixed(2));
  return `${m} s (${lo} to ${hi})`;
}
