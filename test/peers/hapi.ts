import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { peers } from './index.ts';
import { stopProcess } from './orthanc.ts';

export interface Verdict {
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

export interface Hapi {
  /** @param resource a path, or the resource itself. The first call per FHIR version takes 10 to 40 s, later ones under 1 s. */
  validate(version: 'r4' | 'r5', resource: string | object): Promise<Verdict>;
  stop(): void;
}

function classPath(): string {
  return [join(peers.hapi!, 'classes'), join(peers.hapi!, 'lib', '*')].join(':');
}

/** Start the HAPI validators (one Java process for a whole suite). Only where `peers.hapi` is defined. */
export function startHapi(): Hapi {
  const folder = mkdtempSync(join(tmpdir(), 'hapi-'));
  const java = spawn(peers.java!, ['-Xmx1g', '-cp', classPath(), 'Validate'], { stdio: ['pipe', 'pipe', 'ignore'] });
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

export interface HapiServer {
  /** `http://127.0.0.1:PORT/fhir` */
  readonly url: string;
  create(resource: Json & { readonly resourceType: string }): Promise<Json & { readonly id: string }>;
  /** Everything of one type that is stored. */
  all(type: string): Promise<Json[]>;
  stop(): Promise<void>;
}
type Json = Readonly<Record<string, unknown>>;

/**
 * Start HAPI's FHIR server with an empty store in memory; up in 3 to 8 s. Only where `peers.hapi` and `peers.java` are
 * defined. It refuses unknown fields and a stale If-Match (409).
 * @param options.transactions false: a server that takes single requests only
 */
export async function startHapiServer(
  version: 'r4' | 'r5',
  options: { readonly transactions?: boolean } = {},
): Promise<HapiServer> {
  const mode = options.transactions === false ? ['single'] : [];
  const java = spawn(peers.java!, ['-Xmx512m', '-cp', classPath(), 'Serve', version, ...mode], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const url = await new Promise<string>((up, failed) => {
    createInterface({ input: java.stdout }).once('line', up);
    java.once('exit', (code) => failed(new Error(`HAPI's server ended with ${code}`)));
    java.once('error', failed);
  });
  const json = async (path: string, init: RequestInit = {}) => {
    const headers = { 'content-type': 'application/fhir+json', accept: 'application/fhir+json' };
    const response = await fetch(`${url}/${path}`, { ...init, headers });
    if (!response.ok) throw new Error(`HAPI's server answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as Json & { readonly id: string };
  };
  return {
    url,
    create: (resource) => json(resource.resourceType, { method: 'POST', body: JSON.stringify(resource) }),
    all: async (type) => {
      const found = (await json(type)) as { readonly entry?: readonly { readonly resource: Json }[] };
      return (found.entry ?? []).map((e) => e.resource);
    },
    stop: async () => {
      java.stdin.end(); // it ends with its input
      await stopProcess(java);
    },
  };
}
