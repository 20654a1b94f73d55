import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PlumblineError } from '../../../src/base/index.ts';
import { inspectPart10, sparseBytes } from '../../../src/dicom/index.ts';
import { ctFile } from '../../builders/files.ts';
import { missing, sharedPath } from '../../peers/index.ts';

/** A file that is read in places, and what was read of it. */
function sparse(file: Uint8Array) {
  return sparseBytes(file.length, (start, into) => into.set(file.subarray(start, start + into.length)));
}
function seen(work: () => unknown): unknown {
  try {
    return work();
  } catch (e) {
    if (e instanceof PlumblineError) return `${e.code}: ${e.message}`;
    throw e;
  }
}
const dataDigest = 'made by the caller';

describe('a file of which only what is looked at is read', () => {
  it('costs its headers, not its pixels', () => {
    const file = ctFile({ attributes: { Rows: 5000, Columns: 5000 }, pixels: Buffer.alloc(50_000_000, 'pixels') });
    const { bytes, need, read } = sparse(file);
    const inspected = inspectPart10(bytes, { need, dataDigest });
    expect(inspected).toEqual(inspectPart10(file, { dataDigest }));
    // One page holds the headers of this file, another what the pixel data's header reaches into.
    expect(read()).toBeLessThanOrEqual(2 * 4096);
  });

  it('costs a page for each fragment of encapsulated pixel data', () => {
    const fragment = (n: number): Buffer => {
      const head = Buffer.from([0xfe, 0xff, 0, 0xe0, 0, 0, 0, 0]);
      head.writeUInt32LE(n, 4);
      return Buffer.concat([head, Buffer.alloc(n, 7)]);
    };
    const native = ctFile({ pixels: Buffer.alloc(32 * 32 * 2) });
    const at = Buffer.from(native).indexOf(Buffer.from([0xe0, 0x7f, 0x10, 0]));
    const head = Buffer.concat([Buffer.from(native.subarray(0, at)), Buffer.from('e07f10004f420000ffffffff', 'hex')]);
    // RLE in place of explicit little endian: 19 characters and 20, both padded to 20.
    head.write('1.2.840.10008.1.2.5\0', head.indexOf('1.2.840.10008.1.2.1\0'), 'latin1');
    const end = Buffer.from([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]);
    const file = Buffer.concat([head, fragment(0), ...Array.from({ length: 20 }, () => fragment(1_000_000)), end]);
    const { bytes, need, read } = sparse(file);
    const inspected = inspectPart10(bytes, { need, dataDigest });
    expect(inspected).toEqual(inspectPart10(file, { dataDigest }));
    expect(inspected.pixel!.fragments).toHaveLength(20);
    expect(read()).toBeLessThanOrEqual(23 * 2 * 4096);
  });

  it('is found damaged where it is', () => {
    const file = ctFile({ attributes: { Rows: 500, Columns: 500 }, pixels: Buffer.alloc(500_000) });
    for (const broken of [file.subarray(0, -10), Buffer.concat([file, Buffer.alloc(4)]), file.subarray(0, 300)]) {
      const { bytes, need } = sparse(broken);
      expect(seen(() => inspectPart10(bytes, { need, dataDigest }))).toEqual(
        seen(() => inspectPart10(broken, { dataDigest })),
      );
    }
  });

  it.skipIf(missing('shared'))('says of every published file, good or damaged, what reading all of it says', () => {
    const paths = ['dicom', 'dicom-broken', 'dicom-charset'].flatMap((f) => globSync(sharedPath(`data/${f}/**/*.dcm`)));
    expect(paths.length).toBeGreaterThan(300);
    for (const path of paths) {
      const file = readFileSync(path);
      if (file.length > 8 << 20) continue;
      const { bytes, need } = sparse(file);
      const options = { undecodable: 'mark', dataDigest } as const;
      expect(
        seen(() => inspectPart10(bytes, { ...options, need })),
        path,
      ).toEqual(seen(() => inspectPart10(file, options)));
    }
  });
});
