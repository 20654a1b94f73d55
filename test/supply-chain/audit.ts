// `npm run audit`: known vulnerabilities of all packages (npm’s --omit=dev leaves out what development needs too). Fails on high and critical ones; says plainly where it could not ask.
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

export type Verdict =
  | { readonly kind: 'clean' | 'findings'; readonly text: string }
  /** The registry has no audit service, or cannot be reached: nothing is known. */
  | { readonly kind: 'skipped'; readonly text: string };

interface Report {
  readonly message?: string;
  readonly statusCode?: number;
  readonly error?: { readonly summary?: string };
  readonly vulnerabilities?: Readonly<Record<string, { readonly severity: string; readonly range: string }>>;
}

/** What `npm audit --json` said, judged. What is no report is no proof of anything, so it is never `clean`. */
export function judge(output: string): Verdict {
  const report = parse(output);
  if (report?.vulnerabilities === undefined) {
    const why = report?.message ?? report?.error?.summary ?? 'npm audit gave no report';
    return { kind: 'skipped', text: `not asked: ${why.replace(/https?:\/\/\S+/g, 'the registry')}` };
  }
  const all = Object.entries(report.vulnerabilities);
  const lines = all.map(([name, { severity, range }]) => `${severity}: ${name} ${range}`);
  const bad = all.some(([, { severity }]) => severity === 'high' || severity === 'critical');
  return { kind: bad ? 'findings' : 'clean', text: lines.join('\n') || 'no known vulnerability' };
}

function parse(text: string): Report | undefined {
  try {
    return JSON.parse(text) as Report;
  } catch (e) {
    if (e instanceof SyntaxError) return undefined;
    throw e;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const cwd = resolve(import.meta.dirname, '../..');
  const { stdout } = spawnSync('npm', ['audit', '--json'], { cwd, encoding: 'utf8', timeout: 60_000 });
  const { kind, text } = judge(stdout ?? '');
  process.stdout.write(`npm audit ${kind}: ${text}\n`);
  process.exitCode = kind === 'findings' ? 1 : 0;
}
