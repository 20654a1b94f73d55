/** A presentation context as it was proposed (PS3.8 7.1.1.13). */
export interface ProposedContext {
  readonly sopClass: string;
  /** In the order of the proposer. */
  readonly transferSyntaxes: readonly string[];
}

export interface Proposal {
  readonly callingAet: string;
  readonly calledAet: string;
  readonly contexts: readonly ProposedContext[];
}

/** Why an association is not taken (PS3.8 table 9-21). */
export type Rejection = 'calling-aet' | 'called-aet' | 'congestion' | 'local-limit';

/** What becomes of one context: the transfer syntax that is taken, or what is not supported. */
export type ContextAnswer =
  { readonly accept: string } | { readonly reject: 'abstract-syntax' } | { readonly reject: 'transfer-syntaxes' };

export type Verdict =
  | { readonly rejected: Rejection }
  /** One answer for each proposed context, in their order. */
  | { readonly contexts: readonly ContextAnswer[] };

/** A C-STORE request whose data set is about to come. UIDs are as the sender wrote them, not checked. */
export interface StoreRequest {
  readonly sopClass: string;
  readonly instanceUid: string;
  readonly transferSyntax: string;
}

/** The answer to a C-STORE (PS3.7 9.1.1.2). */
export interface StoreStatus {
  readonly status: number;
  /** Error Comment (0000,0902), at most 64 characters. */
  readonly comment?: string;
}

/** One object on its way in. Calls come one after the other. */
export interface Reception {
  /** Bytes of the data set as they were sent; they may be used again when the promise resolves. */
  write(fragment: Uint8Array): Promise<void>;
  /** The data set is complete. @returns what the sender is told */
  end(): Promise<StoreStatus>;
  /** The association broke before the end. */
  discard(): Promise<void>;
}

/** What stands behind a listening socket. */
export interface Provider {
  readonly associate: (proposal: Proposal) => Promise<Verdict>;
  readonly store: (request: StoreRequest) => Reception;
}
