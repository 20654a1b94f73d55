import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../peers/index.ts';
import { stopProcess } from '../peers/orthanc.ts';

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

const main = join(root, 'src/cli/main.ts');

function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
}

/** Run the command line to its end. */
export async function plumbline(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const child = start(args, env);
  let [stdout, stderr] = ['', ''];
  child.stdout!.on('data', (d: Buffer) => (stdout += d.toString()));
  child.stderr!.on('data', (d: Buffer) => (stderr += d.toString()));
  const [code, signal] = await new Promise<[number | null, string | null]>((done) =>
    child.once('exit', (c, s) => done([c, s])),
  );
  return { code, signal, stdout, stderr };
}

export interface ServedGateway {
  readonly url: string;
  readonly dicomweb: string;
  readonly child: ChildProcess;
  readonly configFile: string;
  /** Everything that it has written to standard error so far. */
  readonly log: () => string;
  /** Resolves with the signal that ended it. */
  readonly ended: Promise<string | null>;
  stop(): Promise<void>;
}

/** `plumbline serve` as a child process on a free port. @param config YAML or JSON text */
export async function serveChild(config: string, env: NodeJS.ProcessEnv = {}): Promise<ServedGateway> {
  const folder = mkdtempSync(join(tmpdir(), 'plumbline-site-'));
  const file = join(folder, 'plumbline.yaml');
  writeFileSync(file, config);
  const child = start(['serve', '--config', file], env);
  let log = '';
  child.stderr!.on('data', (d: Buffer) => (log += d.toString()));
  const ended = new Promise<string | null>((done) => child.once('exit', (_c, s) => done(s)));
  const url = await new Promise<string>((found, failed) => {
    let out = '';
    child.stdout!.on('data', (d: Buffer) => {
      out += d.toString();
      const listening = /listens at (\S+)/.exec(out);
      if (listening) found(listening[1]!);
    });
    void ended.then((signal) =>
      failed(new Error(`the gateway ended (${signal ?? child.exitCode}) before it listened: ${log}`)),
    );
  });
  return {
    url,
    dicomweb: `${url}/dicom-web`,
    child,
    configFile: file,
    log: () => log,
    ended,
    stop: () => stopProcess(child),
  };
}

/** A folder below the system's folder for temporary files. */
export function tempFolder(name: string): string {
  const dir = mkdtempSync(join(tmpdir(), `plumbline-${name}-`));
  mkdirSync(dir, { recursive: true });
  return dir;
}

/** Ask until the answer is there. */
export async function until<T>(ask: () => Promise<T | undefined>, what: string, seconds = 60): Promise<T> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`waited ${seconds} s for ${what}`);
}
