import type { BundleRef, Notice } from '../base/index.ts';
import type { Coverage, Draft, DraftMask, Finding, Sentence } from './draft.ts';
import {
  bundleSchema,
  centroidSchema,
  codeSchema,
  coverageSchema,
  kindSchema,
  measurementSchema,
  noticeSchema,
  presenceValueSchema,
  sideSchema,
  spanSchema,
} from './draft-schema.ts';

/** One file beside summary.json. */
export interface SummaryFile {
  readonly name: string;
  readonly bytes: number;
  /** SHA-256 hex. */
  readonly digest: string;
}

/** Why a study has no draft: an error of the catalogue. */
export interface SummaryReason {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  readonly where?: string;
}

export type SummaryInput =
  | {
      readonly status: 'done';
      readonly draft: Draft;
      readonly files: readonly SummaryFile[];
      readonly timingsMs: Readonly<Record<string, number>>;
      /** What the consistency gate found and let pass. */
      readonly problems: readonly SummaryProblem[];
      readonly picture?: SummaryPicture;
    }
  | {
      readonly status: 'failed';
      readonly studyUid: string;
      readonly reason: SummaryReason;
      /** What is known so far. */
      readonly task?: string;
      readonly prompt?: string;
      readonly bundle?: BundleRef;
      readonly inputDigest?: string;
      readonly coverage?: Coverage;
      readonly warnings?: readonly Notice[];
      readonly timingsMs?: Readonly<Record<string, number>>;
      readonly problems?: readonly SummaryProblem[];
      readonly picture?: SummaryPicture;
    };

/** A mask of `plumbline run --image-folder` as a PNG beside summary.json. */
export interface SummaryMask {
  /** Label, or what was asked for. */
  readonly target: string;
  readonly file: string;
  /** Set pixels; 0 where nothing was found. */
  readonly pixels: number;
  readonly width: number;
  readonly height: number;
}

/** Where a picture file was read in place of DICOM. */
export interface SummaryPicture {
  readonly sourceFile: string;
  readonly masks?: readonly SummaryMask[];
}

export interface SummaryProblem {
  readonly check: string;
  readonly severity: 'hold' | 'warn';
  readonly message: string;
}

/** Content of summary.json; docs/summary.md explains every key, `summarySchema` is the rule. */
export interface Summary {
  readonly schema: 'plumbline.summary/1';
  readonly studyUid: string;
  readonly status: 'done' | 'failed';
  readonly reason?: SummaryReason;
  readonly key?: string;
  readonly version?: number;
  readonly task?: string;
  readonly prompt?: string;
  readonly createdAt?: string;
  readonly bundle?: BundleRef;
  readonly mappingDigest?: string;
  readonly inputDigest?: string;
  readonly sentences: readonly SummarySentence[];
  readonly findings: readonly SummaryFinding[];
  readonly warnings: readonly Notice[];
  readonly problems: readonly SummaryProblem[];
  readonly coverage: Coverage;
  readonly files: readonly SummaryFile[];
  readonly timingsMs: Readonly<Record<string, number>>;
  readonly sourceFile?: string;
  readonly masks?: readonly SummaryMask[];
}

export interface SummarySentence extends Sentence {
  /** Image on which it was said, or its key image. */
  readonly image?: SummaryImage;
}

export interface SummaryImage {
  readonly instanceUid: string;
  readonly frame?: number;
}

export interface SummaryFinding extends Pick<
  Finding,
  'id' | 'sentence' | 'label' | 'presence' | 'side' | 'trackingId' | 'trackingUid' | 'measurements' | 'reason'
> {
  readonly codes: Pick<Finding['concept'], 'category' | 'type' | 'region' | 'laterality'>;
  readonly mask?: Omit<DraftMask, 'finding'> & { readonly keyImage: SummaryImage };
}

/** What `plumbline run` writes as summary.json: the draft in short for people and scripts, or why there is none. */
export function makeSummary(input: SummaryInput): Summary {
  if (input.status === 'failed') {
    const { coverage, warnings, timingsMs, problems, picture, ...known } = input;
    return {
      schema: 'plumbline.summary/1',
      ...known,
      sentences: [],
      findings: [],
      warnings: warnings ?? [],
      problems: problems ?? [],
      coverage: coverage ?? { read: [], notRead: [] },
      files: [],
      timingsMs: timingsMs ?? {},
      ...picture,
    };
  }
  const { draft } = input;
  return {
    schema: 'plumbline.summary/1',
    studyUid: draft.studyUid,
    status: 'done',
    key: draft.key,
    version: draft.version,
    task: draft.task,
    prompt: draft.prompt,
    createdAt: draft.createdAt,
    bundle: draft.bundle,
    mappingDigest: draft.mappingDigest,
    inputDigest: draft.inputDigest,
    sentences: draft.sentences.map((s) => ({ ...s, ...imageOf(draft, s.stack, s.plane, 'image') })),
    findings: draft.findings.map((f) => findingOf(draft, f)),
    warnings: draft.warnings,
    problems: input.problems,
    coverage: draft.coverage,
    files: input.files,
    timingsMs: input.timingsMs,
    ...input.picture,
  };
}

function findingOf(draft: Draft, f: Finding): SummaryFinding {
  const { category, type, region, laterality } = f.concept;
  const mask = draft.masks.find((m) => m.id === f.mask);
  return {
    id: f.id,
    sentence: f.sentence,
    label: f.label,
    presence: f.presence,
    codes: { category, type, ...(region && { region }), ...(laterality && { laterality }) },
    ...(f.side && { side: f.side }),
    trackingId: f.trackingId,
    trackingUid: f.trackingUid,
    measurements: f.measurements,
    ...(mask && { mask: maskOf(draft, mask) }),
    ...(f.reason && { reason: f.reason }),
  };
}

function maskOf(draft: Draft, { finding: _finding, ...mask }: DraftMask): NonNullable<SummaryFinding['mask']> {
  return { ...mask, ...imageOf(draft, mask.stack, mask.keyPlane, 'keyImage') };
}

function imageOf<K extends string>(
  draft: Draft,
  stack: string | undefined,
  plane: number | undefined,
  key: K,
): { readonly [k in K]: SummaryImage } {
  const source = plane === undefined ? undefined : draft.stacks.find((k) => k.id === stack)?.planes[plane];
  const image = source && {
    instanceUid: source.instanceUid,
    ...(source.frame !== undefined && { frame: source.frame }),
  };
  return (image ? { [key]: image } : {}) as { readonly [k in K]: SummaryImage };
}

const text = { type: 'string' } as const;
const whole = { type: 'integer', minimum: 0 } as const;
const digest = { type: 'string', pattern: '^[0-9a-f]{64}$' } as const;
const notices = { type: 'array', items: noticeSchema } as const;
const image = {
  type: 'object',
  additionalProperties: false,
  required: ['instanceUid'],
  properties: { instanceUid: text, frame: { type: 'integer', minimum: 1 } },
} as const;

/** JSON Schema of summary.json; `npm run docs` prints it. */
export const summarySchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'urn:plumbline:schema:summary',
  title: 'Plumbline summary',
  description: 'What `plumbline run` says about one study.',
  type: 'object',
  additionalProperties: false,
  required: [
    'schema',
    'studyUid',
    'status',
    'sentences',
    'findings',
    'warnings',
    'problems',
    'coverage',
    'files',
    'timingsMs',
  ],
  properties: {
    schema: { const: 'plumbline.summary/1' },
    studyUid: text,
    status: { enum: ['done', 'failed'] },
    reason: {
      type: 'object',
      additionalProperties: false,
      required: ['code', 'message', 'remedy'],
      properties: { code: text, message: text, remedy: text, where: text },
      description: 'Why there is no draft; docs/errors.md lists the codes. Always and only where status is `failed`.',
    },
    key: { ...digest, description: 'Key of the workitem: UIDs of all encodings are derived from it.' },
    version: { type: 'integer', minimum: 1 },
    task: text,
    prompt: text,
    createdAt: { type: 'string', format: 'date-time' },
    bundle: bundleSchema,
    mappingDigest: digest,
    inputDigest: digest,
    sentences: {
      type: 'array',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['id', 'text', 'kind', 'findings', 'spans', 'warnings'],
        properties: {
          id: text,
          text,
          kind: kindSchema,
          question: { ...text, description: 'What it answers, where its words alone do not say what they are about.' },
          findings: { type: 'array', items: text },
          spans: { type: 'array', items: spanSchema },
          stack: text,
          plane: whole,
          image,
          warnings: notices,
        },
      },
    },
    findings: {
      type: 'array',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['id', 'sentence', 'label', 'presence', 'codes', 'trackingId', 'trackingUid', 'measurements'],
        properties: {
          id: text,
          sentence: text,
          label: text,
          presence: presenceValueSchema,
          codes: {
            type: 'object',
            additionalProperties: false,
            required: ['category', 'type'],
            properties: { category: codeSchema, type: codeSchema, region: codeSchema, laterality: codeSchema },
          },
          side: sideSchema,
          trackingId: text,
          trackingUid: text,
          measurements: { type: 'array', items: measurementSchema },
          mask: {
            type: 'object',
            additionalProperties: false,
            required: ['id', 'stack', 'segment', 'planes', 'pixels', 'keyPlane', 'keyImage', 'centroid', 'digest'],
            properties: {
              id: text,
              stack: text,
              segment: { type: 'integer', minimum: 1 },
              planes: { type: 'array', minItems: 1, items: whole },
              pixels: { type: 'integer', minimum: 1 },
              keyPlane: whole,
              keyImage: image,
              centroid: centroidSchema,
              digest,
              score: { type: 'number' },
            },
          },
          reason: noticeSchema,
        },
      },
    },
    warnings: notices,
    problems: {
      type: 'array',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['check', 'severity', 'message'],
        properties: { check: text, severity: { enum: ['hold', 'warn'] }, message: text },
      },
    },
    coverage: coverageSchema,
    files: {
      type: 'array',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['name', 'bytes', 'digest'],
        properties: { name: text, bytes: whole, digest },
      },
    },
    timingsMs: { type: 'object', additionalProperties: { type: 'number', minimum: 0 } },
    sourceFile: { ...text, description: 'The picture file, from the folder of `run --image-folder` on.' },
    masks: {
      type: 'array',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['target', 'file', 'pixels', 'width', 'height'],
        properties: {
          target: text,
          file: { ...text, description: 'PNG beside summary.json, 0 or 255.' },
          pixels: { ...whole, description: 'Set pixels; 0 where the target was not found.' },
          width: { type: 'integer', minimum: 1 },
          height: { type: 'integer', minimum: 1 },
        },
      },
      description: 'Only of `run --image-folder`: one for each label with a mask and for each target asked for.',
    },
  },
} as const;
