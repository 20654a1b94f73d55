import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { peers } from './index.ts';
import { stopProcess } from './orthanc.ts';

export interface Browser {
  /** The value of an expression in the page; a promise is awaited. */
  evaluate<T>(expression: string): Promise<T>;
  goTo(url: string): Promise<void>;
  /** PNG of what is seen. */
  screenshot(): Promise<Uint8Array>;
  stop(): Promise<void>;
}

type Answer = { readonly result?: Record<string, unknown>; readonly error?: { readonly message: string } };

/** Chromium without a window, driven by its own protocol. Only where `peers.chromium` is defined. */
export async function startBrowser(): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), 'plumbline-browser-'));
  const drawing = ['--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist'];
  const child = spawn(
    peers.chromium!,
    ['--headless=new', '--no-sandbox', ...drawing, '--window-size=1400,900', '--remote-debugging-port=0', `--user-data-dir=${profile}`, 'about:blank'], // prettier-ignore
    { stdio: 'ignore' },
  );
  const call = await connect(await portIn(join(profile, 'DevToolsActivePort')));
  await call('Page.enable', {});
  return {
    evaluate: async <T>(expression: string) => {
      const answer = await call('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
      if (answer['exceptionDetails']) throw new Error(JSON.stringify(answer['exceptionDetails']));
      return (answer['result'] as { value: T }).value;
    },
    goTo: async (url) => void (await call('Page.navigate', { url })),
    screenshot: async () => Buffer.from((await call('Page.captureScreenshot', { format: 'png' }))['data'] as string, 'base64'), // prettier-ignore
    stop: async () => {
      await stopProcess(child);
      rmSync(profile, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

async function portIn(file: string): Promise<string> {
  for (let i = 0; i < 300; i++) {
    const [port, path] = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
    if (port && path) return port;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error('the browser did not come up in 30 s');
}

async function connect(port: string) {
  const targets = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as { type: string; webSocketDebuggerUrl: string }[]; // prettier-ignore
  const socket = new WebSocket(targets.find((t) => t.type === 'page')!.webSocketDebuggerUrl);
  await new Promise((done) => socket.addEventListener('open', done));
  const waiting = new Map<number, (answer: Answer) => void>();
  socket.addEventListener('message', ({ data }) => {
    const answer = JSON.parse(String(data)) as Answer & { readonly id?: number };
    if (answer.id !== undefined) waiting.get(answer.id)?.(answer);
  });
  let last = 0;
  return async (method: string, params: object): Promise<Record<string, unknown>> => {
    const id = ++last;
    const answer = await new Promise<Answer>((done) => {
      waiting.set(id, done);
      socket.send(JSON.stringify({ id, method, params }));
    });
    waiting.delete(id);
    if (answer.error) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result ?? {};
  };
}
