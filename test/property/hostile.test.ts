import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseChecked, parseConfig, PlumblineError, sha256 } from '../../src/base/index.ts';
import { loadMappings } from '../../src/findings/index.ts';
import { createDecoder, type Decoder } from '../../src/imaging/index.ts';
import { loadBundle, type Bundle } from '../../src/inference/index.ts';
import { manifestSchema } from '../../src/inference/manifest.ts';
import { parseRoutes, readAndEncode } from '../../src/work/index.ts';
import { mappingFile, shippedMappings, tinyBundle } from '../builders/answers.ts';
import { makeImage } from '../builders/dicom.ts';
import { sampleSite } from '../builders/encodings.ts';
import { sourceOf } from '../builders/series.ts';
import { stubRuntime } from '../builders/stub-runtime.ts';
import { route } from '../builders/work.ts';
import { missing, root, sharedPath } from '../peers/index.ts';

/** fast-check prints the seed and the shrunk input of a failure. */
const hangMs = 20_000;

const large = { rows: 20, columns: 24 };
/** Small good files: grey and colour, one frame and several, and compressed ones where the test data lie beside us. */
const good: Uint8Array[] = [
  makeImage({
    ...large,
    pixel: (x, y) => 100 + 40 * x + 30 * y,
    attributes: {
      FrameOfReferenceUID: '2.25.77',
      ImagePositionPatient: [-10, -20, 5],
      ImageOrientationPatient: [1, 0, 0, 0, 1, 0],
      PixelSpacing: [0.8, 0.7],
      SliceThickness: 5,
    },
  }),
  makeImage({ ...large, samples: 3, bitsAllocated: 8, modality: 'XC', sopClass: '1.2.840.10008.5.1.4.1.1.77.1.4' }),
  makeImage({ ...large, frames: 3, modality: 'US', bitsAllocated: 8, sopClass: '1.2.840.10008.5.1.4.1.1.3.1' }),
  ...(missing('shared') ? [] : ['rle-good', 'jpeg-good'].map((n) => readFileSync(sharedPath('data/dicom-broken', `${n}.dcm`)))), // prettier-ignore
];

interface Change {
  readonly kind: 'flip' | 'length' | 'cut' | 'insert' | 'move';
  /** Where, as a share of the file after its preamble. */
  readonly at: number;
  readonly value: number;
}

const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom('flip', 'flip', 'length', 'cut', 'insert', 'move'),
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  value: fc.constantFrom(0, 1, 2, 0x7f, 0xff, 0xffff, 0xfffe, 0x10000, 0x7fffffff, 0xffffffff, 0xfffffffe),
});

function changed(file: Uint8Array, changes: readonly Change[]): Uint8Array {
  let bytes = Buffer.from(file);
  for (const { kind, at, value } of changes) {
    const place = 132 + Math.floor(at * (bytes.length - 136));
    if (place < 132 || place + 4 > bytes.length) continue;
    if (kind === 'flip') bytes[place]! ^= value & 0xff || 1;
    else if (kind === 'length') bytes.writeUInt32LE(value, place);
    else if (kind === 'cut') bytes = bytes.subarray(0, place);
    else if (kind === 'insert')
      bytes = Buffer.concat([bytes.subarray(0, place), Buffer.alloc(value & 7, value & 0xff), bytes.subarray(place)]); // prettier-ignore
    else bytes.copy(bytes, place, 132, Math.min(164, bytes.length));
  }
  return new Uint8Array(bytes);
}

/** A model that sees a cyst in the middle of every picture. */
const runtime = stubRuntime('There is a <p>renal cyst</p> [SEG]. No liver lesion is seen.');

describe('a DICOM file changed anywhere', () => {
  const mappings = shippedMappings();
  let bundle: Bundle;
  let decoder: Decoder;
  beforeAll(async () => {
    bundle = await loadBundle(tinyBundle);
    decoder = createDecoder({ seconds: 5, maxPixels: 1 << 22 });
  });
  afterAll(() => decoder.close());

  /** What became of it: read to consistent encodings (the gate throws otherwise), or refused by a named error. */
  async function outcome(bytes: Uint8Array): Promise<string> {
    try {
      const result = await readAndEncode({
        instances: [sourceOf(bytes)],
        route: route({ bundle: 'plumbline-tiny', task: 'report' }),
        bundle,
        runtime,
        decoder,
        mappings,
        presence: mappings.presence,
        site: sampleSite,
        createdAt: '2026-03-04T05:06:07.000Z',
        key: sha256('key'),
        inputDigest: sha256('input'),
      });
      return `read, ${result.set.segs.length} SEG`;
    } catch (thrown) {
      if (thrown instanceof PlumblineError) return `${thrown.class} ${thrown.code}`;
      throw thrown;
    }
  }

  it('is read to encodings that agree, or refused by a name; never a defect, a crash or memory without bound', async () => {
    const before = process.memoryUsage().rss;
    const said = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...good), fc.array(change, { minLength: 1, maxLength: 3 }), async (file, changes) => {
        const answer = await outcome(changed(file, changes));
        said.add(answer);
        expect(answer).not.toMatch(/^bug|inconsistent|retry/);
      }),
      { numRuns: 150, endOnFailure: true },
    );
    expect([...said].some((s) => s.startsWith('read'))).toBe(true);
    expect([...said].some((s) => s.startsWith('reject'))).toBe(true);
    expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 30);
  }, 3 * hangMs); // prettier-ignore

  it('unchanged is read', async () => {
    for (const file of good) expect(await outcome(file)).toMatch(/^read, 1 SEG/);
  });
});

// — JSON —

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
const odd: Json[] = [
  null,
  true,
  -1,
  1e308,
  '',
  '\u0000',
  '../../x',
  'x'.repeat(10_000),
  [],
  {},
  [[]],
  { __proto__: 1 },
];
const oddKeys = ['__proto__', 'constructor', 'prototype', 'toString', 'x'];

/** The JSON text with one place replaced, removed or given another key. */
function changedJson(value: Json, pick: (n: number) => number): string {
  const places: { holder: Record<string, Json>; key: string }[] = [];
  const copy = structuredClone(value);
  const visit = (v: Json): void => {
    if (v === null || typeof v !== 'object') return;
    for (const key of Object.keys(v)) {
      places.push({ holder: v as Record<string, Json>, key });
      visit((v as Record<string, Json>)[key]!);
    }
  };
  visit(copy);
  const { holder, key } = places[pick(places.length)]!;
  const what = pick(4);
  if (what === 0) delete holder[key];
  else if (what < 3) holder[key] = odd[pick(odd.length)]!;
  // A key that an assignment would treat as special stands in the text as any other.
  else Object.defineProperty(holder, oddKeys[pick(oddKeys.length)]!, { value: { polluted: 'yes' }, enumerable: true, configurable: true }); // prettier-ignore
  return JSON.stringify(copy);
}

const readers: readonly (readonly [string, Json, (text: string) => unknown])[] = [
  ['routes', mappingFile('routes.json') as Json, (t) => parseRoutes(t, 'routes.json')],
  ['codes', mappingFile('codes.json') as Json, (t) => loadMappings(JSON.parse(t), mappingFile('presence.json'))],
  ['presence', mappingFile('presence.json') as Json, (t) => loadMappings(mappingFile('codes.json'), JSON.parse(t))],
  [
    'manifest',
    JSON.parse(readFileSync(join(root, 'models/plumbline-tiny/manifest.json'), 'utf8')) as Json,
    (t) => parseChecked(manifestSchema, t, 'manifest.json', 'bundle-invalid'),
  ],
  [
    'configuration',
    { http: { port: 0 }, stow: { maxParts: 5 }, destinations: [{ name: 'pacs', kind: 'dicomweb', url: 'http://x/y' }] },
    (t) => parseConfig(t, 'plumbline.yaml', '/'),
  ],
];

describe('JSON changed anywhere is refused with its place, or accepted, and changes nothing else', () => {
  it.each(readers)('%s', (_name, value, read) => {
    const own = Object.getOwnPropertyNames(Object.prototype).length;
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat()), (numbers) => {
        const text = changedJson(value, (n) => (numbers.next().value as number) % n);
        try {
          read(text);
        } catch (thrown) {
          expect(thrown, text.slice(0, 300)).toBeInstanceOf(PlumblineError);
          expect(`${(thrown as PlumblineError).where ?? ''}${(thrown as PlumblineError).message}`).not.toBe('');
        }
        expect(({} as { polluted?: string }).polluted).toBeUndefined();
        expect(Object.getOwnPropertyNames(Object.prototype).length).toBe(own);
      }),
      { numRuns: 60 },
    );
  });
});
