import type { Clock, Log } from '../base/index.ts';
import type { Blobs, Database } from '../store/index.ts';
import type { Studies } from '../studies/index.ts';
import type { RetryPolicy } from './claims.ts';
import type { Workitem } from './types.ts';

export interface WorkOptions {
  readonly db: Database;
  readonly blobs: Blobs;
  readonly clock: Clock;
  readonly log: Log;
  readonly studies: Studies;
  /** A worker that says nothing for so long has lost its workitem. Default 60,000. */
  readonly leaseMs?: number;
  readonly retry?: Partial<RetryPolicy>;
  /**
   * Gives a drafted workitem to delivery. Told again after a crash or an error, so it must be harmless to repeat.
   */
  readonly onDrafted?: (item: Workitem) => Promise<void>;
  /** Takes a workitem back from delivery if nothing of it has left yet. @returns whether that was so */
  readonly withdraw?: (key: string) => Promise<boolean>;
}
