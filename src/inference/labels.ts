import type { Manifest } from './manifest.ts';

/**
 * What a bundle says that it can segment in images of a modality: findings and organs of its entries for it, and its
 * `targets`; `*` among them stands for any words. Of a modality that it does not list, all that it knows.
 * @param modality DICOM; absent for all
 */
export function labelsOf(m: Manifest, modality?: string): string[] {
  const listed = m.modalities ?? [];
  const here = listed.filter((e) => modality === undefined || e.dicom_modality.includes(modality));
  const entries = here.length > 0 ? here : listed;
  return [...new Set([...entries.flatMap((e) => [...(e.findings ?? []), ...(e.organs ?? [])]), ...(m.targets ?? [])])];
}

/** Labels, tasks and modality keys that some part of a manifest names and no other part has. */
export function labelProblems(m: Manifest): string[] {
  const labels = labelsOf(m);
  const closed = labels.length > 0 && !labels.includes('*');
  const known = new Set(labels.map((l) => l.toLowerCase()));
  const keys = new Set((m.modalities ?? []).map((e) => e.key));
  const coded = Object.keys((m.codes?.['findings'] ?? {}) as object);
  // A phrase may say more than a label: "a small renal cyst".
  const mentions = (phrase: string): boolean => [...known].some((label) => phrase.toLowerCase().includes(label));
  const unknown = (label: string): boolean => closed && !known.has(label.toLowerCase());
  const problems = coded
    .filter(unknown)
    .map((l) => `codes: "${l}" is no finding or organ of modalities and none of targets`);
  for (const [i, golden] of (m.golden ?? []).entries()) {
    const { id, modality, task, text } = golden as Partial<Record<'id' | 'modality' | 'task' | 'text', unknown>>;
    const name = `golden ${typeof id === 'string' ? id : i + 1}`;
    if (typeof modality === 'string' && keys.size > 0 && !keys.has(modality))
      problems.push(`${name}: modality "${modality}" is none of modalities (${[...keys].join(', ')})`);
    if (typeof task === 'string' && !(task in m.tasks))
      problems.push(`${name}: task "${task}" is none of tasks (${Object.keys(m.tasks).join(', ')})`);
    else if (typeof task === 'string' && typeof text === 'string' && m.tasks[task]!.sentences === 'per-mask')
      for (const phrase of phrasesOf(m, text).filter((p) => closed && !mentions(p)))
        problems.push(`${name}: "${phrase}" holds no finding or organ of modalities and none of targets`);
  }
  return problems;
}

/** What an answer marks as phrases that masks belong to. */
function phrasesOf({ special_tokens: { phrase_start: start, phrase_end: end } }: Manifest, text: string): string[] {
  return text
    .split(start.text)
    .slice(1)
    .map((part) => part.split(end.text)[0]!.trim());
}
