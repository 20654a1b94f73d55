import { mapLabel } from '../../findings/index.ts';
import type { Bundle, Manifest, Task } from '../../inference/index.ts';
import { uncodedLabels, type Reading } from '../../server/index.ts';
import { megabytes, say, sayJson, withReading, type ModelOptions } from './common.ts';

/** `plumbline models explain NAME` */
export function explainModel(name: string, options: ModelOptions): Promise<void> {
  return withReading(options, async (reading) => {
    const bundle = await reading.bundle(name);
    if (options.json) return sayJson(facts(bundle, reading));
    for (const line of explained(bundle, reading)) say(line);
  });
}

/** What a bundle says of itself, without graphs and files. */
function facts(bundle: Bundle, reading: Reading): object {
  const { graphs: _graphs, files, golden, ...said } = bundle.manifest;
  return {
    bundle: bundle.name,
    digest: bundle.ref.digest,
    ...said,
    files: Object.keys(files).length,
    goldens: golden?.length ?? 0,
    uncoded: uncodedLabels(bundle, reading.mappings).map((n) => n.message),
  };
}

/** In words, line by line. */
export function explained(bundle: Bundle, reading: Pick<Reading, 'mappings'>): string[] {
  const m = bundle.manifest;
  const bytes = Object.values(m.files).reduce((sum, f) => sum + f.bytes, 0);
  return [
    `${bundle.name}: ${m.name} ${m.version}`,
    `  folder    ${bundle.dir}, ${Object.keys(m.files).length} files, ${megabytes(bytes)}`,
    `  digest    ${bundle.ref.digest}`,
    `  licence   ${m.licence}`,
    `  made for  ${m.intended_use}`,
    '',
    'Tasks',
    ...Object.entries(m.tasks).flatMap(([key, task]) => taskLines(key, task)),
    '',
    'Sees',
    ...modalityLines(m),
    '',
    'Pictures',
    `  for words  ${pictureWords(m.preprocess.vision)}; ${tileWords(m.preprocess.vision)}`,
    `  for masks  ${pictureWords(m.preprocess.sam)}; masks come as ${m.masks.width} x ${m.masks.height} and are upsampled${m.masks.upsample_via ? ` over ${m.masks.upsample_via.join(' x ')}` : ''}`,
    ...(m.region_prompt
      ? [`  a region   is shown as a box of ${m.region_prompt.width_px} px, drawn on the ${m.region_prompt.stage} picture`]
      : []),
    '',
    'Limits',
    `  a prompt of ${m.limits.max_prompt_tokens} tokens with its picture, an answer of ${m.limits.max_new_tokens} tokens, ${m.limits.max_masks} masks`,
    '',
    'Codes',
    ...codeLines(bundle, reading),
    '',
    `Goldens: ${m.golden?.length ?? 0}${m.golden?.length ? ` (plumbline models verify ${bundle.name})` : ', so nothing can be verified'}`,
  ];
}

function taskLines(key: string, task: Task): string[] {
  const prompts = task.prompt === undefined ? (task.prompts ?? []) : [task.prompt];
  const needs = [...task.slots.map((s) => `{${s}}`), ...(task.needs_box ? ['a box'] : [])];
  return [
    `  ${key}${needs.length > 0 ? `, needs ${needs.join(' and ')}` : ''}: ${tieWords(task)}`,
    ...prompts.map((p) => `      "${p.replaceAll('\n', '\\n')}"`),
  ];
}

/** How the answer's words and masks belong together. */
function tieWords({ grounded, grounding, sentences }: Task): string {
  if (!grounded || grounding === 'none') return 'words without masks';
  const tie = {
    'phrase-then-seg': 'each mask follows the phrase that it shows',
    'seg-then-phrase': 'each mask comes before the phrase that it shows',
    slot: 'the mask shows what was asked for',
  }[grounding];
  return sentences === 'whole' ? `${tie}; one mask for the whole answer` : tie;
}

function modalityLines(m: Manifest): string[] {
  const listed = (m.modalities ?? []).flatMap((e) => [
    `  ${e.key}${e.view ? `, ${e.view}` : ''} (${e.dicom_modality.join(', ')}); sides are those of the ${e.laterality}`,
    ...(e.findings?.length ? [`      findings  ${e.findings.join(', ')}`] : []),
    ...(e.organs?.length ? [`      organs    ${e.organs.join(', ')}`] : []),
  ]);
  const more = (m.targets ?? []).length > 0 ? [`  in any of them: ${m.targets!.map((t) => (t === '*' ? 'any words' : t)).join(', ')}`] : [];
  const all = [...listed, ...more];
  return all.length > 0 ? all : ['  it does not say'];
}

function pictureWords({ width, height, geometry, resample }: Manifest['preprocess']['sam']): string {
  return `${width} x ${height}, ${geometry}, ${resample}`;
}

function tileWords({ tiling }: Manifest['preprocess']['vision']): string {
  const many = tiling.max > 1 ? `${tiling.min} to ${tiling.max} tiles${tiling.thumbnail ? ' and the whole' : ''}` : 'one tile';
  return `${many} of ${tiling.tokens_per_tile} tokens`;
}

function codeLines({ manifest }: Bundle, { mappings }: Pick<Reading, 'mappings'>): string[] {
  const pairs = (manifest.modalities ?? []).flatMap(({ dicom_modality: modalities, findings = [], organs = [] }) =>
    modalities.flatMap((modality) => [...findings, ...organs].map((label) => ({ label, modality }))),
  );
  const mapped = pairs.map((p) => ({ ...p, found: mapLabel(mappings, p.label, p.modality) }));
  const missed = mapped.filter((p) => p.found.notice);
  const broader = mapped.filter((p) => !p.found.notice && p.found.broader);
  const named = (list: typeof mapped): string => list.map((p) => `${p.label} (${p.modality})`).join(', ');
  return [
    `  ${mapped.length - missed.length} of ${mapped.length} labels of a modality have a code`,
    ...(missed.length > 0 ? [`  without (mapping-miss): ${named(missed)}`] : []),
    ...(broader.length > 0 ? [`  with a code that says less than the label: ${named(broader)}`] : []),
  ];
}
