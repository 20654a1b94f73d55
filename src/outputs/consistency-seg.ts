import { createHash } from 'node:crypto';
import { countBits, emptyBits, getBit, setBit, type Code, type DicomJson, type Stack } from '../base/index.ts';
import { codeOf, items, number, numbers, tagOf, text, type InspectedFile } from '../dicom/index.ts';
import type { DraftMask, Finding } from '../findings/index.ts';
import { nameOf, type ReadBack, type Say } from './consistency-rules.ts';
import { functionalGroup, plain, sourceOf } from './dicom-common.ts';
import { joins, words } from './seg-frames.ts';
import type { EncodingInput } from './types.ts';

/** One frame as it reads back. */
interface Frame {
  readonly number: number;
  readonly segment: number;
  readonly groups: DicomJson;
  readonly sourceUid: string;
  readonly sourceFrame: number | undefined;
  /** Index into the planes of the stack, or the tiles of a slide; undefined where the source is none of them. */
  readonly place: number | undefined;
}

/** All checks of one SEG but those that SR shares. */
export function checkSegment(input: EncodingInput, stack: Stack, seg: ReadBack, say: Say): void {
  const frames = readFrames(stack, seg.attributes);
  checkFrameOfReference(input, stack, seg, say);
  checkGrid(input, stack, seg, say);
  checkPlaces(input, stack, seg, frames, say);
  checkReferences(stack, seg, frames, say);
  checkDimensions(seg, frames, say);
  checkSegmentItems(input, stack, seg, say);
  const bits = checkPixels(input, seg, frames, say);
  if (!bits) return;
  checkFrames(seg, frames, bits, say);
  checkMasks(input, stack, seg, frames, bits, say);
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

function near(a: readonly number[], b: readonly number[], tolerance: number): boolean {
  return a.length === b.length && a.every((v, i) => Math.abs(v - b[i]!) <= tolerance);
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

// — pixels —

/** @returns the bits of each frame; undefined where frames and pixel data do not fit together */
function checkPixels(
  input: EncodingInput,
  seg: ReadBack,
  frames: readonly Frame[],
  say: Say,
): Uint8Array[] | undefined {
  const { object, attributes, file } = seg;
  const name = nameOf(object);
  const [rows = 0, columns = 0, count = 0] = ['Rows', 'Columns', 'NumberOfFrames'].map((k) => number(attributes, k));
  const pixels = rows * columns;
  const binary = text(attributes, 'SegmentationType') === 'BINARY';
  const depth = binary ? 1 : 8;
  const bits = ['BitsAllocated', 'BitsStored', 'HighBit', 'PixelRepresentation', 'SamplesPerPixel'].map((k) =>
    number(attributes, k),
  );
  if (
    !near(
      bits.map((b) => b ?? NaN),
      [depth, depth, depth - 1, 0, 1],
      0,
    )
  ) {
    say('PL-DCM-009', `${name}: bits ${bits.join(' ')} do not suit ${text(attributes, 'SegmentationType')}`);
  }
  const data = pixelBytes(object.bytes, file);
  const length = binary ? Math.ceil((count * pixels) / 8) : count * pixels;
  if (count !== frames.length || data?.length !== length + (length % 2)) {
    const groups = `${frames.length} per-frame groups, ${data?.length ?? 0} bytes of Pixel Data`;
    say('PL-DCM-009', `${name}: ${count} frames, ${groups}, expected ${length + (length % 2)}`);
    return undefined;
  }
  const misread = binary && (columns % 8 !== 0 || (pixels * count) % 16 !== 0);
  if (misread && !input.profile.strictBinary) {
    say('PL-DCM-010', `${name}: BINARY with ${rows} x ${columns} x ${count} pixels can be misread`);
  }
  if (!binary && (number(attributes, 'MaximumFractionalValue') !== 255 || data.some((v) => v !== 0 && v !== 255))) {
    say('PL-DCM-010', `${name}: FRACTIONAL holds more than 0 and its maximum 255`);
  }
  return frames.map((_, i) =>
    binary ? sliceBits(data, i * pixels, pixels) : packed(data.subarray(i * pixels, (i + 1) * pixels)),
  );
}

function pixelBytes(bytes: Uint8Array, file: InspectedFile): Uint8Array | undefined {
  const { pixel } = file;
  return pixel && bytes.subarray(pixel.offset, pixel.offset + pixel.length);
}

function sliceBits(data: Uint8Array, start: number, pixels: number): Uint8Array {
  if (start % 8 === 0 && pixels % 8 === 0) return data.subarray(start / 8, (start + pixels) / 8);
  const bits = emptyBits(pixels);
  for (let i = 0; i < pixels; i++) if ((data[Math.floor((start + i) / 8)]! >> ((start + i) % 8)) & 1) setBit(bits, i);
  return bits;
}

function packed(values: Uint8Array): Uint8Array {
  const bits = emptyBits(values.length);
  for (let i = 0; i < values.length; i++) if (values[i]) setBit(bits, i);
  return bits;
}

/** One frame per place and segment, empty ones, and whether segments overlap. */
function checkFrames(seg: ReadBack, frames: readonly Frame[], bits: readonly Uint8Array[], say: Say): void {
  const name = nameOf(seg.object);
  const taken = new Set<string>();
  for (const f of frames) {
    const key = `${f.segment} ${f.place}`;
    if (taken.has(key))
      say('PL-DCM-012', `${name}: frame ${f.number} is a second one of segment ${f.segment} at its place`);
    taken.add(key);
  }
  const [rows = 0, columns = 0] = ['Rows', 'Columns'].map((k) => number(seg.attributes, k));
  const without = rows * columns * (frames.length - 1);
  const allowed = columns % 8 === 0 && without % 16 !== 0 ? 1 : 0;
  const zeros = emptyBits(rows * columns);
  const empty = frames.filter((_, i) => Buffer.compare(bits[i]!, zeros) === 0);
  if (empty.length > allowed)
    say('PL-DCM-012', `${name}: ${empty.length} frames without a set pixel, ${allowed} allowed`);
  const says = text(seg.attributes, 'SegmentsOverlap');
  const do_ = overlap(frames, bits) ? 'YES' : 'NO';
  if (says !== do_) say('PL-DCM-013', `${name}: Segments Overlap says ${says || 'nothing'}, the pixels say ${do_}`);
}

function overlap(frames: readonly Frame[], bits: readonly Uint8Array[]): boolean {
  const union = new Map<number | undefined, Uint32Array>();
  return frames.some((f, i) => {
    const own = words(bits[i]!);
    const seen = union.get(f.place);
    if (!seen) union.set(f.place, new Uint32Array(own));
    return seen !== undefined && joins(seen, own);
  });
}

/** The pixels of each segment put back on the source grid are the mask of the draft. */
function checkMasks(
  input: EncodingInput,
  stack: Stack,
  seg: ReadBack,
  frames: readonly Frame[],
  bits: readonly Uint8Array[],
  say: Say,
): void {
  const name = nameOf(seg.object);
  const masks = input.draft.masks.filter((m) => m.stack === stack.id);
  for (const f of frames) {
    if (!masks.some((m) => m.segment === f.segment)) {
      say('PL-DCM-014', `${name}: frame ${f.number} names segment ${f.segment}, which the draft does not have`);
    }
  }
  for (const mask of masks) {
    const own = frames.flatMap((f, i) => (f.segment === mask.segment ? [{ place: f.place, bits: bits[i]! }] : []));
    const planes = stack.grid.placement.kind === 'slide' ? [onMatrix(stack, own)] : inOrder(own);
    const count = planes.reduce((n, p) => n + countBits(p), 0);
    const lost = own.some((f) => f.place === undefined);
    if (count !== mask.pixels || lost) {
      say('PL-DCM-011', `${name}: segment ${mask.segment} has ${count} pixels, ${mask.id} has ${mask.pixels}`);
    } else if (digestOf(planes) !== mask.digest || !sameAsMask(input, mask, planes)) {
      say('PL-DCM-011', `${name}: the pixels of segment ${mask.segment} are not those of ${mask.id}`);
    }
  }
}

type Placed = { readonly place: number | undefined; readonly bits: Uint8Array };

/** Non-empty planes in the order of the stack. */
function inOrder(own: readonly Placed[]): Uint8Array[] {
  const zeros = new Uint8Array(own[0]?.bits.length ?? 0);
  const set = own.filter((f) => Buffer.compare(f.bits, zeros) !== 0);
  return [...set].sort((a, b) => (a.place ?? 0) - (b.place ?? 0)).map((f) => f.bits);
}

function onMatrix(stack: Stack, own: readonly Placed[]): Uint8Array {
  const { placement, rows, columns } = stack.grid;
  const matrix = emptyBits(rows * columns);
  if (placement.kind !== 'slide') return matrix;
  for (const { place, bits } of own) {
    const tile = placement.tiles[place ?? -1];
    if (!tile) continue;
    for (let i = 0; i < placement.tileRows * placement.tileColumns; i++) {
      if (!getBit(bits, i)) continue;
      const row = tile.row + Math.floor(i / placement.tileColumns);
      const column = tile.column + (i % placement.tileColumns);
      if (row < rows && column < columns) setBit(matrix, row * columns + column);
    }
  }
  return matrix;
}

function digestOf(planes: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const p of planes) hash.update(p);
  return hash.digest('hex');
}

function sameAsMask(input: EncodingInput, mask: DraftMask, planes: readonly Uint8Array[]): boolean {
  const wanted = input.masks.get(mask.id) ?? [];
  return wanted.length === planes.length && wanted.every((p, i) => Buffer.compare(p.bits, planes[i]!) === 0);
}
