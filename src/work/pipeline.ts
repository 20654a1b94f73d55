import { setImmediate } from 'node:timers/promises';
import {
  lengthOf,
  PlumblineError,
  sha256OfParts,
  type DicomJson,
  type MaskSet,
  type Picture,
  type SourceInstance,
  type Stack,
  type Site,
} from '../base/index.ts';
import { imageLateralityOf, makeDraft, type AnswerForm, type Draft } from '../findings/index.ts';
import { number } from '../dicom/index.ts';
import { loadOverview, loadPictures, type StudyReading } from '../imaging/index.ts';
import type { Bundle } from '../inference/index.ts';
import {
  checkDicom,
  checkFhir,
  checkOru,
  encodeFhirR4,
  encodeFhirR5,
  encodeOru,
  encodePreviewInTurns,
  encodeSeg,
  encodeSr,
  readBack,
  type DicomObject,
  type EncodingInput,
  type EncodingProfile,
  type EncodingSet,
  type OrderEcho,
  type OruVersion,
  type PresenceCodes,
  type Problem,
} from '../outputs/index.ts';
import { answerForm } from './questions.ts';
import { answerStudy, type Answered, type ReadInput } from './read.ts';
import { pictureOptions } from './reading.ts';
import type { RouteDecision } from './routes.ts';
import type { EncodedFile } from './types.ts';

/** What turns answers into a draft and its encodings, beside what reading needs. */
export interface PipelineInput extends ReadInput {
  readonly presence: PresenceCodes;
  readonly site: Site;
  readonly profile?: EncodingProfile;
  /** HL7 v2 versions in which some destination takes the report. */
  readonly oru?: readonly OruVersion[];
  /** What was ordered, where an order came. */
  readonly order?: OrderEcho;
  /** ISO 8601 UTC; stands in every encoding. */
  readonly createdAt: string;
  /** Workitem key. */
  readonly key: string;
  readonly inputDigest: string;
}

export interface PipelineResult {
  readonly reading: StudyReading;
  readonly draft: Draft;
  readonly masks: MaskSet;
  readonly set: EncodingSet;
  /** Of severity `warn`; anything graver is an error. */
  readonly problems: readonly Problem[];
  readonly timingsMs: Readonly<Record<string, number>>;
}

/**
 * The whole way of one study: pictures, answers, draft, encodings, and the gate that lets them leave. `plumbline run`
 * calls this; the gateway calls the same three steps with a durable record between them (stages.ts).
 * @throws PlumblineError as `answerStudy`; draft-invalid; inconsistent where the gate stops the encodings
 */
export async function readAndEncode(input: PipelineInput): Promise<PipelineResult> {
  const answered = await answerStudy(input);
  const begun = performance.now();
  const { draft, masks } = draftStudy(input, answered);
  const drafted = performance.now();
  const { set, problems } = await encodeStudy(input, draft, masks);
  const timingsMs = {
    ...answered.timingsMs,
    draft: Math.round(drafted - begun),
    encode: Math.round(performance.now() - drafted),
  };
  return { reading: answered.reading, draft, masks, set, problems, timingsMs };
}

/** Stage 3. The same answers give the same draft. */
export function draftStudy(
  input: Pick<
    PipelineInput,
    'instances' | 'route' | 'bundle' | 'mappings' | 'createdAt' | 'key' | 'inputDigest' | 'onProgress'
  >,
  answered: Answered,
): { readonly draft: Draft; readonly masks: MaskSet } {
  const { instances, route, bundle, mappings, createdAt, key, inputDigest } = input;
  input.onProgress?.('draft', 0, 1);
  return makeDraft({
    key,
    studyUid: instances[0]!.ref.studyUid,
    task: route.task,
    prompt: answered.prompt,
    bundle: bundle.ref,
    form: formOf(bundle, route),
    modalityInfo: bundle.manifest.modalities ?? [],
    imageLaterality: imageLateralityOf(attributesOf(instances)),
    stacks: answered.reading.stacks,
    pictures: answered.pictures,
    answers: answered.answers,
    mappings,
    createdAt,
    inputDigest,
    coverage: { notRead: [...answered.reading.passedOver, ...answered.refused] },
    notices: answered.notices,
    minMaskPixels: route.policy.minMaskPixels,
    minMaskScore: route.policy.minMaskScore ?? bundle.manifest.masks.min_score ?? 0,
  });
}

/**
 * Stage 4 and the gate. The same draft gives the same bytes.
 * @throws PlumblineError inconsistent, naming the checks
 */
export async function encodeStudy(
  input: Pick<
    PipelineInput,
    'instances' | 'route' | 'bundle' | 'decoder' | 'presence' | 'site' | 'profile' | 'oru' | 'order' | 'onProgress'
  >,
  draft: Draft,
  masks: MaskSet,
): Promise<{ readonly set: EncodingSet; readonly problems: readonly Problem[] }> {
  const { presence, site, profile = {}, onProgress, order } = input;
  const sources = attributesOf(input.instances);
  const encoding: EncodingInput = { draft, masks, sources, site, presence, profile, ...(order && { order }) };
  onProgress?.('encode', 0, 1);
  // Each step takes tens to hundreds of milliseconds of the one thread that also answers at the doors: turns between.
  const segs = encodeSeg(encoding);
  await setImmediate();
  const sr = encodeSr(encoding, segs);
  const html = await encodePreviewInTurns(encoding, segs, sr, await keyPictures(input, draft));
  const fhirR4 = encodeFhirR4(encoding, segs, sr, html);
  await setImmediate();
  const oru = new Map((input.oru ?? []).map((version) => [version, encodeOru(encoding, version)]));
  const fhirR5 = encodeFhirR5(encoding, segs, sr, html);
  const set: EncodingSet = { segs, sr, html, fhirR4, fhirR5, oru };
  onProgress?.('check', 0, 1);
  await setImmediate();
  const ofDicom = checkDicom(encoding, segs, sr);
  await setImmediate();
  await setImmediate();
  const ofOru = [...oru].flatMap(([version, text]) => checkOru(encoding, text, version));
  const problems = [...ofDicom, ...checkFhir(encoding, set), ...ofOru];
  const grave = problems.filter((p) => p.severity === 'hold');
  if (grave.length > 0) {
    const said = grave.map((p) => `${p.check}: ${p.message}`).join('; ');
    throw new PlumblineError('inconsistent', said, { where: draft.key });
  }
  return { set, problems };
}

/** The files of an encoding set, as they are named everywhere. SEGs stand before the SR that refers to them. */
export function encodingFiles({ segs, sr, fhirR4, fhirR5, html, oru = new Map() }: EncodingSet): EncodedFile[] {
  const utf8 = new TextEncoder();
  const json = (name: string, value: unknown): EncodedFile => ({
    name,
    mediaType: 'application/fhir+json',
    parts: [utf8.encode(`${JSON.stringify(value, null, 1)}\n`)],
  });
  return [
    ...segs.map(dicomFile),
    dicomFile(sr),
    json('fhir-r4.json', fhirR4),
    json('fhir-r5.json', fhirR5),
    { name: 'report.html', mediaType: 'text/html; charset=utf-8', parts: [utf8.encode(html)] },
    ...[...oru].map(([version, text]) => ({
      name: `oru-${version}.hl7`,
      mediaType: 'x-application/hl7-v2+er7',
      parts: [utf8.encode(text)],
    })),
  ];
}

function dicomFile(object: DicomObject): EncodedFile {
  const { role, index, parts } = object;
  const { attributes, studyUid, seriesUid, instanceUid, sopClass, transferSyntax, dataDigest } = readBack(object);
  const ref = {
    studyUid,
    seriesUid,
    instanceUid,
    sopClass,
    transferSyntax,
    digest: sha256OfParts(parts),
    dataDigest,
    bytes: lengthOf(parts),
  };
  return { name: `${role}-${index}.dcm`, mediaType: 'application/dicom', parts, dicom: { ref, attributes } };
}

/** Answers of an earlier version do not say what stood in the slot of their prompt. */
function formOf(bundle: Bundle, route: RouteDecision): AnswerForm {
  const slot = route.slots?.[bundle.manifest.tasks[route.task]!.slots[0] ?? ''];
  return { ...answerForm(bundle, route), ...(typeof slot === 'string' && { slotPhrase: slot }) };
}

function attributesOf(instances: PipelineInput['instances']): ReadonlyMap<string, DicomJson> {
  return new Map(instances.map((i) => [i.ref.instanceUid, i.attributes]));
}

/** Pixels of a slide's picture on the report page; a larger matrix is shown smaller. */
const mostKeyPixels = 1 << 22;

function isColour(sources: ReadonlyMap<string, SourceInstance>, stack: Stack): boolean {
  return number(sources.get(stack.planes[0]!.instanceUid)!.attributes, 'SamplesPerPixel') === 3;
}

/** The pictures on which the report page draws: of each mask the plane where it is largest. */
async function keyPictures(
  { instances, decoder, route, bundle }: Pick<PipelineInput, 'instances' | 'decoder' | 'route' | 'bundle'>,
  draft: Draft,
): Promise<ReadonlyMap<string, Picture>> {
  const sources = new Map(instances.map((i) => [i.ref.instanceUid, i]));
  const pictures = new Map<string, Picture>();
  for (const stack of draft.stacks) {
    const keys = draft.masks.filter((m) => m.stack === stack.id).map((m) => m.keyPlane);
    const planes = [...new Set(keys)].sort((a, b) => a - b);
    const { rows, columns, placement } = stack.grid;
    if (placement.kind === 'slide' && planes.length > 0 && rows * columns > mostKeyPixels && isColour(sources, stack)) {
      pictures.set(`${stack.id}/0`, await loadOverview(stack, sources, decoder, mostKeyPixels));
      continue;
    }
    for await (const picture of loadPictures(stack, sources, decoder, planes, pictureOptions(route, bundle, stack))) {
      pictures.set(`${stack.id}/${picture.plane}`, picture);
    }
  }
  return pictures;
}

export { answerStudy, type Answered, type OnProgress, type ReadInput } from './read.ts';
