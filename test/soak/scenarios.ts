import { locked } from './scenarios/locked.ts';
import { diskFull } from './scenarios/disk-full.ts';
import { clock } from './scenarios/clock.ts';
import { kill } from './scenarios/kill.ts';
import type { Scenario } from './types.ts';

/** Every fault of the rules, by the name that the command takes. */
export const scenarios: ReadonlyMap<string, Scenario> = new Map([
  ['kill', kill],
  ['locked', locked],
  ['disk-full', diskFull],
  ['clock', clock],
]);
