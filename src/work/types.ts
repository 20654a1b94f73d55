import type { DicomJson, InstanceRef, Parts } from '../base/index.ts';
import type { StudySnapshot } from '../studies/index.ts';
import type { RouteDecision } from './routes.ts';

/**
 * `waiting → ready → claimed → drafted → delivered`, beside `held` (a person must look), `failed` (ours) and
 * `cancelled`. `waiting` is for a time or an event, `ready` for a worker.
 */
export type WorkitemState = 'waiting' | 'ready' | 'claimed' | 'drafted' | 'delivered' | 'held' | 'failed' | 'cancelled';

/** As in a RIS: what is urgent goes first, then what is old. */
export type Priority = 'stat' | 'high' | 'medium' | 'low';

/** One (study, task, bundle) to be done, on one frozen list of instances. */
export interface Workitem {
  /** SHA-256 hex of patient, study, task, prompt, bundle digest and input digest. Same key, same workitem. */
  readonly key: string;
  readonly studyUid: string;
  readonly patientId: string;
  readonly issuer: string;
  readonly snapshotDigest: string;
  /** Over the instances of the snapshot that the route reads. */
  readonly inputDigest: string;
  readonly route: RouteDecision;
  readonly bundleDigest: string;
  readonly priority: Priority;
  readonly state: WorkitemState;
  /** Addresses of what the stages wrote. */
  readonly outputs: {
    readonly answered?: string;
    readonly draft?: string;
    readonly masks?: string;
    readonly encodings?: string;
  };
  readonly fence: number;
  /** Claims since the last stage that ended well. */
  readonly attempts: number;
  /** When it is tried again, for `waiting`. */
  readonly notBefore: string;
  /** Why it is where it is, for `held`, `failed`, and after a try that failed. */
  readonly code?: string;
  readonly message?: string;
  readonly remedy?: string;
  readonly replaces?: string;
  readonly supersededBy?: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface NewWork {
  readonly snapshot: StudySnapshot;
  readonly route: RouteDecision;
  /** Digest of the bundle that the route names. */
  readonly bundleDigest: string;
  readonly priority?: Priority;
}

export type Enqueued =
  | { readonly outcome: 'created' | 'existing'; readonly key: string; readonly replaced: readonly string[] }
  /** Instances came after the study was read, and the route says never to read it again. */
  | { readonly outcome: 'late' };

/** One line of a workitem's life. */
export interface WorkEvent {
  readonly at: string;
  /** `created claimed answered drafted encoded delivered retry held failed cancelled superseded released tried-again`. */
  readonly event: string;
  readonly detail: string;
}

/** What a stage works on. */
export interface StageInput {
  readonly item: Workitem;
  /** The instances that the route reads, and only these. */
  readonly snapshot: StudySnapshot;
  /** Fires when the claim is lost or the program ends: stop, nothing will be kept. */
  readonly signal: AbortSignal;
}

/** The stages of the pipeline as the durable runner sees them: bytes in, bytes out, the same out for the same in. */
export interface Stages {
  answer(input: StageInput): Promise<Uint8Array>;
  draft(input: StageInput, answered: Uint8Array): Promise<DraftBytes>;
  /** All encodings of the draft, or a PlumblineError that says why none may leave. */
  encode(input: StageInput, made: DraftBytes, answered: Uint8Array): Promise<readonly EncodedFile[]>;
}

export interface DraftBytes {
  readonly draft: Uint8Array;
  readonly masks: Uint8Array;
}

/** One file of an encoding set: `seg-1.dcm`, `sr-1.dcm`, `fhir-r4.json`, `report.html` … */
export interface EncodedFile {
  readonly name: string;
  readonly mediaType: string;
  readonly parts: Parts;
  /** For DICOM objects: kept in the instance table too, so that our own DICOMweb service shows them. */
  readonly dicom?: { readonly ref: InstanceRef; readonly attributes: DicomJson };
}

/** What lies in the blob store of one workitem. */
export interface EncodingManifest {
  readonly schema: 'plumbline.encodings/1';
  readonly key: string;
  readonly files: readonly {
    readonly name: string;
    readonly mediaType: string;
    readonly digest: string;
    readonly bytes: number;
    readonly dicom?: InstanceRef;
  }[];
}

/** How many workitems are in a state that is not the last, by reason. */
export interface WorkBacklog {
  readonly state: WorkitemState;
  /** '' where there is none. */
  readonly code: string;
  readonly n: number;
  /** When the oldest of them was made, milliseconds since 1970. */
  readonly oldestAt: number;
}

export interface WorkFilter {
  readonly state?: WorkitemState;
  readonly studyUid?: string;
  readonly code?: string;
  /** Beginning of the key. */
  readonly key?: string;
  /** Made at this time or later, milliseconds since 1970. */
  readonly since?: number;
  readonly limit?: number;
  readonly offset?: number;
}

export interface Work {
  /** Put a workitem for a route's answer to a snapshot, by the route's late policy where the study was read before. */
  enqueue(work: NewWork): Promise<Enqueued>;
  /** Claim the next workitem and take it as far as it goes. @returns it as it stands then; undefined where none is due */
  runOne(stages: Stages, worker?: string): Promise<Workitem | undefined>;
  startWorkers(options: { readonly concurrency: number; readonly stages: Stages }): Workers;
  get(key: string): Promise<Workitem | undefined>;
  /** Newest first. */
  list(filter?: WorkFilter): Promise<Workitem[]>;
  timeline(key: string): Promise<WorkEvent[]>;
  /** How many are in each state. */
  counts(): Promise<Readonly<Record<WorkitemState, number>>>;
  /** What is not done, counted; one statement. */
  backlog(): Promise<WorkBacklog[]>;
  /** What was written for a drafted workitem. @throws PlumblineError not-found */
  encodings(key: string): Promise<EncodingManifest>;
  /** The draft and its masks as the draft stage wrote them. @throws PlumblineError not-found */
  draft(key: string): Promise<DraftBytes>;
  /** All destinations have it. @returns false where it is not `drafted` (any more) */
  markDelivered(key: string): Promise<boolean>;
  /** Give a held, failed or cancelled workitem another life; stages that ended well are not done again. */
  retry(key: string, reason: string, who: string): Promise<void>;
  hold(key: string, reason: string, who: string): Promise<void>;
  /** Write the encodings of a claimed or drafted workitem anew, of which nothing has left; other stages are not done again. */
  encodeAgain(key: string, reason: string, who: string): Promise<void>;
  cancel(key: string, reason: string, who: string): Promise<void>;
  /** Let what waits of a study be at least so urgent; nothing is made less so. */
  urge(studyUid: string, priority: Priority): Promise<void>;
}

export interface Workers {
  /** Take nothing new and wait for what is in work; with `abort`, stop that too and give it back. */
  stop(options?: { readonly abort?: boolean }): Promise<void>;
}
