import { studyId } from '../base/index.ts';
import type { DeliveryEvent, DeliveryRow } from '../delivery/index.ts';
import type { Arrivals, StoredOrder, StudyEvent, StudyRow } from '../studies/index.ts';
import type { WorkEvent, Workitem } from '../work/index.ts';
import type { Rooms } from './wire.ts';

/** One line of a study's story, of whichever room. */
export interface StoryLine {
  /** ISO 8601 UTC. */
  readonly at: string;
  readonly room: 'door' | 'study' | 'work' | 'delivery';
  /** e.g. `arrived`, `ready`, `held`, `answered`, `delivered`. */
  readonly event: string;
  readonly text: string;
}

/** Everything that is known of what happened to a study. */
export interface Story {
  /** As the log names it. */
  readonly id: string;
  readonly study: StudyRow;
  readonly arrivals: readonly Arrivals[];
  readonly orders: readonly Pick<StoredOrder, 'placer' | 'filler' | 'accession' | 'state' | 'priority' | 'sender'>[];
  readonly events: readonly StudyEvent[];
  readonly workitems: readonly (Workitem & {
    readonly events: readonly WorkEvent[];
    readonly deliveries: readonly (DeliveryRow & { readonly events: readonly DeliveryEvent[] })[];
  })[];
  /** All of it in order of time. */
  readonly timeline: readonly StoryLine[];
}

/** The whole story of a study, from the rows of all rooms; undefined where there is no such study. */
export async function storyOf(
  rooms: Pick<Rooms, 'studies' | 'work' | 'delivery'>,
  studyUid: string,
): Promise<Story | undefined> {
  const { studies, work, delivery } = rooms;
  const study = await studies.study(studyUid);
  if (!study) return undefined;
  const [arrivals, orders, events, items] = await Promise.all([
    studies.arrivals(studyUid),
    studies.orders(studyUid),
    studies.events(studyUid),
    work.list({ studyUid, limit: 1000 }),
  ]);
  const workitems: Story['workitems'][number][] = [];
  for (const item of items.reverse()) {
    const deliveries: Story['workitems'][number]['deliveries'][number][] = [];
    for (const row of await delivery.rows({ workitem: item.key }))
      deliveries.push({ ...row, events: await delivery.events(row.id) });
    workitems.push({ ...item, events: await work.timeline(item.key), deliveries });
  }
  const lines = [
    ...arrivals.filter((a) => a.origin === 'received').flatMap(arrivalLines),
    ...events.map((e) => ({ at: e.at, room: 'study' as const, event: e.code, text: withWho(e.message, e.who) })),
    ...workitems.flatMap((item) => workLines(item, workitems.length > 1)),
    ...workitems.flatMap((item) => item.deliveries.flatMap(deliveryLines)),
  ];
  return {
    id: studyId(studyUid),
    study,
    arrivals,
    orders: orders.map(({ placer, filler, accession, state, priority, sender }) => ({
      placer,
      filler,
      accession,
      state,
      priority,
      sender,
    })),
    events,
    workitems,
    timeline: lines.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0)),
  };
}

function arrivalLines({ door, sender, series, instances, bytes, firstAt, lastAt }: Arrivals): StoryLine[] {
  const from = `by ${door} from ${sender || 'unknown'}`;
  const all = `${instances} instances of ${series} series, ${(bytes / 1e6).toFixed(1)} MB`;
  if (instances === 1) return [{ at: firstAt, room: 'door', event: 'arrived', text: `${all}, ${from}` }];
  return [
    { at: firstAt, room: 'door', event: 'arriving', text: `first instance ${from}` },
    { at: lastAt, room: 'door', event: 'arrived', text: `${all}, ${from}` },
  ];
}

function withWho(message: string, who: string): string {
  return who === '' || who === 'gate' ? message : `${message} (${who})`;
}

/** Stages that ended say how long they took: since the event before of the same workitem. */
function workLines(item: Story['workitems'][number], several: boolean): StoryLine[] {
  const stages = ['answered', 'drafted', 'encoded'];
  const name = several ? ` [${item.key.slice(0, 8)}]` : '';
  return item.events.map((e, i) => {
    const before = item.events[i - 1];
    const took = before && stages.includes(e.event) ? `in ${seconds(Date.parse(e.at) - Date.parse(before.at))}` : '';
    return {
      at: e.at,
      room: 'work' as const,
      event: e.event,
      text: [e.event === 'created' ? `${item.route.bundle}/${item.route.task}` : '', e.detail, took]
        .filter((t) => t !== '')
        .join(', ')
        .concat(name),
    };
  });
}

function deliveryLines(row: Story['workitems'][number]['deliveries'][number]): StoryLine[] {
  const lines: StoryLine[] = [
    { at: iso(row.createdAt), room: 'delivery', event: 'queued', text: row.destination },
    ...row.events.map((e) => {
      const times = e.times > 1 ? `, ${e.times} times until ${e.lastAt}` : '';
      const words = [e.code, e.message].filter((t) => t !== '').join(': ');
      const by = e.who === '' ? '' : ` (${e.who})`;
      return {
        at: e.at,
        room: 'delivery' as const,
        event: e.event,
        text: `${row.destination}${words === '' ? '' : `: ${words}`}${by}${times}`,
      };
    }),
  ];
  // Deliveries from before there were events have their row alone.
  if (row.events.length === 0 && row.attempts > 0) {
    const text = `${row.destination}: ${row.attempts} tries${row.message ? `; ${row.message}` : ''}`;
    lines.push({ at: iso(row.updatedAt), room: 'delivery', event: row.state, text });
  }
  if (row.state === 'waiting' && row.attempts > 0)
    lines.push({
      at: iso(row.updatedAt),
      room: 'delivery',
      event: 'waiting',
      text: `${row.destination}: next try ${iso(row.nextAt)}`,
    });
  return lines;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function seconds(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
}
