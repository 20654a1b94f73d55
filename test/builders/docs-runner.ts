/**
 * Runs the commands that a page of the documentation shows, and holds what they print against what the page says they print.
 *
 * Fenced blocks say by their first line what they are:
 * - ```` ```yaml plumbline.yaml ```` (any language, then a path): a file, written into the folder of the page;
 * - ```` ```sh run ````: run to its end, exit code 0 (or `exit=5`); with `until=60` again and again, for so many seconds at
 *   most, until it prints what follows;
 * - ```` ```sh start ````: a server; it stays up until the page ends, and must print the lines that follow within 60 s,
 *   whatever else its log says between them;
 * - ```` ```sh elsewhere ````: for a machine that the reader has and a test has not; not run;
 * - ```` ```text ```` right after a command: what it prints on standard output and standard error. `…` stands for anything
 *   in a line, a line of `…` alone for any lines.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { root } from '../peers/index.ts';
import { freePort } from '../peers/orthanc.ts';
import { tempFolder } from './program.ts';

export type Step =
  | { readonly kind: 'file'; readonly line: number; readonly path: string; readonly text: string }
  | {
      readonly kind: 'run' | 'start' | 'elsewhere';
      readonly line: number;
      readonly text: string;
      readonly expected: string | undefined;
      /** Exit code of a `run`. */
      readonly exit: number;
      /** Seconds for which a `run` is repeated. */
      readonly until: number;
    };

/** The steps of a page in order. @throws Error where a shell block does not say what it is */
export function stepsOf(markdown: string): Step[] {
  const steps: Step[] = [];
  const blocks = [...markdown.matchAll(/^```(\S+)(?: (.*))?\n([\s\S]*?)^```$/gm)];
  for (const [i, block] of blocks.entries()) {
    const [, language = '', words = '', text = ''] = block;
    const line = markdown.slice(0, block.index).split('\n').length;
    const [what = '', ...options] = words.split(' ');
    if (/\.\w+$/.test(what)) steps.push({ kind: 'file', line, path: what, text });
    if (language !== 'sh' || /\.\w+$/.test(what)) continue;
    if (what !== 'run' && what !== 'start' && what !== 'elsewhere')
      throw new Error(`line ${line}: a shell block must say run, start or elsewhere, not "${words}"`);
    const option = (name: string): number =>
      Number(options.find((o) => o.startsWith(`${name}=`))?.slice(name.length + 1) ?? 0);
    const next = blocks[i + 1];
    const between = next && markdown.slice(block.index + block[0].length, next.index);
    const expected = next?.[1] === 'text' && !next[2] && between?.trim() === '' ? next[3] : undefined;
    steps.push({ kind: what, line, text, expected, exit: option('exit'), until: option('until') });
  }
  return steps;
}

/** Whether a program printed what the page shows; trailing blanks and empty lines at the end do not count. */
export function printed(expected: string, output: string): boolean {
  const lines = expected.trimEnd().split('\n').map((line) => {
    if (line.trim() === '…') return '(?:[^\\n]*\\n)*?';
    return `${line.trimEnd().split('…').map(escape).join('[^\\n]*')}[ \\t]*\\n`;
  }); // prettier-ignore
  return new RegExp(`^${lines.join('')}$`).test(`${output.trimEnd()}\n`);
}

const escape = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

export interface PageOptions {
  /** Ports that the page names, and where these peers really are. Every other port of the page gets a free one. */
  readonly ports?: Readonly<Record<number, number>>;
  /** Other words of the page that stand for something on this machine, e.g. an address of the reader's own. */
  readonly words?: Readonly<Record<string, string>>;
  /** Environment of the commands. */
  readonly env?: NodeJS.ProcessEnv;
  /** Folder for the page's files; a new one of its own by default, removed at the end. */
  readonly folder?: string;
}

export interface PageRun {
  /** How many commands were run, servers among them. */
  readonly commands: number;
  readonly folder: string;
  /** The page's port on this machine. */
  port(asPrinted: number): number;
}

/**
 * Write the files of a page and run its commands one after the other; servers are ended before it returns.
 * @param then looks at what stands, while the servers are still up
 * @throws Error with the line of the page, what was expected and what came
 */
export async function runPage(
  markdown: string,
  options: PageOptions = {},
  then?: (run: PageRun) => Promise<void>,
): Promise<PageRun> {
  const steps = stepsOf(markdown);
  const folder = options.folder ?? tempFolder('page');
  const ports = await portsOf(markdown, options.ports ?? {});
  const here = (text: string): string => translate(text, ports, options.words ?? {});
  const servers: Server[] = [];
  const env = {
    ...process.env,
    ...options.env,
    PATH: [programs(), options.env?.['PATH'] ?? process.env['PATH']].join(delimiter),
  };
  const run: PageRun = {
    commands: steps.filter((s) => s.kind === 'run' || s.kind === 'start').length,
    folder,
    port: (asPrinted) => ports.get(asPrinted)!,
  };
  try {
    for (const step of steps) {
      if (step.kind === 'elsewhere') continue;
      const text = here(step.text);
      if (step.kind === 'file') write(join(folder, step.path), text);
      else {
        const expected = step.expected === undefined ? undefined : here(step.expected);
        const command = { ...step, text, expected };
        if (step.kind === 'run') await runToEnd(command, folder, env);
        else servers.push(await startServer(command, folder, env));
      }
    }
    await then?.(run);
  } finally {
    await Promise.all(servers.map((s) => s.stop()));
    if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
  }
  return run;
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** A folder with `plumbline` as it is installed, but on this Node and these sources. */
function programs(): string {
  const dir = tempFolder('bin');
  const main = join(root, 'src/cli/main.ts');
  writeFileSync(
    join(dir, 'plumbline'),
    `#!/bin/sh\nexec "${process.execPath}" --disable-warning=ExperimentalWarning "${main}" "$@"\n`,
  );
  chmodSync(join(dir, 'plumbline'), 0o755);
  return dir;
}

/** Ports of loopback addresses, and of keys that are named so in a file. */
async function portsOf(markdown: string, given: Readonly<Record<number, number>>): Promise<Map<number, number>> {
  const ports = new Map(Object.entries(given).map(([printedAs, real]) => [Number(printedAs), real]));
  for (const [, a, b] of markdown.matchAll(/(?:localhost|127\.0\.0\.1):(\d{3,5})|port"?: (\d{3,5})/gi)) {
    const port = Number(a ?? b);
    if (!ports.has(port)) ports.set(port, await freePort());
  }
  return ports;
}

function translate(text: string, ports: ReadonlyMap<number, number>, words: Readonly<Record<string, string>>): string {
  const known = [...ports.keys(), ...Object.keys(words).map(escape)].join('|');
  if (known === '') return text;
  return text.replace(new RegExp(`(?<=%3A|(?<![\\w.]))(${known})(?![\\w])`, 'g'), (found) => {
    return words[found] ?? String(ports.get(Number(found)));
  });
}

interface Command {
  readonly line: number;
  readonly text: string;
  readonly expected: string | undefined;
  readonly exit: number;
  readonly until: number;
}

async function runToEnd(step: Command, cwd: string, env: NodeJS.ProcessEnv): Promise<void> {
  for (const end = Date.now() + step.until * 1000; ;) {
    const { code, output } = await shell(step.text, cwd, env);
    const right = code === step.exit && (step.expected === undefined || printed(step.expected, output));
    if (right) return;
    if (Date.now() > end) throw differs(step, `${output}(exit code ${code})`);
    await new Promise((done) => setTimeout(done, 300));
  }
}

function differs(step: Command, came: string): Error {
  return new Error(
    `line ${step.line}: ${step.text.trim()}\n— the page says:\n${step.expected ?? `(exit code ${step.exit})`}\n— it printed:\n${came}`,
  );
}

function open(text: string, cwd: string, env: NodeJS.ProcessEnv): { child: ChildProcess; output: () => string } {
  const child = spawn('bash', ['-c', text], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let output = '';
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (d: Buffer) => (output += d.toString()));
  return { child, output: () => output };
}

async function shell(text: string, cwd: string, env: NodeJS.ProcessEnv): Promise<{ code: number; output: string }> {
  const { child, output } = open(text, cwd, env);
  const late = setTimeout(() => endGroup(child, 'SIGKILL'), 120_000);
  const code = await new Promise<number>((done) => child.once('close', (c) => done(c ?? -1)));
  clearTimeout(late);
  return { code, output: output() };
}

interface Server {
  stop(): Promise<void>;
}

async function startServer(step: Command, cwd: string, env: NodeJS.ProcessEnv): Promise<Server> {
  const { child, output } = open(step.text, cwd, env);
  const gone = new Promise<void>((done) => child.once('close', () => done()));
  const stop = async (): Promise<void> => {
    endGroup(child, 'SIGTERM');
    const hard = setTimeout(() => endGroup(child, 'SIGKILL'), 5000);
    await gone;
    clearTimeout(hard);
  };
  const wanted = ['', ...(step.expected?.trimEnd().split('\n') ?? []), ''].join('\n…\n').trim();
  for (const end = Date.now() + 60_000; !printed(wanted, output());) {
    if (child.exitCode !== null || Date.now() > end) {
      await stop();
      throw differs(step, output());
    }
    await new Promise((done) => setTimeout(done, 50));
  }
  return { stop };
}

/** End a shell and what it started: they are a process group of their own. */
function endGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown; // it has ended already
  }
}
