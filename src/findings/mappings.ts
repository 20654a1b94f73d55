import { canonicalJson, PlumblineError, schemaProblems, sha256, type Code, type Notice } from '../base/index.ts';
import { dicomLab } from './colours.ts';
import type { Concept } from './draft.ts';
import { codesSchema, presenceSchema } from './mapping-schemas.ts';

/** From where a coded side may come; see codesSchema. */
export type SideRule = 'none' | 'paired' | 'eye' | 'left' | 'right';

/** mappings/codes.json and mappings/presence.json, checked and indexed. */
export interface Mappings {
  /** SHA-256 hex over both files' content (key order does not matter). */
  readonly digest: string;
  readonly presence: Readonly<Record<'present' | 'absent', { readonly sr: Code; readonly fhir: Code }>>;
  readonly laterality: Readonly<Record<'left' | 'right' | 'both', Code>>;
  /** Normalised id or alias to entries, in file order. */
  readonly byName: ReadonlyMap<string, readonly MappingEntry[]>;
}

export interface MappingEntry {
  /** Without colour of a finding and without laterality. */
  readonly concept: Omit<Concept, 'laterality'>;
  readonly names: readonly string[];
  readonly modalities: readonly string[];
  readonly side: SideRule;
  /** The type says less than the label. */
  readonly broader: boolean;
  /** Category M: takes the palette of findings; all others keep `concept.rgb`. */
  readonly lesion: boolean;
  /** Seen in pictures that hold both sides of the body, so that the middle of the picture parts left from right. */
  readonly midline: boolean;
}

/** What a label means in images of one modality. */
export interface MappedLabel extends MappingEntry {
  /** `mapping-miss`, if no entry matched: the entry is then `unknown_region`. */
  readonly notice?: Notice;
}

type Triple = readonly [string, string, string];
interface CodesFile {
  readonly categories: Readonly<Record<'A' | 'M' | 'T' | 'B' | 'P', Triple>>;
  readonly laterality: Readonly<Record<'left' | 'right' | 'both', Triple>>;
  readonly entries: readonly CodesEntry[];
}
interface CodesEntry {
  readonly id: string;
  readonly aliases?: readonly string[];
  readonly category: 'A' | 'M' | 'T' | 'B' | 'P';
  readonly type: Triple;
  readonly typeSource: string;
  readonly fallback?: Triple;
  readonly broader?: boolean;
  readonly region?: Triple;
  readonly laterality: SideRule;
  readonly modalities: readonly string[];
  readonly bodyParts?: readonly string[];
  readonly rgb: readonly [number, number, number];
}

const fallbackId = 'unknown_region';
/** Body parts whose pictures hold both sides; a picture of a limb, a breast or an eye shows one. */
const midline = new Set(
  'ABDOMEN BLADDER BRAIN CHEST HEAD HEART KIDNEY LIVER LUNG NECK PANCREAS PELVIS THYROID'.split(' '),
);

/**
 * Check the parsed content of mappings/codes.json and mappings/presence.json and make them ready for look-ups.
 * @throws PlumblineError mappings-invalid: schema broken, a name given twice in one modality, `unknown_region` missing
 */
export function loadMappings(codes: unknown, presence: unknown): Mappings {
  check(codesSchema, codes, 'codes.json');
  check(presenceSchema, presence, 'presence.json');
  const file = codes as CodesFile;
  const { present, absent } = presence as Mappings['presence'];
  const byName = new Map<string, MappingEntry[]>();
  for (const raw of file.entries) {
    const entry = toEntry(raw, file);
    for (const name of entry.names) {
      const others = byName.get(name) ?? [];
      const clash = others.find((o) => o.modalities.some((m) => entry.modalities.includes(m)));
      if (clash) throw invalid(`"${name}" is both ${clash.concept.id} and ${raw.id} in one modality`);
      byName.set(name, [...others, entry]);
    }
  }
  if (!byName.has(fallbackId)) throw invalid(`no entry "${fallbackId}"`);
  const { left, right, both } = file.laterality;
  return {
    digest: sha256(canonicalJson([codes, presence])),
    presence: { present, absent },
    laterality: { left: toCode(left), right: toCode(right), both: toCode(both) },
    byName,
  };
}

/**
 * The concept of a model's label: its id, then its aliases, among the entries for the modality (DICOM, e.g. `CT`).
 * Tried in turn: the label, without ` in <modality>` or a remark in brackets at its end, without side words at its
 * beginning, in American spelling, without a plural s. A code that is
 * not verified is replaced by its fallback; an unknown label becomes `unknown_region` with a notice.
 */
export function mapLabel(mappings: Mappings, label: string, modality: string): MappedLabel {
  const plain = normalise(label);
  const short = plain.replace(/_in_(an?_)?[a-z0-9-]+$/, '').replace(/_\([^)]*\)$/, '');
  const spelt = [plain, short, withoutSide(plain), withoutSide(short)];
  const names = [...spelt, ...spelt.map(american)];
  for (const name of [...names, ...names.map((n) => n.replace(/s$/, ''))]) {
    const found = mappings.byName.get(name)?.find((e) => e.modalities.includes(modality) || e.modalities.includes('*'));
    if (found && (found.concept.id !== fallbackId || name === fallbackId)) return found;
  }
  return {
    ...mappings.byName.get(fallbackId)![0]!,
    notice: {
      code: 'mapping-miss',
      message: `"${label}" has no code in ${modality || 'images without modality'}: written with this text and a general code.`,
    },
  };
}

/**
 * A code in our own scheme for a label whose standard code says less than the label: "no polyp" must not become
 * "no lesion". At most 16 characters (SH).
 */
export function privateCode(label: string): Code {
  const name = normalise(label);
  const value = /^[a-z0-9_-]{1,16}$/.test(name) ? name : sha256(name).slice(0, 16);
  return { value, scheme: '99PLUMBLINE', meaning: label.slice(0, 64) };
}

/** Lower case, white space and hyphens to one underscore each. */
export function normalise(label: string): string {
  return label
    .normalize('NFC')
    .trim()
    .toLowerCase()
    .replace(/[\s_-]+/g, '_');
}

/** Entries are spelt the American way; models and people also write the British. */
function american(name: string): string {
  return name
    .replaceAll('tumour', 'tumor')
    .replaceAll(/(?<=^|_)oesophag/g, 'esophag')
    .replaceAll(/(?<=^|_)oedema/g, 'edema')
    .replaceAll(/(?<=^|_|r)haemorr?h?/g, (h) => h.replace('ae', 'e'))
    .replaceAll(/(?<=^|_)naev/g, 'nev');
}

function withoutSide(name: string): string {
  return name.replace(/^(the_)?(left|right|bilateral)_/, '');
}

function toEntry(raw: CodesEntry, file: CodesFile): MappingEntry {
  if ((raw.typeSource === 'unverified') !== (raw.fallback !== undefined))
    throw invalid(`${raw.id}: a fallback belongs to an unverified type, and only there`);
  return {
    concept: {
      id: raw.id,
      category: toCode(file.categories[raw.category]),
      type: toCode(raw.fallback ?? raw.type),
      ...(raw.region && { region: toCode(raw.region) }),
      rgb: raw.rgb,
      lab: dicomLab(raw.rgb),
    },
    names: [...new Set([raw.id, ...(raw.aliases ?? [])].map(normalise))],
    modalities: raw.modalities,
    side: raw.laterality,
    broader: raw.broader === true || raw.typeSource === 'unverified',
    lesion: raw.category === 'M',
    midline: raw.bodyParts?.every((p) => midline.has(p)) ?? false,
  };
}

function toCode([value, scheme, meaning]: Triple): Code {
  return { value, scheme, meaning };
}

function check(schema: object, value: unknown, file: string): void {
  const problems = schemaProblems(schema, value);
  if (problems.length > 0) throw invalid(problems.map((p) => `${file}${p.path}: ${p.message}`).join('; '));
}

function invalid(message: string): PlumblineError {
  return new PlumblineError('mappings-invalid', message);
}
