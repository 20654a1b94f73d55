import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import {
  emptyBits,
  getBit,
  joined,
  setBit,
  type DicomJson,
  type MaskPlane,
  type Stack,
} from '../../../src/base/index.ts';
import { codeOf, dataset, has, inspectPart10, items, number, numbers, text, texts } from '../../../src/dicom/index.ts';
import { checkDicom, encodeSeg, encodeSr, type DicomObject, type EncodingInput } from '../../../src/outputs/index.ts';
import { sampleInput } from '../../builders/encodings.ts';
import { scratch, writeObjects, writeSources } from '../../builders/segmented.ts';
import { dciodvfyErrors, missing, peers, python, runPeer } from '../../peers/index.ts';

const seg = (input: EncodingInput): DicomObject => encodeSeg(input)[0]!;
const read = (object: DicomObject): DicomJson => inspectPart10(joined(object.parts)).attributes;
const frames = (ds: DicomJson) => items(ds, 'PerFrameFunctionalGroupsSequence');
const shared = (ds: DicomJson) => items(ds, 'SharedFunctionalGroupsSequence')[0]!;

/** The sample with other attributes in every source. */
function withSource(input: EncodingInput, change: Parameters<typeof dataset>[0]): EncodingInput {
  const changed = [...input.sources].map(([uid, ds]): [string, DicomJson] => [uid, { ...ds, ...dataset(change) }]);
  return { ...input, sources: new Map(changed) };
}

/** The sample with masks in the given (segment, plane)s only, one pixel each. */
function withMasks(input: EncodingInput, places: readonly (readonly number[])[]): EncodingInput {
  const { rows, columns } = input.draft.stacks[0]!.grid;
  const bits = emptyBits(rows * columns);
  setBit(bits, 5);
  const planes = places.map((list) => list.map((plane): MaskPlane => ({ plane, bits })));
  const drafted = input.draft.masks.slice(0, places.length).map((m, i) => ({ ...m, planes: places[i]! }));
  return {
    ...input,
    draft: { ...input.draft, masks: drafted },
    masks: new Map(drafted.map((m, i) => [m.id, planes[i]!])),
  };
}

describe('the packing of frames', () => {
  // [rows, columns, planes that each segment has, planes of the stack, type expected, frames expected], by rule D2.
  const cases = [
    [20, 24, [[0, 1]], 6, 'BINARY', 2],
    [9, 16, [[0, 1]], 5, 'BINARY', 2],
    [9, 8, [[0, 1, 2]], 5, 'BINARY', 4],
    [9, 8, [[0, 1, 2, 3, 4]], 5, 'FRACTIONAL', 5],
    [
      9,
      8,
      [
        [0, 1, 2, 3, 4],
        [0, 1],
      ],
      5,
      'BINARY',
      8,
    ],
    [9, 8, [[0], [0, 1, 2, 3]], 5, 'BINARY', 6],
    [10, 11, [[0, 1]], 5, 'FRACTIONAL', 2],
    [16, 11, [[0, 1]], 5, 'FRACTIONAL', 2],
  ] as const;
  it.each(cases)(
    '%i x %i with frames %j of %i planes is %s with %i frames',
    (rows, columns, places, planes, type, n) => {
      const ds = read(seg(withMasks(sampleInput({ rows, columns, planes }), places)));
      expect(text(ds, 'SegmentationType')).toBe(type);
      expect(number(ds, 'NumberOfFrames')).toBe(n);
    },
  );

  it('adds one empty frame at the first unused place of the first segment that has one, in order', () => {
    const ds = read(seg(withMasks(sampleInput({ rows: 9, columns: 8, planes: 5 }), [[0, 2, 3]])));
    expect(frames(ds).map((f) => numbers(items(f, 'FrameContentSequence')[0]!, 'DimensionIndexValues'))).toEqual([
      [1, 1],
      [1, 2],
      [1, 3],
      [1, 4],
    ]);
    const { pixel } = inspectPart10(
      joined(seg(withMasks(sampleInput({ rows: 9, columns: 8, planes: 5 }), [[0, 2, 3]])).parts),
    );
    expect(pixel!.length).toBe(36);
  });

  it('says 255 for FRACTIONAL, and has no fractional attributes for BINARY', () => {
    const fractional = read(seg(sampleInput({ rows: 10, columns: 11, planes: 5 })));
    expect(text(fractional, 'SegmentationFractionalType')).toBe('PROBABILITY');
    expect(number(fractional, 'MaximumFractionalValue')).toBe(255);
    expect(has(read(seg(sampleInput())), 'MaximumFractionalValue')).toBe(false);
  });
});

describe('memory', () => {
  it('the pixels of BINARY frames are the masks themselves: no byte of them is copied', () => {
    const input = sampleInput();
    const { draft, masks } = input;
    const given = draft.masks.flatMap((m) => masks.get(m.id)!.map((p) => p.bits));
    const [head, ...pixels] = seg(input).parts;
    expect(pixels).toHaveLength(given.length);
    expect(pixels.every((part, i) => part === given[i])).toBe(true);
    expect(head!.length).toBeLessThan(20_000);
  });
});

describe('identity', () => {
  it('the same draft gives the same bytes', () => {
    expect(Buffer.compare(joined(seg(sampleInput()).parts), joined(seg(sampleInput()).parts))).toBe(0);
  });

  it('another version, mapping or profile gives another UID, for its bytes are others', () => {
    const base = sampleInput();
    const inputs = [
      base,
      sampleInput({ version: 2 }),
      { ...base, draft: { ...base.draft, mappingDigest: 'other' } },
      sampleInput({ profile: { strictBinary: true } }),
      sampleInput({ profile: { srClass: 'comprehensive' } }),
    ];
    expect(new Set(inputs.map((i) => seg(i).instanceUid)).size).toBe(inputs.length);
    expect(new Set(inputs.map((i) => seg(i).seriesUid)).size).toBe(inputs.length);
  });

  it('each stack gets a series of its own, numbered in the order of the stacks', () => {
    const input = sampleInput();
    const [first] = input.draft.stacks;
    const moved = input.draft.masks.map((m, i) => (i < 2 ? m : { ...m, stack: 'k2', segment: i - 1 }));
    const stacks: Stack[] = [first!, { ...first!, id: 'k2' }];
    const two = encodeSeg({ ...input, draft: { ...input.draft, stacks, masks: moved } });
    expect(two.map((s) => [s.index, s.stack])).toEqual([
      [1, 'k1'],
      [2, 'k2'],
    ]);
    expect(two[0]!.seriesUid).not.toBe(two[1]!.seriesUid);
  });

  it('no mask, no SEG', () => {
    expect(encodeSeg(sampleInput({ masks: 'none' }))).toEqual([]);
  });

  it('a draft whose source attributes are missing is refused', () => {
    expect(() => encodeSeg({ ...sampleInput(), sources: new Map() })).toThrow(
      expect.objectContaining({ code: 'encoding-invalid' }),
    );
  });
});

describe('what is copied from the source', () => {
  it('a name in three scripts arrives as it is', () => {
    const patientName = 'Yamada^Tarou=山田^太郎=やまだ^たろう';
    const ds = read(seg(sampleInput({ patientName })));
    expect(text(ds, 'PatientName')).toBe(patientName);
    expect(texts(ds, 'SpecificCharacterSet')).toEqual(['ISO_IR 192']);
  });

  it('writes an accession number or study id that its field cannot hold as empty, and the gate agrees', () => {
    const given = withSource(sampleInput(), {
      AccessionNumber: 'a6787261de92abd064746f7c69faed0cce5d1b20',
      StudyID: 'x'.repeat(17),
    });
    const [one] = encodeSeg(given);
    expect(text(read(one!), 'AccessionNumber')).toBe('');
    expect(checkDicom(given, [one!], encodeSr(given, [one!]))).toEqual([]);
  });

  it.each(['PatientName', 'PatientID'])('writes nothing for a patient whose %s would have to be altered', (keyword) => {
    const given = withSource(sampleInput(), { [keyword]: 'x'.repeat(65_000) });
    expect(() => encodeSeg(given)).toThrow(expect.objectContaining({ code: 'text-unencodable', class: 'hold' }));
  });

  it('what is illegal and optional is left out; what is illegal and required becomes empty', () => {
    const input = withSource(sampleInput(), { PatientBirthDate: '00000000', PatientSize: 1.7 });
    const odd = [...input.sources].map(([uid, ds]): [string, DicomJson] => [
      uid,
      { ...ds, '00101010': { vr: 'AS', Value: ['45'] } },
    ]);
    const ds = read(seg({ ...input, sources: new Map(odd) }));
    expect(has(ds, 'PatientAge')).toBe(false);
    expect(number(ds, 'PatientSize')).toBe(1.7);
    expect(has(ds, 'PatientBirthDate')).toBe(true);
    expect(text(ds, 'PatientBirthDate')).toBe('');
  });

  it('times stand in the time zone of the source, over midnight too', () => {
    const ds = read(seg(withSource(sampleInput(), { TimezoneOffsetFromUTC: '-0530' })));
    expect([text(ds, 'ContentDate'), text(ds, 'ContentTime')]).toEqual(['20260303', '233607']);
    const [made] = items(ds, 'ContributingEquipmentSequence');
    expect(text(made!, 'ContributionDateTime')).toBe('20260303233607-0530');
    expect(text(read(seg(sampleInput())), 'ContentTime')).toBe('050607');
  });

  it('lossy compression of the source is told, with its ratio and method', () => {
    const lossy = {
      LossyImageCompression: '01',
      LossyImageCompressionRatio: 12.5,
      LossyImageCompressionMethod: 'ISO_10918_1',
    };
    const ds = read(seg(withSource(sampleInput(), lossy)));
    expect(text(ds, 'LossyImageCompression')).toBe('01');
    expect(number(ds, 'LossyImageCompressionRatio')).toBe(12.5);
    expect(text(read(seg(sampleInput())), 'LossyImageCompression')).toBe('00');
  });

  it('removed identity stays told', () => {
    const ds = read(
      seg(withSource(sampleInput(), { PatientIdentityRemoved: 'YES', DeidentificationMethod: 'by hand' })),
    );
    expect([text(ds, 'PatientIdentityRemoved'), text(ds, 'DeidentificationMethod')]).toEqual(['YES', 'by hand']);
  });
});

describe('segments', () => {
  const segments = items(read(seg(sampleInput())), 'SegmentSequence');

  it('are numbered from 1 in order, each with tracking, colour and its sentence', () => {
    expect(segments.map((s) => number(s, 'SegmentNumber'))).toEqual([1, 2, 3, 4]);
    expect(texts(segments[0]!, 'TrackingID')).toEqual(['liver lesion-1']);
    expect(numbers(segments[0]!, 'RecommendedDisplayCIELabValue')).toHaveLength(3);
    expect(text(segments[0]!, 'SegmentDescription')).toBe('In the left upper part there is a small liver lesion.');
  });

  it('a lesion carries its side on its region, anatomy on its type', () => {
    const region = items(segments[2]!, 'AnatomicRegionSequence')[0]!;
    expect(codeOf(items(region, 'AnatomicRegionModifierSequence')[0])?.value).toBe('7771000');
    const input = sampleInput();
    const kidney = input.draft.findings.map((f) =>
      f.id === 'f2'
        ? {
            ...f,
            side: 'left' as const,
            concept: { ...f.concept, laterality: { value: '7771000', scheme: 'SCT', meaning: 'Left' } },
          }
        : f,
    );
    const ds = read(seg({ ...input, draft: { ...input.draft, findings: kidney } }));
    const item = items(ds, 'SegmentSequence')[1]!;
    const type = items(item, 'SegmentedPropertyTypeCodeSequence')[0]!;
    expect(codeOf(items(type, 'SegmentedPropertyTypeModifierCodeSequence')[0])?.value).toBe('7771000');
    expect(has(item, 'AnatomicRegionSequence')).toBe(false);
  });

  it('without a calibrated size say so', () => {
    const item = items(read(seg(sampleInput({ kind: 'picture' }))), 'SegmentSequence')[0]!;
    expect(text(item, 'SegmentDescription')).toMatch(/\(no calibrated size\)$/);
  });

  it('overlap is said as the pixels say', () => {
    expect(text(read(seg(sampleInput())), 'SegmentsOverlap')).toBe('YES');
    expect(text(read(seg(withMasks(sampleInput(), [[0], [1]]))), 'SegmentsOverlap')).toBe('NO');
    expect(text(read(seg(withMasks(sampleInput(), [[0], [0]]))), 'SegmentsOverlap')).toBe('YES');
  });
});

describe('a picture without frame of reference', () => {
  const of = (planes2d: 'viewer2d-min' | 'viewer2d' | 'plain') =>
    read(seg(sampleInput({ kind: 'picture', profile: { planes2d } })));

  it('has no frame of reference and no position in the patient', () => {
    for (const ds of [of('viewer2d-min'), of('plain')]) {
      expect(has(ds, 'FrameOfReferenceUID')).toBe(false);
      expect(frames(ds).some((f) => has(f, 'PlanePositionSequence'))).toBe(false);
    }
  });

  it('gets as much of an orientation as its destination asks for', () => {
    expect(has(shared(of('viewer2d-min')), 'PlaneOrientationSequence')).toBe(true);
    expect(has(shared(of('viewer2d-min')), 'PixelMeasuresSequence')).toBe(false);
    expect(has(shared(of('viewer2d')), 'PixelMeasuresSequence')).toBe(true);
    expect(has(shared(of('plain')), 'PlaneOrientationSequence')).toBe(false);
    // Never in both groups (PS3.3 C.7.6.16.1).
    expect(has(shared(of('viewer2d')), 'PlanePositionSequence')).toBe(false);
    const positions = frames(of('viewer2d')).map((f) => items(f, 'PlanePositionSequence'));
    expect(positions.map((at) => at.map((p) => numbers(p, 'ImagePositionPatient')))).toEqual([
      [[0, 0, 0]],
      [[0, 0, 0]],
    ]);
  });
});

describe('a picture without frame of reference, and the size of its pixels', () => {
  const measures = (spacing: 'physical' | 'none') => {
    const input = sampleInput({ kind: 'picture', spacing, profile: { planes2d: 'viewer2d' } });
    return { stack: input.draft.stacks[0]!, item: items(shared(read(seg(input))), 'PixelMeasuresSequence')[0]! };
  };

  it('has the size of its pixels where it is known, and 1 mm where its destination wants one and none is', () => {
    const known = measures('physical');
    const { spacing } = known.stack.grid;
    if (spacing.kind !== 'physical') throw new Error('the sample has a size');
    expect(spacing.rowMm).not.toBe(1);
    expect(numbers(known.item, 'PixelSpacing')).toEqual([spacing.rowMm, spacing.columnMm]);
    expect(numbers(measures('none').item, 'PixelSpacing')).toEqual([1, 1]);
    expect(number(known.item, 'SliceThickness')).toBe(1);
  });
});

it('a multi-frame source is named by frame, a single-frame one never', () => {
  const numbersOf = (input: EncodingInput) =>
    frames(read(seg(input))).map((f) => {
      const derivation = items(f, 'DerivationImageSequence')[0]!;
      return number(items(derivation, 'SourceImageSequence')[0]!, 'ReferencedFrameNumber');
    });
  expect(new Set(numbersOf(sampleInput({ multiFrame: true })))).toEqual(new Set([1, 2, 3, 4, 5, 6]));
  expect(new Set(numbersOf(sampleInput()))).toEqual(new Set([undefined]));
});

it('claims a regular volume only where it is one', () => {
  expect(text(read(seg(sampleInput())), 'DimensionOrganizationType')).toBe('3D');
  expect(has(read(seg(sampleInput({ tiltMm: 0.5 }))), 'DimensionOrganizationType')).toBe(false);
});

// — judged by others —

const options = {
  volume: {},
  tilted: { tiltMm: 0.5 },
  oblique: { rowCosines: [0.866025, 0.5, 0], columnCosines: [-0.433013, 0.75, 0.5] },
  enhanced: { multiFrame: true },
  'odd pixels': { rows: 10, columns: 11, planes: 5 },
  'odd pixels, strict': { rows: 10, columns: 11, planes: 5, profile: { strictBinary: true } },
  'one empty frame': { rows: 9, columns: 16, planes: 5 },
  'no spacing': { spacing: 'none' },
  picture: { kind: 'picture' },
  'picture, plain': { kind: 'picture', profile: { planes2d: 'plain' } },
  'picture, all macros': { kind: 'picture', profile: { planes2d: 'viewer2d' } },
  'picture with size': { kind: 'picture', spacing: 'physical' },
  'three scripts': { patientName: 'Yamada^Tarou=山田^太郎=やまだ^たろう' },
  'Comprehensive SR': { profile: { srClass: 'comprehensive' } },
  'no masks': { masks: 'none' },
} as const;

/** Pixels of each segment by source instance, packed, as highdicom decodes them; for single-frame sources. */
const decode = `
import hashlib, json, sys
import highdicom as hd, numpy as np
out = {}
for path in sys.argv[1:]:
    seg = hd.seg.segread(path)
    uids = sorted({str(u[2]) for u in seg.get_source_image_uids()})
    a = seg.get_pixels_by_source_instance(uids, assert_missing_frames_are_empty=True)
    out[path] = {f'{n} {u}': np.packbits((a[k, ..., i] > 0).ravel(), bitorder='little').tobytes().hex() for k, u in enumerate(uids) for i, n in enumerate(seg.segment_numbers) if a[k, ..., i].any()}
print(json.dumps(out))
`;

describe.skipIf(missing('dciodvfy', 'dcentvfy', 'dsrdump'))('SEG and SR of every kind', () => {
  const { folder, remove } = scratch();
  afterAll(remove);

  it.each(Object.keys(options) as (keyof typeof options)[])('break no rule: %s', async (name) => {
    const input = sampleInput(options[name] as Parameters<typeof sampleInput>[0]);
    const segs = encodeSeg(input);
    const sr = encodeSr(input, segs);
    const files = writeObjects(folder, name.replaceAll(/\W/g, '-'), [...segs, sr]);
    for (const file of files) expect([file, await dciodvfyErrors(file)]).toEqual([file, []]);
    expect((await runPeer(peers.dsrdump!, [files.at(-1)!])).code).toBe(0);
    const sources = writeSources(folder, name.replaceAll(/\W/g, '-'), input);
    const { stdout, stderr } = await runPeer(peers.dcentvfy!, [...files, ...sources]);
    expect(`${stdout}${stderr}`.split('\n').filter((l) => l.startsWith('Error'))).toEqual([]);
  });

  it.skipIf(missing('python'))('give highdicom the masks, frames inside a byte included', async () => {
    const names = [
      'volume',
      'tilted',
      'oblique',
      'odd pixels',
      'odd pixels, strict',
      'one empty frame',
      'picture',
      'picture, all macros',
    ] as const;
    const inputs = names.map((n) => sampleInput(options[n] as Parameters<typeof sampleInput>[0]));
    const files = inputs.map((input, i) => writeObjects(folder, `decode-${i}`, encodeSeg(input))[0]!);
    const ran = await python(decode, files);
    expect(ran.stderr).not.toContain('Error');
    const found = JSON.parse(ran.stdout) as Record<string, Record<string, string>>;
    inputs.forEach((input, i) => expect([names[i], found[files[i]!]]).toEqual([names[i], packedMasks(input)]));
  });
});

describe.skipIf(missing('segimage2itkimage'))('SEG of a picture', () => {
  const { folder, remove } = scratch();
  afterAll(remove);

  it.each([
    ['without size', {}],
    ['with size', { spacing: 'physical' }],
    ['with odd pixels, strict', { rows: 10, columns: 11, profile: { planes2d: 'viewer2d', strictBinary: true } }],
  ] as const)(
    'give dcmqi the masks of a picture where its destination asks for all plane macros: %s',
    async (name, change) => {
      const input = sampleInput({ kind: 'picture', profile: { planes2d: 'viewer2d' }, ...change });
      const [file] = writeObjects(folder, name.replaceAll(' ', '-'), encodeSeg(input));
      const out = mkdtempSync(join(folder, 'dcmqi-'));
      const args = ['--inputDICOM', file!, '--outputDirectory', out, '-t', 'nrrd'];
      const ran = await runPeer(peers.segimage2itkimage!, args);
      expect([ran.code, ran.stderr]).toEqual([0, expect.not.stringMatching(/ERROR|required|missing/)]);
      const images = readdirSync(out).filter((f) => f.endsWith('.nrrd'));
      expect(pixelsByLabel(images.map((f) => readFileSync(join(out, f))))).toEqual(
        Object.fromEntries(input.draft.masks.map((m) => [m.segment, pixelsOf(input.masks.get(m.id)![0]!.bits)])),
      );
    },
  );
});

/** Numbers of the pixels that have each label other than 0, in NRRD files of 16-bit integers as dcmqi writes them. */
function pixelsByLabel(files: readonly Buffer[]): Record<string, number[]> {
  const found: Record<string, number[]> = {};
  for (const file of files) {
    const end = file.indexOf('\n\n');
    expect(file.toString('latin1', 0, end)).toMatch(/type: short[\s\S]*encoding: gzip/);
    const bytes = gunzipSync(file.subarray(end + 2));
    for (let i = 0; i < bytes.length / 2; i++) {
      const label = bytes.readInt16LE(2 * i);
      if (label !== 0) (found[label] ??= []).push(i);
    }
  }
  return found;
}

function pixelsOf(bits: Uint8Array): number[] {
  return Array.from({ length: bits.length * 8 }, (_, i) => i).filter((i) => getBit(bits, i));
}

function packedMasks({ draft, masks }: EncodingInput): Record<string, string> {
  const planes = draft.stacks[0]!.planes;
  return Object.fromEntries(
    draft.masks.flatMap((m) =>
      masks
        .get(m.id)!
        .map((p) => [`${m.segment} ${planes[p.plane]!.instanceUid}`, Buffer.from(p.bits).toString('hex')]),
    ),
  );
}
