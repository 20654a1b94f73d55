import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../../src/base/index.ts';
import {
  inspectPart10,
  items,
  number,
  numbers,
  personName,
  text,
  texts,
  type InspectedFile,
} from '../../../src/dicom/index.ts';
import { makeImage, makeObject, rawDataset, rawPart10, us, type RawSpec } from '../../builders/dicom.ts';

const charset: RawSpec = { tag: '00080005', vr: 'CS', value: 'ISO_IR 100' };
const name: RawSpec = { tag: '00100010', vr: 'PN', value: 'M\xfcller^J' };

function inspectRaw(elements: readonly RawSpec[], options: Parameters<typeof rawPart10>[1] = {}): InspectedFile {
  return inspectPart10(rawPart10(elements, options));
}
function codeOf(work: () => unknown): ErrorCode | 'no error' {
  try {
    work();
    return 'no error';
  } catch (e) {
    return (e as { code: ErrorCode }).code;
  }
}

describe('identity', () => {
  it('comes from the data set, whatever instance group 2 names', () => {
    const file = inspectRaw([{ tag: '00080018', vr: 'UI', value: '1.2.3.4' }]);
    expect(file.instanceUid).toBe('1.2.3.4');
    expect(file.studyUid).toBe('1.2.826.0.1.3680043.10.543.1');
    expect(file.transferSyntax).toBe('1.2.840.10008.1.2.1');
  });

  it('a UID padded with a space is the UID', () => {
    expect(inspectRaw([{ tag: '0020000D', vr: 'UI', value: Buffer.from('1.2.345 ') }]).studyUid).toBe('1.2.345');
  });

  it.each([
    '1.2.abc',
    '1.2..3',
    '1.2.3.',
    '1.02.3',
    '../../etc/passwd',
    '1.2\0.3',
    '1.2.3\r\nX: y',
    `1.${'2'.repeat(63)}`,
    '',
  ])('study UID %j is refused', (uid) => {
    expect(codeOf(() => inspectRaw([{ tag: '0020000D', vr: 'UI', value: Buffer.from(uid, 'latin1') }]))).toBe(
      'uid-missing',
    );
  });

  it.each(['00080016', '00080018', '0020000D', '0020000E'])('a file without (%s) is refused', (tag) => {
    const all = ['00080016', '00080018', '0020000D', '0020000E'].filter((t) => t !== tag);
    const elements = all.map((t): RawSpec => ({ tag: t, vr: 'UI', value: '1.2.3' }));
    expect(codeOf(() => inspectRaw(elements, { identity: false, metaClass: '1.2.3' }))).toBe('uid-missing');
  });

  it('a media directory is no instance', () => {
    const directory = '1.2.840.10008.1.3.10';
    expect(codeOf(() => inspectRaw([{ tag: '00080016', vr: 'UI', value: directory }], { metaClass: directory }))).toBe(
      'class-not-storable',
    );
    expect(codeOf(() => inspectRaw([], { metaClass: directory }))).toBe('class-not-storable');
  });

  it('another SOP class in group 2 than in the data set is refused', () => {
    expect(codeOf(() => inspectRaw([], { metaClass: '1.2.840.10008.5.1.4.1.1.2' }))).toBe('class-mismatch');
  });
});

describe('data digest', () => {
  it('is that of transfer syntax, a zero byte and the data set bytes', () => {
    const elements: RawSpec[] = [
      { tag: '00080016', vr: 'UI', value: '1.2.840.10008.5.1.4.1.1.7' },
      { tag: '00080018', vr: 'UI', value: '1.2.3' },
      { tag: '0020000D', vr: 'UI', value: '1.2.4' },
      { tag: '0020000E', vr: 'UI', value: '1.2.5' },
    ];
    const body = rawDataset(elements, 'explicit');
    const expected = createHash('sha256')
      .update(Buffer.concat([Buffer.from('1.2.840.10008.1.2.1\0'), body]))
      .digest('hex');
    expect(inspectRaw(elements, { identity: false }).dataDigest).toBe(expected);
  });

  it('does not depend on preamble and group 2', () => {
    const one = makeImage();
    const other = makeImage();
    other.fill(0x4d, 0, 128);
    expect(inspectPart10(other).dataDigest).toBe(inspectPart10(one).dataDigest);
    expect(inspectPart10(makeImage({ pixel: () => 1 })).dataDigest).not.toBe(inspectPart10(one).dataDigest);
  });
});

describe('attributes', () => {
  it('are the same in implicit, explicit, big endian and deflated', () => {
    const elements: RawSpec[] = [
      charset,
      { tag: '00081115', vr: 'SQ', value: [[{ tag: '0020000E', vr: 'UI', value: '1.2.9' }], []], open: true },
      name,
      { tag: '00200032', vr: 'DS', value: '1.5\\-2\\3e1 ' },
    ];
    const explicit = inspectRaw(elements).attributes;
    expect(inspectRaw(elements, { encoding: 'implicit', transferSyntax: '1.2.840.10008.1.2' }).attributes).toEqual(
      explicit,
    );
    expect(inspectRaw(elements, { encoding: 'big', transferSyntax: '1.2.840.10008.1.2.2' }).attributes).toEqual(
      explicit,
    );
    expect(inspectRaw(elements, { deflate: true, transferSyntax: '1.2.840.10008.1.2.1.99' }).attributes).toEqual(
      explicit,
    );
    expect(personName(explicit, 'PatientName')).toBe('Müller^J');
    expect(items(explicit, 'ReferencedSeriesSequence').map((i) => text(i, 'SeriesInstanceUID'))).toEqual(['1.2.9', '']);
    expect(numbers(explicit, 'ImagePositionPatient')).toEqual([1.5, -2, 30]);
  });

  it('numbers of a big endian data set are swapped, and so are words of inline binary', () => {
    const elements: RawSpec[] = [
      { tag: '00280010', vr: 'US', value: Buffer.from([1, 2]) },
      { tag: '00281201', vr: 'OW', value: Buffer.from([0, 1, 0, 2]) },
    ];
    const { attributes } = inspectRaw(elements, { encoding: 'big', transferSyntax: '1.2.840.10008.1.2.2' });
    expect(number(attributes, 'Rows')).toBe(0x0102);
    expect(attributes['00281201']).toEqual({ vr: 'OW', InlineBinary: Buffer.from([1, 0, 2, 0]).toString('base64') });
  });

  it('a padding value is signed where the pixels are', () => {
    const padding: RawSpec = { tag: '00280120', vr: 'US', value: us(0xf830) };
    const signed: RawSpec = { tag: '00280103', vr: 'US', value: us(1) };
    const implicit = { encoding: 'implicit', transferSyntax: '1.2.840.10008.1.2' } as const;
    expect(inspectRaw([padding, signed], implicit).attributes['00280120']).toEqual({ vr: 'SS', Value: [-2000] });
    expect(inspectRaw([padding], implicit).attributes['00280120']).toEqual({ vr: 'US', Value: [0xf830] });
  });

  it('an element written as UN is read by the dictionary', () => {
    expect(inspectRaw([{ tag: '00080060', vr: 'UN', value: 'CT' }]).attributes['00080060']).toEqual({
      vr: 'CS',
      Value: ['CT'],
    });
  });

  it('an unknown value of undefined length is a sequence in implicit VR', () => {
    const inner = rawDataset([{ tag: '0020000E', vr: 'UI', value: '1.2.9' }], 'implicit');
    const item = Buffer.concat([Buffer.from('feff00e0', 'hex'), Buffer.from([inner.length, 0, 0, 0]), inner]);
    const value = Buffer.concat([item, Buffer.from('feffdde000000000', 'hex')]);
    const file = rawPart10([{ tag: '00081115', vr: 'UN', value }]);
    file.set([0xff, 0xff, 0xff, 0xff], Buffer.from(file).indexOf('UN') + 4);
    expect(
      items(inspectPart10(file).attributes, 'ReferencedSeriesSequence').map((i) => text(i, 'SeriesInstanceUID')),
    ).toEqual(['1.2.9']);
  });

  it('text that is no number stays text, an empty value among others is null', () => {
    const { attributes } = inspectRaw([
      { tag: '00200032', vr: 'DS', value: 'NaN\\1\\' },
      { tag: '00280030', vr: 'DS', value: '0,5\\0,5 ' },
    ]);
    expect(attributes['00200032']!.Value).toEqual(['NaN', 1, null]);
    expect(numbers(attributes, 'PixelSpacing')).toEqual([]);
    expect(texts(attributes, 'PixelSpacing')).toEqual(['0,5', '0,5']);
  });

  it('leave out pixels, group lengths, private unknowns and long binaries, but no palette and no text', () => {
    const long = Buffer.alloc(6000, 65);
    const { attributes, pixel } = inspectRaw([
      { tag: '00080000', vr: 'UL', value: Buffer.from([1, 0, 0, 0]) },
      { tag: '00091001', vr: 'UN', value: 'secret' },
      { tag: '00091002', vr: 'LO', value: 'kept' },
      { tag: '00204000', vr: 'LT', value: long.toString() },
      { tag: '00281201', vr: 'OW', value: long },
      { tag: '00282000', vr: 'OB', value: long },
      { tag: '7FE00010', vr: 'OB', value: long },
    ]);
    expect(Object.keys(attributes)).toEqual([
      '00080016',
      '00080018',
      '00091002',
      '0020000D',
      '0020000E',
      '00204000',
      '00281201',
    ]);
    expect(text(attributes, 'ImageComments')).toHaveLength(6000);
    expect(pixel).toMatchObject({ keyword: 'PixelData', vr: 'OB', length: 6000 });
  });

  it('the set of the data set holds in its items unless they name their own', () => {
    const { attributes } = inspectRaw([
      charset,
      {
        tag: '00081115',
        vr: 'SQ',
        value: [
          [name],
          [
            { ...charset, value: 'ISO_IR 126' },
            { ...name, value: '\xcd' },
          ],
        ],
      },
    ]);
    expect(items(attributes, 'ReferencedSeriesSequence').map((i) => personName(i, 'PatientName'))).toEqual([
      'Müller^J',
      'Ν',
    ]);
  });

  it('the message about undecodable text names the element and not the text', () => {
    const refused = () =>
      inspectRaw([
        { ...charset, value: 'ISO_IR 192' },
        { ...name, value: 'Geheim\xff' },
      ]);
    expect(codeOf(refused)).toBe('charset-undecodable');
    expect(refused).toThrow(/\(0010,0010\).*ISO_IR 192/);
    expect(refused).not.toThrow(/Geheim/);
  });
});

it('a document without pixels has no pixel location', () => {
  expect(inspectPart10(makeObject()).pixel).toBeUndefined();
});

describe('a file in two parts', () => {
  const file = makeImage({});
  const { pixel } = inspectPart10(file);
  const cut = pixel!.offset;

  it('reads as the whole: attributes, digest, and where the pixels lie', () => {
    const rest = [file.subarray(cut, cut + 3), file.subarray(cut + 3)];
    expect(inspectPart10(file.subarray(0, cut), { rest })).toEqual(inspectPart10(file));
  });

  it('is damaged where the rest is longer or shorter than the last element says', () => {
    for (const length of [pixel!.length - 2, pixel!.length + 2])
      expect(codeOf(() => inspectPart10(file.subarray(0, cut), { rest: [new Uint8Array(length)] }))).toBe(
        'dicom-damaged',
      );
  });
});
