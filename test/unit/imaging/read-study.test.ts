import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { derivedUid, type SourceInstance, type Vec3 } from '../../../src/base/index.ts';
import { dataset } from '../../../src/dicom/index.ts';
import { readStudy, type StudyReading } from '../../../src/imaging/read-study.ts';
import { classes, instance, slice } from '../../builders/series.ts';

const read = (instances: readonly SourceInstance[]): StudyReading => readStudy(instances, { burnedIn: 'hold' });
const codes = (reading: StudyReading): string[] => reading.passedOver.map((p) => p.code);
const noticeCodes = (reading: StudyReading): string[] => reading.notices.map((n) => n.code);
const axial = (z: number): { position: Vec3 } => ({ position: [-10, -20, z] });
const slices = (...z: number[]): SourceInstance[] =>
  z.map((at, i) => slice('a', i, axial(at), { InstanceNumber: i + 1 }));

describe('order and distance of slices', () => {
  test('slices are ordered by position whatever their numbers say', () => {
    const reading = read(slices(30, 10, 20));
    expect(reading.stacks).toHaveLength(1);
    const [stack] = reading.stacks;
    expect(stack!.kind).toBe('volume');
    expect(stack!.planes.map((p) => p.instanceUid)).toEqual([1, 2, 0].map((i) => derivedUid('test', 'a', i)));
    expect(stack!.grid.depth).toEqual({
      spacingMm: 10,
      regular: true,
      tilted: false,
      thicknessMm: [10, 10, 10],
      missing: false,
    });
  });

  test('the stacks do not depend on the order of arrival', () => {
    const study = [
      ...slices(0, 2, 4, 6, 9),
      slice(
        'a',
        'cor',
        { position: [0, 0, 0], orientation: [1, 0, 0, 0, 0, -1] },
        { ImageType: ['DERIVED', 'PRIMARY'] },
      ),
      instance('b', 1, { Modality: 'DX', InstanceNumber: 2 }, classes.dx),
      instance('b', 2, { Modality: 'DX', InstanceNumber: 1 }, classes.dx),
    ];
    const expected = JSON.stringify(read(study));
    fc.assert(
      fc.property(fc.shuffledSubarray(study, { minLength: study.length }), (shuffled) => {
        expect(JSON.stringify(read(shuffled))).toBe(expected);
      }),
    );
  });

  test('a gap of more than one and a half steps is reported with its neighbours, and is not measured', () => {
    const reading = read(slices(0, 2, 4, 8, 10));
    const notice = reading.notices.find((n) => n.code === 'missing-slices');
    expect(notice?.about).toEqual([derivedUid('test', 'a', 2), derivedUid('test', 'a', 3)]);
    expect(reading.stacks[0]!.grid.depth).toMatchObject({
      missing: true,
      regular: false,
      thicknessMm: [2, 2, 2, 2, 2],
    });
  });

  test('slices that become thicker with their distance miss nothing', () => {
    const at = [0, 4, 8, 13.5, 20.5, 27.5];
    const reading = read(at.map((z, i) => slice('a', i, axial(z), { SliceThickness: i < 3 ? 4 : 7 })));
    expect(noticeCodes(reading)).toEqual(['irregular-slices']);
    expect(reading.stacks[0]!.grid.sliceThicknessMm).toBeUndefined();
    // Midpoint rule: half the way to each neighbour.
    expect(reading.stacks[0]!.grid.depth!.thicknessMm).toEqual([4, 4, 4.75, 6.25, 7, 7]);
  });

  test('a distance that differs by more than one per cent makes a stack irregular', () => {
    expect(read(slices(0, 2, 4.01, 6)).stacks[0]!.grid.depth!.regular).toBe(true);
    expect(read(slices(0, 2, 4.03, 6)).stacks[0]!.grid.depth!.regular).toBe(false);
  });

  test('slices that shift sideways are tilted, and their distance is measured along the normal', () => {
    const [c, s] = [Math.cos(0.2), Math.sin(0.2)];
    const tilted = [0, 1, 2].map((i) => slice('a', i, { position: [0, 0, 4 * i], orientation: [1, 0, 0, 0, c, s] }));
    const reading = read(tilted);
    expect(noticeCodes(reading)).toContain('gantry-tilt');
    expect(reading.stacks[0]!.grid.depth!.spacingMm).toBeCloseTo(4 * c, 12);
    expect(reading.stacks[0]!.grid.depth!.regular).toBe(true);
  });

  test('two orientations of one series are two stacks, and it is said', () => {
    const sagittal = [0, 3].map((x, i) =>
      slice('a', `s${i}`, { position: [x, 0, 0], orientation: [0, 1, 0, 0, 0, -1] }),
    );
    const reading = read([...slices(0, 2, 4), ...sagittal]);
    expect(reading.stacks.map((k) => k.planes.length).sort()).toEqual([2, 3]);
    expect(noticeCodes(reading)).toEqual(['series-split']);
  });

  test('other rows, columns, spacing or colour make another stack', () => {
    const others = [
      { Rows: 21 },
      { Columns: 31 },
      { PixelSpacing: [0.5, 0.9] },
      { PhotometricInterpretation: 'RGB', SamplesPerPixel: 3, BitsStored: 8 },
    ].map((more, i) => slice('a', `o${i}`, axial(10 + i), more));
    expect(
      read([...slices(0, 2), ...others])
        .stacks.map((k) => k.planes.length)
        .sort(),
    ).toEqual([1, 1, 1, 1, 2]);
  });

  test('a missing frame of reference gets a UID that is the same each time, and a notice', () => {
    const bare = slices(0, 2).map((s) => ({ ...s, attributes: { ...s.attributes, '00200052': { vr: 'UI' } } }));
    const [one, two] = [read(bare), read(bare)];
    expect(noticeCodes(one)).toEqual(['frame-of-reference-missing']);
    expect(one.stacks[0]!.grid.placement).toMatchObject({
      kind: 'patient',
      frameOfReferenceUid: expect.stringMatching(/^2\.25\.\d+$/) as string,
    });
    expect(two).toEqual(one);
  });
});

describe('positions that occur more than once', () => {
  const twice = (more: (time: number, z: number) => object): SourceInstance[] =>
    [0, 1].flatMap((time) => [0, 2, 4].map((z) => slice('a', `${time}-${z}`, axial(z), more(time, z) as never)));

  test.each([
    ['TemporalPositionIdentifier', (t: number) => ({ TemporalPositionIdentifier: t + 1 })],
    ['AcquisitionNumber', (t: number) => ({ AcquisitionNumber: t + 1 })],
    ['EchoTime', (t: number) => ({ EchoTime: 20 + t })],
    ['DiffusionBValue', (t: number) => ({ DiffusionBValue: 1000 * t })],
  ])('are told apart by %s', (name, more) => {
    const reading = read(twice(more));
    expect(reading.stacks.map((k) => k.planes.length)).toEqual([3, 3]);
    expect(reading.notices).toMatchObject([
      { code: 'positions-repeated', message: expect.stringContaining(name) as string },
    ]);
    expect(reading.stacks[0]!.planes.map((p) => p.instanceUid)).toEqual(
      [0, 2, 4].map((z) => derivedUid('test', 'a', `0-${z}`)),
    );
  });

  test('two attributes together tell four images at one position apart', () => {
    const four = [0, 1].flatMap((b) =>
      [0, 1].flatMap((t) =>
        [0, 2].map((z) => slice('a', `${b}${t}${z}`, axial(z), { DiffusionBValue: b * 800, EchoTime: 30 + t })),
      ),
    );
    expect(read(four).stacks.map((k) => k.planes.length)).toEqual([2, 2, 2, 2]);
  });

  test('an attribute that differs from slice to slice is not trusted', () => {
    const reading = read(twice((time, z) => ({ AcquisitionNumber: 10 * time + z })));
    expect(reading.stacks).toEqual([]);
    expect(codes(reading)).toEqual(Array(6).fill('geometry'));
  });

  test('two images at one place are no volume, and both are named', () => {
    const pair = [1, 2].map((n) => slice('a', n, axial(5), { AcquisitionNumber: n }));
    const reading = read(pair);
    expect(reading.stacks).toEqual([]);
    for (const { code, reason } of reading.passedOver) {
      expect(code).toBe('geometry');
      for (const { ref } of pair) expect(reason).toContain(ref.instanceUid);
    }
  });

  test('positions a hundredth of a millimetre apart are two', () => {
    expect(read(slices(0, 0.02, 0.04)).stacks[0]!.planes).toHaveLength(3);
    expect(read(slices(0, 0.005, 2)).stacks).toEqual([]);
  });
});

describe('geometry that cannot be true', () => {
  test.each([
    ['orientation of zeros', { ImageOrientationPatient: [0, 0, 0, 0, 0, 0] }],
    ['orientation of five values', { ImageOrientationPatient: [1, 0, 0, 0, 1] }],
    ['orientation that is not orthogonal', { ImageOrientationPatient: [1, 0, 0, 0.1, 0.995, 0] }],
    ['orientation longer than one', { ImageOrientationPatient: [1.01, 0, 0, 0, 1, 0] }],
    ['a position beyond any scanner', { ImagePositionPatient: [0, 0, 1e9] }],
    ['a position of two values', { ImagePositionPatient: [0, 0] }],
  ])('%s is passed over with the reason', (_, more) => {
    const reading = read([slice('a', 1, axial(0), more)]);
    expect(reading.stacks).toEqual([]);
    expect(codes(reading)).toEqual(['geometry']);
  });

  test.each([[[0, 0]], [[-1, 1]], [[0.5]], [[1e9, 1]]])(
    'pixel spacing %j leaves an answer without measures',
    (PixelSpacing) => {
      const [stack] = read([slice('a', 1, axial(0), { PixelSpacing })]).stacks;
      expect(stack!.grid.spacing.kind).toBe('none');
    },
  );
});

describe('what is never read', () => {
  const cases: readonly (readonly [string, SourceInstance])[] = [
    ['localizer', slice('a', 1, axial(0), { ImageType: ['ORIGINAL', 'PRIMARY', 'LOCALIZER'] })],
    ['localizer', slice('a', 1, { position: [0, 0, 0], orientation: [0, 1, 0, 0, 0, -1] })],
    ['dose-page', instance('a', 1, { ImageType: ['DERIVED', 'SECONDARY', 'DOSE_INFO'] }, classes.sc)],
    ['screen-capture', instance('a', 1, { ImageType: ['DERIVED', 'SECONDARY'] }, classes.sc)],
    ['mosaic', slice('a', 1, axial(0), { Modality: 'MR', ImageType: ['ORIGINAL', 'PRIMARY', 'M', 'MOSAIC'] })],
    ['burned-in', slice('a', 1, axial(0), { BurnedInAnnotation: 'YES' })],
    ['own-result', instance('a', 1, { Manufacturer: 'Plumbline', Modality: 'SEG' }, '1.2.840.10008.5.1.4.1.1.66.4')],
    ['own-result', instance('a', 1, { Manufacturer: 'Plumbline', Modality: 'OT' }, classes.sc)],
    ['segmentation', instance('a', 1, { Modality: 'SEG' }, '1.2.840.10008.5.1.4.1.1.66.4')],
    ['structured-report', instance('a', 1, {}, '1.2.840.10008.5.1.4.1.1.88.33')],
    ['dose-report', instance('a', 1, {}, '1.2.840.10008.5.1.4.1.1.88.67')],
    ['presentation-state', instance('a', 1, {}, '1.2.840.10008.5.1.4.1.1.11.1')],
    ['parametric-map', instance('a', 1, {}, '1.2.840.10008.5.1.4.1.1.30')],
    ['class-unknown', instance('a', 1, {}, '1.3.12.2.1107.5.9.1')],
    [
      'for-processing',
      instance('a', 1, { Modality: 'MG', PresentationIntentType: 'FOR PROCESSING' }, '1.2.840.10008.5.1.4.1.1.1.2.1'),
    ],
    ['no-pixels', instance('a', 1, { Rows: 0 })],
    ['video', video('1.2.840.10008.1.2.4.102')],
    ['no-pixels', video('1.2.840.10008.1.2.4.94')],
    ['frame-count', instance('a', 1, { Modality: 'US', NumberOfFrames: 2_000_000_000 }, '1.2.840.10008.5.1.4.1.1.3.1')],
  ];

  function video(transferSyntax: string): SourceInstance {
    const one = instance('a', 1, { Modality: 'XC' }, classes.photo);
    return { ...one, ref: { ...one.ref, transferSyntax } };
  }

  test.each(cases)('%s (case %#)', (code, one) => {
    const reading = read([one]);
    expect(reading.stacks).toEqual([]);
    expect(codes(reading)).toEqual([code]);
    expect(reading.passedOver[0]!.reason.length).toBeGreaterThan(10);
  });

  test('burned-in annotation is read where the route allows it', () => {
    const reading = readStudy([slice('a', 1, axial(0), { BurnedInAnnotation: 'YES' })], { burnedIn: 'allow' });
    expect(reading.stacks).toHaveLength(1);
  });

  test('a secondary capture in the series of a scanner is read where the route says so', () => {
    const capture = instance('a', 1, { ImageType: ['DERIVED', 'SECONDARY'] }, classes.sc);
    const reading = readStudy([capture], { burnedIn: 'hold', captures: 'read' });
    expect(reading.stacks).toHaveLength(1);
    expect(reading.stacks[0]!.grid.placement.kind).toBe('none');
  });

  test('an image of our make is no result of ours, nor is a capture whose UID is not derived', () => {
    expect(read([slice('a', 1, axial(0), { Manufacturer: 'Plumbline' })]).stacks).toHaveLength(1);
    const capture = instance(
      'a',
      1,
      { Manufacturer: 'Plumbline', Modality: 'OT', SOPInstanceUID: '2.25.7' },
      classes.sc,
    );
    expect(read([capture]).stacks).toHaveLength(1);
  });

  test('a maker whose name begins like ours is no result of ours', () => {
    expect(
      read([slice('a', 1, axial(0), { Manufacturer: 'Plumbline phantom', SeriesDescription: 'AI SEG (draft)' })])
        .stacks,
    ).toHaveLength(1);
  });

  test('what a rejection note lists is passed over, what a note of interest lists is read', () => {
    const note = (title: string): SourceInstance => {
      const sop = dataset({ ReferencedSOPClassUID: classes.ct, ReferencedSOPInstanceUID: derivedUid('test', 'a', 0) });
      const series = dataset({ SeriesInstanceUID: derivedUid('test', 'a'), ReferencedSOPSequence: [sop] });
      const evidence = dataset({ StudyInstanceUID: derivedUid('test'), ReferencedSeriesSequence: [series] });
      const code = dataset({ CodeValue: title, CodingSchemeDesignator: 'DCM', CodeMeaning: 'title' });
      return instance(
        'ko',
        1,
        { Modality: 'KO', ConceptNameCodeSequence: [code], CurrentRequestedProcedureEvidenceSequence: [evidence] },
        classes.keyObject,
      );
    };
    expect(codes(read([...slices(0, 2, 4), note('113001')])).sort()).toEqual(['key-object', 'rejected']);
    expect(codes(read([...slices(0, 2, 4), note('113000')]))).toEqual(['key-object']);
  });
});

describe('images without a place in the patient', () => {
  test('keep their own pixel grid, and equal ones of a series stand in one stack', () => {
    const views = [1, 2].map((n) =>
      instance('a', n, { Modality: 'DX', InstanceNumber: 3 - n, PatientOrientation: ['L', 'F'] }, classes.dx),
    );
    const lateral = instance('a', 3, { Modality: 'DX', PatientOrientation: ['A', 'F'] }, classes.dx);
    const reading = read([...views, lateral]);
    expect(reading.stacks.map((k) => [k.kind, k.planes.length, k.grid.placement])).toEqual([
      ['planes', 1, { kind: 'none', patientOrientation: ['A', 'F'] }],
      ['planes', 2, { kind: 'none', patientOrientation: ['L', 'F'] }],
    ]);
  });

  test('two loops of one series are two stacks with frame numbers from one', () => {
    const loops = [1, 2].map((n) =>
      instance('a', n, { Modality: 'US', NumberOfFrames: 3 }, '1.2.840.10008.5.1.4.1.1.3.1'),
    );
    const reading = read(loops);
    expect(reading.stacks.map((k) => k.planes.map((p) => p.frame))).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
  });

  test('a plane of a single-frame class has no frame number', () => {
    expect(read(slices(0)).stacks[0]!.planes[0]).not.toHaveProperty('frame');
  });
});
