import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canonicalJson,
  countBits,
  derivedUid,
  emptyBits,
  getBit,
  isUid,
  packBits,
  setBit,
  unpackBits,
} from '../../../src/base/index.ts';
import { missing, peers } from '../../peers/index.ts';

describe('derived identifiers', () => {
  it('gives the same UID for the same parts and another for any other parts', () => {
    expect(derivedUid('key', 1, 'seg')).toBe(derivedUid('key', 1, 'seg'));
    expect(
      new Set([derivedUid('key', 1, 'seg'), derivedUid('key', 2, 'seg'), derivedUid('ke', 'y1', 'seg')]).size,
    ).toBe(3);
  });

  it('makes legal UIDs whose 128 bits carry version 8 and the RFC 9562 variant', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(), (key, n) => {
        const uid = derivedUid(key, n);
        const hex = BigInt(uid.slice(5)).toString(16).padStart(32, '0');
        expect(isUid(uid)).toBe(true);
        expect(hex[12]).toBe('8');
        expect('89ab').toContain(hex[16]);
      }),
    );
  });

  it('knows what a UID is (PS3.5 9.1)', () => {
    for (const good of ['1.2', '1.2.840.10008.1.2', '2.25.0', `1.${'2'.repeat(62)}`])
      expect(isUid(good), good).toBe(true);
    for (const bad of [
      '',
      '1',
      '1.',
      '.1',
      '1.02',
      '1..2',
      '1.a',
      '1.2\n',
      ` 1.2`,
      `1.${'2'.repeat(63)}`,
      '1.2/../3',
      undefined,
      12,
    ])
      expect(isUid(bad), String(bad)).toBe(false);
  });

  it('writes canonical JSON whatever the order of keys', () => {
    expect(canonicalJson({ b: [{ d: 1, c: 2 }], a: null })).toBe('{"a":null,"b":[{"c":2,"d":1}]}');
  });
});

describe('packed bits', () => {
  it('come back from packing as they went in', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 1, maxLength: 200 }), (flags) => {
        const bits = packBits(flags);
        expect([...unpackBits(bits, flags.length)]).toEqual(flags);
        expect(countBits(bits)).toBe(flags.reduce((a, b) => a + b, 0));
        expect(flags.map((_, i) => Number(getBit(bits, i)))).toEqual(flags);
      }),
    );
  });

  it.skipIf(missing('python'))('have the bit order of numpy packbits little, which is that of DICOM', () => {
    const flags = Array.from({ length: 29 }, (_, i) => Number((i * 7) % 3 === 0));
    const script = `import numpy as np; print(np.packbits(np.array(${JSON.stringify(flags)}), bitorder='little').tolist())`;
    const numpy = JSON.parse(execFileSync(peers.python!, ['-c', script], { encoding: 'utf8' })) as number[];
    const bits = emptyBits(29);
    flags.forEach((f, i) => f && setBit(bits, i));
    expect([...bits]).toEqual(numpy);
  });
});
