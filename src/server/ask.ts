import { catalogue, PlumblineError, type ErrorCode, type Region } from '../base/index.ts';
import { attributesOf, number } from '../dicom/index.ts';
import type { Asked, QuestionBody } from '../doors/questions/index.ts';
import { readRegion } from '../imaging/index.ts';
import { promptOf } from '../inference/index.ts';
import type { StudySnapshot } from '../studies/index.ts';
import { decideRoutes, defaultPolicy, questionsOf, type RouteDecision } from '../work/index.ts';
import { priorityOf } from './orders.ts';
import { seriesOf, type Rooms } from './wire.ts';

/**
 * A question about a study that is here, as a workitem of its own: the same question about the same images is the same
 * workitem, whoever asks. What it reads, and by which policy, is what the routes say of the study; its result stays here
 * unless destinations are named.
 * @throws PlumblineError not-found · the study's own hold · no-route · bundle-unknown · task-unknown · prompt-invalid ·
 * region-invalid · query-invalid for an unknown destination
 */
export async function askStudy(rooms: Rooms, studyUid: string, body: QuestionBody): Promise<Asked> {
  const { studies, work, reading } = rooms;
  const study = await studies.study(studyUid);
  if (!study) throw new PlumblineError('not-found', 'no such study', { where: studyUid });
  if (study.state === 'held' && Object.hasOwn(catalogue, study.holdCode ?? ''))
    throw new PlumblineError(study.holdCode as ErrorCode, study.holdMessage ?? 'it is held', { where: studyUid });
  const snapshot = await studies.snapshot(studyUid);
  const route = await routeOf(rooms, snapshot, body);
  const bundle = await reading.bundle(route.bundle);
  const box = route.region ? { box: [0, 0, 1, 1] as const } : {};
  for (const question of questionsOf(route)) promptOf(bundle.manifest, { ...question, ...box });
  const priority = body.priority ?? (await priorityOf(studies, studyUid));
  const put = await work.enqueue({ snapshot, route, bundleDigest: bundle.ref.digest, priority });
  // A question of its own is never late: its policy says `new`.
  if (put.outcome === 'late') throw new PlumblineError('internal', 'a question was taken for a late one');
  return { key: put.key, outcome: put.outcome };
}

async function routeOf(rooms: Rooms, snapshot: StudySnapshot, body: QuestionBody): Promise<RouteDecision> {
  const { config, reading } = rooms;
  const { bundle, task, question, slots, region: asked, destinations = [] } = body;
  const unknown = destinations.find((d) => !config.destinations.some((known) => known.name === d));
  if (unknown !== undefined) throw new PlumblineError('query-invalid', `no destination "${unknown}" is configured`);
  const region = asked && (await regionOf(rooms, snapshot, asked));
  const series = seriesOf(snapshot);
  const lies = (uids: readonly string[]): boolean =>
    !region ||
    snapshot.instances.some((i) => i.ref.instanceUid === region.instanceUid && uids.includes(i.ref.seriesUid));
  const { decisions } = decideRoutes(reading.routes, series);
  const routed = decisions.find((d) => (bundle === undefined || d.bundle === bundle) && lies(d.series));
  if (!routed && bundle === undefined)
    throw new PlumblineError('no-route', 'no rule of the routes file matches what the question is about', {
      where: snapshot.studyUid,
      remedy: 'Name a bundle.',
    });
  return {
    rule: 'on-demand',
    bundle: bundle ?? routed!.bundle,
    task,
    ...(question === undefined ? {} : { prompt: question }),
    ...(slots === undefined ? {} : { slots }),
    ...(region ? { region } : {}),
    destinations,
    series: routed?.series ?? series.map((s) => s.seriesUid),
    policy: { ...(routed?.policy ?? defaultPolicy), late: 'new' },
    ...(routed?.reading ? { reading: routed.reading } : {}),
  };
}

/** A box is about the image that is named, or the only one; another region is read from an object of the study. */
async function regionOf(
  { studies, blobs }: Rooms,
  { studyUid, instances }: StudySnapshot,
  asked: NonNullable<QuestionBody['region']>,
): Promise<Region> {
  if ('box' in asked) {
    const image = asked.image ?? only(instances.map((i) => i.ref.instanceUid));
    const [x, y, width, height] = asked.box;
    const frame = asked.frame === undefined ? {} : { frame: asked.frame };
    return { instanceUid: image, ...frame, box: [x, y, x + width, y + height] };
  }
  const load = async (instanceUid: string): Promise<Uint8Array | undefined> => {
    const stored = await studies.instance(instanceUid);
    return stored?.ref.studyUid === studyUid ? blobs.read(stored.ref.digest) : undefined;
  };
  const file = await load(asked.from);
  if (!file) throw new PlumblineError('region-invalid', 'no such object in this study', { where: asked.from });
  return readRegion(file, asked.item, {
    load,
    sizeOf: async (instanceUid) => {
      const image = await load(instanceUid);
      const attributes = image && attributesOf(image);
      const [rows, columns] = ['Rows', 'Columns'].map((k) => attributes && number(attributes, k));
      return rows === undefined || columns === undefined ? undefined : { rows, columns };
    },
  });
}

function only(uids: readonly string[]): string {
  if (uids.length === 1) return uids[0]!;
  throw new PlumblineError('region-invalid', `the study has ${uids.length} images: name the one that the box is on`);
}
