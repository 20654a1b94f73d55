import type { Picture } from '../base/index.ts';
import type { Bundle } from './bundle.ts';
import { goldenPicture, goldensOf } from './golden.ts';
import type { Request } from './prompt.ts';
import type { Runtime } from './runtime.ts';

/** How long a bundle takes, picture by picture. */
export interface BundleBench {
  readonly pictures: number;
  /** Stage to milliseconds of one picture, as the runtime's own clock has them. */
  readonly stages: Readonly<Record<string, { readonly median: number; readonly p95: number }>>;
  /** As the caller sees it. */
  readonly pictureMs: { readonly median: number; readonly p95: number };
  /** Generated tokens in the time that decoding took, over all pictures. */
  readonly tokensPerSecond: number;
  readonly tokens: number;
}

/**
 * Ask about the bundle's own goldens again and again; about a grey picture with its first task without a slot where it
 * has none. The first round is not counted: graphs take their memory then.
 */
export async function benchBundle(
  bundle: Bundle,
  runtime: Pick<Runtime, 'answer'>,
  pictures: number,
  onProgress?: (done: number, of: number) => void,
): Promise<BundleBench> {
  const questions = await questionsOf(bundle);
  const first = questions[0]!;
  await runtime.answer([first.picture], first.request);
  const whole: number[] = [];
  const stages = new Map<string, number[]>();
  let tokens = 0;
  for (let i = 0; i < pictures; i++) {
    const { picture, request } = questions[i % questions.length]!;
    const begun = performance.now();
    const [answer] = await runtime.answer([picture], request);
    whole.push(performance.now() - begun);
    tokens += answer!.tokenIds.length;
    for (const [stage, ms] of Object.entries(answer!.timingsMs)) stages.set(stage, [...(stages.get(stage) ?? []), ms]);
    onProgress?.(i + 1, pictures);
  }
  // The first token of each answer comes out of the prefill.
  const decodeMs = (stages.get('decode') ?? []).reduce((sum, ms) => sum + ms, 0);
  return {
    pictures,
    stages: Object.fromEntries([...stages].map(([stage, ms]) => [stage, spread(ms)])),
    pictureMs: spread(whole),
    tokensPerSecond: decodeMs > 0 ? (Math.max(0, tokens - pictures) / decodeMs) * 1000 : 0,
    tokens,
  };
}

interface BenchQuestion {
  readonly picture: Picture;
  readonly request: Request;
}

async function questionsOf(bundle: Bundle): Promise<BenchQuestion[]> {
  const goldens = goldensOf(bundle);
  if (goldens.length > 0)
    return Promise.all(
      goldens.map(async (g) => ({
        picture: await goldenPicture(bundle.dir, g),
        request: { task: g.task, prompt: g.prompt, ...(g.box ? { box: g.box } : {}) },
      })),
    );
  const { tasks, preprocess } = bundle.manifest;
  const [task] = Object.entries(tasks).find(
    ([, t]) => t.prompt !== undefined && t.slots.length === 0 && !t.needs_box,
  ) ?? [Object.keys(tasks)[0]!];
  const { width, height } = preprocess.vision;
  const rgb = new Uint8Array(width * height * 3).fill(128);
  const toSource = { a: 1, b: 0, c: 0, d: 1, e: 0, f: 0 };
  return [{ picture: { stack: 'k1', plane: 0, width, height, rgb, toSource, window: 'none' }, request: { task } }];
}

function spread(values: readonly number[]): { median: number; p95: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  const round = (ms: number): number => Math.round(ms * 10) / 10;
  return { median: round(at(0.5)), p95: round(at(0.95)) };
}
