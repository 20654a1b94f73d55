import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PlumblineError } from '../base/index.ts';
import type { Order, Reply } from './protocol.ts';

/** A process that takes orders one at a time. */
export interface Child {
  /**
   * The reply to one order.
   * @throws PlumblineError model-timeout (the process is killed) · model-crashed with its exit and last words
   */
  send(order: Order, seconds: number): Promise<Reply>;
  /** End it at once; resolves when it is gone. */
  kill(): Promise<void>;
}

/** What a model's process may know of the environment: where libraries and devices are, and nothing that may be secret. */
const passedOn =
  /^(PATH|LANG|LC_.*|TZ|HOME|TMPDIR|TEMP|TMP|SYSTEMROOT|LD_LIBRARY_PATH|CUDA_.*|NVIDIA_.*|OMP_.*|XDG_CACHE_HOME|VK_.*)$/i;

export function startChild(entry: URL, args: readonly string[]): Child {
  const forked = fork(fileURLToPath(entry), args, {
    serialization: 'advanced',
    execArgv: [],
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => passedOn.test(name))),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let lastWords = '';
  forked.stderr!.setEncoding('utf8').on('data', (text: string) => (lastWords = (lastWords + text).slice(-2000)));
  const gone = new Promise<string>((resolve) => {
    forked.on('error', (e) => resolve(e.message));
    forked.once('close', (code, signal) => resolve(`${signal ?? `exit code ${code}`}${lastLine(lastWords)}`));
  });
  const kill = async (): Promise<void> => {
    forked.kill('SIGKILL');
    await gone;
  };
  return { kill, send: (order, seconds) => exchange(forked, gone, kill, order, seconds) };
}

async function exchange(
  child: ReturnType<typeof fork>,
  gone: Promise<string>,
  kill: () => Promise<void>,
  order: Order,
  seconds: number,
): Promise<Reply> {
  let timer: NodeJS.Timeout | undefined;
  let heard: ((reply: Reply) => void) | undefined;
  const outcome = await Promise.race([
    new Promise<Reply>((resolve) => {
      heard = resolve;
      child.once('message', heard);
      // A failed send means that the process is going; its exit says why.
      child.send(order, () => {});
    }),
    gone.then((why) => new PlumblineError('model-crashed', `the model process ended: ${why}`)),
    new Promise<'late'>((resolve) => (timer = setTimeout(resolve, seconds * 1000, 'late'))),
  ]);
  clearTimeout(timer);
  child.off('message', heard!);
  if (outcome === 'late') {
    await kill();
    throw new PlumblineError('model-timeout', `no answer within ${seconds} s, so the model process was killed`);
  }
  if (outcome instanceof PlumblineError) throw outcome;
  return outcome;
}

function lastLine(text: string): string {
  const line = text.trim().split('\n').at(-1)!;
  return line === '' ? '' : ` (${line.slice(0, 300)})`;
}
