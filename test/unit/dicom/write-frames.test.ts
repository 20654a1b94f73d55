import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DicomJson } from '../../../src/base/index.ts';
import { dataset, elementOfVr, inspectPart10, writePart10 } from '../../../src/dicom/index.ts';
import { missing, python } from '../../peers/index.ts';

/** One item with every kind of value that a functional group can hold, odd lengths and empty elements among them. */
const item: DicomJson = {
  ...dataset({
    DerivationDescription: 'odd',
    PatientName: 'Yamada^Tarou=山田^太郎',
    ImageType: ['DERIVED', 'PRIMARY'],
    ReferencedFrameNumber: [1, 20, 300],
    ReferencedSOPInstanceUID: '1.2.3',
    SpatialLocationsPreserved: 'YES',
    ImagePositionPatient: [-0.1, 1e-7, 12345.678],
    DimensionIndexPointer: '0062000B',
    DimensionIndexValues: [1, 2, 70000],
    ReferencedSegmentNumber: 7,
    FrameAcquisitionDuration: 0.25,
    TextValue: 'Zeile\nä',
    ContentCreatorName: '',
    SourceImageSequence: [dataset({ ReferencedSOPClassUID: '1.2.840.10008.5.1.4.1.1.2' }), dataset({})],
    DerivationCodeSequence: [],
  }),
  '00281202': elementOfVr('OW', new Uint8Array([1, 2, 3, 4])),
  '00189506': elementOfVr('FL', 0.5),
  '00280106': elementOfVr('SS', -5),
};
const head = {
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.66.4',
  SOPInstanceUID: '1.2.3.4',
  StudyInstanceUID: '1.2.3.5',
  SeriesInstanceUID: '1.2.3.6',
};
/** The shared groups are written by dcmjs, the frames by the encoder under test. */
const file = writePart10(
  dataset({
    ...head,
    SharedFunctionalGroupsSequence: [item],
    PerFrameFunctionalGroupsSequence: [item, item, dataset({})],
  }),
);

describe('the encoder of per-frame groups', () => {
  it('writes what dcmjs writes, value for value', () => {
    const { attributes } = inspectPart10(file);
    const [byDcmjs] = attributes['52009229']!.Value as DicomJson[];
    const byUs = attributes['52009230']!.Value as DicomJson[];
    expect(Object.keys(byDcmjs!)).toHaveLength(Object.keys(item).length);
    expect(byUs).toEqual([byDcmjs, byDcmjs, {}]);
  });

  it('writes any sequence of many items, and leaves what stands behind it as it is: order and text', () => {
    const many = Array.from({ length: 100 }, (_, i) => dataset({ ReferencedSOPInstanceUID: `1.2.${i + 1}` }));
    const given = dataset({
      ...head,
      CurrentRequestedProcedureEvidenceSequence: [dataset({ ReferencedSOPSequence: many })],
      ContentSequence: [dataset({ TextValue: 'Größe: 東京' })],
      PatientName: 'Yamada^Tarou=山田^太郎',
      ContentCreatorName: 'Müller^J',
    });
    const { attributes } = inspectPart10(writePart10(given));
    expect(attributes).toEqual({ ...given, '00080005': elementOfVr('CS', 'ISO_IR 192') });
    expect(Object.keys(attributes)).toEqual(Object.keys(attributes).toSorted());
  });

  it('keeps elements behind the frames in their order', () => {
    const behind = { '54000100': elementOfVr('SQ', dataset({ SegmentNumber: 1 })) };
    const written = writePart10({ ...dataset({ ...head, PerFrameFunctionalGroupsSequence: [item] }), ...behind });
    const at = (...tag: number[]) => Buffer.from(written).indexOf(Buffer.from([...tag, 0x53, 0x51]));
    expect(at(0x00, 0x52, 0x30, 0x92)).toBeGreaterThan(0);
    expect(at(0x00, 0x54, 0x00, 0x01)).toBeGreaterThan(at(0x00, 0x52, 0x30, 0x92));
    expect(Object.keys(inspectPart10(written).attributes)).toContain('54000100');
  });

  it('refuses what breaks its representation, as elsewhere', () => {
    const frames = (inside: DicomJson) => () =>
      writePart10(dataset({ ...head, PerFrameFunctionalGroupsSequence: [inside] }));
    expect(frames(dataset({ ReferencedSOPInstanceUID: '1.02' }))).toThrow(
      expect.objectContaining({ code: 'encoding-invalid' }),
    );
    expect(frames(dataset({ SegmentLabel: 'a\u0007' }))).toThrow(expect.objectContaining({ code: 'text-unencodable' }));
  });

  it.skipIf(missing('python'))('is read by pydicom as it reads what dcmjs wrote', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'plumbline-frames-'));
    writeFileSync(join(folder, 'a.dcm'), file);
    const script = `
import sys, pydicom
ds = pydicom.dcmread(sys.argv[1])
shared = ds.SharedFunctionalGroupsSequence[0]
frames = ds.PerFrameFunctionalGroupsSequence
assert len(shared) == ${Object.keys(item).length}, len(shared)
print(len(frames), frames[0] == shared, frames[1] == shared, len(frames[2]), frames[0].PatientName.ideographic)
`;
    const { stdout, stderr } = await python(script, [join(folder, 'a.dcm')]);
    rmSync(folder, { recursive: true });
    expect([stdout.trim(), stderr]).toEqual(['3 True True 0 山田^太郎', '']);
  });
});
