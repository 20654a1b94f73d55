/**
 * Other people's programs that judge ours, and the shared test data. Nothing here installs anything:
 * `npm test` does that first (test/peers/install.mjs). A peer that is not there makes its tests skip by name.
 */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

export const root = resolve(import.meta.dirname, '../..');
/** Where `install.mjs` keeps what it installs for the tests. */
export const peerCache = process.env['PLUMBLINE_PEER_CACHE'] ?? join(homedir(), '.cache', 'plumbline-peers');
/** The shared test data, or undefined where they are not beside the project. */
export const shared = [process.env['PLUMBLINE_SHARED'], resolve(root, '../shared')].find(
  (p) => p && existsSync(join(p, 'data/index.json')),
);

/** Path inside the shared data; call only where `shared` is defined. */
export function sharedPath(...parts: string[]): string {
  return join(shared ?? '/nowhere', ...parts);
}

function onPath(name: string): string | undefined {
  try {
    return execFileSync('which', [name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim() || undefined;
  } catch {
    return undefined;
  }
}

function existing(path: string): string | undefined {
  return existsSync(path) ? path : undefined;
}

/** Absolute path of each peer, or undefined where it is not installed. */
export const peers = {
  dciodvfy: onPath('dciodvfy'),
  dcentvfy: onPath('dcentvfy'),
  dsrdump: onPath('dsrdump'),
  dcmdump: onPath('dcmdump'),
  storescu: onPath('storescu'),
  storescp: onPath('storescp'),
  echoscu: onPath('echoscu'),
  dcmsend: onPath('dcmsend'),
  openssl: onPath('openssl'),
  orthanc: onPath('Orthanc'),
  chromium: onPath('chromium'),
  java: onPath('java'),
  /** Python with pydicom, highdicom, numpy and Pillow. */
  python: existing(join(peerCache, 'venv/bin/python')),
  /** Python with PyTorch and all that models/reference needs. */
  torch: existing(join(peerCache, 'torch/ready')) && join(peerCache, 'torch/bin/python'),
  /** dcmqi, which 3D Slicer reads segmentations and reports with. */
  segimage2itkimage: existing(join(peerCache, 'venv/bin/segimage2itkimage')),
  tid1500reader: existing(join(peerCache, 'venv/bin/tid1500reader')),
  /** Folder of the built OHIF viewer. */
  ohif: existing(join(peerCache, 'ohif/package/dist/index.html')) && join(peerCache, 'ohif/package/dist'),
  /** Folder of jars with HAPI's validators and server, and the classes `Validate` and `Serve`. */
  hapi:
    existing(join(peerCache, 'hapi/ready')) &&
    existing(join(peerCache, 'hapi/classes/Serve.class')) &&
    join(peerCache, 'hapi'),
  /** Folder of jars with HAPI's parser of HL7 v2, and the class `Hl7`. */
  hapiV2: existing(join(peerCache, 'hapi-v2/ready')) && join(peerCache, 'hapi-v2'),
} as const;

export type PeerName = keyof typeof peers;

/** For `describe.skipIf`: true where any of them is missing. */
export function missing(...names: (PeerName | 'shared')[]): boolean {
  return names.some((n) => (n === 'shared' ? shared === undefined : peers[n] === undefined));
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const run = promisify(execFile);

/** Run a program to its end; an exit code is data, not an exception. */
export async function runPeer(
  file: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Ran> {
  try {
    const { stdout, stderr } = await run(file, [...args], { ...options, maxBuffer: 1 << 28, encoding: 'utf8' });
    return { code: 0, stdout, stderr };
  } catch (e) {
    const { code, stdout, stderr } = e as { code?: number | string; stdout?: string; stderr?: string };
    return { code: typeof code === 'number' ? code : -1, stdout: stdout ?? '', stderr: stderr ?? String(e) };
  }
}

/** Run a Python script (path, or source text when it holds a newline) in the peers' environment. */
export function python(script: string, args: readonly string[] = []): Promise<Ran> {
  return runPeer(peers.python ?? 'python3', script.includes('\n') ? ['-c', script, ...args] : [script, ...args]);
}

/** Error lines of dciodvfy (it prints its findings on standard error). */
export async function dciodvfyErrors(path: string): Promise<string[]> {
  const { stdout, stderr } = await runPeer(peers.dciodvfy!, [path]);
  return `${stdout}\n${stderr}`.split('\n').filter((l) => l.startsWith('Error'));
}
