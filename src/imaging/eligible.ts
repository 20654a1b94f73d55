import { isOwnResult, type DicomJson, type SourceInstance } from '../base/index.ts';
import { items, number, sopClasses, text, texts, transferSyntaxes } from '../dicom/index.ts';

export interface Refusal {
  readonly code: string;
  readonly reason: string;
}

/** What of a study a model must not read, and why; `undefined` means that the image may be read. Attributes alone decide. */
export function refusalOf(
  instance: SourceInstance,
  options: { readonly burnedIn: 'hold' | 'allow'; readonly captures?: 'pass-over' | 'read' },
): Refusal | undefined {
  const { attributes: ds, ref } = instance;
  return (
    ownResult(ds, ref.sopClass) ??
    classRefusal(ref.sopClass) ??
    pixelRefusal(ds, ref.transferSyntax) ??
    imageTypeRefusal(ds, ref.sopClass) ??
    (options.captures === 'read' ? undefined : captureRefusal(ds, ref.sopClass)) ??
    (options.burnedIn === 'hold' && text(ds, 'BurnedInAnnotation') === 'YES'
      ? { code: 'burned-in', reason: 'the image says that it carries burned-in annotation' }
      : undefined)
  );
}

/**
 * Instances that a rejection note among `instances` takes out of use (IHE RAD TF-3 4.84, IOCM): SOP Instance UID to the
 * meaning of the note's title.
 */
export function rejectedInstances(instances: readonly SourceInstance[]): ReadonlyMap<string, string> {
  const rejected = new Map<string, string>();
  for (const { ref, attributes } of instances) {
    if (ref.sopClass !== keyObjectSelection) continue;
    const title = items(attributes, 'ConceptNameCodeSequence')[0];
    const meaning = title && rejectionTitles.get(text(title, 'CodeValue'));
    if (!meaning || text(title, 'CodingSchemeDesignator') !== 'DCM') continue;
    for (const study of items(attributes, 'CurrentRequestedProcedureEvidenceSequence'))
      for (const series of items(study, 'ReferencedSeriesSequence'))
        for (const sop of items(series, 'ReferencedSOPSequence'))
          rejected.set(text(sop, 'ReferencedSOPInstanceUID'), meaning);
  }
  return rejected;
}

const keyObjectSelection = '1.2.840.10008.5.1.4.1.1.88.59';
/** Titles of PS3.16 CID 7011 that reject what they list. */
const rejectionTitles: ReadonlyMap<string, string> = new Map([
  ['113001', 'Rejected for Quality Reasons'],
  ['113037', 'Rejected for Patient Safety Reasons'],
  ['113038', 'Incorrect Modality Worklist Entry'],
  ['113039', 'Data Retention Policy Expired'],
]);

function ownResult(ds: DicomJson, sopClass: string): Refusal | undefined {
  if (!isOwnResult(ds, sopClass, text(ds, 'SOPInstanceUID'))) return undefined;
  return { code: 'own-result', reason: 'written by Plumbline itself' };
}

const storage = '1.2.840.10008.5.1.4.1.1.';
/** Longest prefix wins; the rest of the UID follows the prefix. */
const otherClasses: readonly (readonly [prefix: string, code: string, reason: string])[] = [
  ['66.4', 'segmentation', 'a segmentation'],
  ['66.7', 'segmentation', 'a label map segmentation'],
  ['66.5', 'segmentation', 'a surface segmentation'],
  ['66', 'not-an-image', 'raw data or registration'],
  ['67', 'not-an-image', 'a real world value mapping'],
  ['30', 'parametric-map', 'a parametric map: values of a measurement, no picture'],
  ['88.59', 'key-object', 'a key object selection'],
  ['88.67', 'dose-report', 'a radiation dose report'],
  ['88.68', 'dose-report', 'a radiation dose report'],
  ['88.76', 'dose-report', 'a radiation dose report'],
  ['88', 'structured-report', 'a structured report'],
  ['11', 'presentation-state', 'a presentation state'],
  ['104', 'encapsulated-document', 'an encapsulated document'],
  ['9', 'waveform', 'a waveform'],
  ['91', 'annotation', 'annotations of a slide'],
  ['481', 'radiotherapy', 'a radiotherapy object'],
];

function classRefusal(sopClass: string): Refusal | undefined {
  if (sopClass.startsWith(storage)) {
    const rest = sopClass.slice(storage.length);
    const entry = otherClasses
      .filter(([prefix]) => rest === prefix || rest.startsWith(`${prefix}.`))
      .sort((a, b) => b[0].length - a[0].length)[0];
    if (entry) return { code: entry[1], reason: `${entry[2]} (SOP class ${sopClass})` };
  }
  const known = sopClasses.get(sopClass);
  if (!known) return { code: 'class-unknown', reason: `SOP class ${sopClass} is not known to hold a readable image` };
  return known.image ? undefined : { code: 'not-an-image', reason: `${known.name} holds no image` };
}

function pixelRefusal(ds: DicomJson, transferSyntax: string): Refusal | undefined {
  const syntax = transferSyntaxes.get(transferSyntax);
  if (syntax?.video) return { code: 'video', reason: `${syntax.name}: video is not read` };
  if (jpip.has(transferSyntax))
    return { code: 'no-pixels', reason: 'the pixels lie elsewhere (JPIP) and are never fetched' };
  if (syntax && !syntax.readable)
    return { code: 'transfer-syntax', reason: `no decoder for ${syntax.name} (${transferSyntax})` };
  if (!((number(ds, 'Rows') ?? 0) > 0 && (number(ds, 'Columns') ?? 0) > 0 && text(ds, 'PhotometricInterpretation')))
    return { code: 'no-pixels', reason: 'Rows, Columns or Photometric Interpretation are missing' };
  return undefined;
}

const jpip: ReadonlySet<string> = new Set([
  '1.2.840.10008.1.2.4.94',
  '1.2.840.10008.1.2.4.95',
  '1.2.840.10008.1.2.4.204',
  '1.2.840.10008.1.2.4.205',
]);

/** Image Type (0008,0008), PS3.3 C.7.6.1.1.2 and the modality's own values from the third on. */
function imageTypeRefusal(ds: DicomJson, sopClass: string): Refusal | undefined {
  const type = texts(ds, 'ImageType').map((value) => value.trim().toUpperCase());
  const has = (value: string): boolean => type.slice(2).includes(value);
  if (has('LOCALIZER') || has('SCOUT')) return { code: 'localizer', reason: 'a localizer, not a slice of the patient' };
  if (has('DOSE_INFO')) return { code: 'dose-page', reason: 'a dose page' };
  if (has('MOSAIC')) return { code: 'mosaic', reason: 'slices tiled in one image (mosaic): not a slice' };
  if (sopClass === wholeSlide && has('LABEL')) return { code: 'slide-label', reason: 'the label of a slide' };
  if (sopClass === wholeSlide && has('OVERVIEW')) return { code: 'slide-overview', reason: 'the overview of a slide' };
  if (has('THUMBNAIL')) return { code: 'thumbnail', reason: 'a thumbnail' };
  if (text(ds, 'PresentationIntentType') === 'FOR PROCESSING')
    return { code: 'for-processing', reason: 'raw detector data, not for presentation (PS3.3 C.8.11.1.1.1)' };
  return undefined;
}

function captureRefusal(ds: DicomJson, sopClass: string): Refusal | undefined {
  const modality = text(ds, 'Modality');
  if (!isSecondaryCapture(sopClass) || !scanners.has(modality) || ds['00200037']) return undefined;
  return { code: 'screen-capture', reason: `a screen capture in a ${modality} series: no plane of the patient` };
}

const wholeSlide = `${storage}77.1.6`;
const scanners: ReadonlySet<string> = new Set(['CT', 'MR', 'PT', 'NM']);

function isSecondaryCapture(sopClass: string): boolean {
  return sopClass === `${storage}7` || sopClass.startsWith(`${storage}7.`);
}
