import {
  derivedUid,
  sha256,
  type Answer,
  type BundleRef,
  type MaskPlane,
  type MaskSet,
  type Notice,
  type PassedOver,
  type Stack,
} from '../base/index.ts';
import { collect, type Claim, type Collected, type Said } from './collect.ts';
import { dicomLab, findingColour } from './colours.ts';
import type { Concept, Draft, DraftMask, Finding, Sentence } from './draft.ts';
import { privateCode, type MappedLabel, type Mappings } from './mappings.ts';
import { measureMask } from './measure.ts';
import type { AnswerForm } from './parse.ts';
import { centroidOf, type PicturePlace } from './place.ts';
import { select, type Group, type Kept } from './select.ts';
import { checkDraft } from './check.ts';
import { codedSide, wordWarnings, type SideSources } from './check-words.ts';

export interface DraftInput extends SideSources {
  /** Workitem key, SHA-256 hex. */
  readonly key: string;
  readonly studyUid: string;
  readonly task: string;
  readonly prompt: string;
  readonly bundle: BundleRef;
  readonly form: AnswerForm;
  readonly stacks: readonly Stack[];
  /** Of every answer its picture; `Picture` fits. */
  readonly pictures: readonly PicturePlace[];
  readonly answers: readonly Answer[];
  readonly mappings: Mappings;
  /** ISO 8601 UTC. */
  readonly createdAt: string;
  readonly inputDigest: string;
  readonly coverage: { readonly notRead: readonly PassedOver[] };
  /** Of the stages before. */
  readonly notices: readonly Notice[];
  /** Findings with fewer set pixels are ungrounded. Default 4. */
  readonly minMaskPixels?: number;
  /** Masks that the model scores lower prove nothing, 0 to 1. Default 0. */
  readonly minMaskScore?: number;
}

/**
 * Answers of a model to one draft of one study. The order of `answers` does not matter.
 * Every positive sentence ends `linked` or `ungrounded`; no set pixel of a linked mask is lost or invented.
 * @throws PlumblineError draft-invalid: answers, pictures and stacks do not fit together
 */
export function makeDraft(input: DraftInput): { readonly draft: Draft; readonly masks: MaskSet } {
  const collected = collect(input);
  const selected = select(collected, input.mappings, input.minMaskPixels ?? 4);
  const built = build(input, collected, selected.kept, selected.groupOf);
  const draft: Draft = {
    schema: 'plumbline.draft/1',
    version: 1,
    key: input.key,
    studyUid: input.studyUid,
    task: input.task,
    prompt: input.prompt,
    createdAt: input.createdAt,
    bundle: input.bundle,
    mappingDigest: input.mappings.digest,
    inputDigest: input.inputDigest,
    stacks: input.stacks,
    sentences: built.sentences,
    findings: built.findings,
    masks: built.drafted,
    coverage: {
      read: input.stacks.map((s) => ({ stack: s.id, planes: collected.read.get(s.id)!.length, of: s.planes.length })),
      notRead: input.coverage.notRead,
    },
    warnings: [...input.notices, ...collected.notices, ...selected.notices, ...built.notices],
  };
  checkDraft(draft, built.masks);
  return { draft, masks: built.masks };
}

type GroupOf = ReadonlyMap<Claim['unit'], Group>;

interface Built {
  readonly sentences: Sentence[];
  readonly findings: Finding[];
  readonly drafted: DraftMask[];
  readonly masks: Map<string, readonly MaskPlane[]>;
  readonly notices: readonly Notice[];
}

function build(input: DraftInput, collected: Collected, kept: readonly Kept[], groupOf: GroupOf): Built {
  const out: Built = { sentences: [], findings: [], drafted: [], masks: new Map(), notices: [] };
  const names = new Map<string, number>();
  const misses = new Map<string, Notice>();
  const findingOf = new Map<Group, Finding>();
  const speakers = speakersOf(kept, groupOf);
  let colours = 0;

  /** Number, tracking and codes, the same for every kind of finding. */
  const start = (label: string, sentence: string, mapped: MappedLabel) => {
    const n = out.findings.length + 1;
    const nth = (names.get(label) ?? 0) + 1;
    names.set(label, nth);
    if (mapped.notice) {
      const known = misses.get(mapped.notice.message);
      misses.set(mapped.notice.message, { ...mapped.notice, about: [...(known?.about ?? []), `f${n}`] });
    }
    return {
      id: `f${n}`,
      sentence,
      label,
      trackingId: `${label}-${nth}`,
      trackingUid: derivedUid(input.key, 'tracking', n),
    };
  };

  const claimed = ({ said, claim, sentence }: Speaker, group: Group): Finding => {
    const base = start(claim.label, sentence, claim.mapped);
    if (group.planes.length === 0) {
      const reason = { ...group.reason!, about: [sentence] };
      return { ...base, presence: 'ungrounded', concept: claim.mapped.concept, measurements: [], reason };
    }
    const mask = maskOf(group, out.drafted, base.id);
    out.drafted.push(mask);
    out.masks.set(mask.id, group.planes);
    const rgb = claim.mapped.lesion ? findingColour(colours++) : claim.mapped.concept.rgb;
    const { side, laterality } = codedSide(input, said, claim, group);
    const concept: Concept = { ...claim.mapped.concept, ...(laterality && { laterality }), rgb, lab: dicomLab(rgb) };
    const read = collected.read.get(group.stack.id)!.length;
    const measurements = measureMask(group.stack, group.planes, group.keyPlane, read);
    return { ...base, presence: 'present', concept, ...(side && { side }), mask: mask.id, measurements };
  };

  const place = (k: Kept, id: string): Sentence => {
    const spans = k.said.claims.map((claim) => {
      const group = groupOf.get(claim.unit)!;
      const finding = findingOf.get(group) ?? claimed(speakers.get(group)!, group);
      if (!findingOf.has(group)) out.findings.push(finding);
      findingOf.set(group, finding);
      return { start: claim.start, end: claim.end, finding: finding.id };
    });
    const denials = k.denied.map((d) => {
      const type = d.mapped.broader ? privateCode(d.label) : d.mapped.concept.type;
      const concept = { ...d.mapped.concept, type };
      const finding: Finding = { ...start(d.label, id, d.mapped), presence: 'absent', concept, measurements: [] };
      out.findings.push(finding);
      return { start: d.start, end: d.end, finding: finding.id };
    });
    return sentenceOf(input, k, id, [...spans, ...denials], out.findings, groupOf);
  };

  for (const k of kept) out.sentences.push(place(k, `s${out.sentences.length + 1}`));
  const notices = [...misses.values(), ...sharedMasks(out.drafted), ...wholeMasks(out), ...askedMasks(kept)];
  return { ...out, notices };
}

/** Who speaks for a group: the claim about its main mask, wherever else it is named. */
interface Speaker {
  readonly said: Said;
  readonly claim: Claim;
  readonly sentence: string;
}

function speakersOf(kept: readonly Kept[], groupOf: GroupOf): Map<Group, Speaker> {
  const speakers = new Map<Group, Speaker>();
  for (const [i, { said }] of kept.entries())
    for (const claim of said.claims) {
      const group = groupOf.get(claim.unit)!;
      if (group.main === claim.unit && !speakers.has(group))
        speakers.set(group, { said, claim, sentence: `s${i + 1}` });
    }
  return speakers;
}

function sentenceOf(
  input: DraftInput,
  k: Kept,
  id: string,
  spans: Sentence['spans'],
  findings: readonly Finding[],
  groupOf: GroupOf,
): Sentence {
  const { said } = k;
  const named = [...new Set(spans.map((s) => s.finding))];
  const presences = new Set(named.map((f) => findings.find((x) => x.id === f)!.presence));
  const positive = said.claims.length > 0;
  const kind = presences.has('present')
    ? 'linked'
    : positive
      ? 'ungrounded'
      : said.parsed.negative
        ? 'negative'
        : 'plain';
  const warnings: Notice[] = [...k.warnings, ...wordWarnings(input, said, groupOf)];
  if (kind === 'linked' && presences.has('ungrounded'))
    warnings.push({ code: 'phrase-ungrounded', message: 'A part of this sentence has no mask.' });
  return {
    id,
    text: said.parsed.text,
    kind,
    ...(said.question !== undefined && { question: said.question }),
    findings: named,
    // A mask without words has no span.
    spans: spans.filter((s) => s.end > s.start).sort((p, q) => p.start - q.start),
    stack: said.stack.id,
    ...(k.times === 1 && { plane: said.picture.plane }),
    warnings: warnings.map((w) => ({ ...w, about: [id, ...(w.about ?? [])] })),
  };
}

function maskOf(group: Group, before: readonly DraftMask[], finding: string): DraftMask {
  const key = group.planes.find((p) => p.plane === group.keyPlane)!;
  const [x, y] = centroidOf(key.bits, group.stack.grid.columns);
  const digest = sha256(Buffer.concat(group.planes.map((p) => p.bits)));
  return {
    id: `m${before.length + 1}`,
    finding,
    stack: group.stack.id,
    segment: before.filter((m) => m.stack === group.stack.id).length + 1,
    planes: group.planes.map((p) => p.plane),
    pixels: group.pixels,
    keyPlane: group.keyPlane,
    centroid: [thousandths(x), thousandths(y)],
    digest,
    ...(group.main.score !== undefined && { score: group.main.score }),
  };
}

function thousandths(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** Two findings with one mask: a mark of a model that does not part what it names. */
function sharedMasks(masks: readonly DraftMask[]): Notice[] {
  const same = new Map<string, string[]>();
  for (const m of masks) {
    const id = `${m.stack}:${m.planes.join()}:${m.digest}`;
    same.set(id, [...(same.get(id) ?? []), m.id]);
  }
  const shared = [...same.values()].filter((ids) => ids.length > 1);
  return shared.map((about) => ({
    code: 'shared-mask',
    message: `${about.length} findings have one and the same mask.`,
    about,
  }));
}

/** What the model said and what it showed are two answers: the second was asked for the words of the first. */
function askedMasks(kept: readonly Kept[]): Notice[] {
  const about = kept.flatMap(({ said }, i) => (said.claims.some((c) => c.asked) ? [`s${i + 1}`] : []));
  if (about.length === 0) return [];
  const message = `The answer ties no mask to ${about.length === 1 ? 'a sentence' : `${about.length} sentences`}: it was asked for in a second question about the same picture.`;
  return [{ code: 'mask-asked', message, about }];
}

/** One mask that several sentences share: it shows the first of them, and no more is known about the others. */
function wholeMasks({ sentences, findings }: Pick<Built, 'sentences' | 'findings'>): Notice[] {
  return findings.flatMap((f) => {
    const about = sentences.filter((s) => s.findings.includes(f.id)).map((s) => s.id);
    if (f.presence !== 'present' || about.length < 2) return [];
    return [
      { code: 'mask-of-several', message: `${about.length} sentences are tied to one mask (${f.label}).`, about },
    ];
  });
}
