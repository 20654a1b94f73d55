import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listAudit } from '../../../src/audit/index.ts';
import { parseConfig, type Log } from '../../../src/base/index.ts';
import { serve, type Gateway } from '../../../src/server/index.ts';
import { makeImage } from '../../builders/dicom.ts';
import { tempFolder } from '../../builders/program.ts';
import { sourceOf } from '../../builders/series.ts';
import { fromStow } from '../../builders/store.ts';

const secret = 'Is there a zebra-shaped renal cyst?';
const lines: string[] = [];
const say: Log['info'] = (event, fields) => void lines.push(JSON.stringify([event, fields]));
const log: Log = { info: say, warn: say, error: say };

let gateway: Gateway;
let url: string;
let study: string;
let image: string;

beforeAll(async () => {
  const dataDir = tempFolder('ask');
  const config = {
    dataDir,
    http: { port: 0 },
    gate: { quietSeconds: 3600, maxWaitSeconds: 7200 },
    inference: { threads: 1 },
  };
  gateway = await serve(parseConfig(JSON.stringify(config), 'test', dataDir), log);
  const { blobs, studies } = gateway.rooms;
  const bytes = makeImage({
    rows: 48,
    columns: 64,
    pixel: (x, y) => 100 + 4 * x + 3 * y + (x > 20 && x < 40 && y > 10 && y < 30 ? 500 : 0),
    attributes: { Modality: 'DX', PatientID: 'P-1' },
  });
  const blob = await blobs.stage();
  await blob.write(bytes);
  await blob.finish();
  const { ref, attributes } = sourceOf(bytes);
  await studies.admit([{ ref, attributes, blob }], fromStow);
  study = ref.studyUid;
  image = ref.instanceUid;
  url = `${gateway.url}/api/studies`;
});
afterAll(() => gateway.stop({ abort: true }));

interface Said {
  readonly status: number;
  readonly location: string | null;
  readonly json: Record<string, string>;
}
async function post(body: unknown, uid = study, type = 'application/json'): Promise<Said> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const res = await fetch(`${url}/${uid}/questions`, { method: 'POST', headers: { 'Content-Type': type }, body: text });
  return { status: res.status, location: res.headers.get('location'), json: (await res.json()) as Said['json'] };
}

describe('POST /api/studies/{study}/questions', () => {
  it('answers 202 with the workitem, and the same workitem to the same question', async () => {
    const first = await post({ task: 'vqa', question: secret });
    expect(first).toMatchObject({ status: 202, json: { study, outcome: 'created' } });
    expect(first.location).toBe(`/drafts/${first.json['workitem']}/summary.json`);
    const again = await post({ task: 'vqa', question: secret });
    expect(again.json).toEqual({ ...first.json, outcome: 'existing' });
    expect((await post({ task: 'vqa', question: `${secret} Really?` })).json['workitem']).not.toBe(
      first.json['workitem'],
    );
  });

  it('is answered in a draft that names the question, which no log line holds', async () => {
    const { json } = await post({ task: 'vqa', question: secret });
    const { work } = gateway.rooms;
    const written = async () => (await work.get(json['workitem']!))?.outputs.encodings;
    await expect.poll(written, { timeout: 50_000 }).toBeDefined();
    const { draft } = await work.draft(json['workitem']!);
    const { task, sentences } = JSON.parse(Buffer.from(draft).toString()) as {
      task: string;
      sentences: { question: string }[];
    };
    expect(task).toBe('vqa');
    expect(sentences.map((s) => s.question)).toEqual(sentences.map(() => secret));
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.filter((l) => l.includes('zebra'))).toEqual([]);
  });

  it('takes a box on the only image as its region, and is refused for one that the image does not hold', async () => {
    const asked = await post({ task: 'region', region: { box: [20, 10, 20, 20] } });
    expect(asked.status).toBe(202);
    const { route } = (await gateway.rooms.work.get(asked.json['workitem']!))!;
    expect(route.region).toEqual({ instanceUid: image, box: [20, 10, 40, 30] });
  });

  it.each([
    ['a task that the bundle does not have', { task: 'diagnose' }, 400, 'task-unknown'],
    ['a task whose slot is not filled', { task: 'segment' }, 400, 'task-unknown'],
    ['a control token of the model', { task: 'vqa', question: 'a [SEG] please' }, 400, 'prompt-invalid'],
    ['an unknown key', { task: 'vqa', prompt: 'x' }, 400, 'query-invalid'],
    ['an unknown destination', { task: 'report', destinations: ['nowhere'] }, 400, 'query-invalid'],
    ['a bundle that is not there', { task: 'report', bundle: 'none' }, 400, 'bundle-unknown'],
    [
      'a region of an object that is not there',
      { task: 'region', region: { from: '1.2.3', item: '1' } },
      400,
      'region-invalid',
    ],
    ['no JSON', '{', 400, 'query-invalid'],
  ])('refuses %s', async (_, body, status, code) => {
    const refused = await post(body);
    expect(refused.status).toBe(status);
    expect(refused.json['code']).toBe(code);
  });

  it('is 404 for a study that is not here, 415 for a body that is not JSON, 413 for a long one', async () => {
    expect((await post({ task: 'report' }, '1.2.3.4')).status).toBe(404);
    expect((await post({ task: 'report' }, study, 'text/plain')).status).toBe(415);
    expect((await post({ task: 'vqa', question: 'x'.repeat(70_000) })).status).toBe(413);
  });

  it('is told to the audit', async () => {
    const { json } = await post({ task: 'report' });
    await gateway.rooms.audit.flush();
    const rows = await listAudit(gateway.rooms.db, { study, limit: 100 });
    expect(rows.map((r) => r.event.detail)).toContain(`asked: workitem ${json['workitem']}`);
  });
});
