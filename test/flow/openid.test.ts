import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoStudies } from '../../src/cli/demo/studies.ts';
import { stow } from '../builders/multipart.ts';
import { plumbline, serveChild, tempFolder, until, type ServedGateway } from '../builders/program.ts';
import { openIdAudience, startOpenId, type OpenId } from '../peers/openid.ts';
import { freePort } from '../peers/orthanc.ts';

describe('a gateway behind an OpenID provider', () => {
  const [ct] = demoStudies();
  const dataDir = tempFolder('data');
  const file = join(tempFolder('site'), 'plumbline.yaml');
  let port: number;
  let openId: OpenId | undefined;
  let gateway: ServedGateway;
  const machines = { 'ct-1': 'stow', viewer: 'read' };

  beforeAll(async () => {
    port = await freePort();
    const config = {
      dataDir,
      http: { port: 0 },
      gate: { quietSeconds: 600 },
      access: { oidc: { issuer: `http://127.0.0.1:${port}`, audience: openIdAudience, cooldownSeconds: 1 } },
    };
    writeFileSync(file, JSON.stringify(config));
    gateway = await serveChild(JSON.stringify(config)); // before the provider is up
  });
  afterAll(async () => {
    await gateway?.stop();
    await openId?.stop();
  });

  const bearer = async (client: keyof typeof machines): Promise<Record<string, string>> => ({
    authorization: `Bearer ${await openId!.token(client, machines[client])}`,
  });
  const send = async (client: keyof typeof machines): Promise<number> =>
    (await stow(`${gateway.dicomweb}/studies`, ct!.files.slice(0, 2), await bearer(client))).status;

  it('starts while the provider is down, and says so', async () => {
    await until(async () => (gateway.log().includes('identity-provider-unreachable') ? true : undefined), 'the log');
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
    expect((await fetch(gateway.url)).status).toBe(401);
  });

  it('takes studies of the machine that may send, and shows them to the one that may read, when it is up', async () => {
    openId = await startOpenId(port, machines);
    await until(async () => ((await send('ct-1')) === 200 ? true : undefined), 'the provider to be seen', 20);
    expect(await send('viewer')).toBe(403);
    const rows = await fetch(`${gateway.dicomweb}/studies`, { headers: await bearer('viewer') });
    expect(rows.status).toBe(200);
    expect(await rows.json()).toHaveLength(1);
    expect((await fetch(`${gateway.dicomweb}/studies`, { headers: await bearer('ct-1') })).status).toBe(403);
  });

  it('goes on with the provider’s last keys while it is down, and takes its new keys when it is back', async () => {
    const before = await bearer('viewer');
    await openId!.stop();
    expect((await fetch(`${gateway.dicomweb}/studies`, { headers: before })).status).toBe(200);
    openId = await startOpenId(port, machines);
    await until(
      async () => {
        const answer = await fetch(`${gateway.dicomweb}/studies`, { headers: await bearer('viewer') });
        return answer.status === 200 ? true : undefined;
      },
      'the new keys',
      20,
    );
    expect((await fetch(`${gateway.dicomweb}/studies`, { headers: before })).status).toBe(401);
  });

  it('tells in its audit who sent, who looked and who was not let in, as lines and as FHIR', async () => {
    const audit = async <T>(...options: string[]): Promise<T[]> => {
      const { code, stdout } = await plumbline(['audit', '--config', file, ...options]);
      expect(code).toBe(0);
      return stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as T);
    };
    const seen = await until(async () => {
      const lines = await audit<{ event: { kind: string; who: string } }>();
      const all = lines.map(({ event }) => `${event.kind} ${event.who}`);
      return all.includes('login unknown') && all.includes('query viewer') ? all : undefined;
    }, 'the last batch');
    expect(seen).toEqual(expect.arrayContaining(['transferred ct-1', 'alert viewer', 'alert ct-1']));
    const ofStudy = await audit<{ resourceType: string; type: { code: string } }>(
      '--study',
      ct!.studyUid,
      '--format',
      'fhir',
    );
    expect(ofStudy.map((e) => `${e.resourceType} ${e.type.code}`)).toContain('AuditEvent 110104');
  });

  it('verifies the chain of its audit against a head that was kept', async () => {
    const { code, stdout } = await plumbline(['audit', 'verify', '--config', file]);
    expect(code).toBe(0);
    const head = /Head: (\S+)/.exec(stdout)![1]!;
    const wrong = await plumbline(['audit', 'verify', '--config', file, '--head', head.replace(/.{8}$/, '00000000')]);
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('audit-damaged')]);
  });

  it('answers `plumbline check` with the keys that it got', async () => {
    const { stdout } = await plumbline(['check', '--config', file]);
    expect(stdout).toContain(`✓ access: 1 keys of http://127.0.0.1:${port}`);
  });
});
