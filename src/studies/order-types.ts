/** Who an order is for, as the sender says. */
export interface OrderPatient {
  readonly id: string;
  /** Namespace of the assigning authority (PID-3.4.1). */
  readonly issuer: string;
  /** Its universal id where that is an OID (PID-3.4.2). */
  readonly issuerOid: string;
  /** ISO 8601 as exact as it came; '' where the sender says nothing. */
  readonly birthDate: string;
  /** `M`, `F`, `O`; '' where unknown or not said. */
  readonly sex: string;
}

/** What an order asks for. Texts that the sender leaves empty are ''. */
export interface OrderFacts {
  readonly placer: string;
  readonly filler: string;
  readonly accession: string;
  readonly studyUid: string;
  readonly requestedProcedure: string;
  readonly step: string;
  readonly procedure: { readonly code: string; readonly text: string; readonly scheme: string };
  readonly modality: string;
  /** Absent where the sender does not say. */
  readonly priority?: OrderPriority;
  readonly patient: OrderPatient;
}

/** 0 STAT, 1 high, 2 medium, 3 low. */
export type OrderPriority = 0 | 1 | 2 | 3;

/** What a message does. */
export type OrderAct =
  | {
      readonly kind: 'order';
      /** `new` makes it, `update` changes or makes it, `number` adds a number, `note` changes nothing. */
      readonly control: 'new' | 'update' | 'cancel' | 'hold' | 'release' | 'number' | 'note';
      readonly order: OrderFacts;
    }
  /** Birth date and sex of a patient are these now; '' with `deleted` removes, '' alone leaves. */
  | {
      readonly kind: 'demographics';
      readonly patient: OrderPatient;
      readonly deleted: readonly ('birthDate' | 'sex')[];
    }
  | { readonly kind: 'merge'; readonly patient: OrderPatient; readonly prior: OrderPatient }
  /** Somebody else's report. */
  | { readonly kind: 'report'; readonly accession: string; readonly studyUid: string; readonly status: string };

/** A message that a door received, before it is answered. */
export interface OrderMessage {
  /** Equal for the same message sent again. */
  readonly key: string;
  /** Equal where the content is the same. */
  readonly bodyDigest: string;
  /** Application and facility. */
  readonly sender: string;
  readonly type: string;
  readonly raw: Uint8Array;
  /** The door found it wrong: it is kept for people, and does nothing. */
  readonly refused: boolean;
  /** What it does, in order. */
  readonly acts: readonly OrderAct[];
  /** The answers to send and keep, by what became of it. */
  readonly answers: (outcome: OrderOutcome) => readonly string[];
}

/** `unknown-order`: a cancellation of what was never ordered. `refused`: the door found it wrong. */
export type OrderOutcome = 'accepted' | 'unknown-order' | 'refused';

export interface OrderAnswer {
  /** `repeated` gets the stored answer; `other-content` is the same control id with another message. */
  readonly outcome: OrderOutcome | 'repeated' | 'other-content';
  readonly answers: readonly string[];
}

/** A message that was answered AE or AR: who sent it, and what it was told. */
export interface RefusedMessage {
  readonly at: string;
  /** Application and facility. */
  readonly sender: string;
  readonly type: string;
  readonly answers: readonly string[];
}

export interface StoredOrder extends OrderFacts {
  readonly id: number;
  readonly sender: string;
  readonly state: 'open' | 'held' | 'cancelled';
  readonly priority: OrderPriority;
}

/** What an order means for work that exists. */
export interface OrderEffect {
  readonly studyUid: string;
  /**
   * `urgent`: not less urgent than `priority`. `cancelled`, `held`: what has not left yet stops. `rekeyed`: what has not
   * left yet shall name the patient's new number; where something has left, a person must look.
   */
  readonly kind: 'urgent' | 'cancelled' | 'held' | 'rekeyed';
  readonly priority: OrderPriority;
  readonly reason: string;
}
