import { beforeAll, describe, expect, it } from 'vitest';
import { charsetWays, type CharsetWay } from '../builders/charset-way.ts';
import { missing } from '../peers/index.ts';

describe.skipIf(missing('shared', 'python'))('names of every character set on their whole way', () => {
  let ways: CharsetWay[];
  beforeAll(async () => {
    ways = await charsetWays();
  }, 240_000);

  it('are right in SEG, SR, FHIR, ORU and on the page, for each file that has one', () => {
    expect(ways).toHaveLength(43);
    const named = ways.filter((w) => w.wanted !== undefined);
    expect(named.length).toBeGreaterThan(40);
    const wrong = named.flatMap(({ file, wanted, outcome, places }) => {
      if (!outcome.done) return [`${file.file}: ${outcome.code}`];
      return places.filter((p) => !p.right).map((p) => `${file.file}: ${p.place}: ${wanted}, not ${p.shown}`);
    });
    expect(wrong).toEqual([]);
    for (const { file, places } of named)
      expect(
        places.map((p) => p.place.split(' (')[0]),
        file.file,
      ).toEqual(everywhere);
  });

  it('that are not of the set they declare hold the study by that name', () => {
    const unnamed = ways.filter((w) => w.wanted === undefined).map((w) => [w.file.file, w.outcome.code]);
    expect(unnamed).toContainEqual(['own-none-latin1.dcm', 'charset-undecodable']);
  });
});

const everywhere = ['seg-1.dcm', 'sr-1.dcm', 'fhir-r4.json', 'fhir-r5.json', 'page', 'ORU in UTF-8', 'ORU in Latin 1'];
