import { describe, expect, it } from 'vitest';
import { steadyClock } from '../../../src/base/index.ts';

const hour = 3_600_000;

/** A machine whose wall clock can be set; both of its clocks go on together. */
function machine() {
  let [wall, up] = [Date.UTC(2026, 0, 1), 0];
  const clock = steadyClock(
    () => wall,
    () => up,
  );
  const pass = (ms: number): void => {
    wall += ms;
    up += ms;
  };
  return { clock, pass, set: (ms: number) => void (wall += ms), wall: () => wall };
}

describe('the clock', () => {
  it('is the wall clock while nobody sets that', () => {
    const m = machine();
    for (const ms of [1, 250, 60_000, 30 * hour]) {
      m.pass(ms);
      expect(m.clock.now()).toBe(m.wall());
    }
  });

  it.each([
    ['an hour back', -hour],
    ['an hour on', hour],
    ['a day on', 24 * hour],
  ])('set by %s, does not jump: ten seconds last between five and fifteen', (_, jump) => {
    const m = machine();
    m.pass(1000);
    const before = m.clock.now();
    m.set(jump);
    expect(m.clock.now()).toBe(before);
    m.pass(10_000);
    const passed = m.clock.now() - before;
    expect(passed).toBeGreaterThanOrEqual(5000);
    expect(passed).toBeLessThanOrEqual(15_000);
  });

  it.each([-hour, hour])(
    'meets a wall clock that was set by %i ms again after twice as long, however often it is asked',
    (jump) => {
      const m = machine();
      m.set(jump);
      let last = m.clock.now();
      for (let asked = 0; asked < 2 * Math.abs(jump) - 10_000; asked += 5000) {
        m.pass(5000);
        expect(m.clock.now()).toBeGreaterThan(last);
        expect(m.clock.now()).not.toBe(m.wall());
        last = m.clock.now();
      }
      m.pass(20_000);
      expect(m.clock.now()).toBe(m.wall());
    },
  );

  it('gives whole milliseconds', () => {
    let up = 0.25;
    const clock = steadyClock(
      () => Math.floor(up),
      () => (up += 0.7),
    );
    for (let i = 0; i < 20; i++) expect(Number.isInteger(clock.now())).toBe(true);
  });
});
