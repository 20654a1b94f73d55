import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog, type Log } from '../../../src/base/index.ts';
import {
  openStudies,
  urgencyOf,
  type OrderEffect,
  type Studies,
  type StudyGate,
  type StudySnapshot,
} from '../../../src/studies/index.ts';
import { judge, type StudyClaims } from '../../../src/studies/reconcile.ts';
import type { StoredOrder } from '../../../src/studies/order-types.ts';
import { takeMessage } from '../../../src/doors/hl7/index.ts';
import { adt, answered, doorDefaults, orm, type OrderSketch } from '../../builders/hl7.ts';
import {
  admissions,
  deadlineMs,
  fromStow,
  quietMs,
  slices,
  testClock,
  testStore,
  uid,
  type TestStore,
} from '../../builders/store.ts';

const claims: StudyClaims = {
  studyUid: '1.2.3',
  accession: 'ACC1',
  patientId: 'P1',
  issuer: 'HOSP',
  birthDate: '1961-04-12',
  sex: 'F',
};
const plain: StoredOrder = {
  id: 1,
  sender: 'RIS|HOSP',
  state: 'open',
  placer: 'PL1',
  filler: 'FI1',
  accession: 'ACC1',
  studyUid: '',
  requestedProcedure: '',
  step: '',
  procedure: { code: 'CT', text: '', scheme: '' },
  modality: 'CT',
  priority: 2,
  patient: { id: 'P1', issuer: 'HOSP', issuerOid: '', birthDate: '1961-04-12', sex: 'F' },
};
const order = (change: Partial<StoredOrder>, patient: Partial<StoredOrder['patient']> = {}): StoredOrder => ({
  ...plain,
  ...change,
  patient: { ...plain.patient, ...patient },
});
const decided = (
  orders: readonly StoredOrder[],
  of: Partial<StudyClaims> = {},
  numbers: readonly { id: string; issuer: string }[] = [{ id: 'P1', issuer: 'HOSP' }],
): string => {
  const verdict = judge({ ...claims, ...of }, orders, numbers);
  return verdict.kind === 'hold' ? verdict.code : `match ${verdict.orders.map((o) => o.id).join()}`;
};

describe('an order and the images', () => {
  it.each<[string, string, readonly StoredOrder[], Partial<StudyClaims>]>([
    ['no order', 'match ', [], {}],
    ['accession and patient', 'match 1', [plain], {}],
    ['UID, accession and patient', 'match 1', [order({ studyUid: '1.2.3' })], {}],
    ['UID and patient, no accession in the images', 'match 1', [order({ studyUid: '1.2.3' })], { accession: '' }],
    ['another birth date', 'order-demographics', [order({}, { birthDate: '1961-05-12' })], {}],
    ['another sex', 'order-demographics', [order({}, { sex: 'M' })], {}],
    ['a sex that is not told', 'match 1', [order({}, { sex: 'O' })], {}],
    ['a birth date that is less exact', 'match 1', [order({}, { birthDate: '1961-04' })], {}],
    ['no birth date', 'match 1', [order({}, { birthDate: '' })], {}],
    ['another patient number', 'order-patient', [order({}, { id: 'P2' })], {}],
    ['another patient number, the UID equal', 'order-patient', [order({ studyUid: '1.2.3' }, { id: 'P2' })], {}],
    ['the number of another issuer', 'order-patient', [order({}, { issuer: 'OTHER' })], {}],
    ['an issuer by its OID', 'match 1', [order({}, { issuer: 'X', issuerOid: '1.9' })], { issuer: '1.9' }],
    ['no issuer on one side', 'match 1', [order({}, { issuer: '' })], {}],
    ['another accession, the UID equal', 'order-accession', [order({ studyUid: '1.2.3', accession: 'ACC9' })], {}],
    ['two orders, one with the UID', 'match 2', [order({ studyUid: '1.9' }), order({ id: 2, studyUid: '1.2.3' })], {}],
    [
      'two orders of other studies',
      'order-ambiguous',
      [order({ studyUid: '1.8' }), order({ id: 2, studyUid: '1.9' })],
      {},
    ],
    ['two orders of two patients', 'order-ambiguous', [plain, order({ id: 2 }, { id: 'P2' })], {}],
    ['two procedures under one accession', 'match 1,2', [plain, order({ id: 2, placer: 'PL2' })], {}],
    ['a cancelled order', 'order-cancelled', [order({ state: 'cancelled' })], {}],
    ['an order on hold', 'order-held', [order({ state: 'held' })], {}],
    ['a cancelled and an open one', 'match 2', [order({ state: 'cancelled' }), order({ id: 2 })], {}],
  ])('%s: %s', (_what, verdict, orders, of) => {
    expect(decided(orders, of, [{ id: 'P1', issuer: of.issuer ?? 'HOSP' }])).toBe(verdict);
  });

  it('agree when the number of the images was merged into that of the order', () => {
    const merged = [order({}, { id: 'P2' })];
    expect(decided(merged, {}, [{ id: 'P1', issuer: 'HOSP' }])).toBe('order-patient');
    const numbers = [
      { id: 'P1', issuer: 'HOSP' },
      { id: 'P2', issuer: 'HOSP' },
    ];
    expect(decided(merged, {}, numbers)).toBe('match 1');
  });

  it('are as urgent as the most urgent order', () => {
    expect(urgencyOf([])).toBeUndefined();
    expect(urgencyOf([order({ priority: 2 }), order({ priority: 0 })])).toBe(0);
  });
});

describe('studies and orders', () => {
  let store: TestStore;
  let studies: Studies & StudyGate;
  let ready: StudySnapshot[];
  let effects: OrderEffect[];
  /** Codes of holds that were logged. */
  let held: unknown[];
  const clock = testClock();
  beforeEach(async () => {
    store = await testStore();
    [ready, effects, held] = [[], [], []];
    const info: Log['info'] = (event, fields) => void (event === 'study held' && held.push(fields?.code));
    studies = await openStudies({
      ...store,
      clock,
      log: { ...silentLog, info },
      gate: { quietMs, deadlineMs },
      onReady: async (snapshot) => void ready.push(snapshot),
      onOrder: async (effect) => void effects.push(effect),
    });
  });
  afterEach(() => store.remove());

  const take = async (message: string): Promise<string> => {
    const answers = await takeMessage(Buffer.from(message), {
      ...doorDefaults,
      studies,
      now: () => new Date(clock.now()),
    });
    return answered(Buffer.from(answers[0]!).toString()).code;
  };
  const say = (sketch: OrderSketch): Promise<string> => take(orm({ patient: 'P1^^^HOSP^MR', ...sketch }));
  const arrive = async (patientId = 'P1', accession = 'ACC1'): Promise<void> => {
    const attributes = { '00080050': { vr: 'SH', Value: [accession] } };
    await studies.admit(await admissions(store.blobs, slices(2, { patientId, attributes })), fromStow);
    clock.advance(quietMs);
    await studies.tick();
  };
  const state = async (): Promise<string> => {
    const study = await studies.study(uid('1'));
    return study?.holdCode ?? study?.state ?? 'none';
  };

  it('without an order, a study is read as ever', async () => {
    await arrive();
    expect([await state(), ready.length, await studies.orders(uid('1'))]).toEqual(['ready', 1, []]);
  });

  it('an order waits for its study, which then has its numbers and its urgency', async () => {
    await say({ priority: 'S' });
    await arrive();
    expect([await state(), ready.length]).toEqual(['ready', 1]);
    expect(await studies.orders(uid('1'))).toMatchObject([{ placer: 'PL1', filler: 'FI1', priority: 0 }]);
  });

  it('an order for another patient holds the study with both values; a person may release it, once for all', async () => {
    await say({ patient: 'P2^^^HOSP^MR' });
    await arrive();
    expect([await state(), ready.length]).toEqual(['order-patient', 0]);
    expect(held).toEqual(['order-patient']);
    expect((await studies.study(uid('1')))!.holdMessage).toBe(
      'the order is for patient "P2" of HOSP, the images are of "P1"',
    );
    await studies.release(uid('1'), 'same person, asked', 'maria');
    await studies.tick();
    expect([await state(), ready.length]).toEqual(['ready', 1]);
    await say({ control: 'XO', patient: 'P2^^^HOSP^MR' });
    await studies.tick();
    expect([await state(), effects]).toEqual(['ready', []]);
  });

  it('a corrected order lets the study go on by itself', async () => {
    await say({ patient: 'P2^^^HOSP^MR' });
    await arrive();
    await say({ control: 'XO' });
    await studies.tick();
    expect([await state(), ready.length]).toEqual(['ready', 1]);
    expect((await studies.events(uid('1'))).map((e) => e.code)).toContain('released');
  });

  it('an order that comes after its study and contradicts it stops the work', async () => {
    await arrive();
    await say({ patient: 'P2^^^HOSP^MR' });
    await studies.tick();
    expect([await state(), effects.map((e) => e.kind)]).toEqual(['order-patient', ['held']]);
    expect(held).toEqual(['order-patient']);
  });

  it('a cancelled order cancels work that has not begun, and a study that comes later waits for a person', async () => {
    await say({});
    await arrive();
    expect(await say({ control: 'CA' })).toBe('AA');
    await studies.tick();
    expect([await state(), effects.at(-1)]).toMatchObject([
      'order-cancelled',
      { kind: 'cancelled', studyUid: uid('1') },
    ]);
    expect(await say({ control: 'CA', placer: 'NONE', filler: 'NONE' })).toBe('AE');
  });

  it('an urgent order after its study makes the work urgent', async () => {
    await arrive();
    await say({ priority: 'S' });
    await studies.tick();
    expect(effects).toEqual([{ studyUid: uid('1'), kind: 'urgent', priority: 0, reason: 'its order' }]);
  });

  it('an update that leaves fields empty keeps them, and a number that is added reopens nothing', async () => {
    await say({ priority: 'S', filler: '' });
    await say({ control: 'XO', filler: '', accession: 'ACC1' });
    await say({ control: 'CA', filler: '', accession: '' });
    await say({ control: 'NA', filler: 'FI5', accession: '' });
    const rows = await store.db.all('SELECT filler, accession, priority, state FROM orders');
    expect(rows).toEqual([{ filler: 'FI5', accession: 'ACC1', priority: 0, state: 'cancelled' }]);
  });

  it('what an order says is done though messages come without a pause', async () => {
    await say({});
    await arrive();
    effects.length = 0;
    studies.start();
    try {
      await say({ control: 'CA' });
      for (let i = 0; i < 300 && effects.length === 0; i++) {
        await say({ placer: `X${i}`, filler: `X${i}`, accession: `X${i}` });
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      expect(effects).toMatchObject([{ kind: 'cancelled' }]);
    } finally {
      await studies.stop();
    }
  });

  it('what could not be done to work is told again', async () => {
    await arrive();
    const fails = await openStudies({
      ...store,
      clock,
      log: silentLog,
      gate: { quietMs, deadlineMs },
      onReady: async () => {},
      onOrder: async () => {
        throw new Error('no work room');
      },
    });
    await say({ priority: 'S' });
    await expect(fails.tick()).rejects.toThrow('no work room');
    await studies.tick();
    expect(effects).toHaveLength(1);
  });

  it('new demographics of a patient change his orders: a value that is deleted contradicts nothing', async () => {
    await say({ sex: 'M' });
    await store.db.run(`UPDATE orders SET birth_date = '1970-01-01'`);
    await take(adt('A08', 'PID|1||P1^^^HOSP^MR||DOE^JANE||""|F'));
    expect(await store.db.all('SELECT birth_date AS born, sex FROM orders')).toEqual([{ born: '', sex: 'F' }]);
    await take(adt('A31', 'PID|1||P1^^^OTHER^MR||DOE^JANE||19800101|M'));
    expect(await store.db.all('SELECT birth_date AS born, sex FROM orders')).toEqual([{ born: '', sex: 'F' }]);
  });

  it('a merge that is turned round makes the first number live again', async () => {
    await arrive('P1');
    await take(adt('A40', 'PID|1||P2^^^HOSP^MR', 'MRG|P1^^^HOSP^MR'));
    await take(adt('A40', 'PID|1||P1^^^HOSP^MR', 'MRG|P2^^^HOSP^MR'));
    await take(adt('A40', 'PID|1||P1^^^HOSP^MR', 'MRG|P1^^^HOSP^MR'));
    expect(await studies.mergedPatient(uid('1'))).toBeUndefined();
    await studies.tick();
    expect(effects).toHaveLength(2);
  });

  it('a merge gives orders and reports the new number, and later images still match', async () => {
    await say({ placer: 'PL0', filler: 'FI0', accession: 'ACC0' });
    await arrive('P1');
    await take(adt('A40', 'PID|1||P2^^^HOSP^MR', 'MRG|P1^^^HOSP^MR'));
    await studies.tick();
    expect(effects).toMatchObject([{ studyUid: uid('1'), kind: 'rekeyed' }]);
    expect(effects[0]!.reason).toBe('patient "P1" of HOSP is now "P2" of HOSP');
    expect(await studies.mergedPatient(uid('1'))).toEqual({ id: 'P2', issuer: 'HOSP' });
    await take(adt('A47', 'PID|1||P3^^^HOSP^MR', 'MRG|P2^^^HOSP^MR'));
    expect(await studies.mergedPatient(uid('1'))).toEqual({ id: 'P3', issuer: 'HOSP' });
    expect(await studies.mergedPatient(uid('2'))).toBeUndefined();
    await studies.tick();
    // The images are of the first number still.
    expect(effects.slice(1)).toMatchObject([
      { studyUid: uid('1'), reason: 'patient "P2" of HOSP is now "P3" of HOSP' },
    ]);
    expect((await studies.events(uid('1'))).map((e) => e.code)).toContain('patient-merged');
    expect(await store.db.all('SELECT patient_id AS id FROM orders')).toEqual([{ id: 'P3' }]);
    await say({ patient: 'P3^^^HOSP^MR', accession: 'ACC7', placer: 'PL7', filler: 'FI7' });
    const attributes = { '00080050': { vr: 'SH', Value: ['ACC7'] } };
    const late = slices(1, { study: uid('2'), patientId: 'P1', attributes });
    await studies.admit(await admissions(store.blobs, late), fromStow);
    clock.advance(quietMs);
    await studies.tick();
    expect((await studies.orders(uid('2'))).map((o) => o.placer)).toEqual(['PL7']);
  });
});
