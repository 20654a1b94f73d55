import { deflateRawSync } from 'node:zlib';
import { countBits, emptyBits, getBit, PlumblineError, setBit, type DicomJson, type Region } from '../base/index.ts';
import { attributesOf, items, number, numbers, readFrames, text } from '../dicom/index.ts';
import { shapeBits, type Point } from './shapes.ts';

/** Where objects that are named by a region's object are found. */
export interface RegionSources {
  /** A whole Part 10 file of the same study; undefined where it is not there. */
  readonly load: (instanceUid: string) => Promise<Uint8Array | undefined>;
  /** Rows and columns of an image of the same study. */
  readonly sizeOf: (instanceUid: string) => Promise<{ readonly rows: number; readonly columns: number } | undefined>;
}

/**
 * A region that an object of the study holds.
 * @param file a SEG, or an SR with regions (SCOORD, or a reference to a SEG: TID 1410, 1411)
 * @param pick of a SEG the segment number; of an SR the Tracking Unique Identifier, or the place among its regions from 1
 * @returns on the image where it is largest
 * @throws PlumblineError region-invalid
 */
export async function readRegion(file: Uint8Array, pick: string, sources: RegionSources): Promise<Region> {
  const attributes = attributesOf(file);
  if (text(attributes, 'Modality') === 'SEG') return ofSegment(file, attributes, Number(pick));
  const regions = regionItems(attributes);
  const found =
    regions.find((r) => r.tracking === pick) ?? (/^\d{1,6}$/.test(pick) ? regions[Number(pick) - 1] : undefined);
  const uid = text(attributes, 'SOPInstanceUID');
  if (!found) throw invalid(`it has ${regions.length} regions, none is "${pick}"`, uid);
  const from = { instanceUid: uid, item: found.tracking || pick };
  return { ...(await ofItem(found.item, sources, uid)), from };
}

// — SEG —

/** @throws PlumblineError region-invalid */
function ofSegment(file: Uint8Array, attributes: DicomJson, segment: number): Region {
  const uid = text(attributes, 'SOPInstanceUID');
  const [rows = 0, columns = 0] = [number(attributes, 'Rows'), number(attributes, 'Columns')];
  const known = items(attributes, 'SegmentSequence').map((s) => number(s, 'SegmentNumber'));
  if (!known.includes(segment)) throw invalid(`it has the segments ${known.join(', ')}, not ${segment}`, uid);
  const frames = readFrames(file);
  let best: { readonly bits: Uint8Array; readonly pixels: number; readonly source: DicomJson } | undefined;
  for (const [i, groups] of items(attributes, 'PerFrameFunctionalGroupsSequence').entries()) {
    const named = items(groups, 'SegmentIdentificationSequence')[0];
    if ((named && number(named, 'ReferencedSegmentNumber')) !== segment) continue;
    const source = sourceOf(groups);
    if (!source) continue;
    const bits = segmentBits(attributes, frames.frame(i), rows * columns);
    const pixels = countBits(bits);
    if (pixels > (best?.pixels ?? 0)) best = { bits, pixels, source };
  }
  if (!best) throw invalid(`segment ${segment} is empty, or does not say on which image it lies`, uid);
  return { ...imageOf(best.source), ...shaped(best.bits, rows, columns), from: { instanceUid: uid, segment } };
}

/** The image that a frame was segmented from (PS3.3 C.7.6.16.2.6). */
function sourceOf(groups: DicomJson): DicomJson | undefined {
  return items(groups, 'DerivationImageSequence').flatMap((d) => items(d, 'SourceImageSequence'))[0];
}

/** BINARY: one bit a pixel. FRACTIONAL: half of the largest value and more is set. */
function segmentBits(
  attributes: DicomJson,
  { bytes, firstBit }: { readonly bytes: Uint8Array; readonly firstBit: number },
  pixels: number,
): Uint8Array {
  const bits = emptyBits(pixels);
  const binary = number(attributes, 'BitsAllocated') === 1;
  const half = (number(attributes, 'MaximumFractionalValue') ?? 255) / 2;
  for (let i = 0; i < pixels; i++) if (binary ? getBit(bytes, firstBit + i) : bytes[i]! >= half) setBit(bits, i);
  return bits;
}

// — SR —

interface RegionItem {
  /** SCOORD, or IMAGE that names a segment. */
  readonly item: DicomJson;
  /** Tracking Unique Identifier of its measurement group; '' where there is none. */
  readonly tracking: string;
}

/** Regions in reading order: each SCOORD, and of a group without one its reference to a SEG. */
function regionItems(dataset: DicomJson, tracking = ''): RegionItem[] {
  const children = items(dataset, 'ContentSequence');
  const named = children.find((c) => conceptOf(c) === '112040');
  const own = named ? text(named, 'UID') : tracking;
  const below = children.flatMap((c) => regionItems(c, own));
  const shapes = children.filter((c) => text(c, 'ValueType') === 'SCOORD');
  const segments = children.filter((c) => ['121191', '121214'].includes(conceptOf(c)));
  const here = shapes.length > 0 ? shapes : segments.slice(0, 1);
  return [...here.map((item) => ({ item, tracking: own })), ...below];
}

function conceptOf(item: DicomJson): string {
  const [concept] = items(item, 'ConceptNameCodeSequence');
  return concept ? text(concept, 'CodeValue') : '';
}

async function ofItem(item: DicomJson, { load, sizeOf }: RegionSources, uid: string): Promise<Region> {
  if (text(item, 'ValueType') === 'IMAGE') return ofReference(item, load, uid);
  const image = items(item, 'ContentSequence').find((c) => text(c, 'ValueType') === 'IMAGE');
  const [named] = image ? items(image, 'ReferencedSOPSequence') : [];
  if (!named) throw invalid('the shape does not say on which image it lies', uid);
  const { instanceUid, frame } = imageOf(named);
  const size = await sizeOf(instanceUid);
  if (!size) throw invalid(`the shape lies on ${instanceUid}, which is not an image of this study`, uid);
  const bits = shapeBits(text(item, 'GraphicType'), pairs(numbers(item, 'GraphicData')), size.rows, size.columns);
  return { instanceUid, ...(frame === undefined ? {} : { frame }), ...shaped(bits, size.rows, size.columns) };
}

async function ofReference(item: DicomJson, load: RegionSources['load'], uid: string): Promise<Region> {
  const [named] = items(item, 'ReferencedSOPSequence');
  const segUid = named ? text(named, 'ReferencedSOPInstanceUID') : '';
  const file = await load(segUid);
  if (!named || !file) throw invalid(`the region lies in the segmentation ${segUid}, which is not there`, uid);
  const attributes = attributesOf(file);
  const segment =
    number(named, 'ReferencedSegmentNumber') ?? segmentOfFrame(attributes, number(named, 'ReferencedFrameNumber'));
  return ofSegment(file, attributes, segment ?? 0);
}

/** A frame belongs to one segment. */
function segmentOfFrame(seg: DicomJson, frame: number | undefined): number | undefined {
  const groups = items(seg, 'PerFrameFunctionalGroupsSequence')[(frame ?? 0) - 1];
  const [named] = groups ? items(groups, 'SegmentIdentificationSequence') : [];
  return named && number(named, 'ReferencedSegmentNumber');
}

function pairs(values: readonly number[]): Point[] {
  return Array.from({ length: values.length >> 1 }, (_, i) => [values[2 * i]!, values[2 * i + 1]!]);
}

// — both —

function imageOf(reference: DicomJson): Pick<Region, 'instanceUid' | 'frame'> {
  const frame = number(reference, 'ReferencedFrameNumber');
  return { instanceUid: text(reference, 'ReferencedSOPInstanceUID'), ...(frame === undefined ? {} : { frame }) };
}

function shaped(bits: Uint8Array, rows: number, columns: number): Pick<Region, 'box' | 'mask'> {
  const box: [number, number, number, number] = [columns, rows, 0, 0];
  for (let i = 0; i < rows * columns; i++) {
    if (!getBit(bits, i)) continue;
    const [x, y] = [i % columns, Math.floor(i / columns)];
    box[0] = Math.min(box[0], x);
    box[1] = Math.min(box[1], y);
    box[2] = Math.max(box[2], x + 1);
    box[3] = Math.max(box[3], y + 1);
  }
  if (box[2] === 0) throw invalid('the region lies outside of its image', '');
  return { box, mask: deflateRawSync(bits).toString('base64') };
}

function invalid(message: string, instanceUid: string): PlumblineError {
  return new PlumblineError('region-invalid', message, { where: instanceUid });
}
