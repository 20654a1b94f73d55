import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listAudit, verifyAudit, type AuditEvent } from '../../../src/audit/index.ts';
import { parseConfig, silentLog } from '../../../src/base/index.ts';
import { serve, type Gateway } from '../../../src/server/index.ts';
import { makeImage } from '../../builders/dicom.ts';
import { orm } from '../../builders/hl7.ts';
import { ask, dial, frame } from '../../builders/hl7-receiver.ts';
import { stow } from '../../builders/multipart.ts';
import { tempFolder } from '../../builders/program.ts';
import { signingKey, startKeyServer, type KeyServer } from '../../builders/tokens.ts';

describe('the audit of a gateway', () => {
  let provider: KeyServer;
  let gateway: Gateway;
  let bearer: Record<string, string>;
  const studyUid = '1.2.826.0.1.3680043.10.543.77';

  beforeAll(async () => {
    const key = await signingKey('k');
    provider = await startKeyServer([key]);
    const claims = { iss: provider.url, aud: 'a', sub: 'dr-meier', roles: ['admin'], exp: Date.now() / 1000 + 600 };
    bearer = { authorization: `Bearer ${await key.sign({ ...claims, exp: Math.floor(claims.exp) })}` };
    const dataDir = tempFolder('audited');
    const config = {
      dataDir,
      http: { port: 0 },
      gate: { quietSeconds: 600 },
      access: { oidc: { issuer: provider.url, audience: 'a' } },
      hl7: { listeners: [{ name: 'ris', port: 0 }] },
    };
    gateway = await serve(parseConfig(JSON.stringify(config), 'test', dataDir), silentLog);
  });
  afterAll(async () => {
    await gateway.stop({ abort: true });
    await provider.stop();
  });

  /** What is told from now on. */
  async function told(work: () => Promise<unknown>): Promise<AuditEvent[]> {
    await gateway.rooms.audit.flush();
    const before = (await listAudit(gateway.rooms.db, { limit: 10_000 })).length;
    await work();
    await new Promise((done) => setTimeout(done, 50)); // the answer has left; its end is noted after
    await gateway.rooms.audit.flush();
    return (await listAudit(gateway.rooms.db, { limit: 10_000, after: before })).map((r) => r.event);
  }
  const get = (path: string, headers = bearer): Promise<unknown> =>
    fetch(`${gateway.url}${path}`, { headers }).then((r) => r.arrayBuffer());
  const image = makeImage({
    attributes: { StudyInstanceUID: studyUid, PatientID: 'P-77', IssuerOfPatientID: 'HOSPITAL' },
  });

  it('tells that it started', async () => {
    await gateway.rooms.audit.flush();
    const [first] = await listAudit(gateway.rooms.db, { limit: 1 });
    expect(first!.event).toMatchObject({ kind: 'activity', detail: 'start' });
  });

  it('tells of instances that came by STOW-RS, who sent them and of which patient, and again when they are here already', async () => {
    const send = () => stow(`${gateway.dicomweb}/studies`, [image], bearer);
    const about = {
      kind: 'transferred', outcome: 0, door: 'stow', who: 'dr-meier', study: studyUid, count: 1,
      patient: { id: 'P-77', issuer: 'HOSPITAL' },
    }; // prettier-ignore
    expect(await told(send)).toMatchObject([{ ...about, action: 'C' }]);
    expect(await told(send)).toMatchObject([{ ...about, action: 'R' }]);
  });

  it('tells of an order and of its patient', async () => {
    const events = await told(async () => {
      const socket = await dial(gateway.hl7Ports[0]!);
      await ask(socket, [frame(orm())], 1);
      socket.destroy();
    });
    expect(events).toMatchObject([{ kind: 'order', action: 'C', outcome: 0, door: 'hl7' }]);
    expect(events[0]!.patient!.id).not.toBe('');
  });

  it.each([
    [
      'a search',
      '/dicom-web/studies?PatientID=P-77',
      { kind: 'query', action: 'E', query: '/dicom-web/studies?PatientID=P-77' },
    ],
    ['a retrieve', `/dicom-web/studies/${studyUid}`, { kind: 'transferred', action: 'R', study: studyUid }],
    ['metadata', `/dicom-web/studies/${studyUid}/metadata`, { kind: 'transferred', study: studyUid }],
    ['the list of studies', '/', { kind: 'query', door: 'pages' }],
    ['the page of a study', `/studies/${studyUid}`, { kind: 'accessed', action: 'R', study: studyUid }],
    ['its facts', `/api/studies/${studyUid}`, { kind: 'accessed', action: 'R', study: studyUid }],
    ['a study that is not here', '/studies/1.2.3', { kind: 'accessed', outcome: 4, study: '1.2.3' }],
  ])('tells of %s', async (_what, path, expected) => {
    expect(await told(() => get(path))).toMatchObject([
      { outcome: 0, who: 'dr-meier', from: '127.0.0.1', ...expected },
    ]);
  });

  it('tells of a failed login, without what was shown', async () => {
    const events = await told(() => get('/', { authorization: 'Bearer hush.hush.hush' }));
    expect(events).toMatchObject([{ kind: 'login', outcome: 4, who: 'unknown', from: '127.0.0.1' }]);
    expect(JSON.stringify(events)).not.toContain('hush');
  });

  it('tells of a study that a person released', async () => {
    const { studies } = gateway.rooms;
    await studies.hold(studyUid, 'burned-in', 'look', 'test');
    const events = await told(() => studies.release(studyUid, 'looked', 'operator joe'));
    expect(events).toMatchObject([{ kind: 'procedure', action: 'U', who: 'operator joe', study: studyUid }]);
  });

  it('says nothing of health, of style sheets and of pages that are not there', async () => {
    expect(
      await told(async () => [await get('/health'), await get('/assets/plumbline.css'), await get('/no/page')]),
    ).toEqual([]);
  });

  it('makes no transaction of a read', async () => {
    const db = gateway.rooms.db as unknown as { readonly counters: { readonly transactions: number } };
    await gateway.rooms.audit.flush();
    const before = db.counters.transactions;
    for (let n = 0; n < 20; n++) await get(`/dicom-web/studies/${studyUid}/metadata`);
    await gateway.rooms.audit.flush();
    expect(db.counters.transactions - before).toBeLessThanOrEqual(3);
  });

  it('holds as a chain', async () => {
    expect((await verifyAudit(gateway.rooms.db)).number).toBeGreaterThan(10);
  });
});
