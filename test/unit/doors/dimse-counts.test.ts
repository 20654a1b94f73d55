import { afterEach, describe, expect, it } from 'vitest';
import { openAssociation, type OutgoingAssociation } from '../../../src/dimse/index.ts';
import { datasetBytes, startDoor, type TestDoor } from '../../builders/dimse.ts';
import { ctFile, uidOf } from '../../builders/files.ts';

const ct = '1.2.840.10008.5.1.4.1.1.2';
const explicitLittle = '1.2.840.10008.1.2.1';
let door: TestDoor;
afterEach(() => door.close());

const call = (callingAet: string): Promise<OutgoingAssociation> =>
  openAssociation(
    { name: 'door', host: '127.0.0.1', port: door.port, calledAet: 'PLUMBLINE', callingAet, timeoutMs: 60_000 },
    [{ sopClass: ct, transferSyntax: explicitLittle }],
    new AbortController().signal,
  );

/** Send `n` instances of one study, one after the other, over one association. */
async function sendSome(lane: number, n: number): Promise<void> {
  const association = await call(`LANE${lane}`);
  for (let i = 0; i < n; i++) {
    const instance = `${lane}-${i}`;
    const dataset = datasetBytes(ctFile({ instance }));
    const what = { sopClass: ct, instanceUid: uidOf('instance', instance), transferSyntax: explicitLittle, dataset };
    expect((await association.store(what)).status).toBe(0);
  }
  await association.release();
}

describe('what an instance costs by C-STORE', () => {
  it('on one association: a file sync, a folder sync, a commit with a log sync, and eleven statements', async () => {
    door = await startDoor();
    await sendSome(0, 1); // the study is there
    const [blobs, db] = [{ ...door.blobs.counters }, { ...door.db.counters }];
    for (let lane = 1; lane <= 10; lane++) await sendSome(lane, 1);
    expect(door.blobs.counters.files - blobs.files).toBe(10);
    expect(door.blobs.counters.fileSyncs - blobs.fileSyncs).toBe(10);
    expect(door.blobs.counters.folderSyncs - blobs.folderSyncs).toBe(10);
    expect(door.db.counters.commits - db.commits).toBe(10);
    expect(door.db.counters.logSyncs - db.logSyncs).toBe(10);
    expect(door.db.counters.statements - db.statements).toBe(110);
    expect(door.db.counters.reads - db.reads).toBeLessThanOrEqual(20);
  });

  it('on four: no more of any, and never less than durable', async () => {
    door = await startDoor();
    await Promise.all([1, 2, 3, 4].map((lane) => sendSome(lane, 10)));
    const { files, fileSyncs, folderSyncs } = door.blobs.counters;
    const { transactions, commits, logSyncs, statements } = door.db.counters;
    expect([files, fileSyncs]).toEqual([40, 40]);
    // Shared where they wait at the same moment, which nobody can promise: one for each at most.
    for (const shared of [folderSyncs, transactions, commits, logSyncs]) {
      expect(shared).toBeGreaterThanOrEqual(10);
      expect(shared).toBeLessThanOrEqual(40);
    }
    expect(statements).toBeLessThanOrEqual(440);
    expect(await door.kept()).toHaveLength(40);
  });
});
