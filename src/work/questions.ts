import { PlumblineError, type Answer, type Picture, type SecondMask } from '../base/index.ts';
import { unshownOf, type AnswerForm, type Mappings } from '../findings/index.ts';
import { promptOf, type Bundle, type Manifest, type Question, type Runtime } from '../inference/index.ts';
import type { RouteDecision } from './routes.ts';

/** The questions of a route about each picture: one, or one for each value where a slot has several. */
export function questionsOf({ task, prompt, slots = {} }: RouteDecision): Question[] {
  let all: Readonly<Record<string, string>>[] = [{}];
  for (const [slot, given] of Object.entries(slots))
    all = all.flatMap((known) => [given].flat().map((value) => ({ ...known, [slot]: value })));
  return all.map((values) => ({
    task,
    ...(prompt === undefined ? {} : { prompt }),
    ...(Object.keys(values).length === 0 ? {} : { slots: values }),
  }));
}

/** How the answers to a route tie words to masks. */
export function answerForm({ manifest }: Bundle, { task: name, region }: RouteDecision): AnswerForm {
  const task = manifest.tasks[name]!;
  return {
    grounding: task.grounded ? task.grounding : 'none',
    sentences: task.sentences,
    ...(region && { region: true }),
  };
}

/** The question that asks a bundle to show something by its name. */
export interface ShowTask {
  readonly task: string;
  readonly slot: string;
}

/** The bundle's task that takes one name and gives its mask: `segment`, or the only one of its kind. */
export function showTask(manifest: Manifest): ShowTask | undefined {
  const fit = Object.entries(manifest.tasks).filter(
    ([, t]) => t.grounded && !t.needs_box && t.slots.length === 1 && t.prompt !== undefined,
  );
  const [task, found] = fit.find(([name]) => name === 'segment') ?? (fit.length === 1 ? fit[0]! : []);
  return task === undefined ? undefined : { task, slot: found!.slots[0]! };
}

interface Asking {
  readonly runtime: Pick<Runtime, 'ask'>;
  readonly manifest: Manifest;
  readonly form: AnswerForm;
  readonly mappings: Mappings;
}

/**
 * The same answers, each claim that an answer does not show asked for in a question of its own about the same picture: the
 * bundle's segmentation task, up to its first mask. Equal words are asked for once. What the answer ties to a mask is not
 * asked for again, and what the bundle has no task for stays without.
 */
export async function showClaims(
  { runtime, manifest, form, mappings }: Asking,
  picture: Picture,
  modality: string,
  answers: readonly Answer[],
): Promise<Answer[]> {
  const show = showTask(manifest);
  if (!show) return [...answers];
  const claims = answers.map((a) => unshownOf(a, form, modality, mappings));
  const names = new Set<string>();
  for (const { label } of claims.flat()) {
    const name = label.toLowerCase();
    if (names.size < manifest.limits.max_masks && isAskable(manifest, show, name)) names.add(name);
  }
  const asked = [...names].map((name) => ({ task: show.task, slots: { [show.slot]: name }, untilMask: true }));
  const shown = asked.length === 0 ? [] : await runtime.ask(picture, asked);
  const said = new Map([...names].map((name, i) => [name, shown[i]!]));
  return answers.map((answer, i) => ({
    ...answer,
    second: claims[i]!.flatMap(({ sentence, start, end, label }): SecondMask[] => {
      const second = said.get(label.toLowerCase());
      if (!second) return [];
      return [{ sentence, start, end, by: 'model', text: second.text, mask: second.masks[0] ?? null }];
    }),
  }));
}

/** Words of an answer may spell one of the model's control tokens: these are not asked for. */
function isAskable(manifest: Manifest, { task, slot }: ShowTask, name: string): boolean {
  try {
    promptOf(manifest, { task, slots: { [slot]: name } });
    return true;
  } catch (e) {
    if (e instanceof PlumblineError && e.code === 'prompt-invalid') return false;
    throw e;
  }
}
