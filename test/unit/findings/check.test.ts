import { describe, expect, it } from 'vitest';
import { schemaProblems, type MaskPlane } from '../../../src/base/index.ts';
import { checkDraft, draftSchema } from '../../../src/findings/index.ts';
import { sampleDraft, type SampleOptions } from '../../builders/draft.ts';

/** A draft whose parts can be spoilt. */
interface Loose {
  [key: string]: Loose;
}
const sample = () => {
  const { draft, masks } = sampleDraft();
  const bits = new Map(
    [...masks].map(([id, planes]): [string, MaskPlane[]] => [id, planes.map((p) => ({ ...p, bits: p.bits.slice() }))]),
  );
  return { draft: structuredClone(draft) as unknown as Loose, bits };
};

describe('checkDraft', () => {
  it.each<[string, SampleOptions]>([
    ['a volume', {}],
    ['a picture', { kind: 'picture' }],
    ['a picture with spacing', { kind: 'picture', spacing: 'physical' }],
    ['a multi-frame volume', { multiFrame: true }],
    ['a tilted volume', { tiltMm: 1 }],
    ['odd sizes', { rows: 10, columns: 11, planes: 5 }],
    ['nothing to show', { masks: 'none' }],
  ])('lets a whole draft pass: %s', (_, options) => {
    const { draft, masks } = sampleDraft(options);
    expect(() => checkDraft(draft, masks)).not.toThrow();
  });

  it.each<[string, RegExp, (s: ReturnType<typeof sample>) => void]>([
    ['an unknown key', /unknown key "colour"/, (s) => Object.assign(s.draft, { colour: 'red' })],
    ['a time that is none', /createdAt/, (s) => Object.assign(s.draft, { createdAt: 'yesterday' })],
    ['ids out of order', /s1 stands where s2/, (s) => Object.assign(s.draft['sentences']![1]!, { id: 's1' })],
    [
      'a finding that is not there',
      /s2: names a finding/,
      (s) => Object.assign(s.draft['sentences']![1]!, { findings: ['f99'] }),
    ],
    [
      'a finding that its sentence does not name',
      /f1: s5 does not name it/,
      (s) => Object.assign(s.draft['findings']![0]!, { sentence: 's5' }),
    ],
    [
      'a linked sentence without mask',
      /s5: is linked/,
      (s) => Object.assign(s.draft['sentences']![4]!, { kind: 'linked' }),
    ],
    [
      'an ungrounded sentence called plain',
      /s6: is plain/,
      (s) => Object.assign(s.draft['sentences']![5]!, { kind: 'plain' }),
    ],
    [
      'a span beyond the text',
      /span .* is not in the text/,
      (s) => Object.assign(s.draft['sentences']![1]!['spans']![0]!, { end: 999 }),
    ],
    ['markup in the text', /markup/, (s) => Object.assign(s.draft['sentences']![0]!, { text: 'a <p>b</p>' })],
    [
      'a present finding without mask',
      /f1: is present, its mask is none/,
      (s) => delete (s.draft['findings']![0] as { mask?: unknown }).mask,
    ],
    [
      'an absent finding with a mask',
      /f5: is absent, its mask is m1/,
      (s) => Object.assign(s.draft['findings']![4]!, { mask: 'm1' }),
    ],
    ['no reason for no mask', /f6: a reason/, (s) => delete (s.draft['findings']![5] as { reason?: unknown }).reason],
    [
      'one tracking id twice',
      /tracking id renal cyst-1 is given twice/,
      (s) => Object.assign(s.draft['findings']![5]!, { trackingId: 'renal cyst-1' }),
    ],
    [
      'one tracking uid twice',
      /tracking uid/,
      (s) => Object.assign(s.draft['findings']![1]!, { trackingUid: s.draft['findings']![0]!['trackingUid'] }),
    ],
    [
      'a coded side without a side',
      /f3: coded laterality/,
      (s) => delete (s.draft['findings']![2] as { side?: unknown }).side,
    ],
    [
      'a measurement where the mask is not',
      /f1: area on plane 5/,
      (s) => Object.assign(s.draft['findings']![0]!['measurements']![1]!, { plane: 5 }),
    ],
    [
      'a segment number left out',
      /m2: segment 3, expected 2/,
      (s) => Object.assign(s.draft['masks']![1]!, { segment: 3 }),
    ],
    ['a changed bit', /m1: pixel count.*m1: digest/, (s) => (s.bits.get('m1')![0]!.bits[0]! ^= 1)],
    ['a lost plane', /m1: planes are not/, (s) => s.bits.get('m1')!.pop()],
    ['an empty plane', /m1: an empty plane/, (s) => s.bits.get('m1')![0]!.bits.fill(0)],
    ['bits of nothing', /bits of m9/, (s) => s.bits.set('m9', [])],
    ['no bits', /m1: no bits/, (s) => s.bits.delete('m1')],
    [
      'a key plane that is not the largest',
      /m2: key plane/,
      (s) => {
        s.bits.get('m2')![0]!.bits.fill(0, 4);
        Object.assign(s.draft['masks']![1]!, { keyPlane: 0 });
      },
    ],
    [
      'a stack that lost a plane',
      /k1: 6 planes/,
      (s) => (s.draft['stacks']![0]!['planes'] as unknown as unknown[]).pop(),
    ],
    [
      'coverage of more than there is',
      /coverage: 7 of 6/,
      (s) => Object.assign(s.draft['coverage']!['read']![0]!, { planes: 7 }),
    ],
  ])('refuses %s', (_, message, change) => {
    const s = sample();
    change(s);
    let thrown: unknown;
    try {
      checkDraft(s.draft as never, s.bits);
    } catch (e) {
      thrown = e;
    }
    expect(thrown).toMatchObject({ code: 'draft-invalid', class: 'bug' });
    expect((thrown as Error).message).toMatch(message);
  });

  it('refuses bits set beyond the last pixel', () => {
    const { draft, masks } = sampleDraft({ rows: 11, columns: 13 });
    const [id, planes] = [...masks][0]!;
    const bits = planes[0]!.bits.slice();
    bits[bits.length - 1]! |= 0x80;
    const spoilt = new Map([...masks, [id, [{ ...planes[0]!, bits }, ...planes.slice(1)]] as const]);
    expect(() => checkDraft(draft, spoilt)).toThrowError(/beyond the last pixel/);
  });

  it('holds a schema that a draft in JSON still obeys', () => {
    const { draft } = sampleDraft();
    expect(schemaProblems(draftSchema, JSON.parse(JSON.stringify(draft)))).toEqual([]);
  });
});
