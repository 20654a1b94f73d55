import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { peers } from './index.ts';

export interface Verdict {
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

export interface Hapi {
  /** @param resource a path, or the resource itself. The first call per FHIR version takes 10 to 40 s, later ones under 1 s. */
  validate(version: 'r4' | 'r5', resource: string | object): Promise<Verdict>;
  stop(): void;
}

/** Start the HAPI validators (one Java process for a whole suite). Only where `peers.hapi` is defined. */
export function startHapi(): Hapi {
  const home = peers.hapi!;
  const folder = mkdtempSync(join(tmpdir(), 'hapi-'));
  const classes = [join(home, 'classes'), join(home, 'lib', '*')].join(':');
  const java = spawn(peers.java!, ['-Xmx1g', '-cp', classes, 'Validate'], { stdio: ['pipe', 'pipe', 'ignore'] });
  const waiting: { resolve: (verdict: Verdict) => void; reject: (error: Error) => void }[] = [];
  createInterface({ input: java.stdout }).on('line', (line) => waiting.shift()?.resolve(JSON.parse(line) as Verdict));
  const fail = (why: string) => waiting.splice(0).forEach((w) => w.reject(new Error(`HAPI: ${why}`)));
  java.on('exit', (code) => fail(`ended with ${code}`));
  java.on('error', (error) => fail(error.message));
  let count = 0;
  return {
    validate(version, resource) {
      const path = typeof resource === 'string' ? resource : join(folder, `${++count}.json`);
      if (typeof resource !== 'string') writeFileSync(path, JSON.stringify(resource));
      return new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        java.stdin.write(`${version} ${path}\n`);
      });
    },
    stop() {
      java.stdin.end();
      java.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
