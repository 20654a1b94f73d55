import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SourceInstance } from '../../../../src/base/index.ts';
import { decodeJpeg } from '../../../../src/cli/pictures/jpeg.ts';
import { decodePng } from '../../../../src/cli/pictures/png.ts';
import type { Raster } from '../../../../src/cli/pictures/raster.ts';
import { readPicture } from '../../../../src/cli/pictures/read.ts';
import { number, text } from '../../../../src/dicom/index.ts';
import { createDecoder } from '../../../../src/imaging/index.ts';
import { tempFolder } from '../../../builders/program.ts';
import { dciodvfyErrors, missing, python, root } from '../../../peers/index.ts';

const decoder = createDecoder({ seconds: 20, maxPixels: 1 << 22 });
afterAll(() => decoder.close());

const pictureFile = (path: string) => ({ path, source: 'some/picture', name: 'some/picture' });
const read = (path: string): Promise<SourceInstance> => readPicture(pictureFile(path), 'XC', decoder, 1 << 22);

function rasterOf(path: string): Promise<Raster> {
  const bytes = new Uint8Array(readFileSync(path));
  return path.endsWith('.png') ? Promise.resolve(decodePng(bytes, 1 << 22)) : decodeJpeg(bytes, decoder, 1 << 22);
}

describe.skipIf(missing('python'))('picture files of every kind', () => {
  const folder = tempFolder('pictures');

  beforeAll(async () => {
    const made = await python(join(root, 'test/peers/pillow_pictures.py'), [folder]);
    expect([made.code, made.stderr.replace(/.*DeprecationWarning[^\n]*\n[^\n]*\n/g, '')]).toEqual([0, '']);
  });

  /** What Pillow saw. */
  function seen(name: string): Omit<Raster, 'lossyRatio'> {
    const bytes = readFileSync(join(folder, `${name}.raw`));
    const end = bytes.indexOf(10);
    const [width, height, channels, bits] = bytes.subarray(0, end).toString().split(' ').map(Number);
    const raw = Uint8Array.from(bytes.subarray(end + 1));
    const data = bits! > 8 ? new Uint16Array(raw.buffer) : raw;
    return { width: width!, height: height!, channels: channels as 1 | 3, bits: bits!, data };
  }

  it('are read from PNG as Pillow reads them, to the last bit', async () => {
    const files = readdirSync(folder).filter((f) => f.endsWith('.png'));
    expect(files.length).toBeGreaterThan(18);
    for (const file of files) expect(await rasterOf(join(folder, file)), file).toEqual(seen(file.replace('.png', '')));
  });

  it('are read from JPEG as Pillow reads them, each sample within 2 of 255', async () => {
    const files = readdirSync(folder).filter((f) => f.endsWith('.jpg') && f !== 'cmyk.jpg');
    expect(files.length).toBeGreaterThan(12);
    for (const file of files) {
      const { data, lossyRatio, ...ours } = await rasterOf(join(folder, file));
      const { data: theirs, ...rest } = seen(file.replace('.jpg', ''));
      expect(ours, file).toEqual(rest);
      expect(lossyRatio).toBeGreaterThan(0);
      expect(Math.max(...Array.from(data, (v, i) => Math.abs(v - theirs[i]!))), file).toBeLessThanOrEqual(2);
    }
  });

  it('are refused by name where they hold four inks', async () => {
    await expect(rasterOf(join(folder, 'cmyk.jpg'))).rejects.toMatchObject({
      code: 'picture-invalid',
      message: expect.stringContaining('CMYK') as string,
    });
  });

  it.skipIf(missing('dciodvfy'))('become Secondary Captures without an error of dciodvfy', async () => {
    const files = readdirSync(folder).filter((f) => /^(grey|rgb|grey-16|jpeg-420)\.(png|jpg)$/.test(f));
    expect(files).toHaveLength(4);
    for (const file of files) {
      const out = join(folder, `${file}.dcm`);
      writeFileSync(out, await (await read(join(folder, file))).load());
      expect(await dciodvfyErrors(out), file).toEqual([]);
    }
  });

  it('are always the same study, and each file another', async () => {
    const uids = await Promise.all(['rgb', 'rgb', 'grey'].map(async (f) => (await read(join(folder, `${f}.png`))).ref));
    expect(uids[0]).toEqual(uids[1]);
    expect(new Set(uids.map((u) => u.studyUid)).size).toBe(2);
  });

  it('say that they are artificial, what they show, and whether they were compressed with loss', async () => {
    const [png, jpeg] = await Promise.all([read(join(folder, 'rgb.png')), read(join(folder, 'jpeg-444.jpg'))]);
    expect(text(png.attributes, 'PatientName')).toContain('ARTIFICIAL');
    expect(text(png.attributes, 'PatientID')).toMatch(/^IMAGE-FILE-[0-9A-F]{12}$/);
    expect(text(png.attributes, 'Modality')).toBe('XC');
    expect(text(png.attributes, 'LossyImageCompression')).toBe('');
    expect(text(jpeg.attributes, 'LossyImageCompression')).toBe('01');
    expect(number(jpeg.attributes, 'LossyImageCompressionRatio')).toBeGreaterThan(1);
  });

  it.each([
    ['cut in the middle of its pixels', 'rgba.png', (b: Uint8Array) => b.subarray(0, b.length >> 1)],
    ['with a byte changed', 'rgba.png', (b: Uint8Array) => b.with(b.length >> 1, b[b.length >> 1]! ^ 1)],
    ['with nothing but a signature', 'rgb.png', (b: Uint8Array) => b.subarray(0, 8)],
    ['cut before its end', 'jpeg-444.jpg', (b: Uint8Array) => b.subarray(0, b.length >> 1)],
    ['with nothing but a marker', 'jpeg-444.jpg', (b: Uint8Array) => b.subarray(0, 4)],
    ['of something else', 'rgb.png', () => new TextEncoder().encode('hello')],
    ['of no byte', 'rgb.png', () => new Uint8Array(0)],
  ])('a file %s is refused, and named', async (_what, of, broken) => {
    const path = join(folder, 'broken');
    writeFileSync(path, broken(new Uint8Array(readFileSync(join(folder, of)))));
    await expect(read(path)).rejects.toMatchObject({ code: 'picture-invalid', where: 'some/picture' });
  });

  it('a file that says it is enormous is refused before it is decoded', async () => {
    const path = join(folder, 'enormous');
    const bytes = new Uint8Array(readFileSync(join(folder, 'rgb.png')));
    new DataView(bytes.buffer).setUint32(16, 1 << 20);
    writeFileSync(path, bytes);
    await expect(read(path)).rejects.toMatchObject({ message: expect.stringContaining('allowed') as string });
  });

  it('a folder in place of a file is named', async () => {
    mkdirSync(join(folder, 'folder'));
    await expect(read(join(folder, 'folder'))).rejects.toMatchObject({ code: 'picture-invalid' });
  });
});
