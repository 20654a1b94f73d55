import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PlumblineError, silentLog, type ErrorCode, type LogFields } from '../../../src/base/index.ts';
import {
  openDelivery,
  pauseMs,
  type DeliverContent,
  type Delivery,
  type DeliveryOptions,
  type Destination,
} from '../../../src/delivery/index.ts';
import { openDatabase, type Database } from '../../../src/store/index.ts';

let dir: string;
let db: Database;
let now: number;
let delivered: string[];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'plumbline-delivery-'));
  db = await openDatabase(join(dir, 'plumbline.db'));
  now = Date.UTC(2026, 0, 1);
  delivered = [];
});
afterEach(async () => {
  await db.close();
  rmSync(dir, { recursive: true, force: true });
});

/** A destination that fails in turn with the given codes, then takes everything. */
function flaky(name: string, ...failures: ErrorCode[]): Destination & { readonly taken: string[]; tries: number } {
  const self = {
    name,
    kind: 'dicomweb' as const,
    taken: [] as string[],
    tries: 0,
    deliver: async (content: DeliverContent) => {
      self.tries++;
      const code = failures.shift();
      if (code) throw new PlumblineError(code, `${name}: ${code}`);
      self.taken.push(content.workitem);
    },
    check: async () => 'there',
  };
  return self;
}

function open(...destinations: Destination[]): Delivery {
  return openWith({}, ...destinations);
}

function openWith(change: Partial<DeliveryOptions>, ...destinations: Destination[]): Delivery {
  return openDelivery({
    db,
    clock: { now: () => now },
    log: silentLog,
    destinations,
    firstPauseMs: 1000,
    maxPauseMs: 60_000,
    giveUpAfterMs: 3_600_000,
    content: async (workitem) => ({
      workitem,
      studyUid: '1.2',
      patientId: 'P',
      issuer: '',
      objects: [],
      fhirR4: () => Promise.reject(new Error('unused')),
      fhirR5: () => Promise.reject(new Error('unused')),
    }),
    onDelivered: async (workitem) => void delivered.push(workitem),
    random: () => 1,
    ...change,
  });
}

describe('a delivery', () => {
  it('goes to each destination once, and the workitem is delivered when all have it', async () => {
    const [pacs, ehr] = [flaky('pacs'), flaky('ehr')];
    const delivery = open(pacs, ehr);
    await delivery.enqueue('w1', '1.2', ['pacs', 'ehr']);
    await delivery.enqueue('w1', '1.2', ['pacs', 'ehr']);
    await delivery.runDue();
    await delivery.runDue();
    expect([pacs.taken, ehr.taken]).toEqual([['w1'], ['w1']]);
    expect(new Set(delivered)).toEqual(new Set(['w1']));
  });

  it('keeps what a peer said about what it took', async () => {
    const notices = [{ code: 'peer-coerced', message: 'took it with B000H' }];
    const delivery = open({ ...flaky('pacs'), deliver: async () => notices });
    await delivery.enqueue('w1', '1.2', ['pacs']);
    await delivery.runDue();
    expect(await delivery.rows()).toMatchObject([{ state: 'delivered', ...notices[0] }]);
    expect(delivered).toEqual(['w1']);
  });

  it('without a destination is delivered at once', async () => {
    await open().enqueue('w1', '1.2', []);
    expect(delivered).toEqual(['w1']);
  });

  it('waits and comes again after passing trouble, with a growing pause', async () => {
    const pacs = flaky('pacs', 'peer-unreachable', 'peer-busy');
    const delivery = open(pacs);
    await delivery.enqueue('w1', '1.2', ['pacs']);
    await delivery.runDue();
    expect(await delivery.rows()).toMatchObject([
      { state: 'waiting', attempts: 1, nextAt: now + 1000, code: 'peer-unreachable' },
    ]);
    await delivery.runDue();
    expect(pacs.tries).toBe(1);
    now += 1000;
    await delivery.runDue();
    expect(await delivery.rows()).toMatchObject([{ attempts: 2, nextAt: now + 2000 }]);
    now += 2000;
    await delivery.runDue();
    expect(await delivery.rows({ state: 'delivered' })).toHaveLength(1);
  });

  it.each([
    ['peer-refused', 'dead'],
    ['read-back-differs', 'held'],
    ['peer-unauthorized', 'held'],
    ['superseded', 'superseded'],
    ['encoding-invalid', 'dead'],
  ] as const)('after %s is %s', async (code, state) => {
    const delivery = open(flaky('pacs', code));
    await delivery.enqueue('w1', '1.2', ['pacs']);
    await delivery.runDue();
    expect(await delivery.rows()).toMatchObject([{ state, code, message: `pacs: ${code}` }]);
    // Where a person has signed already, nothing is left to do.
    expect(delivered).toEqual(state === 'superseded' ? ['w1'] : []);
  });

  it('that fails does not keep other destinations from getting theirs', async () => {
    const [pacs, ehr] = [flaky('pacs', 'peer-unreachable'), flaky('ehr')];
    const delivery = open(pacs, ehr);
    await delivery.enqueue('w1', '1.2', ['pacs', 'ehr']);
    await delivery.runDue();
    expect(ehr.taken).toEqual(['w1']);
  });

  it('to a destination that hangs keeps no other from its next one', async () => {
    const hangs: Destination = {
      ...flaky('ehr'),
      deliver: (_content, signal) =>
        new Promise((_done, failed) => signal.addEventListener('abort', () => failed(new Error('stopped')))),
    };
    const pacs = flaky('pacs');
    const delivery = open(pacs, hangs);
    delivery.start();
    await delivery.enqueue('w1', '1.2', ['pacs', 'ehr']);
    await delivery.enqueue('w2', '1.3', ['pacs']);
    for (let i = 0; i < 200 && pacs.taken.length < 2; i++) await new Promise((done) => setTimeout(done, 10));
    expect(pacs.taken).toEqual(['w1', 'w2']);
    await delivery.stop();
    expect(await delivery.rows({ state: 'waiting' })).toMatchObject([{ destination: 'ehr', attempts: 0 }]);
  });

  it('that cannot be delivered for too long becomes a dead letter, and gets another life by hand', async () => {
    const pacs = flaky('pacs', 'peer-unreachable', 'peer-unreachable');
    const delivery = open(pacs);
    await delivery.enqueue('w1', '1.2', ['pacs']);
    await delivery.runDue();
    now += 3_700_000;
    await delivery.runDue();
    const [row] = await delivery.rows({ state: 'dead' });
    expect(row).toMatchObject({ attempts: 2 });
    await delivery.retry(row!.id, 'archive is back');
    await delivery.runDue();
    expect(pacs.taken).toEqual(['w1']);
  });

  it('that was cut while it was sent is tried again by the next process', async () => {
    await open(flaky('pacs')).enqueue('w1', '1.2', ['pacs']);
    await db.run("UPDATE delivery SET state = 'sending'");
    const pacs = flaky('pacs');
    await open(pacs).runDue();
    expect(pacs.taken).toEqual(['w1']);
  });

  it('whose end the store could not write is asked for again by the same process, and its lane goes on', async () => {
    const locked = { end: false };
    const store = db;
    const refused = (): Promise<never> => Promise.reject(new PlumblineError('store-locked', 'locked'));
    db = {
      ...store,
      run: (text, ...params) => (locked.end ? refused() : store.run(text, ...params)),
      transaction: (work) => (locked.end ? refused() : store.transaction(work)),
    };
    const pacs = flaky('pacs');
    const delivery = open({
      ...pacs,
      deliver: async (content, signal) => {
        await pacs.deliver(content, signal);
        locked.end = pacs.tries === 1;
      },
    });
    await delivery.enqueue('w1', '1.2', ['pacs']);
    await delivery.enqueue('w2', '1.3', ['pacs']);
    await expect(delivery.runDue()).rejects.toMatchObject({ code: 'store-locked' });
    locked.end = false;
    await delivery.runDue();
    expect(pacs.taken).toEqual(['w1', 'w1', 'w2']);
    expect((await delivery.rows()).map((r) => r.state)).toEqual(['delivered', 'delivered']);
    expect(delivered).toEqual(['w1', 'w2']);
    db = store;
  });

  it('of which nobody could be told is told again, and not sent again', async () => {
    const pacs = flaky('pacs');
    let deaf = true;
    const onDelivered = async (workitem: string): Promise<void> => {
      if (deaf) throw new PlumblineError('store-locked', 'locked');
      delivered.push(workitem);
    };
    const delivery = openWith({ onDelivered }, pacs);
    await delivery.enqueue('w1', '1.2', ['pacs']);
    await expect(delivery.runDue()).rejects.toMatchObject({ code: 'store-locked' });
    deaf = false;
    await delivery.runDue();
    expect(delivered).toEqual(['w1']);
    expect(pacs.taken).toEqual(['w1']);
  });

  it('that waits goes on where the clock has gone back before the program starts again', async () => {
    const delivery = open(flaky('pacs', 'peer-busy'));
    await delivery.enqueue('w1', '1.2', ['pacs']);
    await delivery.runDue();
    now -= 24 * 3_600_000;
    const pacs = flaky('pacs');
    await open(pacs).runDue();
    expect(pacs.taken).toEqual(['w1']);
  });

  it('to a destination that is not configured is refused by name', async () => {
    await expect(open(flaky('pacs')).enqueue('w1', '1.2', ['archive'])).rejects.toMatchObject({
      code: 'config-invalid',
      where: 'archive',
    });
  });
});

describe('a lane', () => {
  const unreachable = (n: number): ErrorCode[] => Array.from({ length: n }, () => 'peer-unreachable');

  it('of a peer that is away asks it by one delivery at a time, and goes on when it answers', async () => {
    const pacs = flaky('pacs', ...unreachable(4));
    const delivery = open(pacs);
    for (const key of ['w1', 'w2', 'w3', 'w4', 'w5']) await delivery.enqueue(key, '1.2', ['pacs']);
    for (let n = 0; n < 6; n++) await delivery.runDue();
    // Three deliveries failed; the two others are due, and wait with them.
    expect(pacs.tries).toBe(3);
    expect(delivery.lanes()).toEqual([
      { destination: 'pacs', state: 'open', failures: 3, code: 'peer-unreachable', since: now, nextAt: now + 1000 },
    ]);
    now += 1000;
    await delivery.runDue();
    expect(pacs.tries).toBe(4);
    expect(delivery.lanes()).toMatchObject([{ state: 'open', nextAt: now + 2000 }]);
    now += 2000;
    await delivery.runDue();
    expect(pacs.taken).toHaveLength(5);
    expect(delivery.lanes()).toEqual([{ destination: 'pacs', state: 'closed', failures: 0 }]);
  });

  it('asks a peer that was away for days again within a minute', async () => {
    const pacs = flaky('pacs', ...unreachable(40));
    const delivery = open(pacs);
    await delivery.enqueue('w1', '1.2', ['pacs']);
    for (let n = 0; n < 41; n++) {
      await delivery.enqueue(`more ${n}`, '1.2', ['pacs']);
      await delivery.runDue();
      now += 60_000;
    }
    expect(pacs.tries).toBeGreaterThan(40);
    expect(delivery.lanes()).toMatchObject([{ state: 'closed' }]);
  });

  it('is not opened by a peer that refuses: it answers', async () => {
    const pacs = flaky('pacs', 'peer-refused', 'peer-refused', 'peer-refused', 'peer-refused');
    const delivery = open(pacs);
    for (const key of ['w1', 'w2', 'w3', 'w4', 'w5']) await delivery.enqueue(key, '1.2', ['pacs']);
    await delivery.runDue();
    expect(pacs.taken).toEqual(['w5']);
    expect(delivery.lanes()).toMatchObject([{ state: 'closed', failures: 0 }]);
  });

  it('logs an outage once, and its end with the number of failures', async () => {
    const pacs = flaky('pacs', ...unreachable(9));
    const said: string[] = [];
    const note = (event: string, fields: LogFields = {}): void =>
      void said.push(`${event} ${fields.count ?? ''}`.trim());
    const delivery = openWith({ log: { info: note, warn: note, error: note } }, pacs);
    await delivery.enqueue('w1', '1.2', ['pacs']);
    for (let n = 0; n < 12; n++) {
      await delivery.runDue();
      now += 120_000;
    }
    expect(said).toEqual(['delivery failed', 'destination rests', 'destination answers again 9', 'delivered']);
  });
});

describe('the story of a delivery', () => {
  it('has a line for each change, and a number for what repeats', async () => {
    const pacs = flaky('pacs', 'peer-unreachable', 'peer-unreachable', 'peer-busy', 'peer-refused');
    const delivery = open(pacs);
    await delivery.enqueue('w1', '1.2', ['pacs']);
    for (let n = 0; n < 5; n++) {
      await delivery.runDue();
      now += 60_000;
    }
    const [row] = await delivery.rows();
    await delivery.retry(row!.id, 'registered there now', 'Ada');
    await delivery.runDue();
    expect(await delivery.events(row!.id)).toMatchObject([
      { event: 'failed', code: 'peer-unreachable', times: 2 },
      { event: 'failed', code: 'peer-busy', times: 1 },
      { event: 'dead', code: 'peer-refused', times: 1 },
      { event: 'tried-again', message: 'registered there now', who: 'Ada' },
      { event: 'delivered', code: '' },
    ]);
  });

  it('ends with a workitem that was taken back, and is not that of the next', async () => {
    const delivery = open(flaky('pacs'));
    await delivery.enqueue('w1', '1.2', ['pacs']);
    expect(await delivery.withdraw('w1')).toBe(true);
    expect(await db.all('SELECT * FROM delivery_events')).toEqual([]);
  });
});

describe('the pause', () => {
  it('doubles up to its ceiling, is spread by chance, and is never shorter than the peer asked', () => {
    const o = { firstMs: 1000, maxMs: 10_000 };
    expect([1, 2, 3, 4, 5, 60].map((n) => pauseMs(n, o, 1))).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000]);
    expect(pauseMs(3, o, 0.25)).toBe(1000);
    expect(pauseMs(1, o, 0.1, 30_000)).toBe(30_000);
    expect(pauseMs(1, o, 0.1, 10 ** 12)).toBe(3_600_000);
    expect(pauseMs(1, o, 0)).toBeGreaterThan(0);
  });
});

it('a destination finds again which versions it left, after a start too, and never those of another', async () => {
  const seen: (string | undefined)[] = [];
  const noting = (name: string): Destination => ({
    ...flaky(name),
    deliver: async (_content, _signal, ledger) => {
      seen.push(await ledger!.versionOf('DiagnosticReport/1'));
      await ledger!.wrote('DiagnosticReport/1', `${name} ${seen.length}`);
    },
  });
  for (const [workitem, name] of [
    ['w1', 'ehr'],
    ['w2', 'ehr'],
    ['w3', 'other'],
  ] as const) {
    const delivery = open(noting('ehr'), noting('other'));
    await delivery.enqueue(workitem, '1.2', [name]);
    await delivery.runDue();
    await delivery.stop();
  }
  expect(seen).toEqual([undefined, 'ehr 1', undefined]);
});
