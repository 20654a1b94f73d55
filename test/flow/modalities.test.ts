/** Each modality from its own DICOM, by its shipped route, through pictures, draft and gate to SEG, SR and FHIR. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  emptyBits,
  joined,
  setBit,
  sha256,
  type Answer,
  type Picture,
  type SourceInstance,
} from '../../src/base/index.ts';
import { attributesOf, items, number, text } from '../../src/dicom/index.ts';
import { createDecoder, type Decoder } from '../../src/imaging/index.ts';
import { loadBundle, type Bundle } from '../../src/inference/index.ts';
import { decideRoutes, encodingFiles, parseRoutes, readAndEncode, type PipelineResult } from '../../src/work/index.ts';
import { shippedMappings, tinyBundle } from '../builders/answers.ts';
import { sampleSite } from '../builders/encodings.ts';
import { tempFolder } from '../builders/program.ts';
import { sourceOf, sourcesUnder } from '../builders/series.ts';
import { lightClasses, wrapJpeg } from '../builders/wrapped.ts';
import { dciodvfyErrors, missing, python, root, sharedPath } from '../peers/index.ts';

interface Case {
  /** Below the DICOM test data. */
  readonly from?: string;
  readonly wrapped?: () => Uint8Array;
  readonly rule: string;
  readonly label: string;
  /** Segmented Property Type that the label's entry has, from PS3.16 (the entry's `typeSource`). */
  readonly type: string;
  /** Anatomic Region, where the entry has one. */
  readonly region?: string;
  /** How the pictures were made, as the draft's own words say. */
  readonly window: RegExp;
  /** Planes that the route reads: shown to the model, or passed over as blank. */
  readonly planes: number;
  /** A mask to the left of the picture: which coded side it gets, where the image knows one. */
  readonly side?: string;
}

const right = '24028007';
const left = '7771000';

const cases: Readonly<Record<string, Case>> = {
  'CT': { from: 'CT/philips-head-crop', rule: 'ct', label: 'intracranial hemorrhage', type: '50960005', region: '12738006', window: /^W \d+ C -?\d+$/, planes: 28 },
  'MR': { from: 'MR/double-oblique', rule: 'mr', label: 'brain tumor', type: '108369006', region: '12738006', window: /^automatic, percentiles/, planes: 4 },
  'CR': { from: 'CR/mono1-10bit-j2k.dcm', rule: 'x-ray', label: 'lung nodule', type: '27925004', region: '39607008', window: /./, planes: 1 },
  'DX': { from: 'DX/mono1-12bit-quarter.dcm', rule: 'x-ray', label: 'consolidation', type: '52988006', region: '39607008', window: /./, planes: 1 },
  'MG': { from: 'MG/mammo-third-jpegll.dcm', rule: 'x-ray', label: 'breast mass', type: '4147007', region: '76752008', window: /./, planes: 1 },
  'US still': { from: 'US/rgb.dcm', rule: 'ultrasound', label: 'cyst', type: '367643001', window: /^colour$/, planes: 1 },
  'US loop': { from: 'US/multiframe-jpeg-30f.dcm', rule: 'ultrasound', label: 'solid mass', type: '4147007', window: /^colour$/, planes: 8 },
  'SM': { from: 'SM/ihc', rule: 'pathology', label: 'tumor nest', type: '108369006', window: /^colour$/, planes: 1 },
  'ES': { from: 'ES/endoscopy-1.dcm', rule: 'endoscopy', label: 'polyp', type: '52988006', window: /^colour$/, planes: 1 },
  'OP': { from: 'OP/fundus-colour.dcm', rule: 'fundus', label: 'hemorrhage', type: '50960005', region: '5665001', window: /^colour$/, planes: 1, side: right },
  'OPT': { from: 'OPT/oct-synthetic-8f.dcm', rule: 'oct', label: 'subretinal fluid', type: '52988006', region: '5665001', window: /full range|automatic|^W /, planes: 8, side: left },
  'XC': { from: 'XC/dermoscopy-1.dcm', rule: 'dermoscopy', label: 'melanoma', type: '1162635006', region: '39937001', window: /^colour$/, planes: 1 },
  'DMS': { from: 'XC/dermoscopy-2-dms.dcm', rule: 'dermoscopy', label: 'nevus', type: '52988006', region: '39937001', window: /^colour$/, planes: 1 },
  'GM': { wrapped: () =>
      wrapJpeg(sharedPath('data/train/nuclei_fluorescence/00071198d059.jpg'), { sopClass: lightClasses.microscopic, modality: 'GM', study: 'micro' }),
    rule: 'microscopy', label: 'nucleus', type: '84640000', window: /^colour$/, planes: 1,
  },
  'PT': { from: 'PT/pet-168.dcm', rule: 'pet', label: 'hypermetabolic lesion', type: '52988006', window: /SUVbw 0 to 10/, planes: 1 },
}; // prettier-ignore

const routes = parseRoutes(readFileSync(join(root, 'mappings/routes.json'), 'utf8'), 'routes.json');
const mappings = shippedMappings();

describe.skipIf(missing('shared'))('from DICOM to SEG, SR and FHIR', () => {
  let decoder: Decoder;
  let bundle: Bundle;
  const folder = tempFolder('modalities');
  const written: string[] = [];
  beforeAll(async () => {
    decoder = createDecoder({ seconds: 20, maxPixels: 1 << 26 });
    bundle = await loadBundle(tinyBundle);
  });
  afterAll(() => decoder.close());

  it('reads CT', () => whole('CT'), 60_000);
  it('reads MR', () => whole('MR'), 60_000);
  it('reads CR', () => whole('CR'), 60_000);
  it('reads DX', () => whole('DX'), 60_000);
  it('reads MG', () => whole('MG'), 60_000);
  it('reads US still', () => whole('US still'), 60_000);
  it('reads US loop', () => whole('US loop'), 60_000);
  it('reads SM', () => whole('SM'), 60_000);
  it('reads ES', () => whole('ES'), 60_000);
  it('reads OP', () => whole('OP'), 60_000);
  it('reads OPT', () => whole('OPT'), 60_000);
  it('reads XC', () => whole('XC'), 60_000);
  it('reads DMS', () => whole('DMS'), 60_000);
  it('reads GM', () => whole('GM'), 60_000);
  it('reads PT', () => whole('PT'), 60_000);

  it.skipIf(missing('dciodvfy'))('dciodvfy finds no error in any SEG or SR', async () => {
    expect(written.length).toBeGreaterThanOrEqual(2 * Object.keys(cases).length);
    for (const path of written) expect([path, await dciodvfyErrors(path)]).toEqual([path, []]);
  });

  it.skipIf(missing('python'))('highdicom opens every SEG, and its segments are those of the draft', async () => {
    const segs = written.filter((p) => p.includes('-seg-'));
    const { code, stdout, stderr } = await python('-c', [readSegs, ...segs]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.trim().split('\n')).toHaveLength(segs.length);
  });

  async function whole(name: string): Promise<void> {
    const c = cases[name]!;
    const instances = c.wrapped ? [sourceOf(c.wrapped())] : sourcesUnder(sharedPath('data/dicom', c.from!));
    const { made, shown, rule } = await read(instances, c.label);
    expect(rule).toBe(c.rule);
    expect(made.problems).toEqual([]);
    for (const { window } of shown) expect(window).toMatch(c.window);
    const blank = made.draft.coverage.notRead.filter((n) => n.code === 'unsuitable-blank');
    expect(shown.length + blank.length).toBe(c.planes);
    expect(made.draft.warnings.map((w) => w.code)).not.toContain('mapping-miss');
    const { findings } = made.draft;
    expect(new Set(findings.map((f) => f.presence))).toEqual(new Set(['present']));

    const files = encodingFiles(made.set);
    const seg = files.find((f) => f.name === 'seg-1.dcm')!;
    const segments = items(attributesOf(joined(seg.parts)), 'SegmentSequence');
    expect(segments).toHaveLength(findings.length);
    const [segment] = segments;
    const [type] = items(segment!, 'SegmentedPropertyTypeCodeSequence');
    const [region] = items(segment!, 'AnatomicRegionSequence');
    expect(text(type!, 'CodeValue')).toBe(c.type);
    expect(region && text(region, 'CodeValue')).toBe(c.region);
    const fhir = JSON.stringify([made.set.fhirR4, made.set.fhirR5]);
    const sr = JSON.stringify(made.set.sr.dataset);
    for (const said of [c.type, ...(c.region ? [c.region] : []), ...(c.side ? [c.side] : [])]) {
      expect(fhir).toContain(`"${said}"`);
      expect(sr).toContain(`"${said}"`);
    }
    expect(number(attributesOf(joined(seg.parts)), 'NumberOfFrames')).toBeGreaterThanOrEqual(1);
    for (const f of files.filter((f) => f.name.endsWith('.dcm'))) {
      const path = join(folder, `${name.replace(' ', '-')}-${f.name}`);
      writeFileSync(path, Buffer.concat(f.parts));
      written.push(path);
    }
  }

  /** Read by the rule that takes the series, by a model that names one thing, on the left half of every picture. */
  async function read(
    instances: readonly SourceInstance[],
    label: string,
  ): Promise<{ made: PipelineResult; shown: readonly Picture[]; rule: string }> {
    const shown: Picture[] = [];
    const runtime = {
      notices: [],
      ask: (picture: Picture): Promise<Answer[]> => {
        shown.push(picture);
        return Promise.resolve([answerOf(picture, label)]);
      },
    };
    const series = [...new Map(instances.map((i) => [i.ref.seriesUid, i])).values()];
    const { decisions } = decideRoutes(
      routes,
      series.map((i) => ({ seriesUid: i.ref.seriesUid, sender: '', attributes: i.attributes })),
    );
    const route = decisions[0]!;
    const made = await readAndEncode({
      instances,
      route,
      bundle,
      runtime,
      decoder,
      mappings,
      presence: mappings.presence,
      site: sampleSite,
      createdAt: '2026-03-04T05:06:07.000Z',
      key: sha256(label),
      inputDigest: sha256('input'),
    });
    return { made, shown, rule: route.rule };
  }
});

function answerOf({ stack, plane, width, height }: Picture, label: string): Answer {
  const bits = emptyBits(width * height);
  for (let y = height >> 2; y < height >> 1; y++)
    for (let x = width >> 3; x < width >> 2; x++) setBit(bits, y * width + x);
  return {
    stack,
    plane,
    task: 'report',
    prompt: 'as asked',
    text: `There is a <p>${label}</p> [SEG].`,
    tokenIds: [1],
    stop: 'end',
    masks: [{ width, height, bits, score: 0.9 }],
    timingsMs: {},
  };
}

const readSegs = `
import sys, highdicom
for path in sys.argv[1:]:
    seg = highdicom.seg.segread(path)
    assert list(seg.segment_numbers) == list(range(1, seg.number_of_segments + 1)), path
    assert seg.pixel_array.any(), path
    print(path, seg.number_of_segments)
`;
