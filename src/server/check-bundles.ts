import { PlumblineError, type Notice } from '../base/index.ts';
import { mapLabel, resolveTarget, type Mappings } from '../findings/index.ts';
import { labelsOf, type Bundle } from '../inference/index.ts';
import { tasksOf, type AskedTask, type Routes } from '../work/index.ts';
import type { Reading } from './reading.ts';

/**
 * Check every bundle that the routes name, and what each rule asks of it, before anything is read: a study must not be
 * the first to find out.
 * @returns what a person should know: labels without a code
 * @throws PlumblineError as `checkBundle`
 */
export async function checkBundles(reading: Reading): Promise<Notice[]> {
  const notices: Notice[] = [];
  for (const name of new Set(reading.routes.rules.map((r) => r.then.bundle)))
    notices.push(...(await checkBundle(reading, name)));
  return notices;
}

/**
 * One bundle, and what the rules ask of it.
 * @throws PlumblineError bundle-unknown, bundle-invalid, bundle-licence · task-unknown, target-unknown naming the rule
 */
export async function checkBundle(reading: Reading, name: string): Promise<Notice[]> {
  const bundle = await reading.bundle(name);
  for (const rule of reading.routes.rules.filter((r) => r.then.bundle === name)) checkRule(reading, rule, bundle);
  return uncodedLabels(bundle, reading.mappings);
}

type Rule = Routes['rules'][number];

function checkRule(reading: Reading, rule: Rule, bundle: Bundle): void {
  for (const asked of tasksOf(rule)) checkTask(reading, rule, asked, bundle);
}

function checkTask({ targets }: Reading, { name, when }: Rule, asked: AskedTask, bundle: Bundle): void {
  const { manifest } = bundle;
  const task = manifest.tasks[asked.task];
  if (!task)
    throw new PlumblineError(
      'task-unknown',
      `the rule "${name}" asks for the task "${asked.task}", which the bundle ${bundle.name} does not have; it has ${Object.keys(manifest.tasks).join(', ')}`,
      { where: 'routes.json' },
    );
  const wanted = [asked.slots?.['target'] ?? []].flat();
  if (!task.slots.includes('target')) return;
  for (const modality of when.modality ?? ['']) {
    const labels = labelsOf(manifest, modality);
    if (labels.length === 0) continue;
    for (const target of wanted) resolveTarget(targets, { bundle: bundle.name, labels }, target, modality);
  }
}

/** `mapping-miss` for each label of a bundle that mappings/codes.json has no code for in its modality. */
export function uncodedLabels({ name, manifest }: Bundle, mappings: Mappings): Notice[] {
  const notices: Notice[] = [];
  for (const { dicom_modality: modalities, findings = [], organs = [] } of manifest.modalities ?? [])
    for (const label of [...findings, ...organs]) {
      const missed = modalities.filter((m) => mapLabel(mappings, label, m).notice);
      if (missed.length > 0)
        notices.push({
          code: 'mapping-miss',
          message: `The bundle ${name} names "${label}" in ${missed.join(', ')}, which codes.json has no code for: it is written with this text and a general code`,
        });
    }
  return notices;
}
