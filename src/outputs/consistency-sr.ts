import type { Code, DicomJson } from '../base/index.ts';
import { codeOf, items, number, numbers, text } from '../dicom/index.ts';
import type { DraftMask, Finding, Sentence } from '../findings/index.ts';
import { checkSide, sameCode } from './consistency-seg.ts';
import { nameOf, type ReadBack, type Say } from './consistency-rules.ts';
import { comprehensive3dSr, comprehensiveSr, functionalGroup, plain } from './dicom-common.ts';
import type { EncodingInput } from './types.ts';
import { questionWords } from './words.ts';

/** A content item as it reads back. */
interface Item {
  readonly type: string;
  readonly relationship: string;
  readonly concept: Code | undefined;
  readonly dataset: DicomJson;
  readonly children: readonly Item[];
}

/** All checks of the report but those that SEG shares. */
export function checkReport(input: EncodingInput, segs: readonly ReadBack[], sr: ReadBack, say: Say): void {
  const root = readItem(sr.attributes);
  checkFlags(sr, say);
  checkTemplate(root, say);
  const groups = childrenOf(childOf(root, '126010'), '125007');
  checkGroups(input, segs, groups, say);
  const evaluations = childOf(root, 'C0034375');
  checkSentences(input, groups, evaluations, say);
  checkAbsent(input, evaluations, say);
  checkEvidence(input, root, sr.attributes, say);
}

function readItem(dataset: DicomJson): Item {
  return {
    type: text(dataset, 'ValueType'),
    relationship: text(dataset, 'RelationshipType'),
    concept: codeOf(items(dataset, 'ConceptNameCodeSequence')[0]),
    dataset,
    children: items(dataset, 'ContentSequence').map(readItem),
  };
}

function childrenOf(item: Item | undefined, concept: string): Item[] {
  return item?.children.filter((c) => c.concept?.value === concept) ?? [];
}
function childOf(item: Item | undefined, concept: string): Item | undefined {
  return childrenOf(item, concept)[0];
}
function templateOf(item: Item): string {
  return text(items(item.dataset, 'ContentTemplateSequence')[0] ?? {}, 'TemplateIdentifier');
}
function codeValue(item: Item | undefined): Code | undefined {
  return item && codeOf(items(item.dataset, 'ConceptCodeSequence')[0]);
}

// — the document —

function checkFlags({ object, attributes }: ReadBack, say: Say): void {
  const flags = ['CompletionFlag', 'PreliminaryFlag', 'VerificationFlag'].map((k) => text(attributes, k)).join(' ');
  if (flags !== 'COMPLETE PRELIMINARY UNVERIFIED') say('PL-DCM-020', `${nameOf(object)}: flags are ${flags}`);
  if (items(attributes, 'VerifyingObserverSequence').length > 0) {
    say('PL-DCM-020', `${nameOf(object)}: claims that a person verified it`);
  }
  if (![comprehensive3dSr, comprehensiveSr].includes(object.sopClass)) {
    say('PL-DCM-001', `${nameOf(object)}: SOP class ${object.sopClass} is no Comprehensive SR`);
  }
}

/** Items of TID 1500 with value type and relationship; readers match the meanings as text. */
const rows = [
  ['121049', 'Language of Content Item and Descendants', 'CODE', 'HAS CONCEPT MOD'],
  ['121005', 'Observer Type', 'CODE', 'HAS OBS CONTEXT'],
  ['121012', 'Device Observer UID', 'UIDREF', 'HAS OBS CONTEXT'],
  ['121058', 'Procedure reported', 'CODE', 'HAS CONCEPT MOD'],
  ['111028', 'Image Library', 'CONTAINER', 'CONTAINS'],
  ['126010', 'Imaging Measurements', 'CONTAINER', 'CONTAINS'],
] as const;

function checkTemplate(root: Item, say: Say): void {
  const { concept } = root;
  if (root.type !== 'CONTAINER' || concept?.value !== '126000' || concept.meaning !== 'Imaging Measurement Report') {
    say('PL-DCM-030', `the root is ${concept?.value} "${concept?.meaning}", not 126000 Imaging Measurement Report`);
  }
  if (templateOf(root) !== '1500') say('PL-DCM-030', `the root names template "${templateOf(root)}", not 1500`);
  for (const [value, meaning, type, relationship] of rows) {
    const found = childrenOf(root, value);
    if (found.length !== 1) say('PL-DCM-030', `${found.length} items ${value} ${meaning}, expected one`);
    for (const item of found) checkRow(item, meaning, type, relationship, say);
  }
}

function checkRow(item: Item, meaning: string, type: string, relationship: string, say: Say): void {
  const { concept } = item;
  if (concept?.meaning !== meaning)
    say('PL-DCM-030', `${concept?.value} means "${concept?.meaning}", not "${meaning}"`);
  if (item.type !== type || item.relationship !== relationship) {
    say('PL-DCM-030', `${meaning} is ${item.relationship} ${item.type}, not ${relationship} ${type}`);
  }
}

// — measurement groups —

function checkGroups(input: EncodingInput, segs: readonly ReadBack[], groups: readonly Item[], say: Say): void {
  const { masks, findings } = input.draft;
  if (groups.length !== masks.length)
    say('PL-DCM-031', `${groups.length} measurement groups for ${masks.length} masks`);
  const seen = new Set<string>();
  for (const group of groups) {
    checkRow(group, 'Measurement Group', 'CONTAINER', 'CONTAINS', say);
    const [id, uid] = [childOf(group, '112039'), childOf(group, '112040')];
    const trackingUid = uid ? text(uid.dataset, 'UID') : '';
    if (seen.has(trackingUid)) say('PL-DCM-031', `tracking UID ${trackingUid} stands twice`);
    seen.add(trackingUid);
    for (const item of [id, uid]) {
      if (item && item.relationship !== 'HAS OBS CONTEXT') say('PL-DCM-031', 'tracking is no observation context');
    }
    const finding = findings.find((f) => f.trackingUid === trackingUid);
    const mask = finding && masks.find((m) => m.finding === finding.id);
    if (!finding || !mask) {
      say('PL-DCM-031', `tracking UID "${trackingUid}" is that of no finding with a mask`);
      continue;
    }
    if (!id || text(id.dataset, 'TextValue') !== finding.trackingId) {
      say('PL-DCM-031', `the tracking identifier of ${finding.id} is not ${finding.trackingId}`);
    }
    checkGroupReferences(input, segs, group, mask, finding, say);
    checkGroupCodes(input, group, finding, say);
    checkNumbers(group, finding, say);
  }
}

function checkGroupReferences(
  input: EncodingInput,
  segs: readonly ReadBack[],
  group: Item,
  mask: DraftMask,
  finding: Finding,
  say: Say,
): void {
  const planar = mask.planes.length === 1;
  const bad = (message: string) => say('PL-DCM-032', `${finding.id}: ${message}`);
  if (templateOf(group) !== (planar ? '1410' : '1411'))
    bad(`template ${templateOf(group)} for ${mask.planes.length} planes`);
  const reference = childOf(group, planar ? '121214' : '121191');
  const named = items(reference?.dataset ?? {}, 'ReferencedSOPSequence')[0];
  const seg = named && segs.find((s) => s.file.instanceUid === text(named, 'ReferencedSOPInstanceUID'));
  if (!named || !seg) return bad('names no SEG of this draft');
  if (text(named, 'ReferencedSOPClassUID') !== seg.file.sopClass) bad('names its SEG by another SOP class');
  const frames = numbers(named, 'ReferencedFrameNumber');
  const segments = planar
    ? frames.map((f) =>
        number(functionalGroup(seg.attributes, f, 'SegmentIdentificationSequence') ?? {}, 'ReferencedSegmentNumber'),
      )
    : [number(named, 'ReferencedSegmentNumber')];
  if (segments.length === 0) bad('names no frame of its segment');
  for (const segment of segments) {
    const item = items(seg.attributes, 'SegmentSequence').find((s) => number(s, 'SegmentNumber') === segment);
    if (!item || segment !== mask.segment || seg.object.stack !== mask.stack) {
      bad(`names segment ${segment} of ${nameOf(seg.object)}, not segment ${mask.segment} of stack ${mask.stack}`);
    } else if (text(item, 'TrackingUID') !== finding.trackingUid || text(item, 'TrackingID') !== finding.trackingId) {
      bad('SEG and report track it under different names');
    }
  }
  checkGroupSource(input, group, mask, planar, bad);
}

function checkGroupSource(
  input: EncodingInput,
  group: Item,
  mask: DraftMask,
  planar: boolean,
  bad: (message: string) => void,
): void {
  const stack = input.draft.stacks.find((s) => s.id === mask.stack);
  if (!stack) return bad(`mask ${mask.id} lies in no stack`);
  if (!planar) {
    const series = childOf(group, '121232');
    const uid = series ? text(series.dataset, 'UID') : '';
    if (uid !== stack.seriesUid) bad(`source series is "${uid}", not ${stack.seriesUid}`);
    return;
  }
  const slide = stack.grid.placement.kind === 'slide';
  const plane = stack.planes[slide ? 0 : mask.planes[0]!]!;
  const named = items(childOf(group, '121233')?.dataset ?? {}, 'ReferencedSOPSequence')[0] ?? {};
  const uid = text(named, 'ReferencedSOPInstanceUID');
  const frame = number(named, 'ReferencedFrameNumber');
  if (uid !== plane.instanceUid || (!slide && frame !== plane.frame)) {
    bad(`source image is "${uid}" frame ${frame ?? '-'}, not ${plane.instanceUid} frame ${plane.frame ?? '-'}`);
  }
}

function checkGroupCodes(input: EncodingInput, group: Item, finding: Finding, say: Say): void {
  const { concept } = finding;
  const siteItem = childOf(group, '363698007');
  const findingItem = childOf(group, '121071');
  const site = codeValue(siteItem);
  const pairs = [
    ['category', codeValue(childOf(group, '276214006')), concept.category],
    ['finding', codeValue(findingItem), concept.type],
  ] as const;
  for (const [what, ours, wanted] of pairs) {
    if (!sameCode(ours, wanted))
      say('PL-DCM-033', `${finding.id}: ${what} is ${ours?.value ?? 'absent'}, not ${wanted.value}`);
  }
  const siteOfAnatomy = !concept.region && sameCode(site, concept.type);
  if (!sameCode(site, concept.region) && !siteOfAnatomy) {
    say('PL-DCM-033', `${finding.id}: site is ${site?.value ?? 'absent'}, not ${concept.region?.value ?? 'absent'}`);
  }
  const sides = [...childrenOf(siteItem, '272741003'), ...childrenOf(findingItem, '272741003')].map(codeValue);
  checkSide(finding.id, sides, finding, (message) => say('PL-DCM-033', message));
  const { name, version } = input.draft.bundle;
  const algorithm = ['111001', '111003'].map((c) => text(childOf(group, c)?.dataset ?? {}, 'TextValue'));
  if (algorithm[0] !== plain(name, 64) || algorithm[1] !== plain(version, 64)) {
    say('PL-DCM-020', `${finding.id}: the group does not name the model and its version`);
  }
}

/** Units that a measurement may have (UCUM, case sensitive). */
const units = new Set([
  'mm',
  'cm',
  'mm2',
  'cm2',
  'mm3',
  'cm3',
  'mL',
  'ml',
  '1',
  '%',
  '{pixels}',
  "[hnsf'U]",
  'g/ml{SUVbw}',
]);

function checkNumbers(group: Item, finding: Finding, say: Say): void {
  const ours = group.children.filter((c) => c.type === 'NUM');
  if (ours.length !== finding.measurements.length) {
    say('PL-DCM-034', `${finding.id}: ${ours.length} numbers for ${finding.measurements.length} measurements`);
  }
  ours.forEach((item, i) => {
    const name = `${finding.id} ${item.concept?.meaning ?? 'number'}`;
    const wanted = finding.measurements[i];
    const measured = items(item.dataset, 'MeasuredValueSequence')[0] ?? {};
    const unit = codeOf(items(measured, 'MeasurementUnitsCodeSequence')[0]);
    const value = number(measured, 'NumericValue');
    if (!unit || unit.scheme !== 'UCUM' || !units.has(unit.value))
      say('PL-DCM-034', `${name}: unit ${unit?.value} is not UCUM`);
    if (item.children.length > 0) say('PL-DCM-034', `${name}: has children`);
    if (!wanted) return;
    if (!sameCode(item.concept, wanted.code)) say('PL-DCM-034', `${name}: the draft has ${wanted.code.meaning} here`);
    if (unit && !sameCode(unit, wanted.unit))
      say('PL-DCM-034', `${name}: unit ${unit.value}, the draft says ${wanted.unit.value}`);
    if (value === undefined || Math.abs(value - wanted.value) > 1e-9 * Math.abs(wanted.value)) {
      say('PL-DCM-034', `${name}: ${value}, the draft says ${wanted.value}`);
    }
  });
}

// — sentences and negatives —

function checkSentences(input: EncodingInput, groups: readonly Item[], evaluations: Item | undefined, say: Say): void {
  const { sentences, findings } = input.draft;
  const shown = new Set(findings.filter((f) => f.presence === 'present').map((f) => f.sentence));
  for (const group of groups) {
    const uid = text(childOf(group, '112040')?.dataset ?? {}, 'UID');
    const finding = findings.find((f) => f.trackingUid === uid);
    const sentence = sentences.find((s) => s.id === finding?.sentence);
    const comments = childrenOf(group, '121106');
    const said = comments.map((c) => text(c.dataset, 'TextValue'));
    if (said.length !== 1 || said[0] !== sentence?.text)
      say('PL-DCM-035', `${finding?.id ?? uid}: its group does not carry its sentence`);
    checkQuestion(sentence, comments[0], say);
  }
  const wanted = sentences.filter((s) => !shown.has(s.id));
  const comments = childrenOf(evaluations, '121106');
  const said = comments.map((c) => text(c.dataset, 'TextValue'));
  wanted.forEach((s, i) => checkQuestion(s, comments[i], say));
  const different = wanted.filter((s, i) => s.text !== said[i]).map((s) => s.id);
  if (said.length !== wanted.length || different.length > 0) {
    const which = different.join(', ') || 'none';
    say(
      'PL-DCM-035',
      `${said.length} sentences without mask for ${wanted.length} of the draft; not word for word: ${which}`,
    );
  }
}

/** `Yes.` alone would say nothing, or something else. */
function checkQuestion(sentence: Sentence | undefined, comment: Item | undefined, say: Say): void {
  if (!sentence) return;
  const wanted = questionWords(sentence);
  const found = childrenOf(comment, '121106').map((c) => text(c.dataset, 'TextValue'));
  if (wanted.some((q) => !found.includes(q))) say('PL-DCM-039', `sentence ${sentence.id} lacks its question`);
}

function checkAbsent(input: EncodingInput, evaluations: Item | undefined, say: Say): void {
  const wanted = input.draft.findings.filter((f) => f.presence === 'absent');
  const coded = evaluations?.children.filter((c) => c.type === 'CODE') ?? [];
  if (coded.length !== wanted.length)
    say('PL-DCM-036', `${coded.length} coded evaluations for ${wanted.length} absent findings`);
  coded.forEach((item, i) => {
    const finding = wanted[i];
    const value = codeValue(item);
    if (!sameCode(value, input.presence.absent.sr))
      say('PL-DCM-036', `${item.concept?.meaning}: value ${value?.meaning}, not absent`);
    if (!finding) return;
    const site = codeValue(childOf(item, '363698007'));
    if (!sameCode(item.concept, finding.concept.type) || !sameCode(site, finding.concept.region)) {
      say(
        'PL-DCM-036',
        `${item.concept?.meaning}: ${finding.id} is ${finding.concept.type.meaning}, or lies elsewhere`,
      );
    }
  });
}

// — evidence —

function checkEvidence(input: EncodingInput, root: Item, sr: DicomJson, say: Say): void {
  const listed: string[] = [];
  const series: string[] = [];
  for (const study of items(sr, 'CurrentRequestedProcedureEvidenceSequence')) {
    const uid = text(study, 'StudyInstanceUID');
    if (uid !== input.draft.studyUid) say('PL-DCM-037', `the evidence names study ${uid}`);
    for (const s of items(study, 'ReferencedSeriesSequence')) {
      series.push(text(s, 'SeriesInstanceUID'));
      listed.push(...items(s, 'ReferencedSOPSequence').map(instanceKey));
    }
  }
  const named = new Set<string>();
  collectReferences(root, named);
  for (const key of named) if (!listed.includes(key)) say('PL-DCM-037', `${key} is named but is not in the evidence`);
  const known = new Set(listed);
  if (known.size !== listed.length) say('PL-DCM-037', 'the evidence lists an instance twice');
  for (const key of known) if (!named.has(key)) say('PL-DCM-037', `${key} is in the evidence but is not named`);
  const images = input.draft.stacks.map((s) => s.seriesUid);
  if (!series[0] || !images.includes(series[0]))
    say('PL-DCM-037', 'the first series of the evidence is not one of images');
}

/** `class instance`: a reference under another class is another reference. */
function instanceKey(item: DicomJson): string {
  return `${text(item, 'ReferencedSOPClassUID')} ${text(item, 'ReferencedSOPInstanceUID')}`;
}

function collectReferences(item: Item, into: Set<string>): void {
  for (const r of items(item.dataset, 'ReferencedSOPSequence')) into.add(instanceKey(r));
  for (const child of item.children) collectReferences(child, into);
}
