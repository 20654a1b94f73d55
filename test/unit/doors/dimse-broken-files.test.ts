import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { brokenCases, goodInstance, judgeStore, sendBroken, type StoreAnswer } from '../../builders/broken-by-store.ts';
import { startDoor, type TestDoor } from '../../builders/dimse.ts';
import { missing } from '../../peers/index.ts';

describe.skipIf(missing('shared'))('damaged and hostile files by C-STORE', () => {
  let door: TestDoor;
  let answers: ReadonlyMap<string, StoreAnswer>;
  const cases = missing('shared') ? [] : brokenCases();
  beforeAll(async () => {
    door = await startDoor();
    answers = await sendBroken(door.port, cases);
  }, 120_000);
  afterAll(() => door.close());

  it.each(cases)('$file gets the status that its index asks for, or one as good', (c) => {
    expect(judgeStore(c, answers.get(c.file)!).worse).toBeUndefined();
  });

  it('are kept where they were answered 0000, and nothing else is but the good object after each', async () => {
    const taken = [...answers.values()].filter((a) => a.status === '0000').map((a) => a.sent.instanceUid);
    const good = cases.map((_, i) => goodInstance(i));
    expect((await door.kept()).toSorted()).toEqual([...new Set([...taken, ...good])].toSorted());
    expect(taken.length).toBeGreaterThan(90);
    expect(door.staged()).toEqual([]);
  });
});
