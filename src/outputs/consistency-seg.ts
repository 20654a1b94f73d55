import type { Code, DicomJson, Stack } from '../base/index.ts';
import { codeOf, items, number, numbers, tagOf, text } from '../dicom/index.ts';
import type { Finding } from '../findings/index.ts';
import { nameOf, type ReadBack, type Say } from './consistency-rules.ts';
import { checkSegmentPixels, near, type Frame } from './consistency-seg-pixels.ts';
import { functionalGroup, plain, sourceOf } from './dicom-common.ts';
import type { EncodingInput } from './types.ts';

/** All checks of one SEG but those that SR shares. */
export function checkSegment(input: EncodingInput, stack: Stack, seg: ReadBack, say: Say): void {
  const frames = readFrames(stack, seg.attributes);
  checkFrameOfReference(input, stack, seg, say);
  checkGrid(input, stack, seg, say);
  checkPlaces(input, stack, seg, frames, say);
  checkReferences(stack, seg, frames, say);
  checkDimensions(seg, frames, say);
  checkSegmentItems(input, stack, seg, say);
  checkSegmentPixels(input, stack, seg, frames, say);
}

function readFrames(stack: Stack, seg: DicomJson): Frame[] {
  const places = placeIndex(stack);
  const shared = items(seg, 'SharedFunctionalGroupsSequence')[0] ?? {};
  return items(seg, 'PerFrameFunctionalGroupsSequence').map((groups, i) => {
    const derivation = items(groups, 'DerivationImageSequence')[0];
    const source = derivation ? items(derivation, 'SourceImageSequence')[0] : undefined;
    const sourceUid = source ? text(source, 'ReferencedSOPInstanceUID') : '';
    const sourceFrame = source ? number(source, 'ReferencedFrameNumber') : undefined;
    const identification = [groups, shared].flatMap((g) => items(g, 'SegmentIdentificationSequence'))[0];
    return {
      number: i + 1,
      segment: (identification && number(identification, 'ReferencedSegmentNumber')) ?? 0,
      groups,
      sourceUid,
      sourceFrame,
      place: places.get(`${sourceUid}#${sourceFrame ?? ''}`),
    };
  });
}

/** Source instance and frame to the index of the place. */
function placeIndex(stack: Stack): Map<string, number> {
  const { placement } = stack.grid;
  if (placement.kind === 'slide') {
    return new Map(placement.tiles.map((t, i) => [`${stack.planes[0]!.instanceUid}#${t.frame}`, i]));
  }
  return new Map(stack.planes.map((p, i) => [`${p.instanceUid}#${p.frame ?? ''}`, i]));
}

// — geometry —

/** Images with positions but without a frame of reference get one of their own, which then is the stack's. */
function checkFrameOfReference(input: EncodingInput, stack: Stack, { object, attributes }: ReadBack, say: Say): void {
  const { placement } = stack.grid;
  const theirs = text(sourceOf(input, stack.planes[0]!.instanceUid), 'FrameOfReferenceUID');
  const ours = text(attributes, 'FrameOfReferenceUID');
  const wanted = placement.kind === 'none' ? '' : theirs || (placement.frameOfReferenceUid ?? '');
  if (ours !== wanted) say('PL-DCM-005', `${nameOf(object)}: Frame of Reference "${ours}", expected "${wanted}"`);
}

function checkGrid(input: EncodingInput, stack: Stack, { object, attributes }: ReadBack, say: Say): void {
  const name = nameOf(object);
  const plane = stack.planes[0]!;
  const source = sourceOf(input, plane.instanceUid);
  for (const k of ['Rows', 'Columns']) {
    const [ours, theirs] = [number(attributes, k), number(source, k)];
    if (ours !== theirs) say('PL-DCM-007', `${name}: ${k} ${ours}, the source has ${theirs}`);
  }
  const { kind } = stack.grid.placement;
  if (kind === 'none') return;
  const shared = items(attributes, 'SharedFunctionalGroupsSequence')[0] ?? {};
  const frame = kind === 'slide' ? 1 : plane.frame;
  const measure = (ds: DicomJson, f: number | undefined) =>
    numbers(functionalGroup(ds, f, 'PixelMeasuresSequence') ?? ds, 'PixelSpacing');
  const spacing = measure(source, frame);
  if (
    spacing.length === 2 &&
    !near(numbers(items(shared, 'PixelMeasuresSequence')[0] ?? {}, 'PixelSpacing'), spacing, 1e-5)
  ) {
    say('PL-DCM-007', `${name}: Pixel Spacing is not ${spacing.join('\\')} as in the source`);
  }
  if (kind === 'slide') {
    const [ours, theirs] = [attributes, source].map((ds) => numbers(ds, 'ImageOrientationSlide'));
    if (!near(ours!, theirs!, 1e-4)) say('PL-DCM-007', `${name}: Image Orientation (Slide) is not that of the source`);
    return;
  }
  const theirs = numbers(
    functionalGroup(source, frame, 'PlaneOrientationSequence') ?? source,
    'ImageOrientationPatient',
  );
  const ours = numbers(items(shared, 'PlaneOrientationSequence')[0] ?? {}, 'ImageOrientationPatient');
  if (!near(ours, theirs, 1e-4)) say('PL-DCM-007', `${name}: Image Orientation is not that of the source`);
}

/** The two ways in which viewers place a frame must lead to one slice. */
function checkPlaces(input: EncodingInput, stack: Stack, seg: ReadBack, frames: readonly Frame[], say: Say): void {
  const { placement, spacing } = stack.grid;
  const name = nameOf(seg.object);
  for (const f of frames) {
    if (f.place === undefined) {
      const what = f.sourceUid ? `${f.sourceUid} frame ${f.sourceFrame ?? '-'}` : 'no source image';
      say('PL-DCM-019', `${name}: frame ${f.number} names ${what}, which is no plane of the stack`);
      continue;
    }
    if (placement.kind === 'none') continue;
    if (placement.kind === 'slide') {
      const tile = placement.tiles[f.place]!;
      const item = items(f.groups, 'PlanePositionSlideSequence')[0] ?? {};
      const at = ['RowPositionInTotalImagePixelMatrix', 'ColumnPositionInTotalImagePixelMatrix'].map((k) =>
        number(item, k),
      );
      const step = spacing.kind === 'physical' ? [spacing.rowMm, spacing.columnMm] : [0, 0];
      const mm = [0, 1].map(
        (i) =>
          placement.origin[i]! +
          tile.row * step[0]! * placement.columnCosines[i]! +
          tile.column * step[1]! * placement.rowCosines[i]!,
      );
      const offset = ['XOffsetInSlideCoordinateSystem', 'YOffsetInSlideCoordinateSystem'].map(
        (k) => number(item, k) ?? NaN,
      );
      if (at[0] !== tile.row + 1 || at[1] !== tile.column + 1 || !near(offset, mm, 1e-4)) {
        say('PL-DCM-008', `${name}: frame ${f.number} does not lie on its tile`);
      }
      continue;
    }
    const ours = numbers(items(f.groups, 'PlanePositionSequence')[0] ?? {}, 'ImagePositionPatient');
    const theirs = sourcePosition(sourceOf(input, f.sourceUid), f.sourceFrame);
    if (!near(ours, theirs, 1e-3)) {
      say(
        'PL-DCM-008',
        `${name}: frame ${f.number} lies at ${ours.join('\\')}, its source image at ${theirs.join('\\')}`,
      );
    }
  }
}

function sourcePosition(source: DicomJson, frame: number | undefined): number[] {
  return numbers(functionalGroup(source, frame, 'PlanePositionSequence') ?? source, 'ImagePositionPatient');
}

// — references and dimensions —

function checkReferences(stack: Stack, { object, attributes }: ReadBack, frames: readonly Frame[], say: Say): void {
  const name = nameOf(object);
  const listed = new Map<string, string>();
  for (const series of items(attributes, 'ReferencedSeriesSequence')) {
    const uid = text(series, 'SeriesInstanceUID');
    if (uid !== stack.seriesUid)
      say('PL-DCM-017', `${name}: refers to series ${uid}, its images are in ${stack.seriesUid}`);
    for (const i of items(series, 'ReferencedInstanceSequence')) {
      listed.set(text(i, 'ReferencedSOPInstanceUID'), text(i, 'ReferencedSOPClassUID'));
    }
  }
  const classes = new Map(stack.planes.map((p) => [p.instanceUid, p.sopClass]));
  for (const uid of new Set(frames.map((f) => f.sourceUid))) {
    if (!listed.has(uid)) say('PL-DCM-017', `${name}: source image ${uid} is not among the referenced instances`);
  }
  for (const [uid, sopClass] of listed) {
    if (classes.get(uid) !== sopClass)
      say('PL-DCM-017', `${name}: ${uid} is no image of the stack, or of another class`);
  }
}

function checkDimensions({ object, attributes }: ReadBack, frames: readonly Frame[], say: Say): void {
  const name = nameOf(object);
  const dimensions = items(attributes, 'DimensionIndexSequence');
  const uids = items(attributes, 'DimensionOrganizationSequence').map((d) => text(d, 'DimensionOrganizationUID'));
  const first = dimensions[0];
  if (!first || text(first, 'DimensionIndexPointer') !== tagOf('ReferencedSegmentNumber')) {
    say('PL-DCM-018', `${name}: the first dimension is not the segment number`);
  }
  for (const d of dimensions) {
    const uid = text(d, 'DimensionOrganizationUID');
    if (!uids.includes(uid)) say('PL-DCM-018', `${name}: dimension organization ${uid} is not declared`);
  }
  let before: readonly number[] = [];
  for (const f of frames) {
    const values = numbers(items(f.groups, 'FrameContentSequence')[0] ?? {}, 'DimensionIndexValues');
    if (values.length !== dimensions.length) {
      say('PL-DCM-018', `${name}: frame ${f.number} has ${values.length} indices for ${dimensions.length} dimensions`);
    }
    if (values[0] !== f.segment) say('PL-DCM-018', `${name}: frame ${f.number} is indexed as segment ${values[0]}`);
    if (!follows(before, values)) say('PL-DCM-018', `${name}: frame ${f.number} is out of the order of its dimensions`);
    before = values;
    for (const d of dimensions) {
      const group = f.groups[text(d, 'FunctionalGroupPointer')]?.Value?.[0] as DicomJson | undefined;
      if (!group?.[text(d, 'DimensionIndexPointer')]) {
        say('PL-DCM-018', `${name}: frame ${f.number} lacks the attribute of a dimension`);
      }
    }
  }
}

/** Growing in the order of the dimensions, the first weighing most. */
function follows(before: readonly number[], now: readonly number[]): boolean {
  if (before.length === 0) return true;
  const i = now.findIndex((v, k) => v !== before[k]);
  return i >= 0 && now[i]! > before[i]!;
}

// — segments —

function checkSegmentItems(input: EncodingInput, stack: Stack, { object, attributes }: ReadBack, say: Say): void {
  const name = nameOf(object);
  const masks = input.draft.masks.filter((m) => m.stack === stack.id).sort((a, b) => a.segment - b.segment);
  const segments = items(attributes, 'SegmentSequence');
  if (segments.length !== masks.length) {
    say('PL-DCM-014', `${name}: ${segments.length} segments for ${masks.length} masks`);
  }
  const tracked = new Set<string>();
  segments.forEach((item, i) => {
    const n = number(item, 'SegmentNumber');
    if (n !== i + 1) say('PL-DCM-014', `${name}: segment ${n} stands at place ${i + 1}`);
    const uid = text(item, 'TrackingUID');
    if (tracked.has(uid)) say('PL-DCM-015', `${name}: tracking UID ${uid} stands twice`);
    tracked.add(uid);
    const mask = masks.find((m) => m.segment === n);
    const finding = mask && input.draft.findings.find((f) => f.id === mask.finding);
    if (!finding) return say('PL-DCM-014', `${name}: segment ${n} is no mask of the draft`);
    checkSegmentItem(input, `${name} segment ${n}`, item, finding, say);
  });
}

function checkSegmentItem(input: EncodingInput, name: string, item: DicomJson, finding: Finding, say: Say): void {
  const { bundle, sentences, version } = input.draft;
  if (text(item, 'TrackingID') !== finding.trackingId || text(item, 'TrackingUID') !== finding.trackingUid) {
    say('PL-DCM-015', `${name}: tracking id or UID is not that of ${finding.id}`);
  }
  const type = items(item, 'SegmentedPropertyTypeCodeSequence')[0];
  const region = items(item, 'AnatomicRegionSequence')[0];
  const { concept } = finding;
  const codes = [
    ['category', codeOf(items(item, 'SegmentedPropertyCategoryCodeSequence')[0]), concept.category],
    ['type', codeOf(type), concept.type],
    ['region', codeOf(region), concept.region],
  ] as const;
  for (const [what, ours, wanted] of codes) {
    if (!sameCode(ours, wanted))
      say('PL-DCM-016', `${name}: ${what} is ${ours?.value ?? 'absent'}, not ${wanted?.value ?? 'absent'}`);
  }
  const sides = [
    ...(type ? items(type, 'SegmentedPropertyTypeModifierCodeSequence') : []),
    ...(region ? items(region, 'AnatomicRegionModifierSequence') : []),
  ].map((i) => codeOf(i));
  checkSide(name, sides, finding, (message) => say('PL-DCM-016', message));
  const wanted = version > 1 ? 'SEMIAUTOMATIC' : 'AUTOMATIC';
  if (text(item, 'SegmentAlgorithmType') !== wanted || text(item, 'SegmentAlgorithmName') !== plain(bundle.name, 64)) {
    say('PL-DCM-020', `${name}: does not name the model as its algorithm`);
  }
  const label = text(item, 'SegmentLabel');
  if (label !== plain(finding.label, 64)) say('PL-DCM-016', `${name}: label "${label}" is not that of ${finding.id}`);
  const sentence = plain(sentences.find((s) => s.id === finding.sentence)?.text ?? '', 1000);
  if (!text(item, 'SegmentDescription').startsWith(sentence)) {
    say('PL-DCM-021', `${name}: its description is not the sentence ${finding.sentence}`);
  }
}

/** The coded side is the draft's, stands once, and does not contradict the side on which the mask lies. */
export function checkSide(
  name: string,
  sides: readonly (Code | undefined)[],
  { concept, side, id }: Finding,
  say: (message: string) => void,
): void {
  const wanted = concept.laterality ? [concept.laterality] : [];
  const same = sides.length === wanted.length && sides.every((s, i) => sameCode(s, wanted[i]));
  if (!same)
    say(
      `${name}: side is ${sides.map((s) => s?.meaning).join() || 'absent'}, ${id} has ${wanted[0]?.meaning ?? 'none'}`,
    );
  const opposite = { left: '24028007', right: '7771000', both: '' };
  if (side && sides.some((s) => s?.value === opposite[side]))
    say(`${name}: coded side contradicts the mask, which lies ${side}`);
}

export function sameCode(a: Code | undefined, b: Code | undefined): boolean {
  if (!a || !b) return a === b;
  return a.value === b.value && a.scheme === b.scheme && a.meaning === plain(b.meaning, 64);
}
