import { describe, expect, test } from 'vitest';
import type { DicomJson, SourceInstance } from '../../../src/base/index.ts';
import { dataset, type DatasetInput } from '../../../src/dicom/index.ts';
import { readStudy } from '../../../src/imaging/read-study.ts';
import { instance } from '../../builders/series.ts';

const enhancedMr = '1.2.840.10008.5.1.4.1.1.4.1';
const angiography = '1.2.840.10008.5.1.4.1.1.12.1';

const orientation = (cosines: number[]): DatasetInput => ({
  PlaneOrientationSequence: [dataset({ ImageOrientationPatient: cosines })],
});
const measures = (spacing: number[]): DatasetInput => ({
  PixelMeasuresSequence: [dataset({ PixelSpacing: spacing, SliceThickness: 3 })],
});
const position = (z: number): DatasetInput => ({
  PlanePositionSequence: [dataset({ ImagePositionPatient: [1, 2, z] })],
});
const content = (more: DatasetInput): DatasetInput => ({ FrameContentSequence: [dataset(more)] });

function enhanced(shared: DatasetInput, perFrame: readonly DatasetInput[], more: DatasetInput = {}): SourceInstance {
  const groups: DicomJson[] = perFrame.map((frame) => dataset(frame));
  return instance(
    'e',
    1,
    {
      Modality: 'MR',
      FrameOfReferenceUID: '1.2.3',
      NumberOfFrames: perFrame.length,
      SharedFunctionalGroupsSequence: [dataset(shared)],
      PerFrameFunctionalGroupsSequence: groups,
      ...more,
    },
    enhancedMr,
  );
}

describe('enhanced multi-frame images', () => {
  test('take orientation and spacing from the shared groups, positions from the frames, and are ordered by these', () => {
    const one = enhanced({ ...orientation([1, 0, 0, 0, 1, 0]), ...measures([0.5, 0.7]) }, [9, 3, 6].map(position));
    const [stack, ...more] = readStudy([one], { burnedIn: 'hold' }).stacks;
    expect(more).toEqual([]);
    expect(stack!.planes.map((p) => p.frame)).toEqual([2, 3, 1]);
    expect(stack!.grid).toMatchObject({
      planes: 3,
      sliceThicknessMm: 3,
      spacing: { kind: 'physical', rowMm: 0.5, columnMm: 0.7, source: 'PixelMeasures' },
      placement: { positions: [[1, 2, 3], [1, 2, 6], [1, 2, 9]] }, // prettier-ignore
      depth: { spacingMm: 3, regular: true },
    });
  });

  test('a group of the frame wins over the shared one', () => {
    const frames = [0, 1, 2, 3].map((i) => ({
      ...position(i),
      ...(i > 1 ? { ...orientation([1, 0, 0, 0, 0.8, -0.6]), ...measures([1, 1]) } : {}),
    }));
    const one = enhanced({ ...orientation([1, 0, 0, 0, 1, 0]), ...measures([0.5, 0.7]) }, frames);
    const { stacks, passedOver } = readStudy([one], { burnedIn: 'hold' });
    expect(stacks.map((k) => k.grid.spacing)).toMatchObject([{ rowMm: 0.5 }, { rowMm: 1 }]);
    expect(passedOver).toEqual([]);
  });

  test.each([
    ['temporal position', (t: number) => content({ TemporalPositionIndex: t + 1 })],
    ['stack', (t: number) => content({ StackID: String(t) })],
    ['b-value', (t: number) => ({ MRDiffusionSequence: [dataset({ DiffusionBValue: 500 * t })] })],
    ['echo time', (t: number) => ({ MREchoSequence: [dataset({ EffectiveEchoTime: 10 + t })] })],
  ])('frames at one position are told apart by %s', (_, mark) => {
    const frames = [0, 1].flatMap((t) => [0, 4].map((z) => ({ ...position(z), ...mark(t) })));
    const one = enhanced({ ...orientation([1, 0, 0, 0, 1, 0]), ...measures([1, 1]) }, frames);
    expect(readStudy([one], { burnedIn: 'hold' }).stacks.map((k) => k.planes.map((p) => p.frame))).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  test('one frame with an impossible orientation passes the instance over and is named', () => {
    const frames = [0, 1].map((i) => ({ ...position(i), ...orientation(i ? [1, 0, 0, 1, 0, 0] : [1, 0, 0, 0, 1, 0]) }));
    const { stacks, passedOver } = readStudy([enhanced(measures([1, 1]), frames)], { burnedIn: 'hold' });
    expect(stacks).toEqual([]);
    expect(passedOver).toMatchObject([{ code: 'geometry', reason: expect.stringContaining('frame 2') as string }]);
  });
});

describe('classic multi-frame images', () => {
  test('a position of the whole instance does not lay its frames on one another', () => {
    const run = instance(
      'x',
      1,
      {
        Modality: 'XA',
        NumberOfFrames: 4,
        ImagePositionPatient: [0, 0, 0],
        ImageOrientationPatient: [1, 0, 0, 0, 1, 0],
      },
      angiography,
    );
    const { stacks } = readStudy([run], { burnedIn: 'hold' });
    expect(stacks).toMatchObject([{ kind: 'planes', grid: { planes: 4, placement: { kind: 'none' } } }]);
    expect(stacks[0]!.planes.map((p) => p.frame)).toEqual([1, 2, 3, 4]);
  });
});
