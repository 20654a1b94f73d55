import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openAuditLog, type AuditLog } from '../audit/index.ts';
import { asPlumblineError, PlumblineError, systemClock, type Clock, type Config, type Log } from '../base/index.ts';
import { createInspector, type Inspector } from '../dicom/index.ts';
import {
  auditedDestination,
  makeDestination,
  openDelivery,
  type DeliverContent,
  type Delivery,
} from '../delivery/index.ts';
import {
  openBlobs,
  openDatabase,
  type BlobCounters,
  type Blobs,
  type Database,
  type DatabaseCounters,
} from '../store/index.ts';
import { openStudies, type Studies, type StudyGate, type StudySnapshot } from '../studies/index.ts';
import {
  decideRoutes,
  openWork,
  pipelineStages,
  type Priority,
  type RoutedSeries,
  type Work,
  type Workers,
} from '../work/index.ts';
import { followOrder, orderEcho, priorityOf } from './orders.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { observedLog, observedRuntime, observedStages, observedStudies } from './observe.ts';
import { openReading, type Reading } from './reading.ts';
import { dailyRetention } from './daily.ts';
import { applyRetention, type Retained } from './retention.ts';

/** The rooms of one running gateway, or of one command that looks at its store. */
export interface Rooms {
  readonly config: Config;
  readonly db: Database;
  readonly blobs: Blobs;
  readonly studies: Studies & StudyGate;
  readonly work: Work;
  readonly delivery: Delivery;
  readonly reading: Reading;
  /** Who reads; what is written tells the audit itself. */
  readonly audit: AuditLog;
  /** Looks at files that arrive. */
  readonly inspector: Inspector;
  readonly metrics: Metrics;
  /** What was asked of the store since it was opened. */
  readonly counters: { readonly database: DatabaseCounters; readonly blobs: BlobCounters };
  /** The log of all rooms: it counts what passes. */
  readonly log: Log;
  /** `idle` before `start`, `stopped` from the beginning of `stop`. */
  state(): 'idle' | 'running' | 'stopped';
  /** Apply the retention policy; the running gateway does so once a day. */
  retention(options?: { readonly dryRun?: boolean }): Promise<Retained>;
  /** Start gate, workers and lanes. */
  start(): void;
  /** Take nothing new, let work in hand end (or give it back with `abort`), close everything. */
  stop(options?: { readonly abort?: boolean }): Promise<void>;
}

/**
 * Wire the rooms over one data folder. Nothing moves before `start`, so a command may look at the store while the
 * gateway runs.
 * @throws PlumblineError of configuration, routes, mappings, bundles and store
 */
export async function openRooms(config: Config, plainLog: Log, clock: Clock = systemClock): Promise<Rooms> {
  const metrics = createMetrics();
  const log = observedLog(plainLog, metrics);
  mkdirSync(config.dataDir, { recursive: true });
  const tempDir = join(config.dataDir, 'tmp');
  mkdirSync(tempDir, { recursive: true });
  const reading = openReading(config, {
    tempDir,
    onRestart: (bundle, why) => {
      metrics.modelRestarts.inc({ bundle, code: why.code });
      log.warn('model starts again', { bundle, code: why.code });
    },
    around: (runtime, bundle) => observedRuntime(runtime, bundle, metrics),
  });
  const db = await openDatabase(join(config.dataDir, 'plumbline.db'));
  const blobs = await openBlobs(join(config.dataDir, 'blobs'), { reserveBytes: config.store.reserveBytes });
  const inspector = createInspector();
  const audit = openAuditLog({ db, clock, log });
  const { studies, work, delivery } = await connect({ config, log, clock, db, blobs, reading, metrics, audit });
  let workers: Workers | undefined;
  let state: ReturnType<Rooms['state']> = 'idle';
  const daily = dailyRetention(() => applyRetention({ config, db, blobs, clock }), metrics, log);
  return {
    config,
    db,
    blobs,
    studies: observedStudies(studies, metrics, log),
    work,
    delivery,
    reading,
    audit,
    inspector,
    metrics,
    counters: { database: db.counters, blobs: blobs.counters },
    log,
    state: () => state,
    retention: (options) => applyRetention({ config, db, blobs, clock }, options),
    start: () => {
      state = 'running';
      emptyFolder(tempDir); // what a process that was killed left; only one gateway runs over a data folder
      studies.start();
      const stages = observedStages(stagesOf(config, reading, blobs, studies), metrics, log);
      workers = work.startWorkers({ concurrency: config.work.concurrency, stages });
      delivery.start();
      daily.start();
    },
    stop: async (options) => {
      state = 'stopped';
      await daily.stop();
      await studies.stop();
      await workers?.stop(options);
      await delivery.stop();
      await reading.close();
      await inspector.close();
      await blobs.close();
      await audit.stop().catch((e: unknown) => log.error('audit events lost', { code: asPlumblineError(e).code }));
      await db.close();
    },
  };
}

function emptyFolder(dir: string): void {
  for (const name of readdirSync(dir)) rmSync(join(dir, name), { recursive: true, force: true });
}

interface Parts {
  readonly config: Config;
  readonly log: Log;
  readonly clock: Clock;
  readonly db: Database;
  readonly blobs: Blobs;
  readonly reading: Reading;
  readonly metrics: Metrics;
  readonly audit: AuditLog;
}

async function connect({
  config,
  log,
  clock,
  db,
  blobs,
  reading,
  metrics,
  audit,
}: Parts): Promise<Pick<Rooms, 'studies' | 'work' | 'delivery'>> {
  const studies: Studies & StudyGate = await openStudies({
    db,
    blobs,
    clock,
    log,
    gate: { quietMs: config.gate.quietSeconds * 1000, deadlineMs: config.gate.maxWaitSeconds * 1000 },
    onReady: async (snapshot) => enqueueStudy(reading, work, snapshot, await priorityOf(studies, snapshot.studyUid)),
    onOrder: (effect) =>
      followOrder(
        {
          work,
          studies,
          withdraw: (key) => delivery.withdraw(key),
          namesImages: (name) => config.destinations.some((d) => d.name === name && d.kind !== 'hl7'),
        },
        effect,
      ),
  });
  const work: Work = openWork({
    db,
    blobs,
    clock,
    log,
    studies,
    retry: { attempts: config.work.attempts },
    onDrafted: (item) => delivery.enqueue(item.key, item.studyUid, item.route.destinations),
    withdraw: (key) => delivery.withdraw(key),
  });
  const delivery: Delivery = openDelivery({
    db,
    clock,
    log,
    destinations: config.destinations.map((d) => auditedDestination(makeDestination(d), audit, log)),
    firstPauseMs: config.delivery.firstPauseSeconds * 1000,
    maxPauseMs: config.delivery.maxPauseSeconds * 1000,
    giveUpAfterMs: config.delivery.giveUpAfterHours * 3_600_000,
    content: (key) => contentOf(work, blobs, key),
    onDelivered: async (key) => void (await work.markDelivered(key)),
    onTry: (destination, outcome, ms) => metrics.deliveries.observe({ destination, outcome }, ms / 1000),
  });
  refuseUnknownDestinations(config, reading);
  return { studies, work, delivery };
}

/** A ready study becomes a workitem for each question that the routes ask of it. @throws PlumblineError `no-route` */
async function enqueueStudy(reading: Reading, work: Work, snapshot: StudySnapshot, priority: Priority): Promise<void> {
  const { decisions } = decideRoutes(reading.routes, seriesOf(snapshot));
  if (decisions.length === 0)
    throw new PlumblineError('no-route', 'no rule of the routes file matches any series', { where: snapshot.studyUid });
  for (const route of decisions) {
    const bundle = await reading.bundle(route.bundle);
    await work.enqueue({ snapshot, route, bundleDigest: bundle.ref.digest, priority });
  }
}

/** What the routes see of a snapshot: one instance stands for its series. */
export function seriesOf(snapshot: Pick<StudySnapshot, 'instances'>): RoutedSeries[] {
  const first = new Map<string, RoutedSeries>();
  for (const i of snapshot.instances) {
    const { seriesUid } = i.ref;
    if (!first.has(seriesUid)) first.set(seriesUid, { seriesUid, sender: i.sender, attributes: i.summary });
  }
  return [...first.values()];
}

function stagesOf(config: Config, reading: Reading, blobs: Blobs, studies: Studies): ReturnType<typeof pipelineStages> {
  const versions = config.destinations.flatMap((d) => (d.kind === 'hl7' ? [d.hl7Version] : []));
  return pipelineStages({
    blobs,
    decoder: reading.decoder,
    bundle: (name) => reading.bundle(name),
    runtime: (name) => reading.runtime(name),
    mappings: reading.mappings,
    presence: reading.presence,
    site: reading.site,
    profile: config.encoding,
    oru: [...new Set(versions)],
    orderOf: (studyUid) => orderEcho(studies, studyUid),
  });
}

/** A name that is wrong is found at start, not with the first study. */
function refuseUnknownDestinations(config: Config, reading: Reading): void {
  const known = new Set(config.destinations.map((d) => d.name));
  for (const rule of reading.routes.rules) {
    const unknown = (rule.then.destinations ?? []).find((d) => !known.has(d));
    if (unknown)
      throw new PlumblineError(
        'routes-invalid',
        `rule "${rule.name}" names the destination "${unknown}", which is not configured`,
        { where: rule.name },
      );
  }
}

async function contentOf(work: Work, blobs: Blobs, key: string): Promise<DeliverContent> {
  const item = await work.get(key);
  const { files } = await work.encodings(key);
  if (!item) throw new PlumblineError('not-found', 'no such workitem', { where: key });
  const json = async <T>(name: string): Promise<T> => {
    const file = files.find((f) => f.name === name);
    if (!file) throw new PlumblineError('not-found', `the workitem has no ${name}`, { where: key });
    return JSON.parse(new TextDecoder().decode(await blobs.read(file.digest))) as T;
  };
  const objects = files.flatMap(({ name, digest, dicom }) => {
    if (!dicom) return [];
    const { seriesUid, instanceUid, sopClass, dataDigest } = dicom;
    return [
      {
        role: name.startsWith('seg') ? ('seg' as const) : ('sr' as const),
        seriesUid,
        instanceUid,
        sopClass,
        dataDigest,
        bytes: () => blobs.read(digest),
      },
    ];
  });
  return {
    workitem: key,
    studyUid: item.studyUid,
    patientId: item.patientId,
    issuer: item.issuer,
    objects: [...objects.filter((o) => o.role === 'seg'), ...objects.filter((o) => o.role === 'sr')],
    fhirR4: () => json('fhir-r4.json'),
    fhirR5: () => json('fhir-r5.json'),
    oru: async (version) => {
      const file = files.find((f) => f.name === `oru-${version}.hl7`);
      if (!file)
        throw new PlumblineError('not-found', `the report was not written in HL7 v2 ${version}; read the study again`, {
          where: key,
        });
      return new TextDecoder().decode(await blobs.read(file.digest));
    },
  };
}
