import { describe, expect, it } from 'vitest';
import { createInOrder } from '../../../src/doors/hl7/in-order.ts';

interface Step {
  readonly promise: Promise<string>;
  readonly resolve: (value: string) => void;
  readonly reject: (error: unknown) => void;
}

function pipeline(most: number, mayBegin: () => Promise<void> = async () => {}) {
  const begun: number[] = [];
  const told: string[] = [];
  const failures: unknown[] = [];
  const inOrder = createInOrder<string>({
    most,
    mayBegin,
    tell: (result) => told.push(result),
    fail: (error) => failures.push(error),
  });
  const steps: Step[] = [];
  const push = (): void => {
    const i = steps.push(Promise.withResolvers<string>()) - 1;
    inOrder.push(() => {
      begun.push(i);
      return steps[i]!.promise;
    });
  };
  return { begun, told, failures, inOrder, steps, push };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('work in order', () => {
  it('is begun before the one before it has ended, and told in the order of coming', async () => {
    const { begun, told, inOrder, steps, push } = pipeline(8);
    for (let i = 0; i < 4; i++) push();
    await turn();
    expect(begun).toEqual([0, 1, 2, 3]);
    for (const i of [3, 1, 0]) steps[i]!.resolve(`${i}`);
    await turn();
    expect(told).toEqual(['0', '1']);
    steps[2]!.resolve('2');
    await inOrder.idle();
    expect(told).toEqual(['0', '1', '2', '3']);
    expect(inOrder.count).toBe(0);
  });

  it('is never more than its bound, and goes on when one has been told', async () => {
    const { begun, inOrder, steps, push } = pipeline(2);
    for (let i = 0; i < 5; i++) push();
    await turn();
    expect([begun, inOrder.count]).toEqual([[0, 1], 5]);
    steps[0]!.resolve('');
    await turn();
    expect(begun).toEqual([0, 1, 2]);
    for (const step of steps) step.resolve('');
    await inOrder.idle();
    expect(begun).toEqual([0, 1, 2, 3, 4]);
  });

  it('ends at the first failure: what came before is told, nothing after, and nothing more is begun', async () => {
    const { begun, told, failures, inOrder, steps, push } = pipeline(3);
    for (let i = 0; i < 5; i++) push();
    await turn();
    for (const i of [2, 3, 4]) steps[i]!.resolve(`${i}`);
    steps[1]!.reject(new Error('full'));
    await turn();
    expect(failures).toEqual([]);
    steps[0]!.resolve('0');
    await inOrder.idle();
    push();
    await inOrder.idle();
    expect([told, failures.map(String)]).toEqual([['0'], ['Error: full']]);
    expect(begun).not.toContain(4);
    expect(begun).not.toContain(5);
  });

  it('is not begun where it may not be, and fails as that says', async () => {
    const { begun, failures, inOrder, push } = pipeline(3, () => Promise.reject(new Error('no room')));
    push();
    push();
    await inOrder.idle();
    expect([begun, failures.map(String)]).toEqual([[], ['Error: no room']]);
  });
});
