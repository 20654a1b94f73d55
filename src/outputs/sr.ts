import { derivedUid, PlumblineError, type Code, type DicomJson, type Stack } from '../base/index.ts';
import { codeOf, dataset, items, text, writePart10 } from '../dicom/index.ts';
import type { DraftMask, Finding, Sentence } from '../findings/index.ts';
import * as common from './dicom-common.ts';
import { dcm, plain, sct, type Reference } from './dicom-common.ts';
import { planFrames } from './seg-frames.ts';
import { isAnatomy, segmentsOf } from './seg.ts';
import { codeContent, container, imageContent, numContent, textContent, uidContent } from './sr-items.ts';
import { imageLibrary } from './sr-library.ts';
import type { DicomObject, EncodingInput } from './types.ts';
import { questionWords } from './words.ts';

/**
 * A draft as Structured Report, TID 1500 Imaging Measurement Report (PS3.16): a measurement group for each mask that
 * names its segment, and every other sentence among the qualitative evaluations. Meanings are fixed strings: some
 * readers match them, not the codes. Written for a draft without masks too.
 * @param segs what `encodeSeg` gave for the same input
 * @throws PlumblineError encoding-invalid, text-unencodable
 */
export function encodeSr(input: EncodingInput, segs: readonly DicomObject[]): DicomObject {
  const stacks = input.draft.stacks;
  const first = stacks[0];
  if (!first) throw new PlumblineError('encoding-invalid', 'the draft has no images to report on');
  const source = common.firstSource(input, first);
  const sopClass = input.profile.srClass === 'comprehensive' ? common.comprehensiveSr : common.comprehensive3dSr;
  const uid = (part: string) => common.objectUid(input, 'sr', 1, part);
  const [seriesUid, instanceUid] = [uid('series'), uid('instance')];
  const when = common.whenOf(input, source);
  const whole: DicomJson = {
    ...common.patientAndStudy(source),
    ...dataset({
      Modality: 'SR',
      SeriesInstanceUID: seriesUid,
      SeriesNumber: common.seriesNumber(input, 'SR'),
      SeriesDate: when.date,
      SeriesTime: when.time,
      SeriesDescription: common.seriesDescription(input, 'SR'),
      ReferencedPerformedProcedureStepSequence: [],
    }),
    ...common.copyLegal(source, ['ReferencedPerformedProcedureStepSequence']),
    ...common.writtenBy(input, sopClass, instanceUid, when),
    ...documentGeneral(input, source, when, evidence(input, segs)),
    ...tree(input, segs, source),
  };
  const ordered = Object.fromEntries(Object.entries(whole).sort(([a], [b]) => (a < b ? -1 : 1)));
  const studyUid = text(ordered, 'StudyInstanceUID');
  return {
    role: 'sr',
    index: 1,
    studyUid,
    seriesUid,
    instanceUid,
    sopClass,
    dataset: ordered,
    parts: [writePart10(ordered)],
  };
}

/** SR Document General (PS3.3 C.17.2): an unverified, preliminary document. */
function documentGeneral(
  input: EncodingInput,
  source: DicomJson,
  when: common.When,
  references: readonly Reference[],
): DicomJson {
  const procedures = common.copyLegal(source, ['ProcedureCodeSequence']);
  const series = common
    .bySeries(references)
    .map(({ seriesUid, instances }) =>
      dataset({ SeriesInstanceUID: seriesUid, ReferencedSOPSequence: instances.map(common.referenceItem) }),
    );
  return dataset({
    InstanceNumber: 1,
    ContentDate: when.date,
    ContentTime: when.time,
    CompletionFlag: 'COMPLETE',
    PreliminaryFlag: 'PRELIMINARY',
    VerificationFlag: 'UNVERIFIED',
    PerformedProcedureCodeSequence: items(procedures, 'ProcedureCodeSequence'),
    CurrentRequestedProcedureEvidenceSequence: [
      dataset({ StudyInstanceUID: input.draft.studyUid, ReferencedSeriesSequence: series }),
    ],
  });
}

/** Every instance that the tree names, images first: some readers take the first series for that of the images. */
function evidence(input: EncodingInput, segs: readonly DicomObject[]): Reference[] {
  const images = input.draft.stacks.flatMap((stack) =>
    stack.planes.map((p) => common.referenceOf(input, stack, p.instanceUid, p.sopClass)),
  );
  return [...images, ...segs];
}

function tree(input: EncodingInput, segs: readonly DicomObject[], source: DicomJson): DicomJson {
  const stacks = input.draft.stacks;
  const children = [
    codeContent('HAS CONCEPT MOD', dcm('121049', 'Language of Content Item and Descendants'), {
      value: 'en-US',
      scheme: 'RFC5646',
      meaning: 'English (United States)',
    }),
    ...observer(input),
    codeContent('HAS CONCEPT MOD', dcm('121058', 'Procedure reported'), procedureReported(source)),
    imageLibrary(input, stacks),
    container('CONTAINS', dcm('126010', 'Imaging Measurements'), measurementGroups(input, segs)),
    ...qualitativeEvaluations(input),
  ];
  return container(undefined, dcm('126000', 'Imaging Measurement Report'), children, '1500');
}

/** The device that observed (TID 1004): this installation. */
function observer(input: EncodingInput): DicomJson[] {
  const { site, draft } = input;
  const context = 'HAS OBS CONTEXT';
  return [
    codeContent(context, dcm('121005', 'Observer Type'), dcm('121007', 'Device')),
    uidContent(context, dcm('121012', 'Device Observer UID'), derivedUid('device', site.installationId)),
    textContent(context, dcm('121013', 'Device Observer Name'), plain(`Plumbline ${site.installationId}`, 64)),
    textContent(context, dcm('121014', 'Device Observer Manufacturer'), 'Plumbline'),
    textContent(context, dcm('121015', 'Device Observer Model Name'), plain(draft.bundle.name, 64)),
    textContent(context, dcm('121016', 'Device Observer Serial Number'), plain(site.installationId, 64)),
  ];
}

const loinc = (value: string, meaning: string): Code => ({ value, scheme: 'LN', meaning });
const radiograph = loinc('43468-8', 'XR unspecified body region');

/** Procedures of CID 100 by modality, where the source names no procedure. */
const procedureByModality: Readonly<Record<string, Code>> = {
  CT: loinc('25045-6', 'CT unspecified body region'),
  MR: loinc('25056-3', 'MRI unspecified body region'),
  NM: loinc('49118-3', 'NM unspecified body region'),
  PT: loinc('44136-0', 'PET unspecified body region'),
  CR: radiograph,
  DX: radiograph,
};

function procedureReported(source: DicomJson): Code {
  const [said] = items(common.copyLegal(source, ['ProcedureCodeSequence']), 'ProcedureCodeSequence');
  const code = said && codeOf(said);
  if (code && code.scheme && code.meaning) return code;
  return procedureByModality[text(source, 'Modality')] ?? sct('363679005', 'Imaging procedure');
}

// — measurement groups —

function measurementGroups(input: EncodingInput, segs: readonly DicomObject[]): DicomJson[] {
  return input.draft.stacks.flatMap((stack) => {
    const seg = segs.find((s) => s.stack === stack.id);
    const segments = segmentsOf(input.draft, stack);
    if (segments.length === 0) return [];
    if (!seg) throw new PlumblineError('encoding-invalid', `stack ${stack.id} has masks but no SEG`);
    const bits = segments.map(({ mask }) => input.masks.get(mask.id) ?? []);
    const { frames } = planFrames(stack, bits, input.profile);
    return segments.map(({ mask, finding }) => {
      const own = frames.flatMap((f, i) => (f.segment === mask.segment && f.bits ? [{ ...f, number: i + 1 }] : []));
      const planar = mask.planes.length === 1;
      const shown = planar ? planarReferences(input, stack, seg, mask, own) : volumeReferences(stack, seg, mask);
      return measurementGroup(input, finding, planar ? '1410' : '1411', shown);
    });
  });
}

/** One finding (TID 1410 Planar, TID 1411 Volumetric ROI Measurements). */
function measurementGroup(
  input: EncodingInput,
  finding: Finding,
  template: '1410' | '1411',
  references: readonly DicomJson[],
): DicomJson {
  const { concept } = finding;
  const { name, version } = input.draft.bundle;
  const site = concept.region ?? (isAnatomy(concept.category) && concept.laterality ? concept.type : undefined);
  const side = concept.laterality ? [lateralityItem(concept.laterality)] : [];
  return container(
    'CONTAINS',
    dcm('125007', 'Measurement Group'),
    [
      textContent('HAS OBS CONTEXT', dcm('112039', 'Tracking Identifier'), finding.trackingId),
      uidContent('HAS OBS CONTEXT', dcm('112040', 'Tracking Unique Identifier'), finding.trackingUid),
      codeContent('CONTAINS', sct('276214006', 'Finding category'), concept.category),
      // A side without a site modifies the finding itself.
      codeContent('CONTAINS', dcm('121071', 'Finding'), concept.type, site ? [] : side),
      ...(site ? [codeContent('HAS CONCEPT MOD', sct('363698007', 'Finding Site'), site, side)] : []),
      textContent('HAS CONCEPT MOD', dcm('111001', 'Algorithm Name'), plain(name, 64)),
      textContent('HAS CONCEPT MOD', dcm('111003', 'Algorithm Version'), plain(version, 64)),
      ...references,
      ...finding.measurements.map((m) => numContent('CONTAINS', m.code, m.value, m.unit)),
      ...sentenceItems(input, finding),
    ],
    template,
  );
}

function lateralityItem(code: Code): DicomJson {
  return codeContent('HAS CONCEPT MOD', sct('272741003', 'Laterality'), code);
}

/** The exact sentence, its question and warnings under it, and what qualifies the numbers: they take no children themselves. */
function sentenceItems(input: EncodingInput, finding: Finding): DicomJson[] {
  const sentence = input.draft.sentences.find((s) => s.id === finding.sentence);
  if (!sentence) throw new PlumblineError('encoding-invalid', `finding ${finding.id} names no sentence`);
  const notes = new Set(finding.measurements.flatMap((m) => (m.note ? [m.note] : [])));
  const remarks = [...questionWords(sentence), ...sentence.warnings.map((w) => w.message), ...notes];
  return [commentItem(sentence.text, remarks)];
}

function commentItem(sentence: string, remarks: readonly string[]): DicomJson {
  const comment = dcm('121106', 'Comment');
  const below = remarks.map((r) => textContent('HAS PROPERTIES', comment, r));
  return textContent('CONTAINS', comment, sentence, below);
}

/** A volume names its segment and the series from which it was segmented. */
function volumeReferences(stack: Stack, seg: DicomObject, mask: DraftMask): DicomJson[] {
  return [
    imageContent('CONTAINS', dcm('121191', 'Referenced Segment'), seg, { segment: mask.segment }),
    uidContent('CONTAINS', dcm('121232', 'Source series for segmentation'), stack.seriesUid),
  ];
}

/** A planar region names the frames of its segment (several for the tiles of a slide) and its one source image. */
function planarReferences(
  input: EncodingInput,
  stack: Stack,
  seg: DicomObject,
  mask: DraftMask,
  own: readonly { readonly number: number; readonly place: number }[],
): DicomJson[] {
  const { placement } = stack.grid;
  const slide = placement.kind === 'slide';
  const plane = stack.planes[slide ? 0 : mask.planes[0]!]!;
  const tiles = slide ? own.map((f) => placement.tiles[f.place]!.frame) : [];
  const frames = slide ? tiles : plane.frame === undefined ? [] : [plane.frame];
  const source = common.referenceOf(input, stack, plane.instanceUid, plane.sopClass);
  // Frame numbers or a segment number, never both (PS3.3 Table 10-3); a frame belongs to one segment.
  const part = { frames: own.map((f) => f.number) };
  return [
    imageContent('CONTAINS', dcm('121214', 'Referenced Segmentation Frame'), seg, part),
    imageContent('CONTAINS', dcm('121233', 'Source image for segmentation'), source, { frames }),
  ];
}

// — what has no mask —

/** Sentences without a mask, in reading order: absent findings as codes, and each sentence word for word. */
function qualitativeEvaluations(input: EncodingInput): DicomJson[] {
  const rows = input.draft.sentences.flatMap((sentence) => {
    const findings = input.draft.findings.filter((f) => f.sentence === sentence.id);
    const negatives = findings.filter((f) => f.presence === 'absent').map((f) => absentItem(input, f));
    const shown = findings.some((f) => f.presence === 'present');
    return shown ? negatives : [...negatives, plainSentence(sentence, findings)];
  });
  if (rows.length === 0) return [];
  const concept: Code = { value: 'C0034375', scheme: 'UMLS', meaning: 'Qualitative Evaluations' };
  return [container('CONTAINS', concept, rows)];
}

/** The finding as concept and Absent as value; its site is part of what is absent. */
function absentItem(input: EncodingInput, { concept }: Finding): DicomJson {
  const side = concept.laterality ? [lateralityItem(concept.laterality)] : [];
  const site = concept.region
    ? [codeContent('HAS CONCEPT MOD', sct('363698007', 'Finding Site'), concept.region, side)]
    : side;
  return codeContent('CONTAINS', concept.type, input.presence.absent.sr, site);
}

function plainSentence(sentence: Sentence, findings: readonly Finding[]): DicomJson {
  const ungrounded = findings.filter((f) => f.presence === 'ungrounded');
  const reasons = ungrounded.map((f) =>
    `Not grounded, no mask shows it: ${f.label}. ${f.reason?.message ?? ''}`.trim(),
  );
  const warnings = sentence.warnings.map((w) => w.message);
  return commentItem(sentence.text, [...questionWords(sentence), ...warnings, ...reasons]);
}
