import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAssociation } from '../../../src/dimse/index.ts';
import { startDoor, type TestDoor } from '../../builders/dimse.ts';
import { askInVain } from '../../builders/refused.ts';

let door: TestDoor;
beforeAll(async () => {
  door = await startDoor({ associationSeconds: 0.2, maxAssociations: 4 });
});
afterAll(() => door.close());

/** Bytes of objects that are still reachable when every connection has ended. */
async function heap(): Promise<number> {
  const open = (): boolean => process.getActiveResourcesInfo().includes('TCPSocketWrap');
  for (let i = 0; open() && i < 100; i++) await new Promise((done) => setTimeout(done, 50));
  expect(open()).toBe(false);
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

describe('associations that come to nothing', () => {
  it('are each answered or cut, leave nothing in memory, and the door takes the next good one', async () => {
    await askInVain(door.port, 500, 32);
    const before = await heap();
    const counts = await askInVain(door.port, 3000, 32);
    expect(counts.asked).toBe(3000);
    // Two of five have another called AE title; the rest is cut. What finds no room is closed before it is read.
    expect(counts.rejected).toBeGreaterThan(0);
    expect(counts.rejected + counts.aborted + counts.closed).toBe(2400);
    expect(counts.other).toBe(600);
    // A connection that stayed would hold some kilobytes: 3000 of them more than this.
    expect((await heap()) - before).toBeLessThan(3_000_000);
    const peer = { name: 'door', host: '127.0.0.1', port: door.port, calledAet: 'PLUMBLINE', callingAet: 'GOOD' };
    const association = await openAssociation({ ...peer, timeoutMs: 10_000 }, [], new AbortController().signal);
    expect(await association.echo()).toBe(0);
    await association.release();
  }, 60_000);
});
