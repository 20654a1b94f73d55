/** HAPI's parser of HL7 v2, as judge of messages and as a receiver that keeps nothing. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { peers } from './index.ts';
import { freePort } from './orthanc.ts';

export interface Hl7Judge {
  /** What is wrong with a message by the rules of its version; undefined where nothing is. */
  judge(message: string): Promise<string | undefined>;
  stop(): void;
}

function java(...args: string[]): ChildProcess {
  const classPath = [join(peers.hapiV2!, 'classes'), join(peers.hapiV2!, 'lib', '*')].join(':');
  return spawn(peers.java!, ['-Xmx512m', '-cp', classPath, 'Hl7', ...args], { stdio: ['pipe', 'pipe', 'ignore'] });
}

/** One Java process for a whole suite. Only where `peers.hapiV2` is defined. */
export function startHl7Judge(): Hl7Judge {
  const folder = mkdtempSync(join(tmpdir(), 'hl7-judge-'));
  const child = java();
  const waiting: ((line: string) => void)[] = [];
  createInterface({ input: child.stdout! }).on('line', (line) => waiting.shift()?.(line));
  child.on('exit', () => waiting.splice(0).forEach((tell) => tell('the judge ended')));
  let count = 0;
  return {
    judge: async (message) => {
      const path = join(folder, `${++count}.hl7`);
      writeFileSync(path, message);
      const said = new Promise<string>((tell) => waiting.push(tell));
      child.stdin!.write(`${path}\n`);
      const line = await said;
      return line === 'OK' ? undefined : line;
    },
    stop: () => {
      child.stdin!.end();
      child.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A listener that parses each message and answers AA, with nothing kept. */
export async function startHapiReceiver(): Promise<{ readonly port: number; readonly child: ChildProcess }> {
  const port = await freePort();
  const child = java('serve', String(port));
  const lines = createInterface({ input: child.stdout! });
  await new Promise<void>((done, failed) => {
    lines.once('line', () => done());
    child.once('exit', (code) => failed(new Error(`HAPI ended with ${code}`)));
  });
  return { port, child };
}
