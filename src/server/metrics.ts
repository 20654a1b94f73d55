import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Config } from '../base/index.ts';
import type { Delivery } from '../delivery/index.ts';
import type { BlobCounters, Blobs, DatabaseCounters } from '../store/index.ts';
import type { Studies } from '../studies/index.ts';
import type { Work } from '../work/index.ts';
import { heldOf } from './backlog.ts';
import { version } from './home.ts';
import type { Reading } from './reading.ts';

/** What is asked at a scrape. */
export interface Scraped {
  readonly config: Config;
  readonly studies: Pick<Studies, 'backlog'>;
  readonly work: Pick<Work, 'backlog'>;
  readonly delivery: Pick<Delivery, 'backlog' | 'lanes'>;
  readonly blobs: Pick<Blobs, 'free'>;
  readonly reading: Pick<Reading, 'models'>;
  readonly counters: { readonly database: DatabaseCounters; readonly blobs: BlobCounters };
}

/** Seconds: a pipeline's stage may take from a moment to half an hour. */
const longBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 1800];

/**
 * What the gateway counts while it works (docs/metrics.md lists every name). Labels are doors, destinations, states, codes and stages: sets that
 * the configuration or the program bounds, never a UID or anything of a patient.
 */
export interface Metrics {
  readonly arrivals: Counter<'door' | 'outcome'>;
  readonly arrivedBytes: Counter<'door'>;
  readonly refusals: Counter<'door' | 'code'>;
  readonly stages: Histogram<'stage' | 'outcome'>;
  readonly pictures: Histogram<'bundle'>;
  readonly modelRestarts: Counter<'bundle' | 'code'>;
  readonly deliveries: Histogram<'destination' | 'outcome'>;
  readonly httpRequests: Counter<'service' | 'status'>;
  readonly logLines: Counter<'level'>;
  readonly retention: Counter<'kind'>;
  /** The page of a scrape: three counted statements, one question to the disk. */
  print(rooms: Scraped): Promise<string>;
  readonly contentType: string;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]): Counter<L> =>
    new Counter({ name: `plumbline_${name}`, help, labelNames, registers });
  const histogram = <L extends string>(name: string, help: string, ...labelNames: L[]): Histogram<L> =>
    new Histogram({ name: `plumbline_${name}`, help, labelNames, registers, buckets: longBuckets });
  const gauges = createGauges(registry);
  return {
    arrivals: counter(
      'arrivals_total',
      'Instances and messages that were taken, by door and outcome.',
      'door',
      'outcome',
    ),
    arrivedBytes: counter('arrived_bytes_total', 'Bytes of instances that were stored, by door.', 'door'),
    refusals: counter('refusals_total', 'What a door refused or could not keep, by error code.', 'door', 'code'),
    stages: histogram('stage_seconds', 'Duration of a stage of a workitem.', 'stage', 'outcome'),
    pictures: histogram('picture_seconds', 'Time of the model for questions about one picture that are asked together.', 'bundle'),
    modelRestarts: counter('model_restarts_total', 'Model processes that died or were killed.', 'bundle', 'code'),
    deliveries: histogram(
      'delivery_seconds',
      'Duration of one try of a delivery, by what it came to: delivered, superseded, or the class of the error.',
      'destination',
      'outcome',
    ),
    httpRequests: counter('http_requests_total', 'HTTP answers, by service and status class.', 'service', 'status'),
    logLines: counter('log_lines_total', 'Events for the log, by level, written or not.', 'level'),
    retention: counter('retention_removed_total', 'What the retention policy has removed, by kind.', 'kind'),
    contentType: registry.contentType,
    print: async (rooms) => {
      await gauges(rooms);
      return `${await registry.metrics()}\n${await processRegistry().metrics()}`;
    },
  };
}

/** What Node knows of the process; one for all gateways in it. */
let ofProcess: Registry | undefined;
function processRegistry(): Registry {
  if (!ofProcess) {
    ofProcess = new Registry();
    collectDefaultMetrics({ register: ofProcess });
  }
  return ofProcess;
}

/** Gauges that are asked for at each scrape. */
function createGauges(registry: Registry): (rooms: Scraped) => Promise<void> {
  const registers = [registry];
  const gauge = <L extends string>(name: string, help: string, ...labelNames: L[]): Gauge<L> =>
    new Gauge({ name: `plumbline_${name}`, help, labelNames, registers });
  gauge('build_info', 'Always 1; the labels say what runs.', 'version', 'node').set(
    { version, node: process.versions.node },
    1,
  );
  const studies = gauge('studies', 'Studies that wait: at the gate, or for a person.', 'state');
  const studiesOldest = gauge('studies_oldest_seconds', 'Age of the oldest of them.', 'state');
  const items = gauge('workitems', 'Workitems that are not done, by state.', 'state');
  const itemsOldest = gauge('workitems_oldest_seconds', 'Age of the oldest of them.', 'state');
  const rows = gauge(
    'deliveries',
    'Deliveries that are not done, by state; dead ones are dead letters.',
    'destination',
    'state',
  );
  const rowsOldest = gauge('deliveries_oldest_seconds', 'Age of the oldest of them.', 'destination', 'state');
  const holds = gauge('holds', 'What waits for a person, by reason.', 'what', 'code');
  const laneOpen = gauge('lane_open', '1 where a destination failed several times in a row and rests.', 'destination');
  const laneFailures = gauge('lane_failures', 'Failures of a destination in a row.', 'destination');
  const free = gauge('disk_free_bytes', 'Free bytes on the volume of the store.');
  const reserve = gauge('disk_reserve_bytes', 'Free bytes below which doors refuse (store.reserveBytes).');
  const models = gauge('model_up', '1 where the process of a bundle is running.', 'bundle');
  const store = new Counter({
    name: 'plumbline_store_operations_total',
    help: 'What was asked of the store since the start: statements, commits, files, bytes, syncs.',
    labelNames: ['what'],
    registers,
  });

  return async ({ studies: study, work, delivery, blobs, config, counters, reading }) => {
    const now = Date.now();
    const [studyRows, workRows, deliveryRows] = await Promise.all([
      study.backlog(),
      work.backlog(),
      delivery.backlog(),
    ]);
    for (const g of [studies, studiesOldest, items, itemsOldest, rows, rowsOldest, holds]) g.reset();
    const studyStates = byLabels(studyRows, ({ state }) => ({ state }));
    const workStates = byLabels(workRows, ({ state }) => ({ state }));
    const rowStates = byLabels(deliveryRows, ({ destination, state }) => ({ destination, state }));
    // A state that nothing is in is 0, not absent: an alert on it can be told from a gateway that does not answer.
    for (const state of ['arriving', 'held']) studies.set({ state }, 0);
    for (const state of ['waiting', 'ready', 'claimed', 'drafted', 'held', 'failed']) items.set({ state }, 0);
    for (const { name: destination } of config.destinations)
      for (const state of ['waiting', 'sending', 'held', 'dead']) rows.set({ destination, state }, 0);
    const show = <L extends string>(count: Gauge<L>, age: Gauge<L>, all: readonly Counted<L>[]): void => {
      for (const { labels, n, oldestAt } of all) {
        count.set(labels, n);
        age.set(labels, Math.max(0, now - oldestAt) / 1000);
      }
    };
    show(studies, studiesOldest, studyStates);
    show(items, itemsOldest, workStates);
    show(rows, rowsOldest, rowStates);
    for (const { what, code, n } of heldOf(studyRows, workRows, deliveryRows)) holds.set({ what, code }, n);
    for (const lane of delivery.lanes()) {
      laneOpen.set({ destination: lane.destination }, lane.state === 'open' ? 1 : 0);
      laneFailures.set({ destination: lane.destination }, lane.failures);
    }
    for (const { bundle, state } of reading.models()) models.set({ bundle }, state === 'running' ? 1 : 0);
    store.reset();
    for (const [what, n] of Object.entries({ ...counters.database, ...counters.blobs })) store.inc({ what }, n);
    free.set(await blobs.free());
    reserve.set(config.store.reserveBytes);
  };
}

interface Counted<L extends string> {
  readonly labels: Readonly<Record<L, string>>;
  readonly n: number;
  readonly oldestAt: number;
}

/** Rows that differ only in what is no label, as one. */
function byLabels<R extends { readonly n: number; readonly oldestAt: number }, L extends string>(
  rows: readonly R[],
  labelsOf: (row: R) => Readonly<Record<L, string>>,
): Counted<L>[] {
  return [...Map.groupBy(rows, (row) => JSON.stringify(labelsOf(row))).values()].map((group) => ({
    labels: labelsOf(group[0]!),
    n: group.reduce((sum, row) => sum + row.n, 0),
    oldestAt: Math.min(...group.map((row) => row.oldestAt)),
  }));
}
