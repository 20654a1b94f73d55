/** What holds for any SEG and any report, whatever the draft: legal values, what the modules require, whole items. */
import { isUid, type DicomJson, type Stack } from '../base/index.ts';
import { codeOf, has, illegalValues, items, number, numbers, text, texts } from '../dicom/index.ts';
import { nameOf, type ReadBack, type Say } from './consistency-rules.ts';
import { comprehensive3dSr, sourceOf } from './dicom-common.ts';
import type { EncodingInput } from './types.ts';

/** The value representations (PS3.5 6.2), and that group 2 is about the same instance (PS3.10 7.1). */
export function checkValues({ object, file, attributes }: ReadBack, say: Say): void {
  const name = nameOf(object);
  for (const illegal of illegalValues(attributes)) say('PL-DCM-022', `${name}: ${illegal}`);
  if (file.metaInstanceUid !== file.instanceUid)
    say('PL-DCM-022', `${name}: group 2 names instance ${file.metaInstanceUid || 'nothing'}`);
}

/** General Image, Image Pixel, Segmentation Image (PS3.3 C.7.6.1, C.7.6.3, C.8.20.2). */
export function checkSegmentForm(input: EncodingInput, stack: Stack, { object, attributes }: ReadBack, say: Say): void {
  const bad = (message: string) => say('PL-DCM-023', `${nameOf(object)}: ${message}`);
  checkContentTime(attributes, bad);
  const imageType = texts(attributes, 'ImageType').join('\\');
  if (imageType !== 'DERIVED\\PRIMARY') bad(`Image Type is ${imageType || 'absent'}, not DERIVED\\PRIMARY`);
  const photometric = text(attributes, 'PhotometricInterpretation');
  if (photometric !== 'MONOCHROME2')
    bad(`Photometric Interpretation is ${photometric || 'absent'}, not MONOCHROME2 (PS3.3 C.8.20.2)`);
  const lossy = stack.planes.some((p) => text(sourceOf(input, p.instanceUid), 'LossyImageCompression') === '01');
  const said = text(attributes, 'LossyImageCompression');
  if (said !== (lossy ? '01' : '00'))
    bad(`Lossy Image Compression is ${said || 'absent'}, not as in the source images`);
  const type = text(attributes, 'SegmentationType');
  if (type !== 'BINARY' && type !== 'FRACTIONAL') bad(`Segmentation Type is ${type || 'absent'}`);
  if (type === 'FRACTIONAL' && text(attributes, 'SegmentationFractionalType') !== 'PROBABILITY')
    bad('FRACTIONAL without the fractional type PROBABILITY');
  for (const segment of items(attributes, 'SegmentSequence')) {
    const colour = numbers(segment, 'RecommendedDisplayCIELabValue');
    if (colour.length !== 3) bad(`segment ${number(segment, 'SegmentNumber')} has a colour of ${colour.length} values`);
  }
}

/** SR Document General (PS3.3 C.17.2). */
export function checkReportForm({ object, attributes }: ReadBack, say: Say): void {
  const bad = (message: string) => say('PL-DCM-023', `${nameOf(object)}: ${message}`);
  checkContentTime(attributes, bad);
  if (!has(attributes, 'PerformedProcedureCodeSequence')) bad('no Performed Procedure Code Sequence');
}

function checkContentTime(attributes: DicomJson, bad: (message: string) => void): void {
  for (const keyword of ['InstanceNumber', 'ContentDate', 'ContentTime'])
    if (text(attributes, keyword) === '') bad(`no ${keyword}`);
}

// — content items —

const relationships = new Set([
  ...['CONTAINS', 'HAS OBS CONTEXT', 'HAS CONCEPT MOD', 'HAS ACQ CONTEXT', 'HAS PROPERTIES', 'INFERRED FROM'],
  'SELECTED FROM',
]);

/** Every item below the root, and the root itself (PS3.3 C.17.3). */
export function checkContentItems({ object, attributes }: ReadBack, say: Say): void {
  const bad = (item: DicomJson, message: string) =>
    say('PL-DCM-038', `${nameOf(object)}: ${itemName(item)} ${message}`);
  const visit = (item: DicomJson, root: boolean): void => {
    const type = text(item, 'ValueType');
    const why = values[type]?.(item, object.sopClass);
    if (values[type] === undefined) bad(item, `has the value type "${type}"`);
    if (why) bad(item, why);
    if (!root && !relationships.has(text(item, 'RelationshipType'))) bad(item, 'has no relationship to its parent');
    if (type !== 'IMAGE' && !isWhole(items(item, 'ConceptNameCodeSequence')[0])) bad(item, 'has no concept');
    for (const child of items(item, 'ContentSequence')) visit(child, false);
  };
  visit(attributes, true);
}

function itemName(item: DicomJson): string {
  const concept = codeOf(items(item, 'ConceptNameCodeSequence')[0]);
  return concept ? `${concept.value} ${concept.meaning}` : `an item of type ${text(item, 'ValueType')}`;
}

/** A code with its scheme and its meaning (PS3.3 Table 8.8-1). */
function isWhole(item: DicomJson | undefined): boolean {
  const code = codeOf(item);
  return code !== undefined && code.scheme !== '' && code.meaning !== '';
}

/** Of each value type that may stand in a report: what is wrong with an item, if anything. */
const values: Readonly<Record<string, (item: DicomJson, sopClass: string) => string | undefined>> = {
  CONTAINER: (item) =>
    ['SEPARATE', 'CONTINUOUS'].includes(text(item, 'ContinuityOfContent')) ? undefined : 'has no Continuity of Content',
  TEXT: (item) => (text(item, 'TextValue') === '' ? 'has no text' : undefined),
  CODE: (item) => (isWhole(items(item, 'ConceptCodeSequence')[0]) ? undefined : 'has no code'),
  UIDREF: (item) => (isUid(text(item, 'UID')) ? undefined : 'has no UID'),
  NUM: (item) => {
    const [measured] = items(item, 'MeasuredValueSequence');
    if (!measured || number(measured, 'NumericValue') === undefined) return 'has no number';
    return isWhole(items(measured, 'MeasurementUnitsCodeSequence')[0]) ? undefined : 'has no unit';
  },
  IMAGE: (item) => {
    const [reference] = items(item, 'ReferencedSOPSequence');
    const uids = ['ReferencedSOPClassUID', 'ReferencedSOPInstanceUID'].map((k) => reference && text(reference, k));
    return uids.every(isUid) ? undefined : 'names no instance';
  },
  SCOORD: (item) => {
    const type = text(item, 'GraphicType');
    if (!['POINT', 'MULTIPOINT', 'POLYLINE', 'CIRCLE', 'ELLIPSE'].includes(type))
      return `has the graphic type "${type}"`;
    const below = items(item, 'ContentSequence');
    const onImages = below.length > 0 && below.every((c) => text(c, 'ValueType') === 'IMAGE');
    return onImages ? undefined : 'is not selected from an image';
  },
  SCOORD3D: (item, sopClass) => {
    if (sopClass !== comprehensive3dSr) return 'has a place in space, which only Comprehensive 3D SR holds';
    return isUid(text(item, 'ReferencedFrameOfReferenceUID')) ? undefined : 'names no Frame of Reference';
  },
};
