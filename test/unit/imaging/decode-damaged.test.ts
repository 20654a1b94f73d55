import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDecoder, type DecodedFrame, type Decoder } from '../../../src/imaging/decode/index.ts';
import { jxlSize } from '../../../src/imaging/decode/headers.ts';
import { inspectPart10, readFrames } from '../../../src/dicom/index.ts';
import { makeImage, rawImagePixel, rawPart10, seeded, type RawSpec } from '../../builders/dicom.ts';
import { missing, sharedPath } from '../../peers/index.ts';

let decoder: Decoder;
beforeAll(() => {
  decoder = createDecoder({ seconds: 30, maxPixels: 1_000_000 });
});
afterAll(() => decoder.close());

const load = (path: string): Uint8Array => readFileSync(sharedPath('data', path));
const first = async (file: Uint8Array): Promise<DecodedFrame> => (await decoder.decode(file, [0]))[0]!;
const held = expect.objectContaining({
  class: 'hold',
  code: expect.stringMatching(/^pixel-(decode|description)$/) as string,
});
const description = expect.objectContaining({ code: 'pixel-description' });
const decode = expect.objectContaining({ code: 'pixel-decode' });

interface BrokenFile {
  readonly path: string;
  readonly expect?: { readonly action: string; readonly reason?: string; readonly note?: string };
}

describe.skipIf(missing('shared'))('the published damaged frames', () => {
  const broken = missing('shared')
    ? []
    : (JSON.parse(readFileSync(sharedPath('data/index.json'), 'utf8')) as { files: BrokenFile[] }).files;
  // The index accepts a decoded picture as well (stopped at the frame size; Rows in 32 bits).
  const tolerated = ['rle-overflow', 'rows-wrong-vr'];
  // Palettes and rescale values are judged where they are applied.
  const later = ['palette-without-lut', 'palette-lut-short', 'rescale-nan', 'rescale-zero'];
  const reasons = ['pixel-decode', 'frame-count', 'pixel-length', 'pixel-format', 'no-pixels'];
  const cases = broken.filter((f) => f.path.startsWith('dicom-broken/') && reasons.includes(f.expect?.reason ?? ''));

  it.each(cases.filter((f) => ![...tolerated, ...later].some((t) => f.path.includes(t))))(
    '$path is held',
    async ({ path }) => {
      await expect(first(load(path))).rejects.toThrow(held);
    },
  );

  it.each(tolerated)('%s gives a picture of the declared size', async (name) => {
    expect((await first(load(`dicom-broken/${name}.dcm`))).values).toHaveLength(256);
  });

  it.each(['rle-good', 'jpeg-good', 'pixels-long', 'icon-pixels-first', 'items-12000'])('%s decodes', async (name) => {
    expect((await first(load(`dicom-broken/${name}.dcm`))).values).toHaveLength(256);
  });

  it('a codestream that holds the bytes of a delimiter is found whole', () => {
    const file = load('dicom/transfer-syntax/1.2.840.10008.1.2.4.91/embedded-delimiter.dcm');
    const { pixel } = inspectPart10(file);
    expect(readFrames(file).frame(0).bytes).toHaveLength(pixel!.fragments![0]!.length);
  });

  it.each([
    '1.2.840.10008.1.2.4.100/mpeg2-mpml',
    '1.2.840.10008.1.2.4.102/h264-hp41',
    '1.2.840.10008.1.2.4.107/hevc-main51',
    '1.2.840.10008.1.2.4.94/mr-jpip',
  ])('%s is stored but not decoded', async (path) => {
    await expect(first(load(`dicom/transfer-syntax/${path}.dcm`))).rejects.toThrow(held);
  });
});

describe.skipIf(missing('shared'))('a codestream cut at any place', () => {
  // JPEG XL is not here: its stream has no end mark, and its decoder is the one that notices.
  const whole = [
    '4.50/grey',
    '4.70/ct',
    '4.80/ct',
    '4.90/mr',
    '4.202/ct-rpcl',
    '5/mr-rle',
    '8.1/ct-deflated-frame',
    '1.98/ct-encapsulated-native',
  ];
  it.each(whole)('%s is held, never filled up', async (name) => {
    const file = load(`dicom/transfer-syntax/1.2.840.10008.1.2.${name}.dcm`);
    const encoded = readFrames(file);
    const { bytes } = encoded.frame(0);
    const description = inspectPart10(file).attributes;
    const random = seeded(7);
    for (let i = 0; i < 12; i++) {
      const cut = bytes.subarray(0, Math.floor(random() * bytes.length * 0.98) & ~1);
      const number = (tag: string): number => description[tag]!.Value![0] as number;
      const elements: RawSpec[] = rawImagePixel(number('00280010'), number('00280011'), { bits: number('00280100') });
      const pixels: RawSpec = { tag: '7FE00010', vr: 'OB', value: '', fragments: [new Uint8Array(), cut] };
      await expect(
        first(rawPart10([...elements, pixels], { transferSyntax: encoded.transferSyntax })),
        `${cut.length} of ${bytes.length}`,
      ).rejects.toThrow(held);
    }
  });
});

describe('what the data set says', () => {
  it.each([
    ['Bits Stored beyond Bits Allocated', { BitsStored: 20 }],
    ['Bits Allocated 12', { BitsAllocated: 12 }],
    ['a High Bit that does not fit', { BitsStored: 12, HighBit: 15 }],
    ['four samples', { SamplesPerPixel: 4 }],
    ['an unknown Photometric Interpretation', { PhotometricInterpretation: 'PURPLE' }],
    ['grey with three samples', { SamplesPerPixel: 3, PhotometricInterpretation: 'MONOCHROME2', Rows: 4 }],
  ])('%s is refused', async (_what, attributes) => {
    await expect(first(makeImage({ attributes }))).rejects.toThrow(description);
  });

  it('more pixels than allowed are refused before anything is decoded', async () => {
    const small = createDecoder({ seconds: 30, maxPixels: 100 });
    await expect(small.decode(makeImage({ rows: 11, columns: 10 }), [0])).rejects.toThrow(description);
    await expect(small.decode(makeImage({ rows: 10, columns: 10 }), [0])).resolves.toHaveLength(1);
    await small.close();
  });

  it('a deflated frame that gives more than a frame is refused', async () => {
    const { deflateRawSync } = await import('node:zlib');
    const pixels: RawSpec = {
      tag: '7FE00010',
      vr: 'OB',
      value: '',
      fragments: [new Uint8Array(), deflateRawSync(new Uint8Array(10 << 20))],
    };
    const file = rawPart10([...rawImagePixel(4, 4), pixels], { transferSyntax: '1.2.840.10008.1.2.8.1' });
    await expect(first(file)).rejects.toThrow(decode);
  });

  it('a JPEG XL header of 1 GiB pixels is refused unread', () => {
    // Not small, 30-bit sizes of 2^15: 1 0a, then bits 0, 3 (30 bits), 32767, ratio 1.
    const bits = [0, 1, 1, ...Array.from({ length: 30 }, (_, i) => (32767 >> i) & 1), 1, 0, 0];
    const bytes = new Uint8Array(2 + Math.ceil(bits.length / 8));
    bytes.set([0xff, 0x0a]);
    bits.forEach((b, i) => (bytes[2 + (i >> 3)]! |= b << (i & 7)));
    expect(jxlSize(bytes)).toEqual({ rows: 32768, columns: 32768 });
  });
});

describe.skipIf(missing('shared'))('the worker', () => {
  it('decodes on after a codec has failed', async () => {
    const file = load('dicom/transfer-syntax/1.2.840.10008.1.2.4.80/ct.dcm');
    const { bytes } = readFrames(file).frame(0);
    const noise = Uint8Array.from(bytes);
    const random = seeded(3);
    for (let i = 200; i < noise.length - 2; i++) noise[i] = Math.floor(random() * 255) & 0x7f;
    const pixels: RawSpec = { tag: '7FE00010', vr: 'OB', value: '', fragments: [new Uint8Array(), noise] };
    const damaged = rawPart10([...rawImagePixel(128, 128, { bits: 16 }), pixels], {
      transferSyntax: '1.2.840.10008.1.2.4.80',
    });
    const before = await first(file);
    await expect(first(damaged)).rejects.toThrow(held);
    expect((await first(file)).values).toEqual(before.values);
  });

  it('is stopped when a frame takes too long, and a new one goes on', async () => {
    const hasty = createDecoder({ seconds: 0.001, maxPixels: 10_000_000 });
    const file = load('dicom/CR/mono1-10bit-j2k.dcm');
    await expect(hasty.decode(file, [0])).rejects.toThrow(expect.objectContaining({ code: 'pixel-decode-timeout' }));
    await expect(hasty.decode(file, [0])).rejects.toThrow(expect.objectContaining({ code: 'pixel-decode-timeout' }));
    await hasty.close();
  });

  it('gives frames in the order that was asked for, to several callers at once', async () => {
    const file = makeImage({ rows: 2, columns: 2, frames: 4, bitsAllocated: 8, pixel: (_x, _y, frame) => frame });
    const [a, b] = await Promise.all([decoder.decode(file, [3, 0]), decoder.decode(file, [2, 2, 1])]);
    expect(a.map((f) => f.values[0])).toEqual([3, 0]);
    expect(b.map((f) => f.values[0])).toEqual([2, 2, 1]);
  });

  it('leaves the file that it was given as it was', async () => {
    const file = Buffer.from(load('dicom/CT/CT_small.dcm'));
    const copy = Buffer.from(file);
    await first(file);
    expect(file.equals(copy)).toBe(true);
  });
});
