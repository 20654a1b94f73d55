import type { DicomJson, ErrorCode, InstanceRef } from '../base/index.ts';
import type { StagedBlob } from '../store/index.ts';
import type { OrderAnswer, OrderMessage, RefusedMessage, StoredOrder } from './order-types.ts';

/** One instance that a door asks to keep: complete, inspected, its blob finished but not committed. */
export interface Admission {
  readonly ref: InstanceRef;
  /** Whole data set without pixel data (dicom.inspectPart10). */
  readonly attributes: DicomJson;
  readonly blob: StagedBlob;
}

export type Admitted =
  | { readonly outcome: 'stored'; readonly ref: InstanceRef }
  /** The same SOP Instance UID with the same data was already there: a success that changes nothing. */
  | { readonly outcome: 'duplicate'; readonly ref: InstanceRef }
  /** The same SOP Instance UID with other data: the first stays. */
  | { readonly outcome: 'conflict'; readonly ref: InstanceRef };

export type Origin = 'received' | 'own';

/** One row of the instance table. */
export interface StoredInstance {
  readonly ref: InstanceRef;
  readonly origin: Origin;
  /** Who sent it, for `received`. */
  readonly sender: string;
  readonly receivedAt: string;
  /** The attributes that QIDO-RS, gate and routes need (about 60; see studies/summary.ts), not the whole data set. */
  readonly summary: DicomJson;
}

/** A frozen list of what a workitem reads. */
export interface StudySnapshot {
  readonly studyUid: string;
  /** Patient ID and issuer as the instances say. */
  readonly patientId: string;
  readonly issuer: string;
  readonly instances: readonly StoredInstance[];
  /** SHA-256 over sorted (SOP Instance UID, data digest). */
  readonly inputDigest: string;
}

export interface StudyRow {
  readonly studyUid: string;
  /** `arriving` until the gate says ready; `held` with a code. */
  readonly state: 'arriving' | 'ready' | 'held';
  readonly holdCode?: string;
  readonly holdMessage?: string;
  readonly firstAt: string;
  readonly lastAt: string;
  readonly received: number;
  readonly own: number;
}

/** How many studies wait, by state and, where they are held, by reason. */
export interface StudyBacklog {
  readonly state: 'arriving' | 'held';
  /** '' for `arriving`. */
  readonly code: string;
  readonly n: number;
  /** First arrival of the oldest of them, milliseconds since 1970. */
  readonly oldestAt: number;
}

/** What came of a study by one door from one sender. */
export interface Arrivals {
  readonly door: string;
  readonly sender: string;
  readonly origin: Origin;
  readonly series: number;
  readonly instances: number;
  readonly bytes: number;
  readonly firstAt: string;
  readonly lastAt: string;
}

/** The room's face to doors and to the web. */
export interface Studies {
  /** Keep instances: blobs durable first, then one transaction. When it resolves they may be acknowledged. */
  admit(
    batch: readonly Admission[],
    from: { readonly door: string; readonly sender: string; readonly who?: string },
  ): Promise<Admitted[]>;
  /** Keep what the gateway itself wrote, so that its own DICOMweb service shows it; never wakes the gate. */
  keepOwn(batch: readonly Admission[]): Promise<Admitted[]>;
  study(studyUid: string): Promise<StudyRow | undefined>;
  /** Newest first. */
  studies(limit: number, offset: number): Promise<StudyRow[]>;
  /** What waits, counted; one statement. */
  backlog(): Promise<StudyBacklog[]>;
  /** How the study came, first arrival first. */
  arrivals(studyUid: string): Promise<Arrivals[]>;
  /** The UID of the study with this id (`studyId`), or undefined. */
  uidOf(id: string): Promise<string | undefined>;
  instances(studyUid: string, seriesUid?: string): Promise<StoredInstance[]>;
  instance(instanceUid: string): Promise<StoredInstance | undefined>;
  /** QIDO-RS matching over summaries. `match` maps 8-digit tags to the query values (wild cards, ranges and lists as in PS3.4 C.2.2.2). */
  search(level: 'study' | 'series' | 'instance', query: SearchQuery): Promise<Found[]>;
  /** Freeze what was received so far. @throws PlumblineError not-found where nothing was */
  snapshot(studyUid: string): Promise<StudySnapshot>;
  /** A list that was frozen before. @throws PlumblineError not-found */
  snapshotOf(studyUid: string, inputDigest: string): Promise<StudySnapshot>;
  /** What happened to a study, oldest first. */
  events(studyUid: string): Promise<StudyEvent[]>;
  /** Every identity that the received instances name; more than one is a contradiction. */
  identities(studyUid: string): Promise<StudyIdentity[]>;
  /** Stop the study with a reason until a person releases it; workitems that exist go on. */
  hold(studyUid: string, code: ErrorCode, message: string, who: string): Promise<void>;
  /** Let a held study go on; the reason is kept. @throws PlumblineError not-found where it is not held */
  release(studyUid: string, reason: string, who: string): Promise<void>;
  /** Keep a message of an order system and do what it says; when it resolves it may be answered. */
  receiveOrder(message: OrderMessage): Promise<OrderAnswer>;
  /** Messages of order systems that were refused, newest first. */
  refusedMessages(limit: number): Promise<RefusedMessage[]>;
  /** The orders that a study belongs to; none where it came without one, or where they contradict it. */
  orders(studyUid: string): Promise<readonly StoredOrder[]>;
  /** The number that the patient of its images has now, where it was merged into another since they came. */
  mergedPatient(studyUid: string): Promise<{ readonly id: string; readonly issuer: string } | undefined>;
  /** Add to its events something that a person should know. */
  note(studyUid: string, code: string, message: string, who: string): Promise<void>;
}

/** One line of a study's history. */
export interface StudyEvent {
  readonly at: string;
  /** e.g. `ready`, `held`, `released`, `late-instances`, `instance-conflict`, `incomplete`. */
  readonly code: string;
  readonly message: string;
  readonly who: string;
}

export interface StudyIdentity {
  readonly patientId: string;
  readonly issuer: string;
  readonly instances: number;
}

export interface GateOptions {
  /** A study is ready when nothing came for so long. */
  readonly quietMs: number;
  /** Ready after so long in any case, counted from the first instance that was not read yet. */
  readonly deadlineMs: number;
}

/** Decides that a study is complete enough to read. All that it knows stands in rows. */
export interface StudyGate {
  /**
   * So many instances will come. When exactly they are there the study is ready at once; while some are missing it
   * waits for them until the deadline, however quiet it is.
   */
  expect(studyUid: string, instances: number): Promise<void>;
  /** Look now: freeze what is due and hand it over. @returns how many studies were handed over */
  tick(): Promise<number>;
  /** Look by itself from now on, whenever something is due. */
  start(): void;
  stop(): Promise<void>;
}

/** A study, series or instance that was found, and how much it holds. */
export interface Found {
  /** Stands for the study or series. */
  readonly first: StoredInstance;
  readonly series: number;
  readonly instances: number;
  /** Of a study or series, sorted. */
  readonly modalities: readonly string[];
}

export interface SearchQuery {
  readonly studyUid?: string;
  readonly seriesUid?: string;
  readonly match: readonly { readonly tag: string; readonly value: string }[];
  readonly fuzzy?: boolean;
  readonly limit: number;
  readonly offset: number;
}
