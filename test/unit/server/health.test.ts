import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig, PlumblineError, silentLog } from '../../../src/base/index.ts';
import { openRooms, serve, type Gateway, type Rooms } from '../../../src/server/index.ts';
import { createHealth, type Check } from '../../../src/server/health.ts';
import { tempFolder } from '../../builders/program.ts';

const config = (more: object = {}) =>
  parseConfig(JSON.stringify({ dataDir: tempFolder('health'), http: { port: 0 }, ...more }), 'test', '/');
const open = new Map([['http', true]]);

/** What is not well with these rooms, some of their parts replaced. */
async function unwell(rooms: Rooms, change: Partial<Rooms> = {}, listeners = open): Promise<Record<string, string>> {
  const health = createHealth({ ...rooms, state: () => 'running', ...change }, () => listeners);
  const { checks } = await health.ready();
  health.close();
  const bad = checks.filter((c: Check) => c.state !== 'ok');
  return Object.fromEntries(bad.map((c) => [`${c.state}: ${c.name}`, c.message]));
}

describe('readiness', () => {
  let rooms: Rooms;
  beforeAll(async () => {
    const destinations = [{ name: 'pacs', kind: 'dicomweb', url: 'http://127.0.0.1:9' }];
    rooms = await openRooms(config({ destinations }), silentLog);
  });
  afterAll(() => rooms.stop());

  it('finds nothing wrong where all is well', async () => {
    expect(await unwell(rooms)).toEqual({});
  });

  it('names a gateway that has not begun or that ends', async () => {
    expect(await unwell(rooms, { state: () => 'idle' })).toEqual({ 'failed: work': 'not started yet' });
    expect(await unwell(rooms, { state: () => 'stopped' })).toEqual({ 'failed: work': 'the gateway ends' });
  });

  it('names a door that is not open', async () => {
    const listeners = new Map([
      ['http', true],
      ['hl7 orders', false],
    ]);
    expect(await unwell(rooms, {}, listeners)).toEqual({ 'failed: listener hl7 orders': 'not open' });
  });

  it('names a database that takes no writes', async () => {
    const locked = new PlumblineError('store-locked', 'another process holds the database');
    const db = { ...rooms.db, transaction: () => Promise.reject(locked) };
    expect(await unwell(rooms, { db })).toEqual({ 'failed: database': 'store-locked' });
  });

  it('names a part that does not answer in time', async () => {
    const db = { ...rooms.db, transaction: () => new Promise<never>(() => {}) };
    expect(await unwell(rooms, { db })).toEqual({ 'failed: database': 'no answer within 2 s' });
  });

  it('names a disk below the reserve, and warns before', async () => {
    const { reserveBytes } = rooms.config.store;
    const blobs = (free: number) => ({ blobs: { ...rooms.blobs, free: async () => free } });
    expect(await unwell(rooms, blobs(reserveBytes))).toEqual({ 'failed: disk': '537 MB free, reserve 537 MB' });
    expect(Object.keys(await unwell(rooms, blobs(reserveBytes * 1.5)))).toEqual(['degraded: disk']);
  });

  it('names a bundle whose model did not start, or that is not there', async () => {
    const models = (state: object) => ({ reading: { ...rooms.reading, models: () => [state] as never } });
    expect(await unwell(rooms, models({ bundle: 'tiny', state: 'failed', code: 'model-crashed' }))).toEqual({
      'failed: bundle tiny': 'did not start: model-crashed',
    });
    expect(await unwell(rooms, models({ bundle: 'none', state: 'idle' }))).toEqual({
      'failed: bundle none': 'bundle-unknown',
    });
  });

  it('is only degraded by a destination that is away: studies are taken and read all the same', async () => {
    const lane = { destination: 'pacs', state: 'open', failures: 7, code: 'peer-unreachable' } as const;
    const delivery = { ...rooms.delivery, lanes: () => [lane] };
    expect(await unwell(rooms, { delivery })).toEqual({
      'degraded: destination pacs': '7 failures in a row (peer-unreachable); what is made for it waits',
    });
  });
});

describe('a gateway', () => {
  const get = async (gateway: Gateway, path: string): Promise<{ status: number; body: Record<string, unknown> }> => {
    const response = await fetch(`${gateway.url}${path}`);
    expect(response.headers.get('cache-control')).toBe('no-store');
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  it('is live and ready, and says so in one line', async () => {
    const gateway = await serve(config(), silentLog);
    try {
      const live = await get(gateway, '/health/live');
      expect(live).toMatchObject({ status: 200, body: { status: 'live' } });
      expect(live.body['eventLoopLagMs']).toEqual({
        median: expect.any(Number) as number,
        p99: expect.any(Number) as number,
        max: expect.any(Number) as number,
      });
      expect(await get(gateway, '/health/ready')).toMatchObject({ status: 200, body: { status: 'ready' } });
      expect(await get(gateway, '/health')).toMatchObject({
        status: 200,
        body: { status: 'ok', waiting: 0, working: 0, needsPerson: 0, problems: [] },
      });
    } finally {
      await gateway.stop();
    }
  });

  it('answers 503 with the name of what is wrong', async () => {
    const gateway = await serve(config({ store: { reserveBytes: Number.MAX_SAFE_INTEGER } }), silentLog);
    try {
      const { status, body } = await get(gateway, '/health/ready');
      expect([status, body['status']]).toEqual([503, 'not ready']);
      expect(await get(gateway, '/health')).toMatchObject({
        status: 503,
        body: { status: 'not ready', problems: [expect.stringMatching(/^disk: \d+ MB free/) as string] },
      });
      expect((await get(gateway, '/health/live')).status).toBe(200);
    } finally {
      await gateway.stop();
    }
  });
});
