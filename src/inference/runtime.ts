import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { PlumblineError, type Answer, type Notice, type Picture } from '../base/index.ts';
import type { Bundle } from './bundle.ts';
import { startChild, type Child } from './process.ts';
import { promptOf, type Question, type Request } from './prompt.ts';
import { carry, unpack, type Reply } from './protocol.ts';
import type { Provider } from './graphs.ts';

export interface RuntimeOptions {
  /** Execution provider. Default `cpu`. */
  readonly provider?: Provider;
  /** Go on with `cpu`, with a notice, where the provider cannot be had. Default true. */
  readonly fallback?: boolean;
  /** Threads of one graph. Default: the processors, at most 4. */
  readonly threads?: number;
  /** Longest time for one question about one picture before the process is killed, seconds. Default 60. */
  readonly seconds?: number;
  /** Longest time to open the graphs, seconds. Default 120. */
  readonly startSeconds?: number;
  /** Most resident memory of the model's process, MiB. Default 4096. */
  readonly memoryMb?: number;
  /** A new process after so many pictures. Default 1000. */
  readonly recycleAfter?: number;
  /** What was seen of pictures is kept for later questions, up to so many MiB. Default 64. */
  readonly imageMemoryMb?: number;
  /** Where large pictures and masks pass by. Default: the system's folder for temporary files. */
  readonly tempDir?: string;
  /** Called where a process was killed or died and is started again. */
  readonly onRestart?: (why: PlumblineError) => void;
  /** The program of the child process, for tests. */
  readonly entry?: URL;
}

/** A bundle at work in a process of its own. Calls may overlap; they are done one after the other. */
export interface Runtime {
  /** The provider in use. */
  readonly provider: string;
  /** What a person should know, e.g. `provider-fallback`. */
  readonly notices: readonly Notice[];
  /**
   * One answer for each picture, in their order; pictures are independent of each other.
   * @param onProgress called after each picture with the number done
   * @throws PlumblineError task-unknown · prompt-invalid · prompt-too-long · model-timeout and model-crashed (after one
   * more try) · runtime-closed
   */
  answer(
    pictures: readonly Picture[],
    request: Request,
    onProgress?: (done: number, of: number) => void,
  ): Promise<Answer[]>;
  /** One answer for each question about one picture, which is encoded once for all of them. Throws as `answer` does. */
  ask(picture: Picture, questions: readonly Question[]): Promise<Answer[]>;
  /** Ends the process at once; work under way fails with runtime-closed. */
  close(): Promise<void>;
}

/**
 * Start a bundle. Resolves when its graphs are open.
 * @throws PlumblineError bundle-invalid · provider-missing · model-timeout and model-crashed where it does not start
 * after three tries
 */
export async function createRuntime(bundle: Bundle, options: RuntimeOptions = {}): Promise<Runtime> {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const o: Settled = { ...defaults(), ...given };
  const folder = await mkdtemp(join(o.tempDir, 'plumbline-'));
  const pool = new Restarting(bundle, o, folder);
  const { provider, notices } = await pool.start().catch(async (e: unknown) => {
    await pool.close();
    throw e;
  });
  return {
    provider,
    notices,
    answer: (pictures, request, onProgress) => answerAll(pool, bundle, pictures, request, onProgress),
    ask: async (picture, questions) => {
      for (const question of questions) promptOf(bundle.manifest, question);
      return questions.length === 0 ? [] : pool.ask(picture, questions);
    },
    close: () => pool.close(),
  };
}

function defaults() {
  return {
    provider: 'cpu' as Provider,
    fallback: true,
    threads: Math.min(4, availableParallelism()),
    seconds: 60,
    startSeconds: 120,
    memoryMb: 4096,
    recycleAfter: 1000,
    imageMemoryMb: 64,
    tempDir: tmpdir(),
    entry: new URL(`./child${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
    onRestart: (_why: PlumblineError): void => {},
  };
}
type Settled = ReturnType<typeof defaults>;

async function answerAll(
  pool: Restarting,
  bundle: Bundle,
  pictures: readonly Picture[],
  request: Request,
  onProgress?: (done: number, of: number) => void,
): Promise<Answer[]> {
  promptOf(bundle.manifest, request);
  const answers: Answer[] = [];
  for (const picture of pictures) {
    answers.push(...(await pool.ask(picture, [request])));
    onProgress?.(answers.length, pictures.length);
  }
  return answers;
}

type Opened = Extract<Reply, { kind: 'opened' }>;

/** A model process that is replaced when it hangs, dies, or has worked long enough. */
class Restarting {
  readonly #bundle: Bundle;
  readonly #options: Settled;
  readonly #folder: string;
  #child: Child | undefined;
  #asked = 0;
  #orders = 0;
  #closed = false;
  /** The end of the queue: one order at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(bundle: Bundle, options: Settled, folder: string) {
    this.#bundle = bundle;
    this.#options = options;
    this.#folder = folder;
  }

  /** Three tries with growing pauses; what another try cannot mend is thrown at once. */
  async start(): Promise<Opened> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#open();
      } catch (e) {
        await this.#kill();
        if (!isMishap(e) || attempt === 3) throw e;
        this.#options.onRestart(e);
        await pause(250 * 4 ** (attempt - 1));
      }
    }
  }

  /** Ask about one picture; once more on a new process where the first hung or died. */
  ask(picture: Picture, questions: readonly Question[]): Promise<Answer[]> {
    const turn = this.#last.then(async () => {
      try {
        return await this.#once(picture, questions);
      } catch (e) {
        if (!isMishap(e)) throw e;
        await this.#kill();
        this.#options.onRestart(e);
      }
      try {
        return await this.#once(picture, questions);
      } catch (e) {
        if (isMishap(e)) await this.#kill();
        throw e;
      }
    });
    this.#last = turn.catch(() => {});
    return turn;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #open(): Promise<Opened> {
    this.#refuseClosed();
    const { provider, fallback, threads, startSeconds, memoryMb, imageMemoryMb, entry } = this.#options;
    this.#child = startChild(entry, [this.#folder, String(memoryMb)]);
    this.#asked = 0;
    const { dir, manifest } = this.#bundle;
    const reply = await this.#child.send(
      { kind: 'open', dir, manifest, options: { provider, fallback, threads, memoryBytes: imageMemoryMb * 2 ** 20 } },
      startSeconds,
    );
    return expected(reply, 'opened');
  }

  async #once(picture: Picture, questions: readonly Question[]): Promise<Answer[]> {
    this.#refuseClosed();
    if (this.#asked >= this.#options.recycleAfter) await this.#kill();
    if (!this.#child) await this.start();
    this.#asked++;
    try {
      const carried = await carry(picture, this.#folder, `picture-${this.#orders++}`);
      const order = { kind: 'answer' as const, picture: carried, questions };
      const reply = await this.#child!.send(order, this.#options.seconds * questions.length);
      return [...(await unpack(expected(reply, 'answered').answers))];
    } catch (e) {
      this.#refuseClosed();
      throw e;
    }
  }

  /** Pictures that were on their way to the process are not left behind. */
  async #kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child) return;
    await child.kill();
    for (const file of await readdir(this.#folder)) await rm(join(this.#folder, file), { force: true });
  }

  #refuseClosed(): void {
    if (this.#closed)
      throw new PlumblineError('runtime-closed', `the model ${this.#bundle.name} was stopped`, {
        where: this.#bundle.name,
      });
  }
}

/** A hang or a crash, which a new process may mend; everything else is an answer. */
function isMishap(e: unknown): e is PlumblineError {
  return e instanceof PlumblineError && (e.code === 'model-timeout' || e.code === 'model-crashed');
}

function expected<K extends Reply['kind']>(reply: Reply, kind: K): Extract<Reply, { kind: K }> {
  if (reply.kind === 'failed')
    throw new PlumblineError(reply.code, reply.message, reply.where === undefined ? {} : { where: reply.where });
  if (reply.kind !== kind)
    throw new PlumblineError('internal', `the model process answered "${reply.kind}" where "${kind}" was due`);
  return reply as Extract<Reply, { kind: K }>;
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
