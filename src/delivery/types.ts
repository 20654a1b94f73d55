import type { Notice } from '../base/index.ts';
import type { R4Bundle, R5Bundle } from '../fhir/index.ts';

/** One DICOM object to be sent. */
export interface DeliverObject {
  readonly role: 'seg' | 'sr';
  readonly seriesUid: string;
  readonly instanceUid: string;
  readonly sopClass: string;
  /** Over transfer syntax and data set, as in `InstanceRef`. */
  readonly dataDigest: string;
  /** The Part 10 file. */
  readonly bytes: () => Promise<Uint8Array>;
}

/** Everything that one workitem may send, made for the profile of one destination. */
export interface DeliverContent {
  readonly workitem: string;
  readonly studyUid: string;
  readonly patientId: string;
  /** Issuer of Patient ID, empty where the images have none. */
  readonly issuer: string;
  /** SEGs before the SR that names them. */
  readonly objects: readonly DeliverObject[];
  readonly fhirR4: () => Promise<R4Bundle>;
  readonly fhirR5: () => Promise<R5Bundle>;
  /** ORU^R01 in UTF-8, without receiver. @throws PlumblineError not-found where it was not written in this version */
  readonly oru?: (version: '2.3.1' | '2.5.1') => Promise<string>;
}

/** What was last written to a destination, so that what others change there in between is noticed. */
export interface Ledger {
  /** Under which version the server keeps what we wrote last at `Type/id`; undefined where no write of ours is known. */
  versionOf(place: string): Promise<string | undefined>;
  wrote(place: string, version: string): Promise<void>;
}

/** A configured place that results go to. */
export interface Destination {
  readonly name: string;
  readonly kind: 'dicomweb' | 'fhir' | 'dimse' | 'hl7';
  /**
   * Send all of it and read it back where the protocol can; safe to call again after any failure.
   * @param ledger where the protocol has versions: what was written before, and where to say what is written now
   * @returns what a person should know although it was taken, if anything
   * @throws PlumblineError whose class decides what happens
   */
  readonly deliver: (
    content: DeliverContent,
    signal: AbortSignal,
    ledger?: Ledger,
  ) => Promise<readonly Notice[] | void>;
  /** Ask whether the peer is there and speaks the protocol. @returns what it said, in words */
  readonly check: (signal: AbortSignal) => Promise<string>;
}

export type DeliveryState = 'waiting' | 'sending' | 'delivered' | 'held' | 'dead' | 'superseded';

/** One row: one workitem to one destination. */
export interface DeliveryRow {
  readonly id: number;
  readonly workitem: string;
  readonly study: string;
  readonly destination: string;
  readonly state: DeliveryState;
  readonly attempts: number;
  /** Milliseconds since 1970 at which it is tried next, for `waiting`. */
  readonly nextAt: number;
  readonly code: string | null;
  /** What happened, in the peer's words where it gave any. */
  readonly message: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** One line of a delivery's story; equal tries in a row are one line. */
export interface DeliveryEvent {
  readonly at: string;
  readonly lastAt: string;
  readonly times: number;
  readonly event: 'delivered' | 'failed' | 'held' | 'dead' | 'superseded' | 'tried-again';
  /** '' where there is none. */
  readonly code: string;
  readonly message: string;
  /** Who asked for it, for `tried-again`. */
  readonly who: string;
}

/** How many deliveries of a destination are in a state that is not the last, by the code of their last failure. */
export interface DeliveryBacklog {
  readonly destination: string;
  readonly state: DeliveryState;
  readonly code: string;
  readonly n: number;
  /** When the oldest of them was made, milliseconds since 1970. */
  readonly oldestAt: number;
}
