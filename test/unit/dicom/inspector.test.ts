import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { createInspector, inspectPart10, type Inspector } from '../../../src/dicom/index.ts';
import { ctFile } from '../../builders/files.ts';

let inspector: Inspector;
afterEach(() => inspector.close());

/** 256 x 256 x 16 bits: large enough for another thread. */
const large = (instance: string, attributes = {}): Uint8Array =>
  inShared(
    ctFile({ instance, attributes: { Rows: 256, Columns: 256, ...attributes }, pixels: new Uint8Array(1 << 17) }),
  );

function inShared(file: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(new SharedArrayBuffer(file.length));
  bytes.set(file);
  return bytes;
}

describe('an inspector', () => {
  it.each([
    ['in another thread', large('1', { PatientName: 'Müller^Jörg', SpecificCharacterSet: 'ISO_IR 192' })],
    ['a small file in this one', ctFile()],
  ])('sees the same as inspectPart10, and hashes the file, %s', async (_, file) => {
    inspector = createInspector(1);
    const { digest, ...seen } = await inspector.inspect(file);
    const { pixel: _pixel, undecodable: _undecodable, ...expected } = inspectPart10(file, { undecodable: 'mark' });
    expect(seen).toEqual(expected);
    expect(digest).toBe(createHash('sha256').update(file).digest('hex'));
  });

  it.each([1, 3])('gives each asker its own file, asked all at once, by %i threads', async (threads) => {
    inspector = createInspector(threads);
    const files = Array.from({ length: 9 }, (_, i) => large(String(i)));
    const seen = await Promise.all(files.map((file) => inspector.inspect(file)));
    expect(seen.map((s) => s.digest)).toEqual(files.map((f) => createHash('sha256').update(f).digest('hex')));
  });

  it('refuses a damaged file by the same code as in this thread, and looks at the next', async () => {
    inspector = createInspector(1);
    const file = large('1');
    await expect(inspector.inspect(file.subarray(0, -1000))).rejects.toMatchObject({ code: 'dicom-damaged' });
    expect((await inspector.inspect(file)).transferSyntax).toBe('1.2.840.10008.1.2.1');
  });

  it('that is closed refuses what it has in work, and nobody waits for ever', async () => {
    inspector = createInspector(1);
    const asked = inspector.inspect(large('1'));
    await inspector.close();
    await expect(asked).rejects.toMatchObject({ code: 'internal' });
  });
});
