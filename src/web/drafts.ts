/** What the pages show of one workitem and its draft. */
export interface DraftRow {
  /** Workitem key; part of addresses of pages. */
  readonly key: string;
  readonly studyUid: string;
  readonly state: 'waiting' | 'ready' | 'claimed' | 'drafted' | 'delivered' | 'held' | 'failed' | 'cancelled';
  /** Name and version of the bundle. */
  readonly bundle: string;
  readonly task: string;
  /** ISO 8601 UTC. */
  readonly updatedAt: string;
  /** What was found, in a few words: `3 findings with masks, 2 negative`. */
  readonly found?: string;
  /** Why it stands still. */
  readonly reason?: { readonly code: string; readonly message: string; readonly remedy: string };
  /** Names that `file` knows: `report.html`, `seg-1.dcm`, `sr-1.dcm`, `fhir-r4.json` … */
  readonly files: readonly string[];
}

/** One event of a study's story, oldest first. */
export interface TimelineEntry {
  /** ISO 8601 UTC. */
  readonly at: string;
  /** e.g. `received`, `ready`, `drafted`, `delivered`. */
  readonly event: string;
  readonly text: string;
}

/** Where the pages get drafts from; the server wires it to work and store. */
export interface DraftFiles {
  /** Newest first; of one study where it is named. */
  list(limit: number, studyUid?: string): Promise<readonly DraftRow[]>;
  /** Undefined where there is no such workitem or file. */
  file(key: string, name: string): Promise<Uint8Array | undefined>;
  timeline(studyUid: string): Promise<readonly TimelineEntry[]>;
}
