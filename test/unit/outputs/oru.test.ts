import { Message } from 'node-hl7-client';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkOru, encodeOru, oruChecks, type EncodingInput, type OruVersion } from '../../../src/outputs/index.ts';
import { oruDefects, oruVersions } from '../../builders/defects/oru.ts';
import { sampleInput, type InputOptions } from '../../builders/encodings.ts';
import { startHl7Judge } from '../../peers/hapi-v2.ts';
import { missing, root } from '../../peers/index.ts';

const versions: readonly OruVersion[] = ['2.3.1', '2.5.1'];
const order = { placer: 'P1', filler: 'F1', procedure: { code: '71250', text: 'CT CHEST', scheme: 'C4' } };
const made = (
  options: InputOptions = {},
  extra: Partial<EncodingInput> = {},
): { input: EncodingInput; rows: string[][] } => {
  const input = { ...sampleInput(options), ...extra };
  const rows = encodeOru(input, '2.5.1')
    .split('\r')
    .filter((l) => l !== '')
    .map((l) => l.split('|'));
  return { input, rows };
};
const of = (rows: readonly string[][], id: string): string[][] => rows.filter((r) => r[0] === id);

describe('a report as ORU^R01', () => {
  it('begins with what it is, and everything in it is preliminary', () => {
    const { rows } = made();
    const obx = of(rows, 'OBX');
    expect(obx[0]!.slice(1, 6)).toEqual([
      '1',
      'TX',
      '59776-5^Procedure findings^LN',
      '0',
      'AI draft, not verified by a physician.',
    ]);
    expect(new Set(obx.map((o) => o[11]))).toEqual(new Set(['P']));
    expect(of(rows, 'OBR')[0]![25]).toBe('P');
    expect(new Set(obx.map((o) => o[17]))).toEqual(new Set(['AI^AI, not verified^L']));
    expect(obx.map((o) => o[1])).toEqual(obx.map((_, i) => `${i + 1}`));
  });

  it('says each sentence in its order, and under it codes, numbers with UCUM units, and a link', () => {
    const { input, rows } = made();
    const { draft } = input;
    const obx = of(rows, 'OBX');
    const sentences = obx.filter((o) => /^[1-9]\d*$/.test(o[4]!));
    expect(sentences.map((o) => o[5])).toEqual(draft.sentences.map((s) => s.text));
    const coded = obx.filter((o) => o[2] === 'CWE');
    expect(coded).toHaveLength(draft.findings.length);
    for (const finding of draft.findings) {
      const n = draft.sentences.findIndex((s) => s.id === finding.sentence) + 1;
      const { type } = finding.concept;
      const row = coded.find((o) => o[4]!.startsWith(`${n}.`) && o[3]!.startsWith(`${type.value}^`))!;
      // SNOMED CT qualifiers Absent and Present.
      expect(row[5]!.split('^')[0]).toBe(finding.presence === 'absent' ? '2667000' : '52101004');
      for (const m of finding.measurements) {
        const numbers = obx.filter(
          (o) => o[2] === 'NM' && o[4]!.startsWith(`${n}.`) && o[3]!.startsWith(`${m.code.value}^`),
        );
        expect(numbers.map((o) => [Number(o[5]), o[6]!.split('^')[0], o[6]!.split('^')[2]])).toContainEqual([
          m.value,
          m.unit.value,
          'UCUM',
        ]);
      }
    }
    const links = obx.filter((o) => o[5]!.startsWith('https://'));
    expect(links.length).toBe(draft.sentences.filter((s) => s.kind === 'linked').length);
    expect(obx.filter((o) => o[5]!.startsWith('No mask: ')).length).toBe(
      draft.findings.filter((f) => f.presence === 'ungrounded').length,
    );
  });

  it('echoes the numbers of the order, and is its own filler without one', () => {
    const { rows } = made({}, { order });
    expect(of(rows, 'ORC')[0]!.slice(1)).toEqual(['RE', 'P1', 'F1']);
    expect(of(rows, 'OBR')[0]!.slice(2, 5)).toEqual(['P1', 'F1', '71250^CT CHEST^C4']);
    const { rows: alone, input } = made();
    expect(of(alone, 'ORC')[0]!.slice(1)).toEqual(['RE', '', input.draft.studyUid]);
  });

  it('names the number that the patient has now, where it was merged since the images came', () => {
    const patient = { id: 'P-2', issuer: 'HOSP', issuerOid: '1.2.3' };
    const { rows, input } = made({}, { order: { ...order, patient } });
    expect(of(rows, 'PID')[0]![3]).toBe('P-2^^^HOSP&1.2.3&ISO^MR');
    expect(checkOru(input, encodeOru(input, '2.5.1'), '2.5.1')).toEqual([]);
    const before = encodeOru(sampleInput(), '2.5.1').split('\r')[1]!;
    expect(checkOru(input, encodeOru(input, '2.5.1').replace(/PID[^\r]*/, before), '2.5.1')).toMatchObject([{ check: 'PL-HL7-002' }, { check: 'PL-HL7-002' }]); // prettier-ignore
    const same = { ...order, patient: { id: 'PID-77', issuer: '' } };
    expect(of(made({}, { order: same }).rows, 'PID')[0]![3]).toBe('PID-77^^^HOSPITAL^MR');
  });

  it('names the patient as XPN: suffix before prefix, each representation with its code', () => {
    const { rows } = made({ patientName: 'Adams^John^Quincy^Rev.^B.A.=亚当斯^约翰' });
    expect(of(rows, 'PID')[0]![5]).toBe('Adams^John^Quincy^B.A.^Rev.^^L^A~亚当斯^约翰^^^^^L^I');
  });

  it('is the same bytes each time, and another message for another draft or version', () => {
    const ids = (options: InputOptions, version: OruVersion): string =>
      encodeOru(sampleInput(options), version).split('|')[9]!;
    expect(encodeOru(sampleInput(), '2.5.1')).toBe(encodeOru(sampleInput(), '2.5.1'));
    expect(new Set([ids({}, '2.5.1'), ids({}, '2.3.1'), ids({ version: 2 }, '2.5.1'), ids({}, '2.5.1')]).size).toBe(3);
    expect(ids({}, '2.5.1')).toMatch(/^PL[0-9A-F]{18}$/);
  });

  it.each(versions)('has the types of its version: %s', (version) => {
    const text = encodeOru(sampleInput(), version);
    const types = new Set(text.split('\r').flatMap((l) => (l.startsWith('OBX') ? [l.split('|')[2]] : [])));
    expect(types).toEqual(new Set(['TX', 'ST', 'NM', version === '2.3.1' ? 'CE' : 'CWE']));
    // OBX-18 and CWE came with 2.4 and later; before, the model stands in a note.
    expect(text.includes('\rNTE|')).toBe(version === '2.3.1');
  });

  it('is read by a parser of others, whatever stands in a sentence or a name', () => {
    const hostile = 'A|B^C~D\\E&F\rMSH|^~\\&|evil <b>x</b>';
    const { input } = made({
      patientName: 'E|vil~X&Y^MSH|^~&',
      change: (s) => ({
        ...s,
        draft: { ...s.draft, sentences: s.draft.sentences.map((x, i) => (i === 0 ? { ...x, text: hostile } : x)) },
      }),
    });
    const message = new Message({ text: encodeOru(input, '2.5.1') });
    expect(message.get('MSH.10').toString()).toMatch(/^PL/);
    expect(message.get('PID.5.1').toString()).toBe('E|vil~X&Y');
    expect(message.get('OBX').length).toBe(encodeOru(input, '2.5.1').match(/\rOBX/g)!.length);
    expect(checkOru(input, encodeOru(input, '2.5.1'), '2.5.1')).toEqual([]);
  });
});

describe.skipIf(missing('java', 'hapiV2'))('a report, to the parser of HAPI HL7v2', () => {
  it('is a valid message of its version, whatever the draft', async () => {
    const judge = startHl7Judge();
    try {
      for (const version of versions) {
        for (const options of [{}, { kind: 'picture' }, { masks: 'none' }, { patientName: 'Müller^Jérôme' }] as const) {
          for (const extra of [{}, { order }])
            expect(await judge.judge(encodeOru({ ...sampleInput(options), ...extra }, version))).toBeUndefined();
        }
      }
      expect(await judge.judge(encodeOru(sampleInput(), '2.5.1').replace(/\rOBR[^\r]*/, ''))).toContain('OBR');
    } finally {
      judge.stop();
    }
  });
});

describe('the gate for ORU^R01', () => {
  it.each(versions)('finds nothing wrong with what is written: %s', (version) => {
    for (const options of [{}, { kind: 'picture' }, { masks: 'none' }, { patientName: 'Müller^Jérôme' }] as const) {
      const input = { ...sampleInput(options), order };
      expect(checkOru(input, encodeOru(input, version), version)).toEqual([]);
    }
  });

  const defects: readonly (readonly [string, keyof typeof oruChecks, (text: string) => string])[] = [
    ['a segment is missing', 'PL-HL7-001', (t) => t.replace(/\rORC[^\r]*/, '')],
    ['the control id is another', 'PL-HL7-001', (t) => t.replace(/\|PL[0-9A-F]{18}\|/, '|PL0|')],
    ['the OBX are not numbered', 'PL-HL7-001', (t) => t.replace('OBX|2|', 'OBX|7|')],
    ['it is no message', 'PL-HL7-001', (t) => t.slice(3)],
    ['it is for another patient', 'PL-HL7-002', (t) => t.replace(/(PID\|1\|\|)[^^]*/, '$1OTHER')],
    ['the accession number is another', 'PL-HL7-003', (t) => t.replace(/(\rOBR(\|[^|\r]*){17}\|)[^|]*/, '$1X')],
    ['the placer number is another', 'PL-HL7-003', (t) => t.replace('ORC|RE|P1', 'ORC|RE|P2')],
    ['the study is another', 'PL-HL7-003', (t) => t.replace(/(113014[^|]*\|0\|)[^|]*/, '$11.2.3')],
    ['the marking is gone', 'PL-HL7-004', (t) => t.replace('AI draft, not verified by a physician.', 'Report.')],
    ['a row is final', 'PL-HL7-004', (t) => t.replace('||||||P|||', '||||||F|||')],
    ['the report is final', 'PL-HL7-004', (t) => t.replace(/(\rOBR[^\r]*\|)P(?=\r)/, '$1F')],
    ['a sentence is changed', 'PL-HL7-005', (t) => t.replace(/(\|1\|)([^|]+)(\|\|\|\|\|\|P)/, '$1$2!$3')],
    ['present became absent', 'PL-HL7-006', (t) => t.replace('52101004', '2667000')],
    ['a finding is gone', 'PL-HL7-006', (t) => t.replace(/(\rOBX\|\d+\|)CWE/, '$1ST')],
    ['a number is changed', 'PL-HL7-007', (t) => t.replace(/(\|NM\|[^|]*\|[^|]*\|)/, '$19')],
    ['a unit is changed', 'PL-HL7-007', (t) => t.replace(/(\|NM\|[^|]*\|[^|]*\|[^|]*\|)[^^]*/, '$1km')],
  ];
  it.each(defects)('catches that %s', (_what, check, break_) => {
    const input = { ...sampleInput(), order };
    const good = encodeOru(input, '2.5.1');
    const broken = break_(good);
    expect(broken).not.toBe(good);
    expect(checkOru(input, broken, '2.5.1').map((p) => p.check)).toContain(check);
  });

  const input = { ...sampleInput(), order };
  it.each(
    oruDefects
      .filter((d) => !d.harmless)
      .flatMap((d) => oruVersions.filter((v) => (d.version ?? v) === v).map((version) => ({ ...d, version }))),
  )('holds $version $id $what', ({ version, change }) => {
    const good = encodeOru(input, version);
    expect(change(good)).not.toBe(good);
    expect(checkOru(input, change(good), version).filter((p) => p.severity === 'hold')).not.toEqual([]);
  });

  it('has every check in docs/consistency.md, and no other, and each catches something', () => {
    const lines = readFileSync(join(root, 'docs/consistency.md'), 'utf8').split('\n');
    const rows = lines.filter((l) => l.startsWith('| PL-HL7-'));
    expect(rows).toEqual(Object.entries(oruChecks).map(([id, c]) => `| ${id} | ${c.severity} | ${c.rule} |`));
    const caught = oruDefects.flatMap(({ change, version = '2.5.1' }) =>
      checkOru(input, change(encodeOru(input, version)), version).map((p) => p.check),
    );
    expect(new Set(caught)).toEqual(new Set(Object.keys(oruChecks)));
  });
});
