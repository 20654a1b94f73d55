import { PlumblineError, type Code, type DicomJson, type Stack } from '../base/index.ts';
import { dataset, part10Parts, text, texts } from '../dicom/index.ts';
import type { Draft, DraftMask, Finding } from '../findings/index.ts';
import * as common from './dicom-common.ts';
import { codeItem, dcm, plain } from './dicom-common.ts';
import { functionalGroups, slideAttributes } from './seg-geometry.ts';
import { packFrames, planFrames, type FramePlan } from './seg-frames.ts';
import type { DicomObject, EncodingInput } from './types.ts';

/**
 * The masks of a draft as DICOM Segmentation (PS3.3 A.51, C.8.20): one object, in a series of its own, per stack that
 * has masks; numbered 1..n in the order of the stacks. Frames lie on the source grid, never resampled or flipped.
 * The same draft gives the same bytes.
 * @returns none where nothing was segmented: an empty segment would claim what was not found
 * @throws PlumblineError encoding-invalid, text-unencodable
 */
export function encodeSeg(input: EncodingInput): DicomObject[] {
  const { draft } = input;
  const segmented = draft.stacks.filter((stack) => draft.masks.some((m) => m.stack === stack.id));
  return segmented.map((stack, i) => segOfStack(input, stack, i + 1, segmented.length));
}

/** A mask, and the finding that it shows. */
interface Segment {
  readonly mask: DraftMask;
  readonly finding: Finding;
}

/** Segments of a stack, in order of their number. @throws PlumblineError encoding-invalid where the draft is not whole */
export function segmentsOf(draft: Draft, stack: Stack): Segment[] {
  const masks = draft.masks.filter((m) => m.stack === stack.id).sort((a, b) => a.segment - b.segment);
  return masks.map((mask, i) => {
    const finding = draft.findings.find((f) => f.id === mask.finding);
    if (finding && mask.segment === i + 1) return { mask, finding };
    const what = finding ? `segment ${i + 1} is missing` : `mask ${mask.id} names no finding`;
    throw new PlumblineError('encoding-invalid', `${what} in stack ${stack.id}`);
  });
}

function segOfStack(input: EncodingInput, stack: Stack, index: number, of: number): DicomObject {
  const source = common.firstSource(input, stack);
  const segments = segmentsOf(input.draft, stack);
  const bits = segments.map(({ mask }) => input.masks.get(mask.id) ?? []);
  const plan = planFrames(stack, bits, { strictBinary: input.profile.strictBinary ?? false });
  if (plan.frames.length === 0) throw new PlumblineError('encoding-invalid', `stack ${stack.id} has only empty masks`);
  const uid = (part: string) => common.objectUid(input, 'seg', index, part);
  const [seriesUid, instanceUid] = [uid('series'), uid('instance')];
  const when = common.whenOf(input, source);
  const whole: DicomJson = {
    ...common.patientAndStudy(source),
    ...frameOfReference(stack),
    ...slideAttributes(stack, source),
    ...common.copyLegal(source, ['BodyPartExamined', 'ReferencedPerformedProcedureStepSequence']),
    ...series(input, stack, seriesUid, when, of),
    ...common.writtenBy(input, common.segmentationStorage, instanceUid, when),
    ...image(input, stack, source, plan, when),
    ...dataset({ SegmentSequence: segments.map((s) => segmentItem(input, stack, s)) }),
    ...functionalGroups(stack, plan, uid('dimensions'), input.profile),
    ...referencedSeries(input, stack, plan),
  };
  const ordered = Object.fromEntries(Object.entries(whole).sort(([a], [b]) => (a < b ? -1 : 1)));
  const parts = part10Parts(ordered, { pixelData: { vr: 'OB', bytes: packFrames(plan) } });
  return {
    role: 'seg',
    index,
    studyUid: text(ordered, 'StudyInstanceUID'),
    seriesUid,
    instanceUid,
    sopClass: common.segmentationStorage,
    stack: stack.id,
    dataset: ordered,
    parts,
  };
}

function series(input: EncodingInput, stack: Stack, seriesUid: string, when: common.When, of: number): DicomJson {
  return dataset({
    Modality: 'SEG',
    SeriesInstanceUID: seriesUid,
    SeriesNumber: common.seriesNumber(input, 'SEG'),
    SeriesDate: when.date,
    SeriesTime: when.time,
    SeriesDescription: common.seriesDescription(input, 'SEG', of > 1 ? ` ${stack.id}` : ''),
  });
}

function frameOfReference({ grid: { placement } }: Stack): DicomJson {
  if (placement.kind === 'none' || !placement.frameOfReferenceUid) return {};
  return dataset({
    FrameOfReferenceUID: placement.frameOfReferenceUid,
    PositionReferenceIndicator: placement.positionReferenceIndicator ?? '',
  });
}

/** General Image, Image Pixel and Segmentation Image (PS3.3 C.7.6.1, C.7.6.3, C.8.20.2). */
function image(input: EncodingInput, stack: Stack, source: DicomJson, plan: FramePlan, when: common.When): DicomJson {
  const { bundle, task } = input.draft;
  const bits = plan.packing === 'BINARY' ? 1 : 8;
  const sources = [...new Set(stack.planes.map((p) => p.instanceUid))].map((uid) => common.sourceOf(input, uid));
  return {
    ...common.lossyChain(sources),
    ...dataset({
      ImageType: ['DERIVED', 'PRIMARY'],
      InstanceNumber: 1,
      ContentDate: when.date,
      ContentTime: when.time,
      ContentLabel: 'AI_DRAFT',
      ContentDescription: plain(`${bundle.name} ${bundle.version}: ${task}`, 64),
      ContentCreatorName: '',
      PatientOrientation: patientOrientation(input, stack, source),
      SamplesPerPixel: 1,
      PhotometricInterpretation: 'MONOCHROME2',
      Rows: plan.rows,
      Columns: plan.columns,
      BitsAllocated: bits,
      BitsStored: bits,
      HighBit: bits - 1,
      PixelRepresentation: 0,
      SegmentationType: plan.packing,
      ...(plan.packing === 'FRACTIONAL' && {
        SegmentationFractionalType: 'PROBABILITY',
        MaximumFractionalValue: 255,
      }),
      SegmentsOverlap: plan.overlap ? 'YES' : 'NO',
    }),
  };
}

/** Type 2C: needed where no plane macro says how the image lies (PS3.3 C.7.6.1). */
function patientOrientation(input: EncodingInput, stack: Stack, source: DicomJson): string[] | undefined {
  const { kind } = stack.grid.placement;
  if (kind === 'patient') return undefined;
  const said = kind === 'none' ? texts(source, 'PatientOrientation') : [];
  if (said.length === 2) return said;
  return kind === 'slide' || input.profile.planes2d === 'plain' ? [] : undefined;
}

/** One item of the Segment Sequence (PS3.3 C.8.20.4). */
function segmentItem(input: EncodingInput, stack: Stack, { mask, finding }: Segment): DicomJson {
  const { draft } = input;
  const { concept } = finding;
  const sentence = draft.sentences.find((s) => s.id === finding.sentence)?.text ?? '';
  const unsized = stack.grid.spacing.kind === 'none' ? ' (no calibrated size)' : '';
  const { name, version } = draft.bundle;
  const algorithm = dataset({
    AlgorithmFamilyCodeSequence: [codeItem(dcm('123110', 'Artificial Intelligence'))],
    AlgorithmName: plain(name, 64),
    AlgorithmVersion: plain(version, 64),
    AlgorithmSource: 'Plumbline',
  });
  return dataset({
    SegmentNumber: mask.segment,
    SegmentLabel: plain(finding.label, 64),
    SegmentDescription: `${plain(sentence, 1024 - unsized.length)}${unsized}`,
    SegmentAlgorithmType: draft.version > 1 ? 'SEMIAUTOMATIC' : 'AUTOMATIC',
    SegmentAlgorithmName: plain(name, 64),
    SegmentationAlgorithmIdentificationSequence: [algorithm],
    SegmentedPropertyCategoryCodeSequence: [codeItem(concept.category)],
    ...propertyAndRegion(finding),
    TrackingID: finding.trackingId,
    TrackingUID: finding.trackingUid,
    RecommendedDisplayCIELabValue: [...concept.lab],
  });
}

/**
 * Where the side stands: for anatomy it modifies the property type; for a lesion or an object it modifies the region in
 * which it lies, and the property type only where no region is known.
 */
function propertyAndRegion({ concept }: Finding): Record<string, DicomJson[] | undefined> {
  const { type, region, laterality } = concept;
  const onRegion = laterality !== undefined && region !== undefined && !isAnatomy(concept.category);
  const onType = laterality !== undefined && !onRegion;
  const typeItem = {
    ...codeItem(type),
    ...(onType && dataset({ SegmentedPropertyTypeModifierCodeSequence: [codeItem(laterality)] })),
  };
  const regionItem = region && {
    ...codeItem(region),
    ...(onRegion && dataset({ AnatomicRegionModifierSequence: [codeItem(laterality)] })),
  };
  return {
    SegmentedPropertyTypeCodeSequence: [typeItem],
    AnatomicRegionSequence: regionItem && [regionItem],
  };
}

/** Anatomical Structure (also its older code) and Tissue of CID 7150. */
export function isAnatomy(category: Code): boolean {
  return ['91723000', '123037004', '85756007'].includes(category.value);
}

/** Common Instance Reference (PS3.3 C.12.2): every source instance that a frame names. */
function referencedSeries(input: EncodingInput, stack: Stack, plan: FramePlan): DicomJson {
  const slide = stack.grid.placement.kind === 'slide';
  const planes = [...new Set(plan.frames.map((f) => (slide ? 0 : f.place)))].sort((a, b) => a - b);
  const references = planes.map((p) => {
    const { instanceUid, sopClass } = stack.planes[p]!;
    return common.referenceOf(input, stack, instanceUid, sopClass);
  });
  return dataset({
    ReferencedSeriesSequence: common.bySeries(references).map(({ seriesUid, instances }) =>
      dataset({
        ReferencedInstanceSequence: instances.map(common.referenceItem),
        SeriesInstanceUID: seriesUid,
      }),
    ),
  });
}
