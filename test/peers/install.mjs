// Installs the programs that judge ours, where it may: Debian packages as root, a Python environment, HAPI's
// validators and server, the OHIF viewer. Prints one line a peer: there, or why not. Never fails: a missing peer makes its tests skip by name.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const cache = process.env.PLUMBLINE_PEER_CACHE ?? join(homedir(), '.cache', 'plumbline-peers');
mkdirSync(cache, { recursive: true });

/** program → Debian package */
const debian = {
  Orthanc: 'orthanc',
  storescu: 'dcmtk',
  dciodvfy: 'dicom3tools',
  chromium: 'chromium',
  java: 'default-jre-headless',
  mvn: 'maven',
  python3: 'python3',
};
/** files that a package brings without a program on the path */
const debianFiles = { '/usr/share/orthanc/plugins/libOrthancDicomWeb.so': 'orthanc-dicomweb' };
const python = [
  'pydicom==3.0.2',
  'highdicom==0.28.2',
  'pillow==13.0.0',
  'numpy==2.4.6',
  'pynetdicom==3.0.4',
  'tokenizers==0.22.1',
  'dcmqi==1.5.7',
  'prometheus-client==0.26.0',
];
/** What torch 2.9.1 loads as it starts, CPU or not, and its plain dependencies. */
const cuda = [
  'nvidia-cublas-cu12==12.8.4.1',
  'nvidia-cuda-cupti-cu12==12.8.90',
  'nvidia-cuda-nvrtc-cu12==12.8.93',
  'nvidia-cuda-runtime-cu12==12.8.90',
  'nvidia-cudnn-cu12==9.10.2.21',
  'nvidia-cufft-cu12==11.3.3.83',
  'nvidia-cufile-cu12==1.13.1.3',
  'nvidia-curand-cu12==10.3.9.90',
  'nvidia-cusparse-cu12==12.5.8.93',
  'nvidia-cusparselt-cu12==0.7.1',
  'nvidia-nccl-cu12==2.27.5',
  'nvidia-nvjitlink-cu12==12.8.93',
  'nvidia-nvshmem-cu12==3.3.20',
];
const torchNeeds = ['filelock', 'typing-extensions', 'sympy', 'networkx', 'jinja2', 'fsspec'];
/** The built viewer as it is on the npm registry, with nothing that it would bring. */
const ohif = '@ohif/app@3.13.2';

function onPath(program) {
  return spawnSync('which', [program], { stdio: 'ignore' }).status === 0;
}

function run(file, args, env = {}) {
  try {
    execFileSync(file, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...env },
      maxBuffer: 1 << 26,
    });
    return undefined;
  } catch (e) {
    return String(e.stderr || e.message)
      .trim()
      .split('\n')
      .slice(-2)
      .join(' ');
  }
}

function installDebian() {
  const wanted = [
    ...Object.entries(debian)
      .filter(([program]) => !onPath(program))
      .map(([, pkg]) => pkg),
    ...Object.entries(debianFiles)
      .filter(([file]) => !existsSync(file))
      .map(([, pkg]) => pkg),
  ];
  if (wanted.length === 0) return undefined;
  if (process.getuid?.() !== 0) return `not root, so not installed: ${wanted.join(' ')}`;
  if (!onPath('apt-get')) return `no apt-get here, so not installed: ${wanted.join(' ')}`;
  // RUNLEVEL keeps packages such as orthanc from starting a service of their own.
  const env = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const failed =
    run('apt-get', ['update', '-q'], env) ??
    run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...wanted], env);
  return failed && `apt-get could not install ${wanted.join(' ')}: ${failed}`;
}

function installPython() {
  const ready = join(cache, 'venv', `ready-${python.join('_').replace(/[^\w.]+/g, '-')}`);
  if (existsSync(ready)) return undefined;
  const failed =
    run('python3', ['-m', 'venv', join(cache, 'venv')]) ??
    run(join(cache, 'venv/bin/pip'), ['install', '-q', ...python]);
  if (failed) return `no Python environment: ${failed}`;
  writeFileSync(ready, '');
  return undefined;
}

/**
 * PyTorch and what models/reference needs, in an environment of its own. The registry has no CPU build for Linux x64:
 * its wheel loads CUDA libraries as it starts, so those that it loads are there, and those that it never asks for on a
 * CPU (Triton, cuSOLVER) are not.
 */
function installTorch() {
  const home = join(cache, 'torch');
  const requirements = join(import.meta.dirname, '../../models/reference/requirements.txt');
  const wanted = readFileSync(requirements, 'utf8');
  const ready = join(home, 'ready');
  if (existsSync(ready) && readFileSync(ready, 'utf8') === wanted) return undefined;
  rmSync(ready, { force: true });
  const pip = (...args) => run(join(home, 'bin/pip'), ['install', '-q', '--no-compile', '--no-cache-dir', ...args]);
  const [torch, ...rest] = wanted.trim().split('\n');
  const failed =
    run('python3', ['-m', 'venv', home]) ??
    (process.platform === 'linux' && process.arch === 'x64'
      ? (pip('--no-deps', torch, ...cuda) ?? pip(...torchNeeds, ...rest))
      : pip('-r', requirements)) ??
    run(join(home, 'bin/python'), ['-c', 'import torch, transformers, onnxruntime']);
  if (failed) return `no PyTorch: ${failed}`;
  writeFileSync(ready, wanted);
  return undefined;
}

async function installHapi() {
  if (!onPath('mvn') || !onPath('java')) return 'no Java or Maven here, so no HAPI';
  try {
    const { installHapi: install } = await import('./hapi/install.mjs');
    await install(cache);
    return undefined;
  } catch (e) {
    return `no HAPI: ${e.message}`;
  }
}

function installOhif() {
  const folder = join(cache, 'ohif');
  const ready = join(folder, `ready-${ohif.replace(/[^\w.]+/g, '-')}`);
  if (existsSync(ready)) return undefined;
  mkdirSync(folder, { recursive: true });
  const failed =
    run('npm', ['pack', ohif, '--silent', '--pack-destination', folder]) ??
    run('tar', ['xzf', join(folder, `${ohif.slice(1).replace('/', '-').replace('@', '-')}.tgz`), '-C', folder]);
  if (failed) return `no OHIF: ${failed}`;
  writeFileSync(ready, '');
  return undefined;
}

for (const [name, install] of [
  ['Debian packages', installDebian],
  ['Python environment', installPython],
  ['PyTorch environment', installTorch],
  ['HAPI validators and server', installHapi],
  ['OHIF viewer', installOhif],
]) {
  const started = Date.now();
  const why = await install();
  process.stdout.write(`  ${name}: ${why ?? 'there'} (${Math.round((Date.now() - started) / 1000)} s)\n`);
}
