import { asPlumblineError, type Log } from '../base/index.ts';
import type { Metrics } from './metrics.ts';
import type { Retained } from './retention.ts';

/** A while after the start, so that it disturbs no beginning, then every day. */
const firstRetentionMs = 600_000;
const dayMs = 86_400_000;

/** The retention policy, once a day; what it removes is counted, and a failure is logged and tried again the next day. */
export function dailyRetention(
  apply: () => Promise<Retained>,
  { retention }: Metrics,
  log: Log,
): { start(): void; stop(): Promise<void> } {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  const run = async (): Promise<void> => {
    const began = performance.now();
    try {
      const { deadLetters, received, results, messages, blobs } = await apply();
      retention.inc({ kind: 'dead-letters' }, deadLetters);
      retention.inc({ kind: 'received-instances' }, received.instances);
      retention.inc({ kind: 'results-studies' }, results.studies);
      retention.inc({ kind: 'messages' }, messages);
      retention.inc({ kind: 'blobs' }, blobs?.files ?? 0);
      const ms = Math.round(performance.now() - began);
      log.info('retention', { count: blobs?.files ?? 0, bytes: blobs?.bytes ?? 0, ms });
    } catch (e) {
      log.error('retention', { code: asPlumblineError(e).code });
    }
  };
  const loop = (pauseMs: number): void => {
    timer = setTimeout(() => {
      running = run().finally(() => timer && loop(dayMs));
    }, pauseMs);
    timer.unref();
  };
  return {
    start: () => loop(firstRetentionMs),
    stop: async () => {
      clearTimeout(timer);
      timer = undefined;
      await running;
    },
  };
}
