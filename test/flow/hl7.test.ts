import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hl7Checkpoints } from '../../src/base/index.ts';
import { demoStudies } from '../../src/cli/demo/studies.ts';
import { stow } from '../../src/cli/stow-client.ts';
import { adt, answered, orm, type OrderSketch } from '../builders/hl7.ts';
import { accepts, ask, dial, frame, startReceiver, type Behaviour, type Receiver } from '../builders/hl7-receiver.ts';
import { mappingsTo } from '../builders/mappings.ts';
import { plumbline, serveChild, tempFolder, until, type ServedGateway } from '../builders/program.ts';

const [ct, us] = demoStudies();
const patient = (kind: string): string => `DEMO-${kind}^^^PLUMBLINE-DEMO^MR`;

function config(receivers: readonly string[]): string {
  return JSON.stringify({
    dataDir: tempFolder('data'),
    mappingsDir: mappingsTo(receivers.map((_, i) => `ris-${i + 1}`)),
    http: { port: 0 },
    gate: { quietSeconds: 0.2 },
    delivery: { firstPauseSeconds: 0.1, maxPauseSeconds: 0.3 },
    hl7: { listeners: [{ name: 'orders', port: 0 }] },
    destinations: receivers.map((url, i) => ({
      name: `ris-${i + 1}`,
      kind: 'hl7',
      url,
      timeoutSeconds: 1,
      hl7Version: i === 0 ? '2.5.1' : '2.3.1',
    })),
  });
}

async function say(gateway: ServedGateway, message: string): Promise<string> {
  const port = await until(async () => /mllp:\/\/127\.0\.0\.1:(\d+)/.exec(gateway.log())?.[1], 'the listener');
  const socket = await dial(Number(port));
  const [answer] = await ask(socket, [frame(message)], 1);
  socket.destroy();
  return answer === undefined ? 'none' : answered(answer).code;
}

interface StudyJson {
  readonly state: string;
  readonly holdCode?: string;
  readonly holdMessage?: string;
  readonly drafts: readonly { readonly state: string }[];
}

async function study(gateway: ServedGateway, uid: string): Promise<StudyJson | undefined> {
  const response = await fetch(`${gateway.url}/api/studies/${uid}`).catch(() => undefined); // not up yet: asked again
  return response?.ok ? ((await response.json()) as StudyJson) : undefined;
}

const delivered = (gateway: ServedGateway, uid: string): Promise<true> =>
  until(async () => ((await study(gateway, uid))?.drafts[0]?.state === 'delivered' ? true : undefined), 'delivery', 90);

describe('orders in and reports out', () => {
  let good: Receiver;
  let bad: Receiver;
  let gateway: ServedGateway;
  let text: string;
  /** How the second receiver treats its first messages. */
  const faults: readonly Behaviour[] = [
    { kind: 'cut' },
    { kind: 'silent' },
    { kind: 'ack', code: 'AE' },
    { kind: 'bytes', bytes: '\x0bno answer\x1c\r' },
    { kind: 'ack', code: 'AA', controlId: 'ANOTHER' },
  ];

  beforeAll(async () => {
    good = await startReceiver(() => accepts);
    bad = await startReceiver((n) => faults[n - 1] ?? accepts);
    text = config([good.url, bad.url]);
    gateway = await serveChild(text);
  });
  afterAll(async () => {
    await gateway?.stop();
    await good?.stop();
    await bad?.stop();
  });

  it('a study that comes after its order is reported under the order’s numbers, once for each receiver', async () => {
    const sketch: OrderSketch = { patient: patient('CT'), placer: 'P77', filler: 'F77', accession: 'DEMO-CT' };
    expect(await say(gateway, orm({ ...sketch, priority: 'S' }))).toBe('AA');
    expect((await stow(gateway.dicomweb, ct!.files)).status).toBe(200);
    await delivered(gateway, ct!.studyUid);
    expect(good.messages).toHaveLength(1);
    const [oru] = good.messages;
    expect(oru).toContain('\rORC|RE|P77|F77\r');
    expect(oru).toContain('|71250^CT CHEST^C4|');
    expect(oru).toMatch(/\rOBX\|1\|TX\|[^|]*\|0\|AI draft, not verified by a physician\./);
    // Whatever went wrong at the second, it got one and the same message each time, one at a time.
    expect(bad.messages).toHaveLength(faults.length + 1);
    expect(new Set(bad.messages).size).toBe(1);
    expect(bad.mostOpen()).toBe(1);
    expect(bad.messages[0]).toContain('|2.3.1|');
  }, 120_000);

  it('a merge after the report has gone out holds the study with both numbers', async () => {
    const merged = adt('A40', `PID|1||${patient('CT2')}`, `MRG|${patient('CT')}`);
    expect(await say(gateway, merged)).toBe('AA');
    const held = await until(async () => {
      const found = await study(gateway, ct!.studyUid);
      return found?.state === 'held' ? found : undefined;
    }, 'the hold');
    expect(held.holdCode).toBe('results-old-number');
    expect(held.holdMessage).toContain('"DEMO-CT" of PLUMBLINE-DEMO is now "DEMO-CT2" of PLUMBLINE-DEMO');
    expect(good.messages).toHaveLength(1);
  }, 120_000);

  it('a study whose order names another patient is not read until a person says so', async () => {
    expect(
      await say(
        gateway,
        orm({ patient: 'OTHER^^^PLUMBLINE-DEMO^MR', accession: 'DEMO-US', placer: 'P78', filler: 'F78' }),
      ),
    ).toBe('AA');
    await stow(gateway.dicomweb, us!.files);
    const held = await until(async () => {
      const found = await study(gateway, us!.studyUid);
      return found?.state === 'held' ? found : undefined;
    }, 'the hold');
    expect(held.drafts).toEqual([]);
    const before = good.messages.length;
    expect(await say(gateway, orm({ id: 'W1' }).replace('ORM^O01', 'MDM^T02'))).toBe('AR');
    await gateway.stop();
    const file = tempFolder('site');
    writeFileSync(`${file}/plumbline.yaml`, text);
    const released = await plumbline([
      'jobs',
      'release',
      us!.studyUid,
      '--config',
      `${file}/plumbline.yaml`,
      '--reason',
      'same person',
    ]);
    expect(released.stderr + released.code).toBe('0');
    const refused = await plumbline(['orders', 'refused', '--config', `${file}/plumbline.yaml`]);
    expect(refused.stdout).toMatch(/^\S+Z {2}RIS\|HOSP {2}MDM\^T02 {2}W1 {2}AR 200: /);
    expect(refused.stdout).not.toContain('JANE');
    gateway = await serveChild(text);
    await delivered(gateway, us!.studyUid);
    expect(good.messages.length).toBe(before + 1);
  }, 120_000);

  it('writes no patient data into its log', () => {
    for (const word of ['DEMO-CT', 'DEMO-US', 'OTHER', 'JANE', 'P77']) expect(gateway.log()).not.toContain(word);
  });
});

describe('a gateway that is killed while it takes an order', () => {
  it.each(hl7Checkpoints)(
    'at %s: what was answered is there, and the study has its order once',
    async (where) => {
      const ris = await startReceiver(() => accepts);
      const text = config([ris.url]);
      const doomed = await serveChild(text, { PLUMBLINE_CRASH_AT: where });
      const order = orm({ patient: patient('US'), accession: 'DEMO-US', placer: 'P9', filler: 'F9' });
      const answer = await say(doomed, order);
      expect(await doomed.ended).toBe('SIGKILL');
      const next = await serveChild(text);
      try {
        // Whoever got no answer sends again, and nothing is doubled; whoever got one does not.
        expect(answer).toBe(where === 'hl7.kept' ? 'none' : 'AA');
        if (answer === 'none') expect(await say(next, order)).toBe('AA');
        await stow(next.dicomweb, us!.files);
        await delivered(next, us!.studyUid);
        expect(ris.messages).toHaveLength(1);
        expect(ris.messages[0]).toContain('\rORC|RE|P9|F9\r');
      } finally {
        await next.stop();
        await ris.stop();
      }
    },
    90_000,
  );
});
