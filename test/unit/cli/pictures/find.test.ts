import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findPictures } from '../../../../src/cli/pictures/find.ts';
import { modalityOf } from '../../../../src/cli/pictures/modality.ts';
import type { Manifest } from '../../../../src/inference/index.ts';
import { tempFolder } from '../../../builders/program.ts';

function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = tempFolder('find');
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

describe('the pictures of a folder', () => {
  it('are its PNG and JPEG files by path, with the folder of their results', async () => {
    const folder = folderOf({ 'b.PNG': '', 'a/z.jpeg': '', 'a/c.jpg': '', 'notes.txt': '', 'scan.dcm': '' });
    const { pictures, otherFiles } = await findPictures(folder);
    expect(pictures.map((p) => [p.source, p.name])).toEqual([
      ['a/c.jpg', 'a/c'],
      ['a/z.jpeg', 'a/z'],
      ['b.PNG', 'b'],
    ]);
    expect(otherFiles).toBe(2);
  });

  it('keep their ending where two differ in nothing else', async () => {
    const { pictures } = await findPictures(folderOf({ 'a.jpg': '', 'a.png': '' }));
    expect(pictures.map((p) => p.name)).toEqual(['a.jpg', 'a.png']);
  });

  it('are not the masks that lie beside them', async () => {
    const { pictures } = await findPictures(
      folderOf({ 'a.jpg': '', 'a.mask.png': '', 'a.inst.png': '', 'lone.mask.png': '' }),
    );
    expect(pictures.map((p) => p.source)).toEqual(['a.jpg', 'lone.mask.png']);
  });

  it('are those of its index in the order of the index, where it has one', async () => {
    const items = [{ image: 's/b.jpg' }, { image: 's/a.jpg' }];
    const folder = folderOf({ 's/a.jpg': '', 's/b.jpg': '', 's/c.jpg': '', 'index.json': JSON.stringify({ items }) });
    const { pictures, otherFiles } = await findPictures(folder);
    expect(pictures.map((p) => p.source)).toEqual(['s/b.jpg', 's/a.jpg']);
    expect(otherFiles).toBe(2);
  });

  it.each([
    ['lies outside the folder', JSON.stringify({ items: [{ image: '../x.jpg' }] }), /outside/],
    ['is no JSON', '{', /no JSON/],
    ['has items without image', JSON.stringify({ items: [{}] }), /image/],
  ])('are refused where the index %s', async (_what, index, message) => {
    await expect(findPictures(folderOf({ 'index.json': index }))).rejects.toThrow(message);
  });

  it('are refused where there is no folder', async () => {
    await expect(findPictures('/no/such/folder')).rejects.toMatchObject({ code: 'usage' });
  });
});

describe('the modality of the pictures', () => {
  const own = {
    modalities: [
      { key: 'derm', dicom_modality: ['DMS', 'XC'] },
      { key: 'scope', dicom_modality: ['ES'] },
    ],
  };
  const manifest = own as unknown as Manifest;

  it.each([
    ['ct', 'CT'],
    ['xray', 'DX'],
    ['pet', 'PT'],
    ['MG', 'MG'],
    ['mg', 'MG'],
    ['derm', 'XC'],
  ])('"%s" is %s', (asked, modality) => expect(modalityOf(asked)).toBe(modality));

  it('is the bundle’s own first word for its key', () => {
    expect(modalityOf('derm', manifest)).toBe('DMS');
    expect(modalityOf('scope', manifest)).toBe('ES');
  });

  it('is refused with what can be said where it is not known', () => {
    expect(() => modalityOf('xr', manifest)).toThrow(/--modality xr is not known; say derm, scope, ct/);
  });
});
