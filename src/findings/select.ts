import { countBits, emptyBits, type MaskPlane, type Notice, type Stack } from '../base/index.ts';
import { keyOf } from './claims.ts';
import { planeName, type Collected, type Said, type Unit } from './collect.ts';
import { joinPieces } from './join.ts';
import { mapLabel, type MappedLabel, type Mappings } from './mappings.ts';
import type { Stretch } from './negation.ts';
import { layPatch } from './place.ts';

/** What a positive claim is about after joining: becomes one finding. */
export interface Group {
  readonly stack: Stack;
  readonly key: string;
  readonly units: readonly Unit[];
  /** The unit whose sentence speaks for all. */
  readonly main: Unit;
  /** Non-empty planes, growing; none if ungrounded. */
  readonly planes: readonly MaskPlane[];
  readonly pixels: number;
  /** -1 if ungrounded. */
  readonly keyPlane: number;
  readonly reason?: Notice;
}

/** A sentence that stays in the draft. */
export interface Kept {
  readonly said: Said;
  /** How many planes said just this. */
  readonly times: number;
  readonly denied: readonly Denied[];
  readonly warnings: readonly Notice[];
}

export interface Denied extends Stretch {
  readonly label: string;
  readonly mapped: MappedLabel;
}

export interface Selected {
  readonly kept: readonly Kept[];
  readonly groupOf: ReadonlyMap<Unit, Group>;
  readonly notices: readonly Notice[];
}

/**
 * Choose the sentences of the draft. In a volume, masks of equal label that touch across neighbouring planes are one
 * finding, and the sentence of its largest plane speaks for it; plain and negative sentences stand once; a
 * negative one stands only where nothing claims that what it denies is there.
 * @param minPixels a finding whose mask has fewer set pixels is ungrounded
 */
export function select(collected: Collected, mappings: Mappings, minPixels: number): Selected {
  const groups = groupUnits(collected, minPixels);
  const groupOf = new Map(groups.flatMap((g) => g.units.map((u) => [u, g] as const)));
  const claimed = new Set(groups.map((g) => g.key));
  const stacksWithClaims = new Set(groups.map((g) => g.stack.id));
  const kept = new Map<string, Kept>();
  const overruled = new Map<string, string[]>();
  for (const said of collected.said) {
    const denied = deniedOf(said, mappings);
    const contradicted = denied.filter((d) => claimed.has(keyOf(d.mapped, d.label)));
    const positive = said.claims.length > 0;
    if (positive && !said.claims.some((c) => groupOf.get(c.unit)!.main === c.unit)) continue;
    const against = contradicted.length > 0 || (said.parsed.deniesAll && stacksWithClaims.has(said.stack.id));
    if (!positive && against) {
      // A part of a plane that denies something speaks of itself alone.
      if (said.picture.part) continue;
      overruled.set(said.parsed.text, [
        ...(overruled.get(said.parsed.text) ?? []),
        planeName(said.stack.id, said.picture.plane),
      ]);
      continue;
    }
    // What stands once stands where it was said first.
    const id = positive
      ? `${said.order}`
      : `text:${said.question ?? ''}:${said.parsed.text}:${denied.map((d) => keyOf(d.mapped, d.label)).join()}`;
    const first = kept.get(id);
    if (first) kept.set(id, { ...first, times: first.times + 1 });
    else
      kept.set(id, {
        said,
        times: 1,
        denied: denied.filter((d) => !contradicted.includes(d)),
        warnings: overruledPart(contradicted),
      });
  }
  return { kept: readingOrder([...kept.values()], collected), groupOf, notices: overruledNotices(overruled) };
}

function groupUnits(collected: Collected, minPixels: number): Group[] {
  const claims = collected.said.flatMap((s) => s.claims.map((c) => ({ said: s, claim: c })));
  const textOf = new Map<Unit, string>();
  for (const { said, claim } of claims) if (!textOf.has(claim.unit)) textOf.set(claim.unit, said.parsed.text);
  const units = [...textOf.keys()];
  const groups: Group[] = [];
  for (const stack of new Set(units.map((u) => u.stack))) {
    const own = units.filter((u) => u.stack === stack);
    const shown = own.filter((u) => u.pixels > 0);
    const joined = joinedUnits(stack, shown, collected);
    const empty = own.filter((u) => u.pixels === 0);
    const atEdge = new Set<Unit>();
    for (const g of joined) {
      const units = g.map((i) => shown[i]!);
      // What a tile sees only where its neighbour speaks is the neighbour's.
      const others = units[0]!.patch ? empty.filter((u) => u.patch && u.key === units[0]!.key) : [];
      others.forEach((u) => atEdge.add(u));
      groups.push(shownGroup([...units, ...others], minPixels));
    }
    const unshown = empty.filter((u) => !atEdge.has(u));
    groups.push(...unshownGroups(unshown, textOf));
  }
  return groups;
}

/** Indices of the units that are one finding: in a volume by touch, of the parts of one plane by label, else each by itself. */
function joinedUnits(stack: Stack, shown: readonly Unit[], collected: Collected): number[][] {
  if (stack.kind === 'volume')
    return joinPieces(shown, collected.read.get(stack.id)!, stack.grid.rows, stack.grid.columns);
  const same = Map.groupBy(shown.keys(), (i) => (shown[i]!.patch ? `${shown[i]!.plane} ${shown[i]!.key}` : `${i}`));
  return [...same.values()];
}

function shownGroup(units: readonly Unit[], minPixels: number): Group {
  const bits = new Map<number, Uint8Array>();
  for (const u of units) {
    const known = bits.get(u.plane);
    const { rows, columns } = u.stack.grid;
    const sum = u.patch || known ? (known ?? emptyBits(rows * columns)) : u.bits.slice();
    if (u.patch) layPatch(sum, columns, u.patch);
    else if (known) u.bits.forEach((b, i) => (sum[i]! |= b));
    bits.set(u.plane, sum);
  }
  const planes = [...bits].map(([plane, b]) => ({ plane, bits: b })).sort((p, q) => p.plane - q.plane);
  const areas = planes.map((p) => countBits(p.bits));
  const pixels = areas.reduce((sum, n) => sum + n, 0);
  const keyPlane = keyPlaneOf(planes, areas);
  const main = units.filter((u) => u.plane === keyPlane).reduce((best, u) => (u.pixels > best.pixels ? u : best));
  const group = { stack: main.stack, key: main.key, units, main };
  if (pixels >= minPixels) return { ...group, planes, pixels, keyPlane };
  const message = `The mask has ${pixels} pixel(s), fewer than ${minPixels}.`;
  return { ...group, planes: [], pixels: 0, keyPlane: -1, reason: { code: 'mask-too-small', message } };
}

/** Plane of largest area; ties: nearest the middle of the mask, then the first. */
function keyPlaneOf(planes: readonly MaskPlane[], areas: readonly number[]): number {
  const largest = Math.max(...areas);
  const middle = (planes[0]!.plane + planes.at(-1)!.plane) / 2;
  const tied = planes.filter((_, i) => areas[i] === largest).map((p) => p.plane);
  return tied.reduce((best, p) => (Math.abs(p - middle) < Math.abs(best - middle) ? p : best));
}

const reasons: Readonly<Record<string, string>> = {
  'mask-empty': 'The model gave an empty mask',
  'mask-missing': 'The model gave no mask',
  'mask-unsure': 'The model scores the mask lower than the gate asks for',
  'mask-denied': 'Asked to show this, the model answered that it is not there',
  'mask-of-another': 'The mask of the answer shows something else',
  'seg-missing': 'The model tied no mask to these words',
  'phrase-missing': 'The model gave a mask without words for it',
  'phrase-unclosed': 'The answer ends before the mask of these words',
  'span-missing': 'The model named this without marking it',
};

/** Claims without mask: in a volume, the same words about the same thing are one. */
function unshownGroups(units: readonly Unit[], textOf: ReadonlyMap<Unit, string>): Group[] {
  const same = new Map<string, Unit[]>();
  for (const [i, u] of units.entries()) {
    const id = u.stack.kind === 'volume' || u.patch ? `${u.key}\n${u.problem}\n${textOf.get(u)}` : `${i}`;
    same.set(id, [...(same.get(id) ?? []), u]);
  }
  return [...same.values()].map((list) => {
    const main = list[0]!;
    const planes = [...new Set(list.map((u) => u.plane))];
    const where = planes.length > 1 ? ` on ${planes.length} planes` : '';
    const reason = { code: main.problem!, message: `${reasons[main.problem!]}${where}.` };
    return { stack: main.stack, key: main.key, units: list, main, planes: [], pixels: 0, keyPlane: -1, reason };
  });
}

/** Words that no mapping knows and that are too many for a name are left to the sentence. */
function deniedOf(said: Said, mappings: Mappings): Denied[] {
  const { text, denied } = said.parsed;
  const named = denied.map((d) => {
    const label = d.label ?? text.slice(d.start, d.end);
    return { ...d, label, mapped: mapLabel(mappings, label, said.stack.modality) };
  });
  return named.filter((d) => !d.mapped.notice || d.label.split(/\s+/).length <= 4);
}

function overruledPart(contradicted: readonly Denied[]): Notice[] {
  return contradicted.map((d) => ({
    code: 'negative-overruled',
    message: `The sentence says that there is no ${d.label}; elsewhere the model says that there is: the denial is not coded.`,
  }));
}

function overruledNotices(overruled: ReadonlyMap<string, readonly string[]>): Notice[] {
  return [...overruled].map(([text, where]) => ({
    code: 'negative-overruled',
    message: `"${text}" was said about ${where.length === 1 ? where[0] : `${where.length} planes`}, but something else says the contrary: left out.`,
  }));
}

/** As the model said it where it answered once; else what it is, what is there, what is not, each in order of planes. */
function readingOrder(kept: readonly Kept[], collected: Collected): Kept[] {
  const severalOf = new Set(collected.said.filter((s) => s.picture.part).map((s) => s.stack.id));
  for (const [id, planes] of collected.read) if (planes.length > 1) severalOf.add(id);
  const rank = (k: Kept) =>
    !severalOf.has(k.said.stack.id) ? 1 : k.said.claims.length > 0 ? 1 : k.said.parsed.negative ? 2 : 0;
  const stacks = [...collected.read.keys()];
  return [...kept].sort(
    (p, q) =>
      stacks.indexOf(p.said.stack.id) - stacks.indexOf(q.said.stack.id) ||
      rank(p) - rank(q) ||
      p.said.order - q.said.order,
  );
}
