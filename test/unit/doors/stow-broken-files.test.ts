import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missing, sharedPath } from '../../peers/index.ts';
import { stow } from '../../builders/multipart.ts';
import { startTestServer, type TestServer } from '../../builders/read-write-server.ts';

interface Case {
  readonly file: string;
  readonly action: 'reject' | 'hold' | 'accept';
  readonly stow: number;
  readonly code: string;
  readonly note: string;
}

interface Answer {
  readonly status: number;
  readonly reason: string;
}

/** Each damaged file alone, in the order of the table, into one store. */
describe.skipIf(missing('shared'))('STOW-RS answers to the damaged files', () => {
  let server: TestServer;
  const answers = new Map<string, Answer>();
  const cases: Case[] = missing('shared')
    ? []
    : JSON.parse(readFileSync(sharedPath('data/dicom-broken/cases.json'), 'utf8'));

  beforeAll(async () => {
    server = await startTestServer();
    for (const { file } of cases) answers.set(file, await answerTo(server, file));
  });
  afterAll(() => server.close());

  it('agrees on status and failure reason with every entry of the table', () => {
    expect(readdirSync(sharedPath('data/dicom-broken')).length).toBeGreaterThan(160);
    const differing = cases.filter((c) => !agrees(c, answers.get(c.file)!));
    console.log(`${cases.length - differing.length} of ${cases.length} agree`);
    for (const c of differing) console.log(c.file, c.stow, c.code, JSON.stringify(answers.get(c.file)), c.note);
    expect(differing).toEqual([]);
  });
});

function agrees(c: Case, answer: Answer): boolean {
  if (c.action !== 'reject') return answer.status === 200;
  return answer.status === c.stow && answer.reason === c.code;
}

async function answerTo(server: TestServer, file: string): Promise<Answer> {
  const response = await stow(`${server.dicomweb}/studies`, [readFileSync(sharedPath('data/dicom-broken', file))]);
  const text = await response.text();
  const body = JSON.parse(text) as Record<string, { Value?: Record<string, { Value: number[] }>[] }>;
  const failed = body['00081198']?.Value?.[0] ?? body['0008119A']?.Value?.[0];
  const reason = failed?.['00081197']?.Value[0]?.toString(16).toUpperCase().padStart(4, '0') ?? '';
  return { status: response.status, reason: reason || (response.status === 200 ? '' : text) };
}
