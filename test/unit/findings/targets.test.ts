import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { editDistance, foldName, loadTargets, resolveTarget, sameTarget } from '../../../src/findings/targets.ts';
import { missing, root, sharedPath } from '../../peers/index.ts';

const file = JSON.parse(readFileSync(join(root, 'mappings/targets.json'), 'utf8')) as object;
const targets = loadTargets(file);
const skin = { bundle: 'b', labels: ['skin lesion', 'nevus', 'melanoma'] };

describe('a target', () => {
  it.each([
    ['skin lesion', 'XC', 'skin lesion'],
    ['Skin Lesion', 'XC', 'skin lesion'],
    ['the skin-lesions', 'XC', 'skin lesion'],
    ['pigmented lesion', 'DMS', 'skin lesion'],
    ['naevus', 'XC', 'nevus'],
    ['mole', 'XC', 'nevus'],
  ])('"%s" in %s is the bundle’s "%s"', (asked, modality, label) => {
    expect(resolveTarget(targets, skin, asked, modality)).toBe(label);
  });

  it.each([
    ['intracranial haemorrhage', 'intracranial hemorrhage', 'CT'],
    ['lung tumour', 'lung tumor', 'CT'],
    ['Barrett oesophagus', "Barrett's esophagus", 'ES'],
    ['cerebral oedema', 'edema', 'MR'],
    ['optic disk', 'optic disc', 'OP'],
    ['nuclei', 'nucleus', 'GM'],
    ['nerve fibres', 'axon', 'SM'],
  ])('in British and in American spelling, one and many, is the same: %s, %s', (a, b, modality) => {
    expect(sameTarget(targets, a, b, modality)).toBe(true);
  });

  it('means what its modality makes of it', () => {
    expect(sameTarget(targets, 'lesion', 'skin lesion', 'XC')).toBe(true);
    expect(sameTarget(targets, 'lesion', 'skin lesion', 'CT')).toBe(false);
    expect(sameTarget(targets, 'cyst', 'renal cyst', 'CT')).toBe(false);
  });

  it('that the bundle does not know is refused with the nearest that it knows', () => {
    expect(() => resolveTarget(targets, skin, 'melanona', 'XC')).toThrow(
      expect.objectContaining({
        code: 'target-unknown',
        message: expect.stringMatching(/the bundle b knows no "melanona" in XC; nearest: "melanoma"/) as string,
      }) as Error,
    );
    expect(() => resolveTarget(targets, { bundle: 'b', labels: ['spleen', 'liver'] }, 'hepatic', 'CT')).toThrow(
      /nearest: "liver", "spleen"/,
    );
  });

  it('of a bundle that takes any words is its own word where it has one, else as it was asked', () => {
    const open = { bundle: 'b', labels: ['skin lesion', '*'] };
    expect(resolveTarget(targets, open, 'pigmented lesion', 'XC')).toBe('skin lesion');
    expect(resolveTarget(targets, open, 'dermal nerve sheath', 'XC')).toBe('dermal nerve sheath');
  });

  it('of a bundle that does not say what it knows is one of targets.json', () => {
    const silent = { bundle: 'b', labels: [] };
    expect(resolveTarget(targets, silent, 'renal calculus', 'CT')).toBe('kidney stone');
    expect(() => resolveTarget(targets, silent, 'melanoma', 'CT')).toThrow(/target-unknown|knows no/);
  });
});

describe('mappings/targets.json', () => {
  it.skipIf(missing('shared'))('has every label of the training pictures', () => {
    const { sets } = JSON.parse(readFileSync(sharedPath('data/train/index.json'), 'utf8')) as {
      sets: Record<string, { labels: Record<string, string> }>;
    };
    const labels = Object.values(sets).flatMap((s) => Object.values(s.labels));
    expect(labels.length).toBeGreaterThan(40);
    const known = new Set(targets.entries.flatMap((e) => [e.label, ...e.synonyms].map(foldName)));
    expect(labels.filter((l) => !known.has(foldName(l)))).toEqual([]);
  });

  it('has every finding and organ of the bundle that comes with Plumbline, in its modality', () => {
    const { modalities } = JSON.parse(readFileSync(join(root, 'models/plumbline-tiny/manifest.json'), 'utf8')) as {
      modalities: { dicom_modality: string[]; findings: string[]; organs: string[] }[];
    };
    for (const {
      dicom_modality: [first],
      findings,
      organs,
    } of modalities)
      for (const label of [...findings, ...organs])
        expect(resolveTarget(targets, { bundle: 'b', labels: [] }, label, first!)).toBe(label);
  });

  it('is refused where a name means two things in one modality', () => {
    const entry = (label: string, ...synonyms: string[]) => ({ label, synonyms, modalities: ['CT'] });
    const clash = { version: 1, targets: [entry('liver tumour'), entry('mass', 'Liver Tumor')] };
    expect(() => loadTargets(clash)).toThrow(/"liver tumor" is both liver tumour and mass in CT/);
    expect(() => loadTargets({ version: 1, targets: [{ label: 'x' }] })).toThrow(
      expect.objectContaining({ code: 'mappings-invalid' }) as Error,
    );
  });
});

describe('the edit distance', () => {
  it.each([
    ['kitten', 'sitting', 3],
    ['', 'abc', 3],
    ['same', 'same', 0],
    ['flaw', 'lawn', 2],
  ])('of %s and %s is %i', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
    expect(editDistance(b, a)).toBe(distance);
  });
});
