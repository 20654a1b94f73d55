import {
  asPlumblineError,
  PlumblineError,
  type Answer,
  type Notice,
  type PassedOver,
  type Picture,
  type SourceInstance,
  type Stack,
} from '../base/index.ts';
import type { Mappings, PicturePlace } from '../findings/index.ts';
import {
  loadPictures,
  loadTiles,
  readStudy,
  suitability,
  tissueShare,
  type Decoder,
  type StudyReading,
  type TilePlan,
} from '../imaging/index.ts';
import { promptOf, type Bundle, type Runtime } from '../inference/index.ts';
import { answerForm, questionsOf, showClaims } from './questions.ts';
import { pictureOptions, planesToRead, propagationNotices } from './reading.ts';
import { claimRegion, placeOf, regionOn } from './region.ts';
import { modelSide, slidePixelUm, slideTiles, tilesPolicy, tilesWithTissue } from './tiles.ts';
import type { RouteDecision } from './routes.ts';

export interface ReadInput {
  /** The instances that the route reads. */
  readonly instances: readonly SourceInstance[];
  readonly route: RouteDecision;
  readonly bundle: Bundle;
  readonly mappings: Mappings;
  readonly runtime: Pick<Runtime, 'ask' | 'notices'>;
  readonly decoder: Pick<Decoder, 'decode'>;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

export type OnProgress = (stage: 'read' | 'answer' | 'draft' | 'encode' | 'check', at: number, of: number) => void;

/** What the model said about a study, and of which pictures; the pictures themselves are made again where needed. */
export interface Answered {
  readonly reading: StudyReading;
  readonly prompt: string;
  readonly pictures: readonly PicturePlace[];
  readonly answers: readonly Answer[];
  /** Pictures that were not given to the model, each with its reason. */
  readonly refused: readonly PassedOver[];
  readonly notices: readonly Notice[];
  readonly timingsMs: Readonly<Record<string, number>>;
}

/** Pictures, and pixels of pictures, that are made in one go; as many again are held while the model looks at them. */
const batchLength = 4;
const batchPixels = 1 << 23;

interface Batch {
  readonly stack: Stack;
  readonly planes: readonly number[];
  /** Of a slide that is read in tiles: these, of its one plane. */
  readonly tiles?: readonly TilePlan[];
}

function batchesOf(stack: Stack, planes: readonly number[]): Batch[] {
  const { rows, columns } = stack.grid;
  const length = Math.max(1, Math.min(batchLength, Math.floor(batchPixels / (rows * columns))));
  return Array.from({ length: Math.ceil(planes.length / length) }, (_, i) => ({
    stack,
    planes: planes.slice(i * length, (i + 1) * length),
  }));
}

/** A slide in tiles, where it is read so; every other stack in planes. */
async function stackBatches(
  { route, bundle, decoder }: ReadInput,
  stack: Stack,
  sources: ReadonlyMap<string, SourceInstance>,
): Promise<{ readonly batches: readonly Batch[]; readonly notices: readonly Notice[] }> {
  const { attributes } = sources.get(stack.planes[0]!.instanceUid)!;
  const planned = slideTiles(route, bundle, stack, attributes);
  if (!planned) return { batches: batchesOf(stack, planesToRead(route, stack)), notices: [] };
  const { tiles, notices } = await tilesWithTissue(stack, sources, decoder, planned, tilesPolicy(route, stack));
  const length = Math.max(1, Math.min(4 * batchLength, Math.floor(batchPixels / (tiles[0]!.rows * tiles[0]!.columns))));
  const batches = Array.from({ length: Math.ceil(tiles.length / length) }, (_, i) => ({
    stack,
    planes: [0],
    tiles: tiles.slice(i * length, (i + 1) * length),
  }));
  return { batches, notices };
}

/** The file that was loaded last is kept: the frames of a multi-frame instance come in batches, and need it each time. */
function keepingLast(instances: readonly SourceInstance[]): SourceInstance[] {
  let last: { readonly of: SourceInstance; readonly file: Promise<Uint8Array> } | undefined;
  return instances.map((instance) => ({
    ...instance,
    load: () => {
      if (last?.of !== instance) last = { of: instance, file: instance.load() };
      return last.file;
    },
  }));
}

/**
 * Stages 1 and 2: choose what can be read, make pictures, refuse those that no model can answer about, ask the rest.
 * What cannot be read is passed over with its reason as long as something can.
 * @throws PlumblineError task-unknown, prompt-invalid before anything is decoded; nothing-to-read, burned-in, geometry,
 * unsuitable, pixel-decode … where nothing is left to ask about; those of the runtime
 */
export async function answerStudy(input: ReadInput): Promise<Answered> {
  const { instances, route, bundle, runtime, onProgress, signal } = input;
  const prompts = promptsOf(bundle, route);
  onProgress?.('read', 0, 1);
  const pixelUm = slidePixelUm(bundle);
  const { burnedIn, captures } = route.policy;
  const reading = readStudy(instances, {
    burnedIn,
    ...(captures && { captures }),
    modelSide: modelSide(bundle),
    ...(pixelUm === undefined ? {} : { pixelUm }),
  });
  if (reading.stacks.length === 0) throw nothingToRead(reading.passedOver, instances);

  const sources = new Map(keepingLast(instances).map((i) => [i.ref.instanceUid, i]));
  const planned = await plannedBatches(input, reading.stacks, sources);
  const batches = planned.flatMap((p) => p.batches);
  const total = batches.reduce((sum, { planes, tiles }) => sum + (tiles ?? planes).length, 0);
  const places: PicturePlace[] = [];
  const answers: Answer[] = [];
  const refused: PassedOver[] = [];
  const spent = { pictures: 0, answers: 0 };
  let done = 0;
  const picturesOf = (batch: Batch | undefined): Promise<Pictures> | undefined => {
    const made = batch && (batch.tiles ? tilePictures : suitablePictures)(input, batch, sources);
    made?.catch(() => undefined); // seen when it is its turn
    return made;
  };
  let next = picturesOf(batches[0]);
  for (const [i, { stack, planes, tiles }] of batches.entries()) {
    signal?.throwIfAborted();
    const begun = performance.now();
    const { pictures, passedOver } = await next!;
    spent.pictures += performance.now() - begun;
    refused.push(...passedOver);
    // The next pictures are made while the model looks at these.
    next = picturesOf(batches[i + 1]);
    const asked = performance.now();
    for (const [n, picture] of pictures.entries()) {
      const said = await answerPicture(input, stack, picture);
      answers.push(...said.map((a) => ({ ...a, ...partOf(picture) })));
      onProgress?.('answer', done + n + 1, total);
    }
    spent.answers += performance.now() - asked;
    places.push(...pictures.map(pictureAt));
    done += (tiles ?? planes).length;
  }
  if (answers.length === 0) throw nothingSuitable([...refused, ...emptySlides(batches)]);
  return {
    reading,
    prompt: prompts.join('\n'),
    pictures: places,
    answers,
    refused,
    notices: [
      ...reading.notices,
      ...planned.flatMap((p) => p.notices),
      ...propagationNotices(route, reading.stacks),
      ...runtime.notices,
      ...unlistedModalities(bundle, reading),
    ],
    timingsMs: { pictures: Math.round(spent.pictures), answers: Math.round(spent.answers) },
  };
}

function pictureAt({ stack, plane, width, height, toSource, part }: Picture): PicturePlace {
  return { stack, plane, width, height, toSource, ...(part && { part }) };
}

/** Where in its plane the answer to a picture of a part belongs. */
function partOf({ part }: Picture): Pick<Answer, 'part'> {
  return part ? { part: { row: part.row, column: part.column } } : {};
}

/** A route may ask a bundle about a modality that it does not name; the draft says so. */
function unlistedModalities({ manifest, ref }: Bundle, { stacks }: StudyReading): Notice[] {
  const listed = new Set((manifest.modalities ?? []).flatMap((m) => m.dicom_modality));
  const unlisted = [...new Set(stacks.map((s) => s.modality))].filter((m) => listed.size > 0 && !listed.has(m));
  return unlisted.map((m) => ({
    code: 'modality-unlisted',
    message: `The bundle ${ref.name} does not name the modality ${m}: it was not made for such images`,
  }));
}

/** What the model will be asked, in words. @throws PlumblineError task-unknown · prompt-invalid */
function promptsOf({ manifest }: Bundle, route: RouteDecision): string[] {
  // Where the region is on the picture is known when the picture is; that there is one counts here.
  const box = route.region ? { box: [0, 0, 1, 1] as const } : {};
  return questionsOf(route).map((q) => promptOf(manifest, { ...q, ...box }));
}

/** What is looked at: parts of each stack by the route's policy, or the one plane that the question is about. */
function plannedBatches(
  input: ReadInput,
  stacks: readonly Stack[],
  sources: ReadonlyMap<string, SourceInstance>,
): ReturnType<typeof stackBatches> extends Promise<infer B> ? Promise<B[]> : never {
  const { region } = input.route;
  if (!region) return Promise.all(stacks.map((stack) => stackBatches(input, stack, sources)));
  const { stack, plane } = placeOf(region, stacks);
  return Promise.resolve([{ batches: [{ stack, planes: [plane] }], notices: [] }]);
}

/** All answers about one picture: those to the route's questions, and the masks that they lack. */
async function answerPicture(
  { route, bundle, runtime, mappings }: ReadInput,
  stack: Stack,
  picture: Picture,
): Promise<Answer[]> {
  const { manifest } = bundle;
  const form = answerForm(bundle, route);
  if (route.region) {
    const { box, mask } = regionOn(picture, route.region, stack);
    const asked = questionsOf(route).map((q) => ({ ...q, box }));
    return claimRegion(await runtime.ask(picture, asked), mask, { form, mappings, modality: stack.modality });
  }
  const said = await runtime.ask(picture, questionsOf(route));
  if (route.policy.secondPass === 'off') return said;
  return showClaims({ runtime, manifest, form, mappings }, picture, stack.modality, said);
}

interface Pictures {
  readonly pictures: Picture[];
  readonly passedOver: PassedOver[];
}

/** Pictures of planes, less those that do not decode or show nothing. */
async function suitablePictures(
  { decoder, route, bundle }: ReadInput,
  { stack, planes }: Batch,
  sources: ReadonlyMap<string, SourceInstance>,
): Promise<Pictures> {
  const pictures: Picture[] = [];
  const passedOver: PassedOver[] = [];
  const passOver = (plane: number, code: string, reason: string): void => {
    passedOver.push({ seriesUid: stack.seriesUid, instanceUid: stack.planes[plane]!.instanceUid, code, reason });
  };
  const options = pictureOptions(route, bundle, stack);
  for (const ofOne of byInstance(stack, planes)) {
    try {
      for await (const picture of loadPictures(stack, sources, decoder, ofOne, options)) {
        const problem = suitability(picture);
        if (problem) passOver(picture.plane, problem.code, problem.message);
        else pictures.push(picture);
      }
    } catch (thrown) {
      const error = asPlumblineError(thrown);
      // Only what is wrong with this image; trouble with the store or a defect concerns the whole study.
      if (error.class !== 'hold' || error.code === 'store-damaged') throw error;
      passOver(ofOne[0]!, error.code, error.message);
    }
  }
  return { pictures, passedOver };
}

/** Pictures of tiles, less those without tissue. A tile that does not decode is the slide's fault: it has one file. */
async function tilePictures(
  { decoder, route }: ReadInput,
  { stack, tiles = [] }: Batch,
  sources: ReadonlyMap<string, SourceInstance>,
): Promise<Pictures> {
  const { tissue } = tilesPolicy(route, stack);
  const pictures: Picture[] = [];
  for await (const picture of loadTiles(stack, sources, decoder, tiles))
    if (tissueShare(picture) >= tissue && !suitability(picture)) pictures.push(picture);
  return { pictures, passedOver: [] };
}

/** Neighbouring planes of one instance together: they are decoded from one file, and fail together. */
function byInstance(stack: Stack, planes: readonly number[]): number[][] {
  const groups: number[][] = [];
  for (const plane of planes) {
    const last = groups.at(-1);
    if (last && stack.planes[last[0]!]!.instanceUid === stack.planes[plane]!.instanceUid) last.push(plane);
    else groups.push([plane]);
  }
  return groups;
}

/** Reasons that are error codes too, and so say what to do; where all images share one, it is the study's reason. */
const ownCodes = ['burned-in', 'geometry', 'pixel-decode', 'pixel-decode-timeout', 'pixel-description'] as const;

function nothingToRead(passedOver: readonly PassedOver[], instances: readonly SourceInstance[]): PlumblineError {
  const where = instances[0]?.ref.studyUid;
  const code = ownCodes.find(
    (c) => passedOver.some((p) => p.code === c) && passedOver.every((p) => p.code === c || isAside(p)),
  );
  return new PlumblineError(code ?? 'nothing-to-read', reasons(passedOver), where === undefined ? {} : { where });
}

/** Objects that nobody would read: they do not hide why the images were not. */
function isAside({ code }: PassedOver): boolean {
  return ['not-an-image', 'own-result', 'localizer', 'dose-page', 'class-unknown'].includes(code);
}

/** Slides that were read in tiles of which none held tissue. */
function emptySlides(batches: readonly Batch[]): PassedOver[] {
  const slides = new Set(batches.filter((b) => b.tiles).map((b) => b.stack));
  return [...slides].map(({ seriesUid, planes }) => ({
    seriesUid,
    instanceUid: planes[0]!.instanceUid,
    code: 'slide-empty',
    reason: 'no tile of the slide holds tissue',
  }));
}

function nothingSuitable(refused: readonly PassedOver[]): PlumblineError {
  const code = ownCodes.find((c) => refused.every((p) => p.code === c));
  return new PlumblineError(code ?? 'unsuitable', reasons(refused));
}

/** Each reason once, with the images it concerns (the first few by name). */
function reasons(passedOver: readonly PassedOver[]): string {
  const by = new Map<string, string[]>();
  for (const { reason, instanceUid } of passedOver) by.set(reason, [...(by.get(reason) ?? []), instanceUid]);
  const said = [...by].map(([reason, uids]) => {
    const names = uids.slice(0, 3).join(', ');
    return `${reason} (${uids.length === 1 ? names : `${uids.length} images: ${names}${uids.length > 3 ? ' …' : ''}`})`;
  });
  return said.join('; ') || 'there is no image';
}
