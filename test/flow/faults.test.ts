import { describe, expect, it } from 'vitest';
import { scenarios } from '../soak/scenarios.ts';

/** Few of everything; `npm run soak -- NAME` is the long form. */
const plan = { short: true, seed: 9, messages: 300, associations: 12, minutes: 0 };

describe('under a fault', () => {
  it.each([...scenarios.keys()])('%s: everything acknowledged is kept, nothing is done twice', async (name) => {
    const { rows, breaches } = await scenarios.get(name)!(plan);
    expect(breaches).toEqual([]);
    expect(rows.length).toBeGreaterThan(0);
  }, 120_000); // prettier-ignore
});
