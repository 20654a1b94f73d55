import {
  lengthOf,
  sha256OfParts,
  systemClock,
  type Answer,
  type Clock,
  type PictureMask,
  type SecondMask,
  type SourceInstance,
  type Site,
} from '../base/index.ts';
import { attributesOf } from '../dicom/index.ts';
import { makeSummary, type Draft, type Mappings } from '../findings/index.ts';
import type { Decoder } from '../imaging/index.ts';
import type { Bundle, Runtime } from '../inference/index.ts';
import type { EncodingProfile, OrderEcho, OruVersion, PresenceCodes } from '../outputs/index.ts';
import type { Blobs } from '../store/index.ts';
import type { StoredInstance, StudySnapshot } from '../studies/index.ts';
import { pack, packMasks, unpack, unpackMasks } from './pack.ts';
import { draftStudy, encodeStudy, encodingFiles } from './pipeline.ts';
import { answerStudy, type Answered } from './read.ts';
import type { EncodedFile, StageInput, Stages } from './types.ts';

export interface PipelineParts {
  readonly blobs: Pick<Blobs, 'read'>;
  readonly decoder: Decoder;
  readonly bundle: (name: string) => Promise<Bundle>;
  readonly runtime: (name: string) => Promise<Runtime>;
  readonly mappings: Mappings;
  readonly presence: PresenceCodes;
  readonly site: Site;
  readonly profile?: EncodingProfile;
  /** HL7 v2 versions in which some destination takes the report. */
  readonly oru?: readonly OruVersion[];
  /** The order of a study, as it is known when the report is written. */
  readonly orderOf?: (studyUid: string) => Promise<OrderEcho | undefined>;
  readonly clock?: Clock;
}

/** What the answer stage leaves: everything that the later stages need and that would not come out the same again. */
type AnsweredRecord = Answered & { readonly createdAt: string };

const answeredSchema = 'plumbline.answered/1';

/** The pipeline as stages of durable work, over instances in the blob store. */
export function pipelineStages(parts: PipelineParts): Stages {
  const clock = parts.clock ?? systemClock;
  // The stages of one workitem are given the same snapshot object: its files are opened once.
  const opened = new WeakMap<StudySnapshot, Promise<SourceInstance[]>>();
  const sourcesOf = (snapshot: StudySnapshot): Promise<SourceInstance[]> => {
    const known = opened.get(snapshot) ?? openSources(parts.blobs, snapshot.instances);
    opened.set(snapshot, known);
    return known;
  };
  const common = async ({ item, snapshot }: StageInput) => ({
    ...parts,
    instances: await sourcesOf(snapshot),
    route: item.route,
    bundle: await parts.bundle(item.route.bundle),
  });

  return {
    answer: async (input) => {
      const { signal, item } = input;
      const runtime = await parts.runtime(item.route.bundle);
      const answered = await answerStudy({ ...(await common(input)), runtime, signal });
      return packAnswered({ ...answered, createdAt: new Date(clock.now()).toISOString() });
    },
    draft: async (input, bytes) => {
      const { createdAt, ...answered } = await unpackAnswered(bytes);
      const { key, inputDigest } = input.item;
      const { draft, masks } = draftStudy({ ...(await common(input)), createdAt, key, inputDigest }, answered);
      return { draft: new TextEncoder().encode(JSON.stringify(draft)), masks: await packMasks(masks) };
    },
    encode: async (input, made, bytes) => {
      const draft = JSON.parse(new TextDecoder().decode(made.draft)) as Draft;
      const order = await parts.orderOf?.(draft.studyUid);
      const shared = { ...(await common(input)), ...(order && { order }) };
      const { set, problems } = await encodeStudy(shared, draft, await unpackMasks(made.masks));
      const files = encodingFiles(set);
      const summary = makeSummary({
        status: 'done',
        draft,
        files: files.map((f) => ({
          name: f.name,
          bytes: lengthOf(f.parts),
          digest: f.dicom?.ref.digest ?? sha256OfParts(f.parts),
        })),
        timingsMs: (await unpackAnswered(bytes)).timingsMs,
        problems,
      });
      return [...files, jsonFile('summary.json', summary)];
    },
  };
}

function jsonFile(name: string, value: unknown): EncodedFile {
  const bytes = new TextEncoder().encode(`${JSON.stringify(value, null, 1)}\n`);
  return { name, mediaType: 'application/json', parts: [bytes] };
}

/** Files on their way from the disk at a time. */
const readAhead = 4;

/** Attributes of every file now, its bytes again when they are asked for: a study may be larger than memory. */
async function openSources(
  blobs: Pick<Blobs, 'read'>,
  instances: readonly StoredInstance[],
): Promise<SourceInstance[]> {
  const sources: SourceInstance[] = [];
  const reads: Promise<Uint8Array>[] = [];
  for (const [i, { ref }] of instances.entries()) {
    // The next files come from the disk while this one is looked through.
    while (reads.length < Math.min(instances.length, i + readAhead)) {
      const reading = blobs.read(instances[reads.length]!.ref.digest);
      reading.catch(() => undefined); // seen when it is its turn
      reads.push(reading);
    }
    const attributes = attributesOf(await reads[i]!);
    delete reads[i];
    sources.push({ ref, attributes, load: () => blobs.read(ref.digest) });
  }
  return sources;
}

type StoredMask = (Omit<PictureMask, 'bits'> & { readonly part: number }) | null;
type StoredAnswer = Omit<Answer, 'masks' | 'second'> & {
  readonly masks: readonly StoredMask[];
  readonly second?: readonly (Omit<SecondMask, 'mask'> & { readonly mask: StoredMask })[];
};

function packAnswered(record: AnsweredRecord): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const store = (mask: PictureMask | null): StoredMask => {
    if (!mask) return null;
    const { bits, ...rest } = mask;
    return { ...rest, part: parts.push(bits) - 1 };
  };
  const answers = record.answers.map(({ masks, second, ...answer }): StoredAnswer => ({
    ...answer,
    masks: masks.map(store),
    ...(second && { second: second.map((s) => ({ ...s, mask: store(s.mask) })) }),
  }));
  return pack(answeredSchema, { ...record, answers }, parts);
}

async function unpackAnswered(bytes: Uint8Array): Promise<AnsweredRecord> {
  type Stored = Omit<AnsweredRecord, 'answers'> & { readonly answers: readonly StoredAnswer[] };
  const { value, parts } = await unpack<Stored>(answeredSchema, bytes);
  const taken = (mask: StoredMask): PictureMask | null => {
    if (!mask) return null;
    const { part, ...rest } = mask;
    return { ...rest, bits: parts[part]! };
  };
  const answers = value.answers.map(({ masks, second, ...answer }): Answer => ({
    ...answer,
    masks: masks.map(taken),
    ...(second && { second: second.map((s) => ({ ...s, mask: taken(s.mask) })) }),
  }));
  return { ...value, answers };
}
