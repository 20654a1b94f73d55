/** What a runtime would answer, made by hand: pictures, masks, answers and the input of makeDraft. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  emptyBits,
  getBit,
  setBit,
  sha256,
  type Affine,
  type Answer,
  type MaskSet,
  type Picture,
  type PictureMask,
  type Stack,
} from '../../src/base/index.ts';
import { loadMappings, type DraftInput, type Mappings, type PicturePlace } from '../../src/findings/index.ts';
import { root } from '../peers/index.ts';
import { sampleDraft, type SampleOptions } from './draft.ts';

export const upright: Affine = { a: 1, b: 0, c: 0, d: 1, e: 0, f: 0 };

export function mappingFile(name: string): unknown {
  return JSON.parse(readFileSync(join(root, 'mappings', name), 'utf8'));
}

let shipped: Mappings | undefined;
/** mappings/ as they are in the project. */
export function shippedMappings(): Mappings {
  return (shipped ??= loadMappings(mappingFile('codes.json'), mappingFile('presence.json')));
}

export interface TinyManifest {
  readonly modalities: readonly {
    readonly dicom_modality: readonly string[];
    readonly laterality: 'patient' | 'image';
    readonly findings: readonly string[];
    readonly organs: readonly string[];
  }[];
  readonly golden: readonly {
    readonly id: string;
    readonly modality: string;
    readonly width: number;
    readonly height: number;
    readonly text: string;
    readonly masks: readonly { readonly file: string; readonly score: number }[];
  }[];
}
export const tinyBundle = join(root, 'models', 'plumbline-tiny');
export function tinyManifest(): TinyManifest {
  return JSON.parse(readFileSync(join(tinyBundle, 'manifest.json'), 'utf8')) as TinyManifest;
}

/** The stack of a sample draft. */
export function sampleStack(options: SampleOptions = {}, change: Partial<Stack> = {}): Stack {
  return { ...sampleDraft(options).draft.stacks[0]!, ...change };
}

/** A mask of the rows r0..r1 and columns c0..c1 (end exclusive), or of any test. */
export function pictureMask(
  width: number,
  height: number,
  of:
    | { readonly r: readonly [number, number]; readonly c: readonly [number, number] }
    | ((x: number, y: number) => boolean),
): PictureMask {
  const bits = emptyBits(width * height);
  const set =
    typeof of === 'function'
      ? of
      : (x: number, y: number) => x >= of.c[0] && x < of.c[1] && y >= of.r[0] && y < of.r[1];
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) if (set(x, y)) setBit(bits, y * width + x);
  return { width, height, bits, score: 0.5 };
}

export function answer(stack: Stack, plane: number, text: string, masks: readonly (PictureMask | null)[] = []): Answer {
  return {
    stack: stack.id,
    plane,
    task: 'report',
    prompt: 'Describe the findings and segment them.',
    text,
    tokenIds: [],
    stop: 'end',
    masks,
    timingsMs: {},
  };
}

/** A runtime's `ask` of one that answers pictures. */
export function askingEach<R>(
  answer: (pictures: readonly Picture[], request: R) => Promise<Answer[]>,
): (picture: Picture, questions: readonly R[]) => Promise<Answer[]> {
  return async (picture, questions) =>
    (await Promise.all(questions.map((q) => answer([picture], q)))).map(([only]) => only!);
}

/** Pictures of all planes as they stand. */
export function uprightPictures(stacks: readonly Stack[]): PicturePlace[] {
  return stacks.flatMap((s) =>
    s.planes.map((_, plane) => ({ stack: s.id, plane, width: s.grid.columns, height: s.grid.rows, toSource: upright })),
  );
}

export function draftInput(
  stacks: readonly Stack[],
  answers: readonly Answer[],
  change: Partial<DraftInput> = {},
): DraftInput {
  return {
    key: sha256('key'),
    studyUid: '1.2.3',
    task: 'report',
    prompt: 'Describe the findings and segment them.',
    bundle: { name: 'b', version: '1', digest: sha256('b'), licence: 'Apache-2.0', intendedUse: 'tests' },
    form: { grounding: 'phrase-then-seg', sentences: 'per-mask' },
    modalityInfo: tinyManifest().modalities,
    stacks,
    pictures: uprightPictures(stacks),
    answers,
    mappings: shippedMappings(),
    createdAt: '2026-03-04T05:06:07.000Z',
    inputDigest: sha256('input'),
    coverage: { notRead: [] },
    notices: [],
    ...change,
  };
}

/** `plane:row:column` of every set pixel of a mask. */
export function setVoxels(masks: MaskSet, id: string, columns: number): Set<string> {
  const voxels = new Set<string>();
  for (const { plane, bits } of masks.get(id) ?? [])
    for (let i = 0; i < bits.length * 8; i++)
      if (getBit(bits, i)) voxels.add(`${plane}:${Math.trunc(i / columns)}:${i % columns}`);
  return voxels;
}
