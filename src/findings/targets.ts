import { PlumblineError, schemaProblems } from '../base/index.ts';
import { targetsSchema } from './mapping-schemas.ts';

/** mappings/targets.json, checked: what can be asked to be segmented, and by which other names. */
export interface Targets {
  readonly entries: readonly TargetEntry[];
}

export interface TargetEntry {
  readonly label: string;
  readonly synonyms: readonly string[];
  /** DICOM modalities in which the names mean this. */
  readonly modalities: readonly string[];
}

/**
 * Check the parsed content of mappings/targets.json.
 * @throws PlumblineError mappings-invalid: schema broken, or a name that means two things in one modality
 */
export function loadTargets(value: unknown): Targets {
  const problems = schemaProblems(targetsSchema, value);
  if (problems.length > 0) throw invalid(problems.map((p) => `targets.json${p.path}: ${p.message}`).join('; '));
  const entries = (value as { targets: readonly TargetEntry[] }).targets;
  const taken = new Map<string, string>();
  for (const { label, synonyms, modalities } of entries)
    for (const name of new Set([label, ...synonyms].map(foldName)))
      for (const modality of modalities) {
        const before = taken.get(`${modality} ${name}`);
        if (before !== undefined)
          throw invalid(`targets.json: "${name}" is both ${before} and ${label} in ${modality}`);
        taken.set(`${modality} ${name}`, label);
      }
  return { entries };
}

/** What a bundle can segment. */
export interface KnownTargets {
  /** Of the bundle, for messages. */
  readonly bundle: string;
  /** In the bundle's own words; with `*` any other words too. Empty: the bundle does not say. */
  readonly labels: readonly string[];
}

/**
 * The bundle's own word for what a person asked for: the same word whatever its case and spelling, or a synonym in images
 * of this modality. A bundle that does not say what it knows is asked for what targets.json has for the modality.
 * @param modality DICOM
 * @throws PlumblineError target-unknown, naming the nearest that the bundle knows
 */
export function resolveTarget(targets: Targets, known: KnownTargets, asked: string, modality: string): string {
  const open = known.labels.includes('*');
  const stated = known.labels.filter((l) => l !== '*');
  const here = targets.entries.filter((e) => e.modalities.includes(modality));
  const labels = stated.length > 0 || open ? stated : here.map((e) => e.label);
  const found = labels.find((l) => sameTarget(targets, l, asked, modality));
  if (found !== undefined) return found;
  if (open) return asked;
  const said = nearest(targets, labels, asked, modality);
  const some = said.map((l) => `"${l}"`).join(', ') || 'nothing';
  const all = labels.length > said.length ? `; it knows ${labels.length} in ${modality}` : '';
  throw new PlumblineError(
    'target-unknown',
    `the bundle ${known.bundle} knows no "${asked}" in ${modality}; nearest: ${some}${all}`,
    { where: asked },
  );
}

/** Whether two names mean the same in images of a modality. */
export function sameTarget(targets: Targets, a: string, b: string, modality: string): boolean {
  const [x, y] = [foldName(a), foldName(b)];
  return x === y || namesOf(targets, x, modality).has(y);
}

/** All names, folded, of the entry that has this name; none where there is none. */
function namesOf(targets: Targets, folded: string, modality: string): ReadonlySet<string> {
  for (const { label, synonyms, modalities } of targets.entries) {
    if (!modalities.includes(modality)) continue;
    const names = new Set([label, ...synonyms].map(foldName));
    if (names.has(folded)) return names;
  }
  return new Set();
}

/**
 * A name without what does not change its meaning: case, accents, punctuation, articles, plural s, and British spelling
 * (haemorrhage, oesophagus, tumour, fibre, disk). What it gives is for comparing, not for showing.
 */
export function foldName(name: string): string {
  return name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/['’]s\b/g, '')
    .replace(/[^a-z0-9]+/g, ' ')
    .trim()
    .split(' ')
    .filter((word) => !['the', 'a', 'an'].includes(word))
    .map(foldWord)
    .join(' ');
}

function foldWord(word: string): string {
  const american = word
    .replace(/ae|oe/g, 'e')
    .replace(/our(s?)$/, 'or$1')
    .replace(/([bt])re(s?)$/, '$1er$2')
    .replace(/disk(s?)$/, 'disc$1');
  return american.length > 3 ? american.replace(/([^s])s$/, '$1') : american;
}

/** At most three labels of which some name, or a word of one, is nearest to what was asked. */
function nearest(targets: Targets, labels: readonly string[], asked: string, modality: string): string[] {
  const wanted = foldName(asked);
  const distance = (label: string): number => {
    const folded = foldName(label);
    const names = [folded, ...namesOf(targets, folded, modality)];
    const words = names.flatMap((name) => name.split(' ').filter((word) => word.length > 3));
    return Math.min(
      ...names.map((name) => editDistance(name, wanted)),
      ...words.map((word) => editDistance(word, wanted) + 0.5),
    );
  };
  return labels
    .map((label) => ({ label, d: distance(label) }))
    .sort((a, b) => a.d - b.d)
    .slice(0, 3)
    .map(({ label }) => label);
}

/** Insertions, deletions and replacements of characters that make one text the other (Levenshtein). */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length]!;
}

function invalid(message: string): PlumblineError {
  return new PlumblineError('mappings-invalid', message);
}
