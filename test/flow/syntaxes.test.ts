import { beforeAll, describe, expect, it } from 'vitest';
import { syntaxWays, type SyntaxWay } from '../builders/syntax-way.ts';
import { missing } from '../peers/index.ts';

// By a gateway as well, and what it gives back, in `npm run bench -- syntaxes` (conformance/syntaxes.md).
describe.skipIf(missing('shared', 'python'))('files of every transfer syntax by plumbline run', () => {
  let ways: SyntaxWay[];
  beforeAll(async () => {
    ways = await syntaxWays({ gateway: false });
  }, 240_000);

  it('decode to the digest of their index and are read to their end, or are held by a name', () => {
    expect(ways.length).toBeGreaterThan(50);
    expect(ways.flatMap((w) => (w.worse === undefined ? [] : [`${w.file.file}: ${w.worse}`]))).toEqual([]);
  });

  it('are read wherever they decode to a picture that a model can be asked about', () => {
    const unread = ways.filter((w) => w.decoded === 'digest' && w.run !== 'done').map((w) => [w.file.file, w.run]);
    expect(Object.fromEntries(unread)).toEqual(notAsked);
  });
});

const notAsked = {
  // Secondary captures in series of nuclear medicine.
  '1.2.840.10008.1.2.4.51/nm-12bit.dcm': 'nothing-to-read',
  '1.2.840.10008.1.2.4.91/nm.dcm': 'nothing-to-read',
  // 10 pixels high.
  '1.2.840.10008.1.2.4.81/grey8.dcm': 'unsuitable',
  '1.2.840.10008.1.2.4.81/grey16.dcm': 'unsuitable',
  // A segmentation of somebody else.
  '1.2.840.10008.1.2.8.1/seg-3f.dcm': 'nothing-to-read',
};
