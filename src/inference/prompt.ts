import { PlumblineError } from '../base/index.ts';
import type { Manifest } from './manifest.ts';
import type { Box } from './region.ts';

/** What to ask about each picture. */
export interface Request {
  /** A key of the manifest's `tasks`. */
  readonly task: string;
  /** In place of the task's own words; may hold the task's slots. */
  readonly prompt?: string;
  /** Values of `{slot}` in the prompt; `{a slot}` puts the article before it. */
  readonly slots?: Readonly<Record<string, string>>;
  /** Needed by tasks with `needs_box`, refused by others. */
  readonly box?: Box;
}

/** One of several questions about a picture. */
export interface Question extends Request {
  /** The answer, where it is there already: it is only read, and its masks are made. */
  readonly text?: string;
  /** The answer may end with its first mask: what is said after it is not wanted. */
  readonly untilMask?: boolean;
}

/**
 * The words that the model is asked, slots filled.
 * @throws PlumblineError task-unknown where the task, its prompt, a slot or the box is missing or wrong;
 * prompt-invalid where a value holds one of the model's control tokens
 */
export function promptOf(m: Manifest, request: Request): string {
  const task = m.tasks[request.task];
  if (!task)
    throw unknown(`the bundle ${m.name} has no task "${request.task}"; it has ${Object.keys(m.tasks).join(', ')}`);
  checkBox(m, request);
  const template = request.prompt ?? task.prompt;
  if (template === undefined)
    throw unknown(
      `the task "${request.task}" has several prompts, so name one: ${task.prompts!.map((p) => `"${p}"`).join(', ')}`,
    );
  if (template.trim() === '') throw new PlumblineError('prompt-invalid', 'the prompt is empty');
  for (const value of [request.prompt, ...Object.values(request.slots ?? {})])
    if (value !== undefined) refuseControl(m, value);
  return template.replace(/\{(an? )?([\p{L}\p{N}_]+)\}/gu, (whole, article: string | undefined, slot: string) => {
    const value = request.slots?.[slot];
    if (value !== undefined) return article === undefined ? value : `${/^[aeiou]/i.test(value) ? 'an' : 'a'} ${value}`;
    if (task.slots.includes(slot)) throw unknown(`the task "${request.task}" needs a value for its slot "${slot}"`);
    return whole;
  });
}

/** The whole text before tokenising: chat template, image context of `visualTokens` tokens, prompt. */
export function chatText(m: Manifest, prompt: string, visualTokens: number): string {
  const image = m.chat.image.replaceAll('{context}', m.chat.context.repeat(visualTokens));
  const parts: Record<string, string> = { system: m.chat.system ?? '', image, prompt };
  return m.chat.template.replace(/\{(system|image|prompt)\}/g, (_, key: string) => parts[key]!);
}

/** Control tokens in a prompt would let its writer close the turn, or add image places that no image fills. */
function refuseControl(m: Manifest, text: string): void {
  const found = Object.values(m.special_tokens).find((t) => text.includes(t.text));
  if (found)
    throw new PlumblineError(
      'prompt-invalid',
      `the prompt holds "${found.text}", which is a control token of the bundle ${m.name}`,
    );
}

function checkBox(m: Manifest, { task, box }: Request): void {
  const needed = m.tasks[task]!.needs_box;
  if (needed && !box) throw unknown(`the task "${task}" is about a region: give its box`);
  if (box && !needed) throw unknown(`the task "${task}" takes no box`);
  if (!box) return;
  if (!m.region_prompt) throw unknown(`the bundle ${m.name} does not say how a region is shown (region_prompt)`);
  const [x0, y0, x1, y1] = box;
  if (!(0 <= x0 && x0 < x1 && x1 <= 1 && 0 <= y0 && y0 < y1 && y1 <= 1))
    throw unknown(`the box must be x0 < x1, y0 < y1, all from 0 to 1; it is ${box.join(', ')}`);
}

function unknown(message: string): PlumblineError {
  return new PlumblineError('task-unknown', message);
}
