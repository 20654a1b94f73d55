import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { emptyBits, type DicomElement, type DicomJson } from '../../../src/base/index.ts';
import { dataset, tagOf, text } from '../../../src/dicom/index.ts';
import {
  checkDicom,
  dicomChecks,
  encodeSeg,
  encodeSr,
  type DicomObject,
  type EncodingInput,
} from '../../../src/outputs/index.ts';
import { sampleInput } from '../../builders/encodings.ts';
import { rewritten } from '../../builders/segmented.ts';
import { root } from '../../peers/index.ts';

type Open = Record<string, DicomElement>;

const input = sampleInput();
const segs = encodeSeg(input);
const sr = encodeSr(input, segs);
const narrow = sampleInput({ rows: 10, columns: 11, planes: 5, profile: { strictBinary: true } });

/** Names of the checks that fail. */
function failing(given: EncodingInput, some: readonly DicomObject[], report: DicomObject): string[] {
  return [...new Set(checkDicom(given, some, report).map((p) => p.check))];
}
const spoilSeg = (change: (ds: Open, pixels: Uint8Array) => Uint8Array | void) =>
  failing(input, [rewritten(segs[0]!, change)], sr);
const spoilSr = (change: (ds: Open) => void) =>
  failing(
    input,
    segs,
    rewritten(sr, (ds) => change(ds)),
  );

const set = (ds: DicomJson, keyword: string, ...values: (string | number)[]) =>
  Object.assign(ds, dataset({ [keyword]: values }));
const drop = (ds: DicomJson, keyword: string) => delete (ds as Open)[tagOf(keyword)];
const items = (ds: DicomJson, keyword: string) => (ds[tagOf(keyword)]?.Value ?? []) as Open[];
const at = (ds: DicomJson, ...path: string[]) => path.reduce((d, k) => items(d, k)[0]!, ds as Open);
const frames = (ds: DicomJson) => items(ds, 'PerFrameFunctionalGroupsSequence');

/** Content items of a report, depth first, whose concept has the code value. */
function content(ds: DicomJson, value: string): Open[] {
  return items(ds, 'ContentSequence').flatMap((c) => {
    const concept = items(c, 'ConceptNameCodeSequence')[0];
    return [...(concept && text(concept, 'CodeValue') === value ? [c] : []), ...content(c, value)];
  });
}
const removeContent = (ds: DicomJson, value: string) => {
  const list = (ds[tagOf('ContentSequence')]?.Value ?? []) as Open[];
  for (const c of [...list]) {
    const concept = items(c, 'ConceptNameCodeSequence')[0];
    if (concept && text(concept, 'CodeValue') === value) list.splice(list.indexOf(c), 1);
    else removeContent(c, value);
  }
};

it('finds nothing wrong with what the encoders write', () => {
  expect(checkDicom(input, segs, sr)).toEqual([]);
});

it('lists every check in docs/consistency.md, and no other', () => {
  const lines = readFileSync(join(root, 'docs/consistency.md'), 'utf8').split('\n');
  const listed = lines.flatMap((l) => /^\| (PL-DCM-\d{3}) \| (hold|warn) \| (.*) \|$/.exec(l)?.slice(1, 4) ?? []);
  const wanted = Object.entries(dicomChecks).flatMap(([name, { severity, rule }]) => [name, severity, rule]);
  expect(listed).toEqual(wanted);
});

/** Defects of encoders that others' validators let pass, and more; the numbers are those of the checks that must fail. */
const segDefects: readonly [string, string, (ds: Open, pixels: Uint8Array) => Uint8Array | void][] = [
  ['frames padded to whole bytes', 'PL-DCM-009', (_ds, p) => new Uint8Array(p.length + 20)],
  ['one frame of Pixel Data missing', 'PL-DCM-009', (_ds, p) => p.subarray(0, p.length - 60)],
  [
    'bits packed from the other end',
    'PL-DCM-011',
    (_ds, p) => p.map((b) => Number.parseInt(b.toString(2).padStart(8, '0').split('').reverse().join(''), 2)),
  ],
  ['one pixel more', 'PL-DCM-011', (_ds, p) => void (p[0]! |= 1)],
  [
    'all positions 1000 mm away',
    'PL-DCM-008',
    (ds) => frames(ds).forEach((f) => set(at(f, 'PlanePositionSequence'), 'ImagePositionPatient', -1006.9, -7.6, 0)),
  ],
  [
    "two frames that name each other's source",
    'PL-DCM-008',
    (ds) => {
      const [a, b] = frames(ds);
      [a![tagOf('DerivationImageSequence')], b![tagOf('DerivationImageSequence')]] = [
        b![tagOf('DerivationImageSequence')]!,
        a![tagOf('DerivationImageSequence')]!,
      ];
    },
  ],
  [
    'the row direction negated',
    'PL-DCM-007',
    (ds) =>
      void set(
        at(ds, 'SharedFunctionalGroupsSequence', 'PlaneOrientationSequence'),
        'ImageOrientationPatient',
        -1,
        0,
        0,
        0,
        1,
        0,
      ),
  ],
  [
    'pixel spacing swapped',
    'PL-DCM-007',
    (ds) => void set(at(ds, 'SharedFunctionalGroupsSequence', 'PixelMeasuresSequence'), 'PixelSpacing', 0.6, 0.8),
  ],
  [
    'no pixel measures',
    'PL-DCM-007',
    (ds) => void drop(at(ds, 'SharedFunctionalGroupsSequence'), 'PixelMeasuresSequence'),
  ],
  ['rows and columns swapped', 'PL-DCM-007', (ds) => void (set(ds, 'Rows', 24), set(ds, 'Columns', 20))],
  ['another frame of reference', 'PL-DCM-005', (ds) => void set(ds, 'FrameOfReferenceUID', '2.25.5')],
  ['no frame of reference', 'PL-DCM-005', (ds) => void drop(ds, 'FrameOfReferenceUID')],
  ['no derivation image', 'PL-DCM-019', (ds) => frames(ds).forEach((f) => drop(f, 'DerivationImageSequence'))],
  [
    'a source image that does not exist',
    'PL-DCM-019',
    (ds) =>
      void set(
        at(frames(ds)[0]!, 'DerivationImageSequence', 'SourceImageSequence'),
        'ReferencedSOPInstanceUID',
        '2.25.9',
      ),
  ],
  [
    'a frame number for a single-frame source',
    'PL-DCM-019',
    (ds) => void set(at(frames(ds)[0]!, 'DerivationImageSequence', 'SourceImageSequence'), 'ReferencedFrameNumber', 1),
  ],
  [
    'another series referenced',
    'PL-DCM-017',
    (ds) => void set(at(ds, 'ReferencedSeriesSequence'), 'SeriesInstanceUID', '2.25.6'),
  ],
  ['no referenced series', 'PL-DCM-017', (ds) => void drop(ds, 'ReferencedSeriesSequence')],
  ['another study', 'PL-DCM-004', (ds) => void set(ds, 'StudyInstanceUID', '2.25.7')],
  ['another study date', 'PL-DCM-004', (ds) => void set(ds, 'StudyDate', '20260305')],
  ['the accession number left out', 'PL-DCM-004', (ds) => void set(ds, 'AccessionNumber')],
  ['another patient id', 'PL-DCM-003', (ds) => void set(ds, 'PatientID', 'PID-78')],
  ['another patient name', 'PL-DCM-003', (ds) => void set(ds, 'PatientName', 'Sample^Anne')],
  ['no issuer of the patient id', 'PL-DCM-003', (ds) => void drop(ds, 'IssuerOfPatientID')],
  ['the UID of a source image', 'PL-DCM-002', (ds) => void set(ds, 'SOPInstanceUID', [...input.sources.keys()][0]!)],
  [
    'the series of the source',
    'PL-DCM-002',
    (ds) => void set(ds, 'SeriesInstanceUID', input.draft.stacks[0]!.seriesUid),
  ],
  [
    'segments numbered from 0',
    'PL-DCM-014',
    (ds) => items(ds, 'SegmentSequence').forEach((s, i) => set(s, 'SegmentNumber', i)),
  ],
  [
    'a gap in the segment numbers',
    'PL-DCM-014',
    (ds) => void set(items(ds, 'SegmentSequence')[3]!, 'SegmentNumber', 5),
  ],
  [
    'a frame of a segment that is not there',
    'PL-DCM-014',
    (ds) => void set(at(frames(ds)[0]!, 'SegmentIdentificationSequence'), 'ReferencedSegmentNumber', 9),
  ],
  [
    'two frames of one segment at one place',
    'PL-DCM-012',
    (ds) =>
      void set(
        at(frames(ds)[1]!, 'DerivationImageSequence', 'SourceImageSequence'),
        'ReferencedSOPInstanceUID',
        text(at(frames(ds)[0]!, 'DerivationImageSequence', 'SourceImageSequence'), 'ReferencedSOPInstanceUID'),
      ),
  ],
  ['all frames empty', 'PL-DCM-012', (_ds, p) => new Uint8Array(p.length)],
  ['overlap denied', 'PL-DCM-013', (ds) => void set(ds, 'SegmentsOverlap', 'NO')],
  ['overlap undefined', 'PL-DCM-013', (ds) => void set(ds, 'SegmentsOverlap', 'UNDEFINED')],
  [
    'two segments with one tracking UID',
    'PL-DCM-015',
    (ds) =>
      void set(items(ds, 'SegmentSequence')[1]!, 'TrackingUID', text(items(ds, 'SegmentSequence')[0]!, 'TrackingUID')),
  ],
  ['no tracking id', 'PL-DCM-015', (ds) => void drop(items(ds, 'SegmentSequence')[0]!, 'TrackingID')],
  [
    'another property type',
    'PL-DCM-016',
    (ds) =>
      void set(at(items(ds, 'SegmentSequence')[0]!, 'SegmentedPropertyTypeCodeSequence'), 'CodeValue', '52988006'),
  ],
  ['no anatomic region', 'PL-DCM-016', (ds) => void drop(items(ds, 'SegmentSequence')[0]!, 'AnatomicRegionSequence')],
  [
    'the other side',
    'PL-DCM-016',
    (ds) =>
      void set(
        at(items(ds, 'SegmentSequence')[2]!, 'AnatomicRegionSequence', 'AnatomicRegionModifierSequence'),
        'CodeValue',
        '24028007',
      ),
  ],
  [
    'an undeclared dimension organization',
    'PL-DCM-018',
    (ds) => void set(at(ds, 'DimensionIndexSequence'), 'DimensionOrganizationUID', '2.25.8'),
  ],
  [
    'dimension indices cut short',
    'PL-DCM-018',
    (ds) => void set(at(frames(ds)[0]!, 'FrameContentSequence'), 'DimensionIndexValues', 1),
  ],
  [
    'eight bits called BINARY',
    'PL-DCM-009',
    (ds) => void (set(ds, 'BitsAllocated', 8), set(ds, 'BitsStored', 8), set(ds, 'HighBit', 7)),
  ],
  ['a frame count too high', 'PL-DCM-009', (ds) => void set(ds, 'NumberOfFrames', frames(ds).length + 1)],
  [
    'segments that a person is said to have drawn',
    'PL-DCM-020',
    (ds) => items(ds, 'SegmentSequence').forEach((s) => set(s, 'SegmentAlgorithmType', 'MANUAL')),
  ],
  ['another Modality', 'PL-DCM-020', (ds) => void set(ds, 'Modality', 'OT')],
  ['another manufacturer', 'PL-DCM-020', (ds) => void set(ds, 'Manufacturer', 'Sample Works')],
  [
    'another sentence as description',
    'PL-DCM-021',
    (ds) => void set(items(ds, 'SegmentSequence')[0]!, 'SegmentDescription', 'A small liver lesion.'),
  ],
];

describe('a SEG with one defect is caught', () => {
  it.each(segDefects)('%s', (_name, check, change) => {
    expect(spoilSeg(change)).toContain(check);
  });

  it('bytes that are cut', () => {
    const cut = { ...segs[0]!, parts: [segs[0]!.parts[0]!.subarray(0, 2000)] };
    expect(failing(input, [cut], sr)).toContain('PL-DCM-001');
  });

  it('BINARY frames that end inside a byte, unless the destination wants them', () => {
    const strict = encodeSeg(narrow);
    expect(failing(narrow, strict, encodeSr(narrow, strict))).toEqual([]);
    const asUsual = { ...narrow, profile: {} };
    expect(failing(asUsual, strict, encodeSr(narrow, strict))).toContain('PL-DCM-010');
  });

  it('FRACTIONAL pixels between nothing and the maximum', () => {
    const given = { ...narrow, profile: {} };
    const made = encodeSeg(given);
    const grey = rewritten(made[0]!, (_ds, pixels) => pixels.map((v) => (v ? 128 : 0)));
    expect(failing(given, [grey], encodeSr(given, made))).toContain('PL-DCM-010');
  });

  it('a stack with masks and without SEG, and a SEG of no stack', () => {
    expect(failing(input, [], sr)).toContain('PL-DCM-006');
    expect(failing(input, [...segs, { ...segs[0]!, stack: 'k9' }], sr)).toContain('PL-DCM-006');
  });

  it('a mask that changed after the SEG was written', () => {
    const masks = new Map(
      [...input.masks].map(([id, planes]) => [id, planes.map((p) => ({ ...p, bits: emptyBits(480) }))]),
    );
    expect(failing({ ...input, masks }, segs, sr)).toContain('PL-DCM-011');
  });
});

const srDefects: readonly [string, string, (ds: Open) => void][] = [
  [
    'root Findings instead of Imaging Measurement Report',
    'PL-DCM-030',
    (ds) => set(at(ds, 'ConceptNameCodeSequence'), 'CodeValue', '121070'),
  ],
  ['no template', 'PL-DCM-030', (ds) => drop(ds, 'ContentTemplateSequence')],
  ['template 2000', 'PL-DCM-030', (ds) => set(at(ds, 'ContentTemplateSequence'), 'TemplateIdentifier', '2000')],
  ['no imaging measurements', 'PL-DCM-030', (ds) => removeContent(ds, '126010')],
  ['no image library', 'PL-DCM-030', (ds) => removeContent(ds, '111028')],
  ['no language', 'PL-DCM-030', (ds) => removeContent(ds, '121049')],
  ['no observer', 'PL-DCM-030', (ds) => removeContent(ds, '121005')],
  [
    'meaning "Measurement group"',
    'PL-DCM-030',
    (ds) => set(at(content(ds, '125007')[0]!, 'ConceptNameCodeSequence'), 'CodeMeaning', 'Measurement group'),
  ],
  [
    'a group by HAS PROPERTIES',
    'PL-DCM-030',
    (ds) => set(content(ds, '125007')[0]!, 'RelationshipType', 'HAS PROPERTIES'),
  ],
  ['no tracking UID', 'PL-DCM-031', (ds) => removeContent(ds, '112040')],
  ['no tracking identifier', 'PL-DCM-031', (ds) => removeContent(ds, '112039')],
  [
    'two groups with one tracking UID',
    'PL-DCM-031',
    (ds) => set(content(ds, '112040')[1]!, 'UID', text(content(ds, '112040')[0]!, 'UID')),
  ],
  ['one group missing', 'PL-DCM-031', (ds) => items(content(ds, '126010')[0]!, 'ContentSequence').pop()],
  [
    'a segment that does not exist',
    'PL-DCM-032',
    (ds) => set(at(content(ds, '121191')[0]!, 'ReferencedSOPSequence'), 'ReferencedSegmentNumber', 9),
  ],
  [
    'the segment of another finding',
    'PL-DCM-032',
    (ds) => set(at(content(ds, '121191')[0]!, 'ReferencedSOPSequence'), 'ReferencedSegmentNumber', 2),
  ],
  [
    'no segment number',
    'PL-DCM-032',
    (ds) => drop(at(content(ds, '121191')[0]!, 'ReferencedSOPSequence'), 'ReferencedSegmentNumber'),
  ],
  [
    'a frame of another segment',
    'PL-DCM-032',
    (ds) => set(at(content(ds, '121214')[0]!, 'ReferencedSOPSequence'), 'ReferencedFrameNumber', 1),
  ],
  [
    'the segment under the class of a CT image',
    'PL-DCM-032',
    (ds) =>
      set(at(content(ds, '121191')[0]!, 'ReferencedSOPSequence'), 'ReferencedSOPClassUID', '1.2.840.10008.5.1.4.1.1.2'),
  ],
  ['no source series', 'PL-DCM-032', (ds) => removeContent(ds, '121232')],
  [
    'a planar template for a volume',
    'PL-DCM-032',
    (ds) => set(at(content(ds, '125007')[0]!, 'ContentTemplateSequence'), 'TemplateIdentifier', '1410'),
  ],
  ['no finding', 'PL-DCM-033', (ds) => removeContent(ds, '121071')],
  [
    'another finding',
    'PL-DCM-033',
    (ds) => set(at(content(ds, '121071')[0]!, 'ConceptCodeSequence'), 'CodeValue', '52988006'),
  ],
  [
    'the other side',
    'PL-DCM-033',
    (ds) => set(at(content(ds, '272741003')[0]!, 'ConceptCodeSequence'), 'CodeValue', '24028007'),
  ],
  [
    'another number',
    'PL-DCM-034',
    (ds) => set(at(content(ds, '118565006')[0]!, 'MeasuredValueSequence'), 'NumericValue', 37),
  ],
  [
    'unit "cubic mm"',
    'PL-DCM-034',
    (ds) =>
      set(
        at(content(ds, '118565006')[0]!, 'MeasuredValueSequence', 'MeasurementUnitsCodeSequence'),
        'CodeValue',
        'cubic mm',
      ),
  ],
  [
    'a unit of another size',
    'PL-DCM-034',
    (ds) =>
      set(
        at(content(ds, '118565006')[0]!, 'MeasuredValueSequence', 'MeasurementUnitsCodeSequence'),
        'CodeValue',
        'cm3',
      ),
  ],
  [
    'a number with children',
    'PL-DCM-034',
    (ds) =>
      Object.assign(content(ds, '118565006')[0]!, {
        [tagOf('ContentSequence')]: { vr: 'SQ', Value: [content(ds, '111001')[0]!] },
      }),
  ],
  ['a number left out', 'PL-DCM-034', (ds) => removeContent(ds, '118565006')],
  [
    'markup in a sentence',
    'PL-DCM-035',
    (ds) => set(content(ds, '121106')[0]!, 'TextValue', '<b>In the left upper part there is a small liver lesion.</b>'),
  ],
  ['a sentence left out', 'PL-DCM-035', (ds) => removeContent(ds, '121106')],
  [
    'an absent finding called present',
    'PL-DCM-036',
    (ds) => set(at(content(ds, '27925004')[0]!, 'ConceptCodeSequence'), 'CodeValue', '52101004'),
  ],
  ['an absent finding left out', 'PL-DCM-036', (ds) => removeContent(ds, '27925004')],
  ['an absent finding without its site', 'PL-DCM-036', (ds) => drop(content(ds, '27925004')[0]!, 'ContentSequence')],
  [
    'the SEG not in the evidence',
    'PL-DCM-037',
    (ds) => items(at(ds, 'CurrentRequestedProcedureEvidenceSequence'), 'ReferencedSeriesSequence').pop(),
  ],
  ['no evidence', 'PL-DCM-037', (ds) => drop(ds, 'CurrentRequestedProcedureEvidenceSequence')],
  [
    'an instance twice in the evidence',
    'PL-DCM-037',
    (ds) => {
      const list = items(
        at(ds, 'CurrentRequestedProcedureEvidenceSequence', 'ReferencedSeriesSequence'),
        'ReferencedSOPSequence',
      );
      list.push(list[0]!);
    },
  ],
  [
    'the SEG before the images in the evidence',
    'PL-DCM-037',
    (ds) => items(at(ds, 'CurrentRequestedProcedureEvidenceSequence'), 'ReferencedSeriesSequence').reverse(),
  ],
  ['another study', 'PL-DCM-004', (ds) => set(ds, 'StudyInstanceUID', '2.25.7')],
  ['another patient', 'PL-DCM-003', (ds) => set(ds, 'PatientID', 'PID-78')],
  ['a report that claims to be final', 'PL-DCM-020', (ds) => set(ds, 'PreliminaryFlag', 'FINAL')],
  ['a report that claims to be verified', 'PL-DCM-020', (ds) => set(ds, 'VerificationFlag', 'VERIFIED')],
  ['a group that does not name the model', 'PL-DCM-020', (ds) => removeContent(ds, '111001')],
];

describe('a report with one defect is caught', () => {
  it.each(srDefects)('%s', (_name, check, change) => {
    expect(spoilSr(change)).toContain(check);
  });
});

it('keeps five messages of one check and counts the rest', () => {
  const far = rewritten(segs[0]!, (ds) => frames(ds).forEach((f) => drop(f, 'PlanePositionSequence')));
  const said = checkDicom(input, [far], sr).filter((p) => p.check === 'PL-DCM-008');
  expect(said).toHaveLength(6);
  expect(said[5]!.message).toMatch(/^and \d+ more/);
});

it('compares with the sources, not with the stack: a stack that lies about its spacing is caught', () => {
  const [stack] = input.draft.stacks;
  const spacing = { kind: 'physical' as const, rowMm: 0.6, columnMm: 0.8, source: 'PixelSpacing' };
  const draft = { ...input.draft, stacks: [{ ...stack!, grid: { ...stack!.grid, spacing } }] };
  const lying = { ...input, draft };
  const made = encodeSeg(lying);
  expect(failing(lying, made, encodeSr(lying, made))).toEqual(['PL-DCM-007']);
});
