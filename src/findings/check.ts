import {
  countBits,
  getBit,
  isUid,
  PlumblineError,
  schemaProblems,
  sha256,
  type MaskPlane,
  type MaskSet,
  type Stack,
} from '../base/index.ts';
import type { Draft, DraftMask, Finding, Sentence } from './draft.ts';
import { draftSchema } from './draft-schema.ts';

/**
 * Hold a draft and its bits against the schema and against themselves: every reference resolves both ways, kinds and
 * presences agree, counts and digests are those of the bits, segments are numbered without gap.
 * @throws PlumblineError draft-invalid, its message names every place
 */
export function checkDraft(draft: Draft, masks: MaskSet): void {
  const shape = schemaProblems(draftSchema, draft).map((p) => `${p.path}: ${p.message}`);
  // What follows reads the draft's parts: only of a draft that has them.
  const problems =
    shape.length > 0
      ? shape
      : [
          ...numbering(draft),
          ...draft.sentences.flatMap((s) => ofSentence(s, draft)),
          ...draft.findings.flatMap((f) => ofFinding(f, draft)),
          ...ofMasks(draft, masks),
          ...ofStacks(draft),
        ];
  if (problems.length > 0)
    throw new PlumblineError('draft-invalid', problems.slice(0, 20).join('; '), { where: draft.key });
}

function numbering({ sentences, findings, masks }: Draft): string[] {
  const inOrder = (letter: string, ids: readonly { readonly id: string }[]) =>
    ids.flatMap((x, i) => (x.id === `${letter}${i + 1}` ? [] : [`${x.id} stands where ${letter}${i + 1} should`]));
  const twice = (what: string, all: readonly string[]) =>
    [...new Set(all.filter((x, i) => all.indexOf(x) !== i))].map((x) => `${what} ${x} is given twice`);
  return [
    ...inOrder('s', sentences),
    ...inOrder('f', findings),
    ...inOrder('m', masks),
    ...twice(
      'tracking id',
      findings.map((f) => f.trackingId),
    ),
    ...twice(
      'tracking uid',
      findings.map((f) => f.trackingUid),
    ),
  ];
}

function ofSentence(s: Sentence, draft: Draft): string[] {
  const problems: string[] = [];
  const say = (what: string) => problems.push(`${s.id}: ${what}`);
  const named = s.findings.map((id) => draft.findings.find((f) => f.id === id));
  if (named.includes(undefined)) say('names a finding that is not there');
  const presences = named.map((f) => f?.presence);
  const fits = {
    linked: presences.includes('present'),
    ungrounded: presences.includes('ungrounded') && !presences.includes('present'),
    negative: presences.every((p) => p === 'absent'),
    plain: presences.length === 0,
  }[s.kind];
  if (!fits) say(`is ${s.kind}, its findings are ${presences.join(', ') || 'none'}`);
  if (/<\/?p>|\[SEG\]/.test(s.text)) say('markup in the text');
  let end = 0;
  for (const span of s.spans) {
    if (span.end <= span.start || span.end > s.text.length) say(`span ${span.start}..${span.end} is not in the text`);
    if (span.start < end) say(`span ${span.start}..${span.end} overlaps the one before`);
    if (!s.findings.includes(span.finding)) say(`span names ${span.finding}, the sentence does not`);
    end = span.end;
  }
  const stack = draft.stacks.find((k) => k.id === s.stack);
  if (s.stack !== undefined && !stack) say(`no stack ${s.stack}`);
  if (s.plane !== undefined && !(s.plane < (stack?.planes.length ?? 0))) say(`no plane ${s.plane}`);
  return problems;
}

function ofFinding(f: Finding, draft: Draft): string[] {
  const problems: string[] = [];
  const say = (what: string) => problems.push(`${f.id}: ${what}`);
  if (!draft.sentences.find((s) => s.id === f.sentence)?.findings.includes(f.id)) say(`${f.sentence} does not name it`);
  if (!isUid(f.trackingUid)) say('tracking UID is no UID');
  const mask = draft.masks.find((m) => m.id === f.mask);
  if ((f.presence === 'present') !== (f.mask !== undefined)) say(`is ${f.presence}, its mask is ${f.mask ?? 'none'}`);
  if (f.mask !== undefined && mask?.finding !== f.id) say(`mask ${f.mask} is not its own`);
  if ((f.presence === 'ungrounded') !== (f.reason !== undefined))
    say('a reason belongs to an ungrounded finding, and only there');
  if (f.presence !== 'present' && f.measurements.length > 0) say('measured without a mask');
  for (const m of f.measurements)
    if (m.plane !== undefined && !mask?.planes.includes(m.plane))
      say(`${m.kind} on plane ${m.plane}, where the mask is not`);
  if (f.concept.laterality && !f.side) say('coded laterality without a side');
  return problems;
}

function ofMasks(draft: Draft, masks: MaskSet): string[] {
  const problems: string[] = [];
  for (const id of masks.keys())
    if (!draft.masks.some((m) => m.id === id)) problems.push(`bits of ${id}, which is not there`);
  const segments = new Map<string, number>();
  for (const m of draft.masks) {
    const next = (segments.get(m.stack) ?? 0) + 1;
    segments.set(m.stack, next);
    const stack = draft.stacks.find((k) => k.id === m.stack);
    const bits = masks.get(m.id);
    if (m.segment !== next) problems.push(`${m.id}: segment ${m.segment}, expected ${next} in ${m.stack}`);
    if (draft.findings.find((f) => f.id === m.finding)?.mask !== m.id)
      problems.push(`${m.id}: ${m.finding} does not name it`);
    if (!stack) problems.push(`${m.id}: no stack ${m.stack}`);
    else if (!bits) problems.push(`${m.id}: no bits`);
    else problems.push(...ofBits(m, bits, stack));
  }
  return problems;
}

function ofBits(m: DraftMask, planes: readonly MaskPlane[], stack: Stack): string[] {
  const problems: string[] = [];
  const say = (what: string) => problems.push(`${m.id}: ${what}`);
  const pixels = stack.grid.rows * stack.grid.columns;
  const areas = planes.map((p) => countBits(p.bits));
  if (planes.map((p) => p.plane).join() !== m.planes.join()) say('planes are not those of its bits');
  if (m.planes.some((p, i) => p >= stack.planes.length || (i > 0 && p <= m.planes[i - 1]!)))
    say('planes do not grow within the stack');
  if (planes.some((p) => p.bits.length !== (pixels + 7) >> 3)) say('bits are not of the size of the grid');
  else if (planes.some((p) => padded(p.bits, pixels))) say('bits set beyond the last pixel');
  if (areas.includes(0)) say('an empty plane');
  if (areas.reduce((sum, n) => sum + n, 0) !== m.pixels) say('pixel count is not that of its bits');
  if (areas[m.planes.indexOf(m.keyPlane)] !== Math.max(...areas)) say('key plane is not the largest');
  if (sha256(Buffer.concat(planes.map((p) => p.bits))) !== m.digest) say('digest is not that of its bits');
  return problems;
}

function padded(bits: Uint8Array, pixels: number): boolean {
  for (let i = pixels; i < bits.length * 8; i++) if (getBit(bits, i)) return true;
  return false;
}

function ofStacks({ stacks, coverage }: Draft): string[] {
  const problems = stacks.flatMap((k) => {
    const { grid } = k;
    const { placement, depth } = grid;
    const counts = [
      k.planes.length,
      placement.kind === 'patient' ? placement.positions.length : grid.planes,
      depth?.thicknessMm.length ?? grid.planes,
    ];
    return counts.every((n) => n === grid.planes)
      ? []
      : [`${k.id}: ${grid.planes} planes, but lists of ${counts.join(', ')}`];
  });
  for (const r of coverage.read)
    if (stacks.find((k) => k.id === r.stack)?.planes.length !== r.of || r.planes > r.of)
      problems.push(`coverage: ${r.planes} of ${r.of} planes of ${r.stack}`);
  return problems;
}
