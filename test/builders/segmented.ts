/** Drafts with random masks on any stack, and what other people's programs read in the objects made of them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  joined,
  countBits,
  derivedUid,
  emptyBits,
  setBit,
  sha256,
  type DicomJson,
  type MaskPlane,
  type Stack,
} from '../../src/base/index.ts';
import { inspectPart10, part10Parts, writePart10 } from '../../src/dicom/index.ts';
import type { Draft, DraftMask, Finding, Sentence } from '../../src/findings/index.ts';
import type { DicomObject, EncodingInput, EncodingProfile } from '../../src/outputs/index.ts';
import { python } from '../peers/index.ts';
import { sampleSite, shippedPresence } from './encodings.ts';

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export interface SegmentedOptions {
  readonly seed?: number;
  /** Masks per stack; the first and the second overlap. Default 3. */
  readonly segments?: number;
  /** Most planes of a mask. Default 6. */
  readonly most?: number;
  readonly profile?: EncodingProfile;
}

/** A draft with random masks on each of the stacks: noise in a box, on one plane for the last mask, on several else. */
export function segmentedInput(
  stacks: readonly Stack[],
  sources: ReadonlyMap<string, DicomJson>,
  options: SegmentedOptions = {},
): EncodingInput {
  const random = randomNumbers(options.seed ?? 1);
  const segments = options.segments ?? 3;
  const masks = new Map<string, MaskPlane[]>();
  const drafted: DraftMask[] = [];
  const findings: Finding[] = [];
  const sentences: Sentence[] = [];
  for (const stack of stacks) {
    for (let segment = 1; segment <= segments; segment++) {
      const n = drafted.length + 1;
      const single = segment === segments && segments > 1;
      const planes = randomPlanes(stack, random, single ? 1 : (options.most ?? 6));
      masks.set(`m${n}`, planes);
      drafted.push(maskOf(n, stack, segment, planes));
      findings.push(findingOf(n, `s${n}`));
      sentences.push(sentenceOf(n, stack.id));
    }
  }
  const draft: Draft = {
    schema: 'plumbline.draft/1',
    version: 1,
    key: sha256(`segmented ${options.seed ?? 1} ${stacks.map((s) => s.seriesUid).join()}`),
    studyUid: String([...sources.values()][0]!['0020000D']!.Value![0]),
    task: 'report',
    prompt: 'Describe.',
    createdAt: '2026-03-04T05:06:07.000Z',
    bundle: { name: 'plumbline-tiny', version: '0.1.0', digest: sha256('b'), licence: 'x', intendedUse: 'x' },
    mappingDigest: sha256('mappings'),
    inputDigest: sha256('input'),
    stacks,
    sentences,
    findings,
    masks: drafted,
    coverage: { read: [], notRead: [] },
    warnings: [],
  };
  return { draft, masks, sources, site: sampleSite, presence: shippedPresence(), profile: options.profile ?? {} };
}

function randomPlanes(stack: Stack, random: () => number, most: number): MaskPlane[] {
  const { rows, columns } = stack.grid;
  const total = stack.grid.placement.kind === 'slide' ? 1 : stack.planes.length;
  const count = Math.max(1, Math.min(total, most, Math.round(random() * total)));
  const start = Math.floor(random() * (total - count + 1));
  const height = Math.max(1, Math.min(rows, 40));
  const width = Math.max(1, Math.min(columns, 40));
  const [top, left] = [Math.floor(random() * (rows - height + 1)), Math.floor(random() * (columns - width + 1))];
  return Array.from({ length: count }, (_, i) => {
    const bits = emptyBits(rows * columns);
    setBit(bits, top * columns + left);
    for (let r = top; r < top + height; r++) {
      for (let c = left; c < left + width; c++) if (random() < 0.4) setBit(bits, r * columns + c);
    }
    return { plane: start + i, bits };
  });
}

function maskOf(n: number, stack: Stack, segment: number, planes: readonly MaskPlane[]): DraftMask {
  return {
    id: `m${n}`,
    finding: `f${n}`,
    stack: stack.id,
    segment,
    planes: planes.map((p) => p.plane),
    pixels: planes.reduce((sum, p) => sum + countBits(p.bits), 0),
    keyPlane: planes[0]!.plane,
    centroid: [0, 0],
    digest: sha256(Buffer.concat(planes.map((p) => p.bits))),
  };
}

function findingOf(n: number, sentence: string): Finding {
  return {
    id: `f${n}`,
    sentence,
    presence: 'present',
    label: `lesion ${n}`,
    concept: {
      id: 'unknown_region',
      category: { value: '49755003', scheme: 'SCT', meaning: 'Morphologically Abnormal Structure' },
      type: { value: '52988006', scheme: 'SCT', meaning: 'Lesion' },
      rgb: [34, 225, 229],
      lab: [53578, 22270, 29168],
    },
    mask: `m${n}`,
    trackingId: `lesion ${n}-1`,
    trackingUid: derivedUid('segmented', n),
    measurements: [
      {
        kind: 'area',
        code: { value: '42798000', scheme: 'SCT', meaning: 'Area' },
        value: 12.3456,
        unit: { value: 'mm2', scheme: 'UCUM', meaning: 'square millimeter' },
      },
    ],
  };
}

function sentenceOf(n: number, stack: string): Sentence {
  const finding = `f${n}`;
  return {
    id: `s${n}`,
    text: `There is lesion ${n}.`,
    kind: 'linked',
    findings: [finding],
    spans: [{ start: 9, end: 16 + String(n).length, finding }],
    stack,
    warnings: [],
  };
}

// — objects as files, for peers —

export function scratch(): { readonly folder: string; readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'plumbline-outputs-'));
  return { folder, remove: () => rmSync(folder, { recursive: true }) };
}

/** Write objects under `name-role-index.dcm`. @returns their paths */
export function writeObjects(folder: string, name: string, objects: readonly DicomObject[]): string[] {
  return objects.map((o) => {
    const path = join(folder, `${name}-${o.role}-${o.index}.dcm`);
    writeFileSync(path, joined(o.parts));
    return path;
  });
}

/** The sources of a draft as files with black pixels, so that a peer can compare the entities. */
export function writeSources(folder: string, name: string, input: EncodingInput): string[] {
  return [...input.sources.values()].map((attributes, i) => {
    const path = join(folder, `${name}-source-${i}.dcm`);
    const of = (tag: string) => Number(attributes[tag]?.Value?.[0] ?? 1);
    const bytes = new Uint8Array(of('00280010') * of('00280011') * of('00280008') * (of('00280100') / 8));
    writeFileSync(path, writePart10(attributes, { pixelData: { vr: 'OW', bytes } }));
    return path;
  });
}

/** The object again after a change of its data set and its pixels, as a faulty encoder would have written it. */
export function rewritten(
  object: DicomObject,
  change: (dataset: Record<string, DicomJson[string]>, pixels: Uint8Array) => Uint8Array | void,
): DicomObject {
  const dataset = structuredClone(object.dataset) as Record<string, DicomJson[string]>;
  const whole = joined(object.parts);
  const { pixel } = inspectPart10(whole);
  const before = pixel ? whole.slice(pixel.offset, pixel.offset + pixel.length) : new Uint8Array();
  const after = change(dataset, before) ?? before;
  const parts = part10Parts(dataset, pixel ? { pixelData: { vr: 'OB', bytes: after } } : {});
  return { ...object, dataset, parts };
}

/** One frame as pydicom decodes it. */
export interface DecodedSegFrame {
  readonly segment: number;
  readonly source: string;
  readonly frame: number | null;
  /** SHA-256 of the frame's bits, packed as ours. */
  readonly digest: string;
}

/** Every frame of SEG files, by path, decoded by pydicom. */
export async function decodeByPydicom(paths: readonly string[]): Promise<Record<string, DecodedSegFrame[]>> {
  const script = `
import hashlib, json, sys
import numpy as np, pydicom
out = {}
for path in sys.argv[1:]:
    ds = pydicom.dcmread(path)
    pixels = ds.pixel_array
    if pixels.ndim == 2: pixels = pixels[None]
    top = 1 if ds.SegmentationType == 'BINARY' else ds.MaximumFractionalValue
    assert set(np.unique(pixels)) <= {0, top}
    frames = []
    for f, g in zip(pixels, ds.PerFrameFunctionalGroupsSequence):
        s = g.DerivationImageSequence[0].SourceImageSequence[0]
        bits = np.packbits((f == top).ravel(), bitorder='little').tobytes()
        frames.append(dict(segment=int(g.SegmentIdentificationSequence[0].ReferencedSegmentNumber), source=str(s.ReferencedSOPInstanceUID), frame=int(s.ReferencedFrameNumber) if 'ReferencedFrameNumber' in s else None, digest=hashlib.sha256(bits).hexdigest()))
    out[path] = frames
print(json.dumps(out))
`;
  const ran = await python(script, paths);
  if (ran.code !== 0) throw new Error(ran.stderr);
  return JSON.parse(ran.stdout) as Record<string, DecodedSegFrame[]>;
}

/** What pydicom should find: the planes of the draft's masks on one stack, by segment then plane. */
export function expectedFrames(input: EncodingInput, stack: Stack): DecodedSegFrame[] {
  const masks = input.draft.masks.filter((m) => m.stack === stack.id);
  return masks.flatMap((mask) =>
    (input.masks.get(mask.id) ?? []).map(({ plane, bits }) => ({
      segment: mask.segment,
      source: stack.planes[plane]!.instanceUid,
      frame: stack.planes[plane]!.frame ?? null,
      digest: sha256(bits),
    })),
  );
}
