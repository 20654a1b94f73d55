import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import {
  dataset,
  element,
  inspectPart10,
  part10FromDataset,
  personName,
  text,
  writePart10,
  type DatasetInput,
} from '../../../src/dicom/index.ts';
import { dciodvfyErrors, missing, peers, python, runPeer } from '../../peers/index.ts';
import { identity, makeImage } from '../../builders/dicom.ts';

const folder = mkdtempSync(join(tmpdir(), 'plumbline-write-'));
afterAll(() => rmSync(folder, { recursive: true }));

function write(input: DatasetInput, options: Parameters<typeof writePart10>[1] = {}): Uint8Array {
  return writePart10(dataset({ ...identity('write'), ...input }), options);
}
function saved(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const rich: DatasetInput = {
  PatientName: 'Wang^XiaoDong=王^小東=왕^소동',
  PatientID: 'Ä1',
  StudyDate: '20260102',
  StudyTime: '',
  AccessionNumber: [],
  SoftwareVersions: ['1.0', 'Modell β'],
  FrameIncrementPointer: '00181063',
  PixelSpacing: [0.25, 1 / 3],
  InstanceNumber: 12,
  Rows: 2,
  SelectorSLValue: [-5],
  SelectorFLValue: 1.5,
  SelectorFDValue: [0.1, -2e-9],
  ICCProfile: new Uint8Array([1, 2, 3]),
  ReferencedSeriesSequence: [
    dataset({
      SeriesInstanceUID: '1.2.9',
      ReferencedInstanceSequence: [dataset({ ReferencedSOPInstanceUID: '1.2.10' })],
    }),
    dataset({}),
  ],
  TextValue: 'Zeile 1\r\nZeile \\ 2  ',
};

describe.skipIf(missing('python'))('pydicom reads what is written', () => {
  it('with the same values, whatever the representation', async () => {
    const path = saved(
      'rich.dcm',
      write(rich, { pixelData: { vr: 'OW', bytes: new Uint8Array([1, 2, 3, 4, 5, 6, 7]) } }),
    );
    const { stdout, stderr } = await python(
      `
import json, sys, pydicom
d = pydicom.dcmread(sys.argv[1])
print(json.dumps({
  'name': [d.PatientName.alphabetic, d.PatientName.ideographic, d.PatientName.phonetic],
  'id': d.PatientID, 'time': str(d.StudyTime), 'accession': str(d.AccessionNumber), 'versions': list(d.SoftwareVersions),
  'pointer': str(d.FrameIncrementPointer), 'spacing': [str(v) for v in d.PixelSpacing], 'number': int(d.InstanceNumber),
  'rows': d.Rows, 'sl': d.SelectorSLValue, 'fl': d.SelectorFLValue, 'fd': list(d.SelectorFDValue), 'icc': list(d.ICCProfile),
  'series': d.ReferencedSeriesSequence[0].SeriesInstanceUID, 'items': len(d.ReferencedSeriesSequence),
  'nested': d.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID,
  'text': d.TextValue, 'pixels': list(d.PixelData), 'charset': d.SpecificCharacterSet,
  'meta': [d.file_meta.MediaStorageSOPClassUID, d.file_meta.MediaStorageSOPInstanceUID, d.file_meta.TransferSyntaxUID, d.file_meta.ImplementationVersionName],
  'order': [str(e.tag) for e in d] == sorted(str(e.tag) for e in d), 'length': d.file_meta.FileMetaInformationGroupLength }))
`,
      [path],
    );
    expect(stderr).toBe('');
    const id = identity('write');
    expect(JSON.parse(stdout)).toMatchObject({
      name: ['Wang^XiaoDong', '王^小東', '왕^소동'],
      id: 'Ä1',
      time: '',
      accession: '',
      versions: ['1.0', 'Modell β'],
      pointer: '(0018,1063)',
      spacing: ['0.25', '0.33333333333333'],
      number: 12,
      rows: 2,
      sl: -5,
      fl: 1.5,
      fd: [0.1, -2e-9],
      icc: [1, 2, 3, 0],
      series: '1.2.9',
      items: 2,
      nested: '1.2.10',
      text: 'Zeile 1\r\nZeile \\ 2',
      pixels: [1, 2, 3, 4, 5, 6, 7, 0],
      charset: 'ISO_IR 192',
      meta: [id['SOPClassUID'], id['SOPInstanceUID'], '1.2.840.10008.1.2.1', 'PLUMBLINE'],
      order: true,
    });
  });
});

describe.skipIf(missing('dcmdump'))('DCMTK reads what is written', () => {
  it('to the last byte, names in UTF-8', async () => {
    const { code, stdout, stderr } = await runPeer(peers.dcmdump!, ['+U8', saved('rich2.dcm', write(rich))]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('PN [Wang^XiaoDong=王^小東=왕^소동]');
    expect(stdout).toContain(`DS [0.25\\0.33333333333333]`);
    expect(stdout).toMatch(/AT \(0018,1063\)/);
  });
});

describe.skipIf(missing('dciodvfy'))('dciodvfy', () => {
  it('finds no error in a Secondary Capture image with its mandatory modules', async () => {
    const image = makeImage({
      sopClass: '1.2.840.10008.5.1.4.1.1.7',
      modality: 'OT',
      attributes: {
        ReferringPhysicianName: '',
        ConversionType: 'WSD',
        PatientOrientation: [],
        Laterality: '',
      },
    });
    expect(await dciodvfyErrors(saved('sc.dcm', image))).toEqual([]);
  });
});

describe('writing', () => {
  it('the same input gives the same bytes, in whatever order it was built', () => {
    const other = Object.fromEntries(Object.entries(rich).reverse());
    expect(Buffer.compare(write(rich), write(other))).toBe(0);
    expect(Buffer.compare(write(rich), write(rich))).toBe(0);
  });

  it('what is read back is what was written', () => {
    const { attributes } = inspectPart10(write(rich));
    expect(personName(attributes, 'PatientName')).toBe('Wang^XiaoDong=王^小東=왕^소동');
    expect(attributes['0020000D']).toEqual(
      element('StudyInstanceUID', identity('write')['StudyInstanceUID'] as string),
    );
    expect(text(attributes, 'TextValue')).toBe('Zeile 1\r\nZeile \\ 2');
  });

  it('Specific Character Set is always ISO_IR 192', () => {
    expect(
      text(
        inspectPart10(write({ SpecificCharacterSet: 'ISO_IR 100', PatientID: 'Ä' })).attributes,
        'SpecificCharacterSet',
      ),
    ).toBe('ISO_IR 192');
  });

  it.each<[string, DatasetInput, string]>([
    ['a Long String of 65 characters', { PatientID: 'x'.repeat(65) }, 'encoding-invalid'],
    ['a Short String of 17 characters', { AccessionNumber: 'x'.repeat(17) }, 'encoding-invalid'],
    ['a Code String in lower case', { Modality: 'ct' }, 'encoding-invalid'],
    ['a Code String of 17 characters', { Modality: 'X'.repeat(17) }, 'encoding-invalid'],
    ['a UID with a leading zero', { FrameOfReferenceUID: '1.02' }, 'encoding-invalid'],
    ['a date with dashes', { StudyDate: '2026-01-02' }, 'encoding-invalid'],
    ['a time of 25 hours and 61 minutes', { StudyTime: '2561' }, 'encoding-invalid'],
    ['a number of 17 characters in a Decimal String', { SliceThickness: '1.234567890123456' }, 'encoding-invalid'],
    ['no number in a Decimal String', { SliceThickness: Number.NaN }, 'encoding-invalid'],
    ['a fraction in an Integer String', { InstanceNumber: 1.5 }, 'encoding-invalid'],
    ['an Integer String beyond 32 bits', { InstanceNumber: 2 ** 31 }, 'encoding-invalid'],
    ['70000 in an unsigned short', { Rows: 70000 }, 'encoding-invalid'],
    ['a negative unsigned short', { Rows: -1 }, 'encoding-invalid'],
    ['a name group of 65 characters', { PatientName: 'x'.repeat(65) }, 'encoding-invalid'],
    ['six name components', { PatientName: 'a^b^c^d^e^f' }, 'encoding-invalid'],
    ['a backslash in a string', { PatientID: 'a\\b' }, 'text-unencodable'],
    ['an escape character', { PatientID: 'a\x1bb' }, 'text-unencodable'],
    ['a line end in a string', { StudyDescription: 'a\nb' }, 'text-unencodable'],
    ['half a surrogate pair', { StudyDescription: 'a\ud800b' }, 'text-unencodable'],
    ['a NUL in a text', { TextValue: 'a\0b' }, 'text-unencodable'],
    ['a violation inside of an item', { ReferencedSeriesSequence: [dataset({ Modality: 'ct' })] }, 'encoding-invalid'],
    ['pixels among the attributes', { PixelData: new Uint8Array(2) }, 'encoding-invalid'],
    ['an element of group 2', { TransferSyntaxUID: '1.2' }, 'encoding-invalid'],
    ['no SOP Instance UID', { SOPInstanceUID: undefined }, 'encoding-invalid'],
    [
      'more than 65534 bytes under a short length',
      { ContourData: Array.from({ length: 20_000 }, () => 12.5) },
      'encoding-invalid',
    ],
    ['a representation that would come out as another', { SelectorSVValue: -5 }, 'encoding-invalid'],
  ])('%s is refused', (_what, input, code) => {
    expect(() => write(input)).toThrow(expect.objectContaining({ code }));
  });

  it.each<[string, DatasetInput]>([
    ['64 characters outside of the Basic Multilingual Plane in a Long String', { PatientID: '𠮷'.repeat(64) }],
    ['line ends in a text', { TextValue: 'a\r\nb\tc' }],
    ['the largest Integer String', { InstanceNumber: 2 ** 31 - 1 }],
    ['a leap second', { StudyTime: '235960.123456' }],
  ])('%s is allowed', (_what, input) => {
    expect(() => inspectPart10(write(input))).not.toThrow();
  });

  it('a compressed transfer syntax is refused where the data set would be written otherwise', () => {
    expect(() => write({}, { transferSyntax: '1.2.840.10008.1.2.1.99' })).toThrow(
      expect.objectContaining({ code: 'encoding-invalid' }),
    );
    expect(() => write({}, { transferSyntax: '1.2.840.10008.1.2' })).toThrow(
      expect.objectContaining({ code: 'encoding-invalid' }),
    );
  });
});

describe('any text', () => {
  const group = fc
    .string({ unit: 'grapheme', maxLength: 40 })
    .map((t) => t.replace(/[\^=\\\p{C}]/gu, '').trim())
    .filter((t) => [...t].length <= 64);

  it('that a name may hold is read back as it was', () => {
    fc.assert(
      fc.property(group, group, group, (alphabetic, ideographic, phonetic) => {
        const name = [alphabetic, ideographic, phonetic].join('=').replace(/=+$/, '');
        expect(personName(inspectPart10(write({ PatientName: name })).attributes, 'PatientName')).toBe(name);
      }),
      { numRuns: 200 },
    );
  });
});

describe('preamble and group 2 around a data set that came over the network', () => {
  it('leave its bytes as they are', () => {
    const file = write(rich);
    const parsed = inspectPart10(file);
    const start = 132 + 12 + Buffer.from(file).readUInt32LE(140);
    const again = part10FromDataset(file.subarray(start), {
      sopClass: parsed.sopClass,
      instanceUid: parsed.instanceUid,
      transferSyntax: parsed.transferSyntax,
      sourceAeTitle: 'MODALITY1',
    });
    expect(inspectPart10(again).dataDigest).toBe(parsed.dataDigest);
    expect(Buffer.from(again.subarray(-(file.length - start))).equals(Buffer.from(file.subarray(start)))).toBe(true);
  });
});

it.skipIf(missing('python', 'shared'))('a published CT image written anew has the values of the original', async () => {
  const { sharedPath } = await import('../../peers/index.ts');
  const path = sharedPath('data/dicom/CT/CT_small.dcm');
  const bytes = readFileSync(path);
  const { attributes, pixel } = inspectPart10(bytes);
  const publicOnly = Object.fromEntries(
    Object.entries(attributes).filter(([tag]) => Number.parseInt(tag[3]!, 16) % 2 === 0),
  );
  const again = writePart10(publicOnly, {
    pixelData: { vr: 'OW', bytes: bytes.subarray(pixel!.offset, pixel!.offset + pixel!.length) },
  });
  const { stdout } = await python(
    `
import sys, pydicom
a, b = pydicom.dcmread(sys.argv[1]), pydicom.dcmread(sys.argv[2])
a.remove_private_tags()
different = [str(e.tag) for e in a if e.tag not in b or b[e.tag].value != e.value]
print(different, (a.pixel_array == b.pixel_array).all())
`,
    [path, saved('again.dcm', again)],
  );
  // The original's character set and its trailing padding are its own.
  expect(stdout.trim()).toBe("['(0008,0005)', '(FFFC,FFFC)'] True");
});
