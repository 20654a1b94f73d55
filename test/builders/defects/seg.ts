/** The defects of a SEG, S01 to S68: one change each of what the encoder wrote. */
import { number, tagOf, text } from '../../../src/dicom/index.ts';
import { at, drop, frames, items, set, type Change, type Open } from './spoil.ts';

export interface Defect {
  readonly id: string;
  readonly what: string;
  /** Which encoding is spoilt: the usual BINARY one, one of 10 x 11 pixels, or FRACTIONAL. */
  readonly base?: 'binary' | 'narrow' | 'fractional';
  /** Legal by the standard, and the reader loses nothing. */
  readonly harmless?: true;
  readonly change: Change;
}

const each = (change: (frame: Open, i: number) => unknown): Change => ({ ds }) => frames(ds).forEach((f, i) => void change(f, i)); // prettier-ignore
const on = (change: (ds: Open) => unknown): Change => ({ ds }) => void change(ds); // prettier-ignore
const segments = (ds: Open): Open[] => items(ds, 'SegmentSequence');
const shared = (ds: Open): Open => at(ds, 'SharedFunctionalGroupsSequence');
const source = (frame: Open): Open => at(frame, 'DerivationImageSequence', 'SourceImageSequence');
const reversed = (b: number): number => Number.parseInt(b.toString(2).padStart(8, '0').split('').reverse().join(''), 2);

/** 1-bit frames one after the other into frames that each begin at a byte. */
function padFrames(ds: Open, pixels: Uint8Array): Uint8Array {
  const size = number(ds, 'Rows')! * number(ds, 'Columns')!;
  const bytes = Math.ceil(size / 8);
  const padded = new Uint8Array(bytes * frames(ds).length);
  for (let f = 0; f < frames(ds).length; f++)
    for (let i = 0; i < size; i++) {
      const from = f * size + i;
      if ((pixels[from >> 3]! >> (from & 7)) & 1) padded[f * bytes + (i >> 3)]! |= 1 << (i & 7);
    }
  return padded;
}

/** Bits as bytes, one value a pixel. */
function unpacked(ds: Open, pixels: Uint8Array, valueOf: (frame: number) => number): Uint8Array {
  const size = number(ds, 'Rows')! * number(ds, 'Columns')!;
  return Uint8Array.from({ length: size * frames(ds).length }, (_, i) =>
    (pixels[i >> 3]! >> (i & 7)) & 1 ? valueOf(Math.floor(i / size)) : 0,
  );
}

const labelmapClass = '1.2.840.10008.5.1.4.1.1.66.7';

/** The same object as a label map, which other rules govern (PS3.3 A.90). */
function toLabelmap(spoilt: Parameters<Change>[0], sopClass: string): void {
  const { ds, pixels } = spoilt;
  spoilt.pixels = unpacked(ds, pixels, (f) => number(at(frames(ds)[f]!, 'SegmentIdentificationSequence'), 'ReferencedSegmentNumber')!); // prettier-ignore
  set(ds, 'SegmentationType', 'LABELMAP');
  set(ds, 'SOPClassUID', sopClass);
  set(ds, 'BitsAllocated', 8);
  set(ds, 'BitsStored', 8);
  set(ds, 'HighBit', 7);
}

const sourceUid = (ds: Open): string => text(source(frames(ds)[0]!), 'ReferencedSOPInstanceUID');
const ipp = (frame: Open): Open => at(frame, 'PlanePositionSequence');

export const segDefects: readonly Defect[] = [
  { id: 'S01', what: 'no Segment Sequence', change: on((ds) => drop(ds, 'SegmentSequence')) },
  { id: 'S02', what: 'segments numbered from 0', change: on((ds) => segments(ds).forEach((s, i) => set(s, 'SegmentNumber', i))) }, // prettier-ignore
  { id: 'S03', what: 'two segments numbered 1', change: on((ds) => set(segments(ds)[1]!, 'SegmentNumber', 1)) },
  { id: 'S04', what: 'segments numbered with a gap', change: on((ds) => set(segments(ds).at(-1)!, 'SegmentNumber', segments(ds).length + 1)) }, // prettier-ignore
  { id: 'S05', what: 'a frame of a segment that is not there', change: on((ds) => set(at(frames(ds)[0]!, 'SegmentIdentificationSequence'), 'ReferencedSegmentNumber', 9)) }, // prettier-ignore
  { id: 'S06', what: 'Number of Frames one too many', change: on((ds) => set(ds, 'NumberOfFrames', frames(ds).length + 1)) }, // prettier-ignore
  { id: 'S07', what: 'Number of Frames one too few', change: on((ds) => set(ds, 'NumberOfFrames', frames(ds).length - 1)) }, // prettier-ignore
  { id: 'S08', what: 'Pixel Data one frame short', change: (s) => void (s.pixels = s.pixels.subarray(0, s.pixels.length - 60)) }, // prettier-ignore
  { id: 'S09', what: '1-bit frames each padded to whole bytes', base: 'narrow', change: (s) => void (s.pixels = padFrames(s.ds, s.pixels)) }, // prettier-ignore
  { id: 'S10', what: 'bits packed from the other end', change: (s) => void (s.pixels = s.pixels.map(reversed)) },
  { id: 'S11', what: 'no Segmentation Type', change: on((ds) => drop(ds, 'SegmentationType')) },
  { id: 'S12', what: 'FRACTIONAL, no Maximum Fractional Value', base: 'fractional', change: on((ds) => drop(ds, 'MaximumFractionalValue')) }, // prettier-ignore
  { id: 'S13', what: 'FRACTIONAL, no Segmentation Fractional Type', base: 'fractional', change: on((ds) => drop(ds, 'SegmentationFractionalType')) }, // prettier-ignore
  { id: 'S14', what: 'BINARY with pixels of 8 bits', change: (s) => { s.pixels = unpacked(s.ds, s.pixels, () => 1); set(s.ds, 'BitsAllocated', 8); set(s.ds, 'BitsStored', 8); set(s.ds, 'HighBit', 7); } }, // prettier-ignore
  { id: 'S15', what: 'no Per-frame Functional Groups', change: on((ds) => drop(ds, 'PerFrameFunctionalGroupsSequence')) }, // prettier-ignore
  { id: 'S16', what: 'no Shared Functional Groups', change: on((ds) => drop(ds, 'SharedFunctionalGroupsSequence')) },
  { id: 'S17', what: 'no Pixel Measures', change: on((ds) => drop(shared(ds), 'PixelMeasuresSequence')) },
  { id: 'S18', what: 'no Plane Orientation', change: on((ds) => drop(shared(ds), 'PlaneOrientationSequence')) },
  { id: 'S19', what: 'one frame without Plane Position', change: on((ds) => drop(frames(ds)[0]!, 'PlanePositionSequence')) }, // prettier-ignore
  { id: 'S20', what: 'all positions 1000 mm off', change: each((f) => { const [x, y, z] = (ipp(f)[tagOf('ImagePositionPatient')]!.Value as number[]).map(Number); set(ipp(f), 'ImagePositionPatient', x! + 1000, y!, z!); }) }, // prettier-ignore
  { id: 'S21', what: 'row direction negated', change: on((ds) => set(at(shared(ds), 'PlaneOrientationSequence'), 'ImageOrientationPatient', -1, 0, 0, 0, 1, 0)) }, // prettier-ignore
  { id: 'S22', what: 'no Frame of Reference, planes kept', change: on((ds) => drop(ds, 'FrameOfReferenceUID', 'PositionReferenceIndicator')) }, // prettier-ignore
  { id: 'S23', what: 'another Frame of Reference', change: on((ds) => set(ds, 'FrameOfReferenceUID', '2.25.5')) },
  { id: 'S24', what: 'no Derivation Image', change: each((f) => drop(f, 'DerivationImageSequence')) },
  { id: 'S25', what: 'Derivation Image names an unknown instance', change: each((f) => set(source(f), 'ReferencedSOPInstanceUID', '2.25.9')) }, // prettier-ignore
  { id: 'S26', what: 'no Referenced Series', change: on((ds) => drop(ds, 'ReferencedSeriesSequence')) },
  { id: 'S27', what: 'Referenced Series names another series', change: on((ds) => set(at(ds, 'ReferencedSeriesSequence'), 'SeriesInstanceUID', '2.25.6')) }, // prettier-ignore
  { id: 'S28', what: 'another study', change: on((ds) => set(ds, 'StudyInstanceUID', '2.25.7')) },
  { id: 'S29', what: 'another Patient ID', change: on((ds) => set(ds, 'PatientID', 'PID-78')) },
  { id: 'S30', what: 'another patient name', change: on((ds) => set(ds, 'PatientName', 'Sample^Anne')) },
  { id: 'S31', what: 'Modality OT', change: on((ds) => set(ds, 'Modality', 'OT')) },
  { id: 'S32', what: 'grid halved, spacing doubled', change: (s) => { set(s.ds, 'Rows', number(s.ds, 'Rows')! / 2); set(s.ds, 'Columns', number(s.ds, 'Columns')! / 2); set(at(shared(s.ds), 'PixelMeasuresSequence'), 'PixelSpacing', 1.6, 1.2); s.pixels = s.pixels.subarray(0, Math.ceil(s.pixels.length / 8) * 2); } }, // prettier-ignore
  { id: 'S33', what: 'Rows and Columns swapped', change: on((ds) => { const [r, c] = [number(ds, 'Rows')!, number(ds, 'Columns')!]; set(ds, 'Rows', c); set(ds, 'Columns', r); }) }, // prettier-ignore
  { id: 'S34', what: 'Dimension Index Values too short', change: each((f) => set(at(f, 'FrameContentSequence'), 'DimensionIndexValues', 1)) }, // prettier-ignore
  { id: 'S35', what: 'Dimension Organization UID of another', change: on((ds) => set(at(ds, 'DimensionIndexSequence'), 'DimensionOrganizationUID', '2.25.8')) }, // prettier-ignore
  { id: 'S36', what: 'no Dimension Index Sequence', change: on((ds) => drop(ds, 'DimensionIndexSequence')) },
  { id: 'S37', what: 'no Segment Algorithm Name', change: on((ds) => segments(ds).forEach((s) => drop(s, 'SegmentAlgorithmName'))) }, // prettier-ignore
  { id: 'S38', what: 'Segment Algorithm Type AI', change: on((ds) => segments(ds).forEach((s) => set(s, 'SegmentAlgorithmType', 'AI'))) }, // prettier-ignore
  { id: 'S39', what: 'no property type', change: on((ds) => drop(segments(ds)[0]!, 'SegmentedPropertyTypeCodeSequence')) }, // prettier-ignore
  { id: 'S40', what: 'no Segment Label', change: on((ds) => drop(segments(ds)[0]!, 'SegmentLabel')) },
  { id: 'S41', what: 'a code without scheme', change: on((ds) => drop(at(segments(ds)[0]!, 'SegmentedPropertyTypeCodeSequence'), 'CodingSchemeDesignator')) }, // prettier-ignore
  { id: 'S42', what: 'a Code Meaning of more than 64 characters', change: on((ds) => set(at(segments(ds)[0]!, 'SegmentationAlgorithmIdentificationSequence', 'AlgorithmFamilyCodeSequence'), 'CodeMeaning', 'x'.repeat(80))) }, // prettier-ignore
  { id: 'S43', what: 'a CIELab colour of two values', change: on((ds) => set(segments(ds)[0]!, 'RecommendedDisplayCIELabValue', 1, 2)) }, // prettier-ignore
  {
    id: 'S44',
    what: 'Content Label that is no CS',
    change: on((ds) => set(ds, 'ContentLabel', 'ai draft, lower case')),
  },
  { id: 'S45', what: 'Segments Overlap NO, and they do', change: on((ds) => set(ds, 'SegmentsOverlap', 'NO')) },
  { id: 'S46', what: 'Image Type ORIGINAL', change: on((ds) => set(ds, 'ImageType', 'ORIGINAL', 'PRIMARY')) },
  { id: 'S47', what: 'no Lossy Image Compression', change: on((ds) => drop(ds, 'LossyImageCompression')) },
  { id: 'S48', what: 'the SOP Instance UID of a source image', change: on((ds) => set(ds, 'SOPInstanceUID', sourceUid(ds))) }, // prettier-ignore
  { id: 'S49', what: 'the series UID of the source', change: on((ds) => set(ds, 'SeriesInstanceUID', text(at(ds, 'ReferencedSeriesSequence'), 'SeriesInstanceUID'))) }, // prettier-ignore
  { id: 'S50', what: 'a UID with a leading zero', change: on((ds) => { for (const d of items(ds, 'DimensionOrganizationSequence')) set(d, 'DimensionOrganizationUID', '1.2.03.4'); for (const d of items(ds, 'DimensionIndexSequence')) set(d, 'DimensionOrganizationUID', '1.2.03.4'); }) }, // prettier-ignore
  { id: 'S51', what: 'group 2 names another instance', change: (s) => void (s.meta['00020003'] = '2.25.51') },
  { id: 'S52', what: 'a name in UTF-8, no character set', change: on((ds) => { drop(ds, 'SpecificCharacterSet'); ds['00080005'] = { vr: 'CS', Value: [] }; set(ds, 'PatientName', 'Müller^Jérôme'); }) }, // prettier-ignore
  { id: 'S53', what: 'Pixel Representation 1', change: on((ds) => set(ds, 'PixelRepresentation', 1)) },
  { id: 'S54', what: 'MONOCHROME1', change: on((ds) => set(ds, 'PhotometricInterpretation', 'MONOCHROME1')) },
  { id: 'S55', what: 'Tracking ID without Tracking UID', change: on((ds) => drop(segments(ds)[0]!, 'TrackingUID')) },
  { id: 'S56', what: 'no Content Date and Time', change: on((ds) => drop(ds, 'ContentDate', 'ContentTime')) },
  { id: 'S57', what: 'no Instance Number', change: on((ds) => drop(ds, 'InstanceNumber')) },
  { id: 'S58', what: 'Pixel Data of odd length', change: (s) => { s.pixels = s.pixels.subarray(0, s.pixels.length - 1); s.odd = true; } }, // prettier-ignore
  { id: 'S59', what: 'no Device Serial Number, no Software Versions', change: on((ds) => drop(ds, 'DeviceSerialNumber', 'SoftwareVersions')) }, // prettier-ignore
  { id: 'S60', what: 'two frames of one segment at one place', change: on((ds) => { const [a, b] = frames(ds); for (const k of ['PlanePositionSequence', 'DerivationImageSequence', 'FrameContentSequence', 'SegmentIdentificationSequence']) b![tagOf(k)] = structuredClone(a![tagOf(k)]!); }) }, // prettier-ignore
  { id: 'S61', what: 'Pixel Spacing swapped', change: on((ds) => set(at(shared(ds), 'PixelMeasuresSequence'), 'PixelSpacing', 0.6, 0.8)) }, // prettier-ignore
  { id: 'S62', what: 'Patient’s Sex, Study Date, Study ID dropped', change: on((ds) => drop(ds, 'PatientSex', 'StudyDate', 'StudyID')) }, // prettier-ignore
  { id: 'S63', what: 'another Study Date', change: on((ds) => set(ds, 'StudyDate', '20260305')) },
  { id: 'S64', what: 'all frames empty (legal)', change: (s) => void (s.pixels = new Uint8Array(s.pixels.length)) },
  { id: 'S65', what: 'a lesion without anatomic region (legal)', harmless: true, change: on((ds) => segments(ds).forEach((s) => drop(s, 'AnatomicRegionSequence'))) }, // prettier-ignore
  { id: 'S66', what: 'LABELMAP without segment 0', change: (s) => toLabelmap(s, labelmapClass) },
  { id: 'S67', what: 'LABELMAP under the class of Segmentation', change: (s) => toLabelmap(s, '1.2.840.10008.5.1.4.1.1.66.4') }, // prettier-ignore
  { id: 'S68', what: 'JPEG 2000 declared, pixels native', change: (s) => void (s.meta['00020010'] = '1.2.840.10008.1.2.4.90') }, // prettier-ignore
];
