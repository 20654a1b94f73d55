import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PlumblineError } from '../../../src/base/index.ts';
import { dataset } from '../../../src/dicom/index.ts';
import {
  decideRoutes,
  readingPolicy,
  matchesPattern,
  parseRoutes,
  type RoutedSeries,
} from '../../../src/work/index.ts';
import { root } from '../../peers/index.ts';

const chest: RoutedSeries = {
  seriesUid: '1.2.1',
  sender: 'ct1@10.0.0.5',
  attributes: dataset({
    Modality: 'CT',
    BodyPartExamined: 'CHEST',
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
    StudyDescription: 'CT Thorax with contrast',
    ProcedureCodeSequence: [dataset({ CodeValue: '71250', CodingSchemeDesignator: 'C4', CodeMeaning: 'CT chest' })],
  }),
};
const slicesByDefault = { every: 1, max: 64, propagate: false };
const sr: RoutedSeries = { seriesUid: '1.2.9', sender: 'ct1@10.0.0.5', attributes: dataset({ Modality: 'SR' }) };

function routes(...rules: object[]): ReturnType<typeof parseRoutes> {
  return parseRoutes(JSON.stringify({ version: 1, rules }), 'routes.json');
}

function rule(name: string, when: object, then: object = {}): object {
  return { name, when, then: { bundle: 'b', task: 'report', ...then } };
}

function refusal(text: string): PlumblineError {
  try {
    parseRoutes(text, 'routes.json');
  } catch (e) {
    return e as PlumblineError;
  }
  throw new Error('accepted');
}

describe('the routes file', () => {
  it('that comes with Plumbline is valid and sends each imaging modality somewhere', () => {
    const shipped = parseRoutes(readFileSync(join(root, 'mappings/routes.json'), 'utf8'), 'routes.json');
    for (const modality of [
      'CT',
      'MR',
      'PT',
      'CR',
      'DX',
      'MG',
      'XA',
      'US',
      'ES',
      'XC',
      'SM',
      'OP',
      'OPT',
      'NM',
      'GM',
      'DMS',
      'OT',
    ]) {
      const one = { seriesUid: '1.2', sender: '', attributes: dataset({ Modality: modality }) };
      expect(decideRoutes(shipped, [one]).decisions, modality).toHaveLength(1);
    }
    expect(decideRoutes(shipped, [sr]).decisions).toEqual([]);
  });

  it('is refused with file, line and column of an unknown key', () => {
    const e = refusal(
      '{\n  "version": 1,\n  "rules": [\n    { "name": "a", "when": { "modalty": ["CT"] }, "then": { "bundle": "b", "task": "t" } }\n  ]\n}',
    );
    expect(e.code).toBe('routes-invalid');
    expect(e.where).toBe('routes.json:4:30');
    expect(e.message).toContain('unknown key "modalty"');
  });

  it('is refused where two rules have one name', () => {
    expect(refusal(JSON.stringify({ version: 1, rules: [rule('a', {}), rule('a', {})] })).message).toContain(
      'two rules are named "a"',
    );
  });

  it('fills in the policy of a rule that says nothing', () => {
    const [decision] = decideRoutes(routes(rule('all', {})), [chest]).decisions;
    expect(decision?.policy).toEqual({
      late: 'new',
      burnedIn: 'hold',
      captures: 'pass-over',
      slices: { every: 1, max: 64, propagate: false },
      minMaskPixels: 4,
      secondPass: 'auto',
    });
  });
});

describe('deciding', () => {
  it.each([
    ['modality', { modality: ['MR', 'CT'] }, { modality: ['MR'] }],
    ['body part in any case', { bodyPart: ['chest'] }, { bodyPart: ['HEAD'] }],
    ['SOP class', { sopClass: ['1.2.840.10008.5.1.4.1.1.2'] }, { sopClass: ['1.2.840.10008.5.1.4.1.1.4'] }],
    ['procedure code', { procedureCode: ['71250'] }, { procedureCode: ['7125'] }],
    ['procedure code with its scheme', { procedureCode: ['C4|71250'] }, { procedureCode: ['SCT|71250'] }],
    ['description', { description: ['*thorax*'] }, { description: ['thorax'] }],
    ['sender', { sender: ['ct1@*'] }, { sender: ['ct2@*'] }],
  ])('looks at the %s', (_name, holds, doesNot) => {
    expect(decideRoutes(routes(rule('a', holds)), [chest]).decisions).toHaveLength(1);
    expect(decideRoutes(routes(rule('a', doesNot)), [chest]).decisions).toEqual([]);
  });

  it('demands all conditions of a rule', () => {
    expect(decideRoutes(routes(rule('a', { modality: ['CT'], bodyPart: ['HEAD'] })), [chest]).decisions).toEqual([]);
  });

  it('reads each series as its own rule says where rules make one decision together', () => {
    const window = { policy: { window: 'ct-lung' } };
    const few = { policy: { frames: { stride: 3 } } };
    const loop: RoutedSeries = { seriesUid: '1.2.5', sender: '', attributes: dataset({ Modality: 'US' }) };
    const two = routes(rule('ct', { modality: ['CT'] }, window), rule('us', { modality: ['US'] }, few));
    const { decisions } = decideRoutes(two, [chest, loop]);
    expect(decisions.map((d) => d.rule)).toEqual(['ct+us']);
    const [together] = decisions;
    expect(readingPolicy(together!, chest.seriesUid)).toEqual({ slices: slicesByDefault, window: 'ct-lung' });
    expect(readingPolicy(together!, loop.seriesUid)).toEqual({
      slices: slicesByDefault,
      frames: { stride: 3, max: 64, propagate: false },
    });
    // Where all rules read alike nothing stands twice.
    const alike = routes(rule('ct', { modality: ['CT'] }), rule('us', { modality: ['US'] }));
    expect(decideRoutes(alike, [chest, loop]).decisions[0]).not.toHaveProperty('reading');
  });

  it.each([{ window: 'ct-lungs' }, { window: { centre: 1 } }, { frames: { every: 2 } }, { frames: { stride: 0 } }])(
    'refuses the policy %j',
    (policy) =>
      expect(refusal(JSON.stringify({ version: 1, rules: [rule('a', {}, { policy })] })).code).toBe('routes-invalid'),
  );

  it('gives a series to the first rule that holds, and says of the later ones that they held too', () => {
    const { decisions, explanations } = decideRoutes(
      routes(rule('first', { modality: ['CT'] }), rule('second', {}, { task: 'other' })),
      [chest],
    );
    expect(decisions.map((d) => d.rule)).toEqual(['first']);
    expect(explanations.map((e) => [e.rule, e.holds, e.taken])).toEqual([
      ['first', true, true],
      ['second', true, false],
    ]);
  });

  it('explains a condition by what it wanted and what it found', () => {
    const { explanations } = decideRoutes(routes(rule('a', { bodyPart: ['HEAD'] })), [chest]);
    expect(explanations[0]?.conditions).toEqual([
      { condition: 'bodyPart', wanted: ['HEAD'], actual: ['CHEST'], holds: false },
    ]);
  });

  it('makes one decision of rules that ask the same question, and two of rules that do not', () => {
    const us = { ...chest, seriesUid: '1.2.2', attributes: dataset({ Modality: 'US' }) };
    const same = decideRoutes(routes(rule('ct', { modality: ['CT'] }), rule('us', { modality: ['US'] })), [
      chest,
      us,
    ]).decisions;
    expect(same.map((d) => [d.rule, d.series])).toEqual([['ct+us', ['1.2.1', '1.2.2']]]);
    const other = decideRoutes(
      routes(rule('ct', { modality: ['CT'] }), rule('us', { modality: ['US'] }, { task: 'segment' })),
      [chest, us],
    ).decisions;
    expect(other.map((d) => d.series)).toEqual([['1.2.1'], ['1.2.2']]);
  });
});

describe('a pattern', () => {
  it('agrees with the regular expression of the same meaning', () => {
    const piece = fc.constantFrom('a', 'b', '*', 'ab', '.');
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 6 }),
        fc.array(fc.constantFrom('a', 'b', '.'), { maxLength: 8 }),
        (p, v) => {
          const [pattern, value] = [p.join(''), v.join('')];
          const regex = new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`, 'i');
          expect(matchesPattern(pattern, value.toUpperCase())).toBe(regex.test(value));
        },
      ),
    );
  });
});
