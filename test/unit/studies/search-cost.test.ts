import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sql } from '../../../src/store/index.ts';
import { search } from '../../../src/studies/search.ts';
import { admissions, fromStow, slices, testStudies, uid, type TestStudies } from '../../builders/store.ts';

const many = 10_000;
let t: TestStudies;

/** 10,000 studies of two instances each, the rows alone. */
beforeAll(async () => {
  t = await testStudies();
  const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${many})`;
  await t.db.transaction(async (tx) => {
    await tx.run(
      `INSERT INTO studies (study_uid, state, first_at, last_at) ${numbers} SELECT '2.25.9.' || i, 'ready', i, i FROM n`,
    );
    for (const k of ['1', '2'])
      await tx.run(
        `INSERT INTO instances ${numbers} SELECT '2.25.9.' || i || '.1.${k}', '2.25.9.' || i, '2.25.9.' || i || '.1', 'ct', 'ts',
           'd', 'dd', 1, 'received', 'stow', '', i, 'CT', 'P' || i, '', 'A' || i, '20260101', 'n', '', '', '{}' FROM n`,
      );
  });
});
afterAll(() => t.remove());

interface Cost {
  statements: number;
  /** Rows that came out of the database. */
  rows: number;
  /** One a statement. */
  plans: string[];
}

/** The same database, with a look at each statement and at how SQLite goes about it. */
function watched(): { readonly sql: Sql; readonly cost: Cost } {
  const cost: Cost = { statements: 0, rows: 0, plans: [] };
  const all: Sql['all'] = async (text, ...params) => {
    const plan = await t.db.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${text}`, ...params);
    cost.plans.push(plan.map((p) => p.detail).join('\n'));
    cost.statements++;
    const rows = await t.db.all(text, ...params);
    cost.rows += rows.length;
    return rows as never;
  };
  return { sql: { ...t.db, all }, cost };
}

/** A look through a whole table. */
const scan = /SCAN (k|i|x|s|st|search_keys|instances)\b/;

describe('what a search costs among 10,000 studies', () => {
  it.each([
    ['all', []],
    ['a wild card', [{ tag: '00100020', value: 'P*' }]],
    ['a modality', [{ tag: '00080061', value: 'CT' }]],
  ])('is, for the first ten of %s, three statements in the order of the answer', async (_, match) => {
    const { sql, cost } = watched();
    const found = await search(sql, 'study', { match, limit: 10, offset: 0 });
    expect(found.map((f) => f.first.ref.studyUid)).toEqual(Array.from({ length: 10 }, (__, i) => `2.25.9.${many - i}`));
    expect(found.every((f) => f.instances === 2 && f.series === 1)).toBe(true);
    expect(cost).toMatchObject({ statements: 3, rows: 30 });
    // In the order of the index until there are ten; the rest is about these ten.
    const [page, ...rest] = cost.plans;
    expect(page).toMatch(/^SCAN st USING COVERING INDEX studies_first/);
    expect(page).not.toMatch(/TEMP B-TREE|SCAN (k|s)\b/);
    for (const plan of rest) expect(plan).not.toMatch(scan);
  });

  it.each([
    ['a patient', '00100020', 'P77', 'search_keys_patient'],
    ['an accession number', '00080050', 'A77', 'search_keys_accession'],
  ])('is, for the study of %s, what its index leads to', async (_, tag, value, index) => {
    const { sql, cost } = watched();
    const found = await search(sql, 'study', { match: [{ tag, value }], limit: 100, offset: 0 });
    expect(found.map((f) => f.first.ref.studyUid)).toEqual(['2.25.9.77']);
    expect(cost).toMatchObject({ statements: 3, rows: 3 });
    expect(cost.plans[0]).toContain(index);
    for (const plan of cost.plans) expect(plan).not.toMatch(scan);
  });

  it.each(['series', 'instance'] as const)('is, for each %s of one study, its own rows', async (level) => {
    const { sql, cost } = watched();
    const found = await search(sql, level, { studyUid: '2.25.9.5', match: [], limit: 1000, offset: 0 });
    expect(found).toHaveLength(level === 'series' ? 1 : 2);
    for (const plan of cost.plans) expect(plan).not.toMatch(scan);
  });
});

describe('the rows that searches match on', () => {
  it('follow the instances as they come and go, also those of the same UID that are refused', async () => {
    const sketch = { study: uid('1'), patientId: 'comes' };
    const counted = async (): Promise<number[]> =>
      (await t.studies.search('study', { match: [{ tag: '00100020', value: 'comes' }], limit: 9, offset: 0 })).map(
        (f) => f.instances,
      );
    await t.studies.admit(await admissions(t.blobs, slices(3, sketch)), fromStow);
    await t.studies.admit(await admissions(t.blobs, slices(3, { ...sketch, content: 'other' })), fromStow);
    expect(await counted()).toEqual([3]);
    await t.db.run('DELETE FROM instances WHERE instance_uid = ?', uid('1', '1', '1'));
    expect(await counted()).toEqual([2]);
    await t.db.run('DELETE FROM instances WHERE study_uid = ?', uid('1'));
    expect(await counted()).toEqual([]);
  });
});
