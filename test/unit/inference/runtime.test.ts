import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Answer, PlumblineError } from '../../../src/base/index.ts';
import {
  createRuntime,
  loadBundle,
  type Bundle,
  type Runtime,
  type RuntimeOptions,
} from '../../../src/inference/index.ts';
import { noise, pictureOf, tinyDir } from '../../builders/bundle.ts';
import { root } from '../../peers/index.ts';

const stub = new URL('../../builders/stub-child.ts', import.meta.url);
const small = pictureOf(noise(1, 8, 8));

let bundle: Bundle;
let tempDir: string;
let runtime: Runtime | undefined;
let restarts: PlumblineError[];

beforeAll(async () => {
  bundle = await loadBundle(tinyDir);
});
beforeEach(async () => {
  tempDir = await mkdtemp(join(tmpdir(), 'runtime-'));
  restarts = [];
});
afterEach(async () => {
  await runtime?.close();
  runtime = undefined;
  expect(await readdir(tempDir), 'nothing is left behind').toEqual([]);
  await rm(tempDir, { recursive: true });
});

async function start(options: RuntimeOptions = {}): Promise<Runtime> {
  runtime = await createRuntime(bundle, { entry: stub, tempDir, onRestart: (why) => restarts.push(why), ...options });
  return runtime;
}

interface Self {
  readonly pid: number;
  readonly env: string[];
  readonly bytes: number;
  readonly first: number;
  readonly plane: number;
}
function self(answer: Answer): Self {
  return JSON.parse(answer.text) as Self;
}

describe('a model process', () => {
  it('that hangs is killed at the deadline, tried once more, and then given up as model-timeout', async () => {
    const r = await start({ seconds: 0.4 });
    const before = self((await r.answer([small], { task: 'report' }))[0]!);
    await expect(r.answer([small], { task: 'report', prompt: 'hang' })).rejects.toMatchObject({
      code: 'model-timeout',
      class: 'retry',
      message: 'no answer within 0.4 s, so the model process was killed',
    });
    expect(restarts.map((e) => e.code)).toEqual(['model-timeout']);
    expect(existsSync(`/proc/${before.pid}`)).toBe(false);
  });

  it('that dies is started again, and the picture is read after all', async () => {
    const r = await start();
    const marker = join(tempDir, 'marker');
    const [answer] = await r.answer([small], { task: 'report', prompt: `once ${marker}` });
    expect(self(answer!).bytes).toBe(192);
    expect(restarts.map((e) => [e.code, e.message])).toEqual([['model-crashed', 'the model process ended: SIGSEGV']]);
    await rm(marker);
  });

  it('that dies twice is given up as model-crashed with its exit and its last words, and the next picture is read', async () => {
    const r = await start();
    await expect(r.answer([small], { task: 'report', prompt: 'exit 7' })).rejects.toMatchObject({
      code: 'model-crashed',
      message: 'the model process ended: exit code 7',
    });
    await expect(r.answer([small], { task: 'report', prompt: 'throw' })).rejects.toMatchObject({
      code: 'model-crashed',
      message: expect.stringContaining('exit code 1') as string,
    });
    expect(await r.answer([small], { task: 'report' })).toHaveLength(1);
  });

  it('is another one after so many pictures', async () => {
    const r = await start({ recycleAfter: 2 });
    const pids = (await r.answer(Array<typeof small>(5).fill(small), { task: 'report' })).map((a) => self(a).pid);
    expect([pids[0] === pids[1], pids[1] === pids[2], pids[2] === pids[3], pids[3] === pids[4]]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect(restarts).toEqual([]);
  });

  it('learns nothing of the environment that could be a secret', async () => {
    process.env['PLUMBLINE_TEST_TOKEN'] = 'secret';
    const r = await start();
    const { env } = self((await r.answer([small], { task: 'report' }))[0]!);
    delete process.env['PLUMBLINE_TEST_TOKEN'];
    expect(env).toContain('PATH');
    expect(env.filter((name) => /TOKEN|SECRET|PASS|KEY|NODE_OPTIONS|VITEST/i.test(name))).toEqual([]);
  });

  it.skipIf(process.platform !== 'linux')('ends by itself when the parent is killed while it hangs', async () => {
    const script = `
      const { createRuntime, loadBundle } = await import(${JSON.stringify(join(root, 'src/inference/index.ts'))});
      const picture = { stack: 'k1', plane: 0, width: 1, height: 1, rgb: new Uint8Array(3), toSource: {}, window: '' };
      const r = await createRuntime(await loadBundle(${JSON.stringify(tinyDir)}), { entry: new URL(${JSON.stringify(stub.href)}), tempDir: ${JSON.stringify(tempDir)} });
      console.log(JSON.parse((await r.answer([picture], { task: 'report' }))[0].text).pid);
      await r.answer([picture], { task: 'report', prompt: 'hang' });`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pid = Number(
      await new Promise<string>((resolve) => parent.stdout.once('data', (d: Buffer) => resolve(d.toString()))),
    );
    // A dead process that nobody has waited for yet is still in the table, as a zombie.
    const running = async (): Promise<boolean> => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      return stat !== '' && !/\) [ZX] /.test(stat);
    };
    expect(await running()).toBe(true);
    parent.kill('SIGKILL');
    await expect.poll(running, { timeout: 20_000 }).toBe(false);
    for (const left of await readdir(tempDir)) await rm(join(tempDir, left), { recursive: true });
  });
});

describe('a runtime', () => {
  it('gives one answer for each picture, in order, and says how far it is', async () => {
    const r = await start();
    const progress: [number, number][] = [];
    const pictures = [3, 1, 2].map((plane) => ({ ...small, plane }));
    const answers = await r.answer(pictures, { task: 'report' }, (done, of) => progress.push([done, of]));
    expect(answers.map((a) => [a.plane, self(a).plane])).toEqual([
      [3, 3],
      [1, 1],
      [2, 2],
    ]);
    expect(progress).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
  });

  it('does overlapping calls one after the other', async () => {
    const r = await start();
    const [a, b] = await Promise.all([
      r.answer([small], { task: 'report', prompt: 'exit 3' }).catch((e: PlumblineError) => e.code),
      r.answer([small], { task: 'report' }),
    ]);
    expect(a).toBe('model-crashed');
    expect(b).toHaveLength(1);
  });

  it('takes an option that is there but undefined as not given', async () => {
    const r = await start({ seconds: undefined as unknown as number, recycleAfter: undefined as unknown as number });
    expect(await r.answer([small], { task: 'report' })).toHaveLength(1);
  });

  it('hands large pictures over unharmed', async () => {
    const r = await start();
    const large = pictureOf(noise(7, 2000, 1200));
    expect(self((await r.answer([large], { task: 'report' }))[0]!)).toMatchObject({
      bytes: 7_200_000,
      first: large.rgb[0],
    });
  });

  it('refuses a wrong request before any process is asked', async () => {
    const r = await start({ seconds: 0.1 });
    await expect(r.answer([small], { task: 'diagnose' })).rejects.toMatchObject({
      code: 'task-unknown',
      class: 'reject',
    });
    expect(restarts).toEqual([]);
  });

  it('closes at once, and work under way ends as runtime-closed', async () => {
    const r = await start({ seconds: 600 });
    const hung = expect(r.answer([small], { task: 'report', prompt: 'hang' })).rejects.toMatchObject({
      code: 'runtime-closed',
    });
    const waiting = expect(r.answer([small], { task: 'report' })).rejects.toMatchObject({ code: 'runtime-closed' });
    await r.close();
    await Promise.all([hung, waiting]);
    await expect(r.answer([small], { task: 'report' })).rejects.toMatchObject({ code: 'runtime-closed' });
  });

  it('does not start where the process dies each time: three tries, then model-crashed', async () => {
    const entry = new URL('../../builders/nowhere.ts', import.meta.url);
    await expect(start({ entry })).rejects.toMatchObject({
      code: 'model-crashed',
      message: expect.stringContaining('exit code 1') as string,
    });
    expect(restarts).toHaveLength(2);
  });
});

describe('the real model process', () => {
  const real = new URL('../../../src/inference/child.ts', import.meta.url);

  it('is killed when it uses more memory than allowed, and the error says so', async () => {
    const large = pictureOf(noise(2, 2500, 2500));
    const work = async () =>
      (await start({ entry: real, memoryMb: 50 })).answer([large, large, large], { task: 'report' });
    await expect(work()).rejects.toMatchObject({
      code: 'model-crashed',
      message: expect.stringMatching(/SIGKILL \(memory: \d+ MiB used, 50 MiB allowed\)/) as string,
    });
  });

  it('hands large masks over, in the size of the picture', async () => {
    const r = await start({ entry: real });
    const flat = { width: 6000, height: 6000, rgb: new Uint8Array(108_000_000).fill(100) };
    const [answer] = await r.answer([pictureOf(flat)], { task: 'segment', slots: { target: 'liver' } });
    expect(answer!.masks.map((m) => [m?.width, m?.height, m?.bits.length])).toEqual(
      answer!.masks.map(() => [6000, 6000, 4_500_000]),
    );
    expect(answer!.masks.length).toBeGreaterThan(0);
  });

  it('falls back to cpu with a notice where a provider is not there, or refuses, as asked', async () => {
    const r = await start({ entry: real, provider: 'tensorrt' });
    if (r.provider === 'tensorrt') return;
    expect(r.provider).toBe('cpu');
    expect(r.notices).toEqual([
      {
        code: 'provider-fallback',
        message: expect.stringMatching(/^tensorrt could not be used, so the model runs on cpu: ./) as string,
      },
    ]);
    await r.close();
    await expect(start({ entry: real, provider: 'tensorrt', fallback: false })).rejects.toMatchObject({
      code: 'provider-missing',
    });
    expect(restarts).toEqual([]);
  });

  it.skipIf(process.platform !== 'linux')('holds no network socket', async () => {
    const r = await start({ entry: real });
    await r.answer([small], { task: 'report' });
    const pid = await childPid();
    const links = await Promise.all(
      (await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')),
    );
    const inodes = links.flatMap((l) => /^socket:\[(\d+)\]$/.exec(l)?.[1] ?? []);
    const tables = await Promise.all(
      ['tcp', 'tcp6', 'udp', 'udp6'].map((t) => readFile(`/proc/${pid}/net/${t}`, 'utf8').catch(() => '')),
    );
    const open = new Set(tables.flatMap((t) => t.split('\n').map((line) => line.trim().split(/\s+/)[9])));
    expect(inodes.length, 'the pipe to the parent is a socket').toBeGreaterThan(0);
    expect(inodes.filter((i) => open.has(i))).toEqual([]);
  });
});

async function childPid(): Promise<number> {
  const children = await readFile(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').catch(() => '');
  for (const pid of children.trim().split(' '))
    if ((await readFile(`/proc/${pid}/cmdline`, 'utf8')).includes('inference/child.ts')) return Number(pid);
  throw new Error('no child process found');
}
