import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DicomElement } from '../../../src/base/index.ts';
import { wildcard } from '../../../src/studies/matching.ts';
import { admissions, fromStow, slices, testStudies, uid, type TestStudies } from '../../builders/store.ts';

let t: TestStudies;
const el = (vr: string, ...Value: unknown[]): DicomElement => ({ vr, Value });
const name = (Alphabetic: string, Ideographic?: string, Phonetic?: string): DicomElement =>
  el('PN', { Alphabetic, ...(Ideographic ? { Ideographic } : {}), ...(Phonetic ? { Phonetic } : {}) });

/** Study 1: Yamada, CT and SR; study 2: Adams, MR; study 3: O'Neil with a `_` and a `%` in its IDs. */
beforeAll(async () => {
  t = await testStudies();
  const batches = [
    slices(3, {
      study: uid('1'),
      attributes: {
        '00100010': name('Yamada^Tarou', '山田^太郎', 'やまだ^たろう'),
        '00080020': el('DA', '20260101'),
        '00080030': el('TM', '101530.5'),
        '00080050': el('SH', 'A-100'),
        '00081030': el('LO', 'Chest CT'),
        '00080008': el('CS', 'ORIGINAL', 'PRIMARY', 'AXIAL'),
      },
    }),
    slices(1, { study: uid('1'), series: uid('1', '2'), modality: 'SR', sopClass: '1.2.840.10008.5.1.4.1.1.88.22' }),
    slices(2, {
      study: uid('2'),
      modality: 'MR',
      patientId: 'P2',
      attributes: {
        '00100010': name('ADAMS^JOHN^^^'),
        '00080020': el('DA', '20260215'),
        '00080030': el('TM', '23'),
        '00200013': el('IS', 7),
      },
    }),
    slices(1, {
      study: uid('3'),
      patientId: 'P_3',
      attributes: { '00100010': name("O'Neil^Anna"), '00080050': el('SH', '100%'), '00080020': { vr: 'DA' } },
    }),
  ];
  for (const batch of batches) {
    await t.studies.admit(await admissions(t.blobs, batch), fromStow);
    t.clock.advance(1000);
  }
});
afterAll(() => t.remove());

const studies = async (match: Record<string, string>, page = { limit: 100, offset: 0 }): Promise<string[]> => {
  const query = { match: Object.entries(match).map(([tag, value]) => ({ tag, value })), ...page };
  const found = await t.studies.search('study', query);
  return found.map(({ first }) => first.ref.studyUid.slice(5));
};

describe('a search for studies', () => {
  it('gives all of them with the number of their instances, newest first, where nothing is asked', async () => {
    const found = await t.studies.search('study', { match: [], limit: 100, offset: 0 });
    expect(found.map((f) => f.instances)).toEqual([1, 2, 4]);
    expect(found.map((f) => f.series)).toEqual([1, 1, 2]);
    expect(found.map((f) => f.modalities)).toEqual([['CT'], ['MR'], ['CT', 'SR']]);
    expect(await studies({ '00100010': '', '00100020': '*' })).toEqual(['3', '2', '1']);
  });

  // PS3.4 C.2.2.2: single value, list of UIDs, universal, wild card, range.
  it.each<[string, Record<string, string>, string[]]>([
    ['a patient ID', { '00100020': 'P2' }, ['2']],
    ['a patient ID in the wrong case', { '00100020': 'p2' }, []],
    ['a wild card', { '00100020': 'P*' }, ['3', '2', '1']],
    ['one unknown character', { '00100020': 'P?' }, ['2', '1']],
    ['a `_`, which is no wild card', { '00100020': 'P_*' }, ['3']],
    ['a `%`, which is no wild card', { '00080050': '1%*' }, []],
    ['a `%` itself', { '00080050': '100%' }, ['3']],
    ['a quote', { '00080050': `' OR 1=1 --` }, []],
    ['a name in any case', { '00100010': 'adams^john' }, ['2']],
    ['a name without its trailing delimiters', { '00100010': 'Adams^John^^' }, ['2']],
    ['a family name alone, which is another name', { '00100010': 'adams' }, []],
    ['the beginning of a name', { '00100010': 'YAM*' }, ['1']],
    ['a name with a quote', { '00100010': "o'neil*" }, ['3']],
    ['an ideographic name', { '00100010': '山田*' }, ['1']],
    ['a phonetic name', { '00100010': 'やまだ^たろう' }, ['1']],
    ['two groups of a name', { '00100010': 'yamada*=山田*' }, ['1']],
    ['two groups that do not belong together', { '00100010': 'adams*=山田*' }, []],
    ['a day', { '00080020': '20260101' }, ['1']],
    ['days from to', { '00080020': '20260101-20260214' }, ['1']],
    ['days from', { '00080020': '20260102-' }, ['2']],
    ['days until', { '00080020': '-20261231' }, ['2', '1']],
    ['a time', { '00080030': '1015-1016' }, ['1']],
    ['a time whose hour counts whole', { '00080030': '10-10' }, ['1']],
    ['a time before', { '00080030': '-101530' }, ['1']],
    ['a time that was given short', { '00080030': '23' }, ['2']],
    ['a modality in the study', { '00080061': 'SR' }, ['1']],
    ['a modality of any instance', { '00080060': 'MR' }, ['2']],
    ['a SOP class in the study', { '00080062': '1.2.840.10008.5.1.4.1.1.88.22' }, ['1']],
    ['a list of UIDs', { '0020000D': `${uid('1')},${uid('3')}` }, ['3', '1']],
    ['a list of UIDs as in DIMSE', { '0020000D': `${uid('1')}\\${uid('2')}` }, ['2', '1']],
    ['a description, not indexed', { '00081030': 'Chest*' }, ['1']],
    ['one of several values', { '00080008': 'AXIAL' }, ['1']],
    ['a number', { '00200013': '7' }, ['2']],
    ['all of several', { '00100020': 'P*', '00080061': 'CT', '00080020': '20260101' }, ['1']],
    ['an attribute that nobody has', { '00081048': 'X' }, []],
  ])('finds by %s', async (_what, match, expected) => {
    expect(await studies(match)).toEqual(expected);
  });

  it('gives pages, by index and where summaries must be looked at', async () => {
    expect(await studies({}, { limit: 1, offset: 1 })).toEqual(['2']);
    expect(await studies({ '00080020': '20260101-' }, { limit: 1, offset: 1 })).toEqual(['1']);
    expect(await studies({ '00081030': '*' }, { limit: 2, offset: 2 })).toEqual(['1']);
    expect(await studies({ '00080030': '00-' }, { limit: 1, offset: 1 })).toEqual(['1']);
  });

  it.each(['2026', '2026-01-01', 'yesterday', '-', '20260101-x'])('refuses %j as a date', async (value) => {
    await expect(studies({ '00080020': value })).rejects.toMatchObject({ code: 'query-invalid' });
  });
});

describe('a search below the study', () => {
  it('gives series, inside one study or everywhere', async () => {
    const within = await t.studies.search('series', { studyUid: uid('1'), match: [], limit: 10, offset: 0 });
    expect(within.map((f) => [f.first.ref.seriesUid, f.instances])).toEqual([
      [uid('1', '1'), 3],
      [uid('1', '2'), 1],
    ]);
    const match = [{ tag: '00080060', value: 'MR' }];
    expect(await t.studies.search('series', { match, limit: 10, offset: 0 })).toHaveLength(1);
  });

  it('gives instances, of one series', async () => {
    const query = { studyUid: uid('1'), seriesUid: uid('1', '1'), match: [], limit: 2, offset: 1 };
    const found = await t.studies.search('instance', query);
    expect(found.map((f) => f.first.ref.instanceUid)).toEqual([uid('1', '1', '2'), uid('1', '1', '3')]);
  });
});

describe('wild cards', () => {
  it('match as the same pattern does as a regular expression', () => {
    const piece = fc.constantFrom('*', '?', 'a', 'b', '.', '\\');
    fc.assert(
      fc.property(fc.array(piece), fc.array(fc.constantFrom('a', 'b', '.', '\\')), (pattern, text) => {
        const regular = pattern.map((p) => (p === '*' ? '.*' : p === '?' ? '.' : p.replace(/[.\\]/, '\\$&'))).join('');
        expect(wildcard(pattern.join(''), text.join(''))).toBe(new RegExp(`^${regular}$`).test(text.join('')));
      }),
      { numRuns: 2000 },
    );
  });
});
