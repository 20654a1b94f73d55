import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { codesSchema, loadMappings, mapLabel, presenceSchema } from '../../../src/findings/index.ts';
import { privateCode } from '../../../src/findings/mappings.ts';
import { mappingFile, shippedMappings, tinyManifest } from '../../builders/answers.ts';
import { missing, python, sharedPath } from '../../peers/index.ts';

type Triple = [string, string, string];
interface Entry {
  id: string;
  aliases?: string[];
  type: Triple;
  typeSource: string;
  fallback?: Triple;
  region?: Triple;
  regionSource?: string;
  broader?: boolean;
  modalities: string[];
  rgb: [number, number, number];
}
interface Codes {
  sources: Record<string, string>;
  categories: Record<string, Triple>;
  laterality: Record<string, Triple>;
  entries: Entry[];
}
/** Labels of the reference bundle's phantoms, by kind. */
const trained: Readonly<Record<string, { readonly modality: readonly string[]; readonly labels: readonly string[] }>> =
  {
    ct: { modality: ['CT'], labels: ['liver lesion', 'renal cyst', 'kidney stone', 'liver', 'spleen', 'aorta'] },
    mr: { modality: ['MR'], labels: ['brain tumor', 'edema', 'infarct', 'ventricles'] },
    xray: { modality: ['CR', 'DX'], labels: ['lung nodule', 'consolidation', 'pleural effusion', 'heart', 'lungs'] },
    us: { modality: ['US'], labels: ['cyst', 'solid mass', 'calcification'] },
    path: { modality: ['SM'], labels: ['tumor nest', 'necrosis', 'lymphoid aggregate'] },
    endo: { modality: ['ES'], labels: ['polyp', 'ulcer', 'bleeding'] },
    fundus: { modality: ['OP'], labels: ['hemorrhage', 'exudate', 'cotton wool spot', 'optic disc'] },
    oct: { modality: ['OPT'], labels: ['subretinal fluid', 'intraretinal cyst', 'drusen', 'retina'] },
    derm: { modality: ['XC', 'DMS'], labels: ['nevus', 'melanoma', 'vascular lesion'] },
    micro: { modality: ['GM', 'SM'], labels: ['mitotic cell', 'cell cluster', 'debris'] },
    pet: { modality: ['PT'], labels: ['hypermetabolic lesion', 'bladder', 'brain'] },
  };

interface TrainIndex {
  readonly sets: Readonly<
    Record<string, { readonly modality: string; readonly labels: Readonly<Record<string, string>> }>
  >;
}
/** The DICOM modality in which a scanner would have sent the pictures of a set. */
function modalityOf(said: string): string {
  const kinds: readonly (readonly [RegExp, string])[] = [
    [/X-ray/, 'DX'],
    [/^CT/, 'CT'],
    [/MR/, 'MR'],
    [/ultrasound/, 'US'],
    [/fundus/, 'OP'],
    [/OCT/, 'OPT'],
    [/dermoscopy/, 'XC'],
    [/endoscopy/, 'ES'],
    [/histology/, 'SM'],
    [/microscopy/, 'GM'],
  ];
  return kinds.find(([kind]) => kind.test(said))![1];
}

const codes = (): Codes => structuredClone(mappingFile('codes.json')) as Codes;
const presence = mappingFile('presence.json');

describe('mapLabel', () => {
  const tiny = tinyManifest().modalities.flatMap((m) =>
    m.dicom_modality.flatMap((modality) => [...m.findings, ...m.organs].map((label) => ({ modality, label }))),
  );

  it('knows every label of the tiny bundle in its modality', () => {
    expect(tiny.length).toBeGreaterThan(35);
    expect(tiny.filter((t) => mapLabel(shippedMappings(), t.label, t.modality).notice)).toEqual([]);
  });

  it.each(Object.entries(trained))(
    'knows every label that phantoms of %s are drawn with',
    (_kind, { modality, labels }) => {
      const missed = modality.flatMap((m) => labels.filter((l) => mapLabel(shippedMappings(), l, m).notice));
      expect(missed).toEqual([]);
    },
  );

  it.skipIf(missing('shared'))('knows every label of the training pictures in the modality of their set', () => {
    const { sets } = JSON.parse(readFileSync(sharedPath('data/train/index.json'), 'utf8')) as TrainIndex;
    const labels = Object.entries(sets).flatMap(([set, s]) =>
      Object.values(s.labels).map((label) => ({ set, label, modality: modalityOf(s.modality) })),
    );
    expect(labels.length).toBeGreaterThan(40);
    expect(labels.filter((l) => mapLabel(shippedMappings(), l.label, l.modality).notice)).toEqual([]);
  });

  it('writes the CID 7150 code for an anatomical structure', () => {
    expect(mapLabel(shippedMappings(), 'liver', 'CT').concept.category).toEqual({
      value: '91723000',
      scheme: 'SCT',
      meaning: 'Anatomical Structure',
    });
  });

  it.each([
    ['Renal Cyst', 'CT', 'kidney_cyst'],
    ['left kidney', 'CT', 'kidney'],
    ['the right lung', 'CT', 'lung'],
    ['nuclei in pathology', 'SM', 'cell_nucleus'],
    ['kidney  tumors', 'MR', 'kidney_tumor'],
    ['ground-glass opacity', 'CT', 'ground_glass_opacity'],
    ['hemorrhage', 'OP', 'retinal_hemorrhage'],
    ['hemorrhage', 'ES', 'gi_bleeding'],
    ['left ventricle', 'MR', 'left_ventricle'],
    ['intracranial haemorrhage', 'CT', 'intracranial_hemorrhage'],
    ['Lung Tumours', 'CT', 'lung_tumor'],
    ['Barrett oesophagus', 'ES', 'barrett_esophagus'],
    ['lung (image left)', 'DX', 'lung'],
  ])('finds %s in %s as %s', (label, modality, id) => {
    expect(mapLabel(shippedMappings(), label, modality).concept.id).toBe(id);
  });

  it('takes an entry only in the modalities that it is for', () => {
    const drusen = mapLabel(shippedMappings(), 'drusen', 'CT');
    expect(drusen.concept.id).toBe('unknown_region');
    expect(drusen.notice).toMatchObject({ code: 'mapping-miss' });
  });

  it('never writes an unverified code but its fallback', () => {
    const polyp = mapLabel(shippedMappings(), 'polyp', 'ES');
    expect(polyp.concept.type).toEqual({ value: '52988006', scheme: 'SCT', meaning: 'Lesion' });
    expect(polyp.broader).toBe(true);
  });
});

describe('privateCode', () => {
  it('fits the 16 characters of SH whatever the label', () => {
    for (const label of ['cyst', 'pigment epithelial detachment', '肝臓', 'a|b\\c^d'])
      expect(privateCode(label).value).toMatch(/^[a-z0-9_-]{1,16}$/);
    expect(privateCode('kidney stone')).toEqual({
      value: 'kidney_stone',
      scheme: '99PLUMBLINE',
      meaning: 'kidney stone',
    });
  });
});

describe('loadMappings', () => {
  const broken = (change: (c: Codes) => void) => {
    const c = codes();
    change(c);
    return () => loadMappings(c, presence);
  };

  it('says where a file breaks its schema', () => {
    expect(broken((c) => Object.assign(c.entries[3]!, { colour: 'red' }))).toThrowError(
      /codes.json\/entries\/3\/colour: unknown key/,
    );
    expect(() => loadMappings(codes(), { version: 1 })).toThrowError(/presence.json/);
  });

  it.each<[string, (c: Codes) => void]>([
    [
      'one name for two entries of a modality',
      (c) => c.entries.push({ ...c.entries[0]!, id: 'other', aliases: ['Liver'] }),
    ],
    [
      'an unverified code without fallback',
      (c) => delete c.entries.find((e) => e.typeSource === 'unverified')!.fallback,
    ],
    ['a fallback for a verified code', (c) => (c.entries[0]!.fallback = ['1', 'SCT', 'x'])],
    ['no entry for unknown labels', (c) => (c.entries = c.entries.filter((e) => e.id !== 'unknown_region'))],
  ])('refuses %s', (_, change) => {
    expect(broken(change)).toThrowError(expect.objectContaining({ code: 'mappings-invalid' }));
  });

  it('digests content, not the order of keys', () => {
    const turned = Object.fromEntries(Object.entries(codes()).reverse());
    expect(loadMappings(turned, presence).digest).toBe(shippedMappings().digest);
    const other = codes();
    other.entries[0]!.rgb = [1, 2, 3];
    expect(loadMappings(other, presence).digest).not.toBe(shippedMappings().digest);
  });

  it('ships the schemas that it checks with', () => {
    expect(mappingFile('codes.schema.json')).toEqual(codesSchema);
    expect(mappingFile('presence.schema.json')).toEqual(presenceSchema);
  });
});

describe.skipIf(missing('python'))('the codes, beside PS3.16 in pydicom', () => {
  /** Codes whose source is none that pydicom is made from. */
  const elsewhere = new Set(['110765007', '47351003']);

  it('hold every code that can be written, with one exception list', async () => {
    const { entries, categories, laterality } = codes();
    const { presence: p } = shippedMappings();
    const written = [
      ...Object.values(categories),
      ...Object.values(laterality),
      ...entries.flatMap((e) => [e.fallback ?? e.type, ...(e.region ? [e.region] : [])]),
      ...[p.present.sr, p.present.fhir, p.absent.sr].map((c): Triple => [c.value, c.scheme, c.meaning]),
      ...(['118565006', '42798000', '103339001', '103340004'] as const).map((v): Triple => [v, 'SCT', '']),
    ].filter(([value]) => !elsewhere.has(value));
    const script = `
import json, sys
from pydicom.sr._concepts_dict import concepts
known = {(s, v) for s, names in concepts.items() for codes in names.values() for v in codes}
print(json.dumps([c for c in json.loads(sys.argv[1]) if (c[1], c[0]) not in known]))`;
    const { stdout, stderr } = await python(script, [JSON.stringify(written)]);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual([]);
  });

  it('colour masks as highdicom scales CIELab', async () => {
    const colours = codes().entries.map((e) => e.rgb);
    const script = `
import json, sys
from highdicom.color import CIELabColor
print(json.dumps([[int(v) for v in CIELabColor.from_rgb(*c).value] for c in json.loads(sys.argv[1])]))`;
    const { stdout } = await python(script, [JSON.stringify(colours)]);
    const theirs = JSON.parse(stdout) as number[][];
    const ours = codes().entries.map((e) => mapLabel(shippedMappings(), e.id, e.modalities[0]!).concept.lab);
    const apart = ours.flatMap((lab, i) => lab.map((v, k) => Math.abs(v - theirs[i]![k]!)));
    expect(Math.max(...apart)).toBeLessThanOrEqual(1);
  });
});
