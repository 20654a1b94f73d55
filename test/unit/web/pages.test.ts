import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { escapeHtml, html } from '../../../src/web/pages/html.ts';
import { dicomDate } from '../../../src/web/pages/layout.ts';
import type { DraftFiles, DraftRow } from '../../../src/web/index.ts';
import { ctFile, uidOf } from '../../builders/files.ts';
import { stow } from '../../builders/multipart.ts';
import { startTestServer, type TestServer } from '../../builders/read-write-server.ts';
import { missing, peers, runPeer } from '../../peers/index.ts';
import { join } from 'node:path';

const key = 'ab'.repeat(32);
const heldKey = 'cd'.repeat(32);
const report = '<!doctype html><title>Report</title><p id="s1">A nodule in the right lung.</p>';
const evil = `<script>alert(1)</script>"'>`;
const drafts: readonly DraftRow[] = [
  {
    key,
    studyUid: uidOf('study', 'a'),
    state: 'drafted',
    bundle: 'plumbline-tiny 1.0.0',
    task: 'report',
    updatedAt: '2026-11-25T13:40:05.000Z',
    found: '2 findings with masks, 1 negative',
    files: ['report.html', 'seg-1.dcm', 'sr-1.dcm', 'fhir-r4.json'],
  },
  {
    key: heldKey,
    studyUid: uidOf('study', 'a'),
    state: 'held',
    bundle: evil,
    task: evil,
    updatedAt: 'no date',
    reason: { code: 'unsuitable', message: evil, remedy: 'Look at the picture.' },
    files: [],
  },
];
const draftFiles: DraftFiles = {
  list: async (limit, studyUid) =>
    drafts.filter((d) => studyUid === undefined || d.studyUid === studyUid).slice(0, limit),
  file: async (k, name) => {
    const kinds: Record<string, Uint8Array> = {
      'report.html': Buffer.from(report),
      'fhir-r4.json': Buffer.from('{}'),
      'seg-1.dcm': Buffer.from('DICM'),
    };
    return k === key ? kinds[name] : undefined;
  },
  timeline: async () => [{ at: '2026-11-25T13:39:00.000Z', event: 'ready', text: `quiet for 10 s ${evil}` }],
};

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ drafts: draftFiles });
  await stow(`${server.dicomweb}/studies`, [
    ctFile({ attributes: { PatientName: 'Evil<b>^Name', StudyDescription: '<script>x</script>' } }),
    ctFile({ instance: 'other patient', attributes: { PatientID: 'P2' } }),
  ]);
});
afterAll(() => server.close());

const text = async (path: string): Promise<string> => (await fetch(server.url + path)).text();
const studyPath = `/studies/${uidOf('study', 'a')}`;

describe('the first page', () => {
  it('lists each study with patient, state in words, count, drafts and a link to its report', async () => {
    const page = await text('/');
    expect(page).toContain(`href="${studyPath}"`);
    expect(page).toContain('2 Jan 2025');
    expect(page).toContain('2 findings with masks, 1 negative');
    expect(page).toContain(`href="/drafts/${key}/report.html"`);
    expect(page).toMatch(/>!<\/span> held/);
    expect(page).toContain('patient-contradiction');
  });

  it('says how to send a study where there is none', async () => {
    const empty = await startTestServer();
    const page = await (await fetch(empty.url)).text();
    expect(page).toContain('No study has arrived yet');
    await empty.close();
  });
});

describe('the page of a study', () => {
  it('shows why it is held and the remedy, its drafts with files, what is stored, and its timeline', async () => {
    const page = await text(studyPath);
    for (const part of [
      'patient-contradiction',
      'Correct the study at its source',
      'plumbline-tiny 1.0.0',
      'Look at the picture.',
    ]) {
      expect(page).toContain(part);
    }
    for (const file of drafts[0]!.files) expect(page).toContain(`href="/drafts/${key}/${file}"`);
    expect(page).toContain(`<iframe sandbox src="/drafts/${key}/report.html"`);
    expect(page).toContain(`${uidOf('series', 'a/a')}/metadata`);
    expect(page).toContain('25 Nov 2026, 13:39:00 UTC');
  });

  it('is 404 for a study that is not there', async () => {
    const response = await fetch(`${server.url}/studies/1.2.3`);
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([404, 'not-found']);
  });
});

describe('pages', () => {
  it.each(['/', studyPath])('%s show markup from anywhere as text', async (path) => {
    const page = await text(path);
    expect(page).not.toMatch(/<script|<b>/);
    expect(page).toContain('&lt;script&gt;');
  });

  it.each(['/', studyPath])('%s have no script, inline style or outside address', async (path) => {
    const page = await text(path);
    expect(page).not.toMatch(/<script|<style|\sstyle=|\son\w+=|https?:\/\//i);
  });

  it('are sent with a policy that lets nothing else run or load', async () => {
    const { headers } = await fetch(server.url);
    const policy = headers.get('content-security-policy')!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-powered-by')).toBeNull();
  });
});

describe('files of a draft', () => {
  it('are the report as it was written, in a sandbox of its own', async () => {
    const response = await fetch(`${server.url}/drafts/${key}/report.html`);
    expect(await response.text()).toBe(report);
    expect(response.headers.get('content-security-policy')).toMatch(/default-src 'none'; img-src data:.*sandbox$/);
  });

  it.each([
    ['fhir-r4.json', 'application/json; charset=utf-8', null],
    ['seg-1.dcm', 'application/dicom', 'attachment; filename="seg-1.dcm"'],
  ])('are %s as %s', async (name, type, disposition) => {
    const { headers } = await fetch(`${server.url}/drafts/${key}/${name}`);
    expect([headers.get('content-type'), headers.get('content-disposition')]).toEqual([type, disposition]);
  });

  it.each([
    `${key}/sr-9.dcm`,
    `${heldKey}/report.html`,
    'x/report.html',
    `${key}/..%2F..%2Fetc%2Fpasswd`,
    `${key}/%00.html`,
  ])('are not found at /drafts/%s', async (path) => {
    expect((await fetch(`${server.url}/drafts/${path}`)).status).toBe(404);
  });
});

describe('the same facts as JSON', () => {
  it('are given for the list and for one study', async () => {
    const list = (await (await fetch(`${server.url}/api/studies`)).json()) as {
      studyUid: string;
      drafts: DraftRow[];
    }[];
    expect(list.map((s) => s.studyUid)).toEqual([uidOf('study', 'a')]);
    expect(list[0]!.drafts).toEqual(drafts);
    const one = await (await fetch(`${server.url}/api${studyPath}`)).json();
    expect(one).toMatchObject({
      state: 'held',
      holdCode: 'patient-contradiction',
      received: 2,
      timeline: [{ event: 'ready' }],
    });
  });
});

describe.skipIf(missing('chromium'))('in a browser', () => {
  it('the list is drawn, and nothing is refused by its policy', async () => {
    const shot = join(server.folder, 'page.png');
    const flags = [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--enable-logging=stderr',
      '--window-size=1200,800',
      `--screenshot=${shot}`,
    ];
    const { stderr } = await runPeer(peers.chromium!, [...flags, server.url + studyPath]);
    expect(stderr).not.toMatch(/Refused to|Content Security Policy|violates/);
    expect(readFileSync(shot).length).toBeGreaterThan(10_000);
  });
});

describe('html', () => {
  it('escapes values and keeps markup that it made itself', () => {
    expect(html`<p title="${'"\''}">${html`<b>${'<&>'}</b>`}${[1, 'x', false, undefined]}</p>`.markup).toBe(
      '<p title="&quot;&#39;"><b>&lt;&amp;&gt;</b>1x</p>',
    );
  });

  it('shows characters that could turn text around as U+FFFD', () => {
    expect(escapeHtml('a\u202eb\u2066c\0d')).toBe('a\ufffdb\ufffdc\ufffdd');
  });
});

it.each([
  ['20250102', '2 Jan 2025'],
  ['', ''],
  ['2025', '2025'],
])('a DICOM date %j is shown as %j', (da, shown) => {
  expect(dicomDate(da)).toBe(shown);
});
