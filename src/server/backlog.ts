import type { DeliveryBacklog } from '../delivery/index.ts';
import type { StudyBacklog } from '../studies/index.ts';
import type { WorkBacklog } from '../work/index.ts';

/** What waits for a person, by reason. */
export interface Hold {
  readonly what: 'study' | 'workitem' | 'delivery';
  readonly code: string;
  readonly n: number;
  /** When the oldest of them came, milliseconds since 1970. */
  readonly oldestAt: number;
}

/** Of everything that is not done, what only a person can move: held, failed, dead letters. Most first. */
export function heldOf(
  studies: readonly StudyBacklog[],
  work: readonly WorkBacklog[],
  deliveries: readonly DeliveryBacklog[],
): Hold[] {
  const needy = [
    ...studies.filter((s) => s.state === 'held').map((s) => ({ ...s, what: 'study' as const })),
    ...work.filter((w) => w.state === 'held' || w.state === 'failed').map((w) => ({ ...w, what: 'workitem' as const })),
    ...deliveries
      .filter((d) => d.state === 'held' || d.state === 'dead')
      .map((d) => ({ ...d, what: 'delivery' as const })),
  ];
  const groups = Map.groupBy(needy, (n) => JSON.stringify([n.what, n.code]));
  return [...groups.values()]
    .map((group) => ({
      what: group[0]!.what,
      code: group[0]!.code,
      n: group.reduce((sum, g) => sum + g.n, 0),
      oldestAt: Math.min(...group.map((g) => g.oldestAt)),
    }))
    .sort((a, b) => b.n - a.n || (a.code < b.code ? -1 : 1));
}
