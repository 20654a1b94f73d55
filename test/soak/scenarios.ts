import { clock } from './scenarios/clock.ts';
import { diskFull } from './scenarios/disk-full.ts';
import { doors } from './scenarios/doors.ts';
import { kill } from './scenarios/kill.ts';
import { locked } from './scenarios/locked.ts';
import { peers } from './scenarios/peers.ts';
import { powerCut } from './scenarios/power-cut.ts';
import { slow } from './scenarios/slow.ts';
import { soak } from './scenarios/soak.ts';
import type { Scenario } from './types.ts';

/** Every fault of the rules, by the name that the command takes. */
export const scenarios: ReadonlyMap<string, Scenario> = new Map([
  ['soak', soak],
  ['kill', kill],
  ['power-cut', powerCut],
  ['disk-full', diskFull],
  ['locked', locked],
  ['clock', clock],
  ['peers', peers],
  ['slow', slow],
  ['doors', doors],
]);
