/** A real slide in tiles: what the tiles say is put together on the total pixel matrix, and comes back out of the SEG so. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countBits, emptyBits, setBit, sha256, type Answer, type Picture } from '../../../src/base/index.ts';
import { createDecoder, loadPictures, readStudy, type Decoder } from '../../../src/imaging/index.ts';
import { loadBundle, type Bundle } from '../../../src/inference/index.ts';
import { defaultPolicy, readAndEncode, type PipelineResult } from '../../../src/work/index.ts';
import { shippedMappings, tinyBundle } from '../../builders/answers.ts';
import { sampleSite } from '../../builders/encodings.ts';
import { byInstance, collect, sourcesUnder, temporaryFolder } from '../../builders/series.ts';
import { route } from '../../builders/work.ts';
import { dciodvfyErrors, missing, python, sharedPath } from '../../peers/index.ts';

const mappings = shippedMappings();

/** Brown of the stain: a rule on single pixels, so that tiles can say no more and no less than the whole. */
function stained({ width, height, rgb }: Picture): Uint8Array {
  const bits = emptyBits(width * height);
  for (let i = 0; i < width * height; i++) if (rgb[3 * i]! - rgb[3 * i + 2]! > 40) setBit(bits, i);
  return bits;
}

describe.skipIf(missing('shared'))('a slide that is read in tiles', () => {
  let decoder: Decoder;
  let bundle: Bundle;
  let shown: Picture[];
  const instances = () => sourcesUnder(sharedPath('data/dicom/SM/ihc'));
  beforeAll(async () => {
    decoder = createDecoder({ seconds: 20, maxPixels: 1 << 24 });
    bundle = withPixels(await loadBundle(tinyBundle), 0.5);
  });
  afterAll(() => decoder.close());

  function withPixels(b: Bundle, um: number): Bundle {
    const modalities = b.manifest.modalities.map((m) => ({ ...m, pixel_spacing_um: um }));
    return { ...b, manifest: { ...b.manifest, modalities } };
  }

  function read(made: Bundle, tiles?: { max: number; overlap: number; tissue: number }): Promise<PipelineResult> {
    shown = [];
    const runtime = {
      notices: [],
      ask: (picture: Picture): Promise<Answer[]> => {
        shown.push(picture);
        return Promise.resolve([answerOf(picture)]);
      },
    };
    const asked = route({ bundle: 'plumbline-tiny', task: 'report' });
    return readAndEncode({
      instances: instances(),
      route: { ...asked, policy: { ...defaultPolicy, ...(tiles && { tiles }) } },
      bundle: made,
      runtime,
      decoder,
      mappings,
      presence: mappings.presence,
      site: sampleSite,
      createdAt: '2026-03-04T05:06:07.000Z',
      key: sha256('slide'),
      inputDigest: sha256('input'),
    });
  }

  it('is one finding for each label, and its mask that of the whole matrix', async () => {
    const made = await read(bundle);
    expect(made.problems).toEqual([]);
    // 0.5 um a pixel is the finest level, 500 x 480 pixels: tiles of 256 with at least 32 in common.
    expect(shown.map((p) => [p.part!.row, p.part!.column])).toEqual([0, 122, 244].flatMap((row) => [0, 224].map((c) => [row, c]))); // prettier-ignore
    expect(made.draft.findings.map((f) => f.label)).toEqual(['tumor nest']);
    expect(made.draft.sentences.map((s) => s.text)).toEqual(['There is a tumor nest.']);
    const { stacks } = readStudy(instances(), { burnedIn: 'hold', modelSide: 400 });
    const [whole] = await collect(loadPictures(stacks[0]!, byInstance(instances()), decoder));
    const expected = stained(whole!);
    const { bits } = made.masks.get('m1')![0]!;
    expect(countBits(expected)).toBeGreaterThan(1000);
    expect(Buffer.compare(bits, expected)).toBe(0);

    if (missing('python', 'dciodvfy')) return;
    const folder = temporaryFolder();
    const [seg] = made.set.segs;
    writeFileSync(join(folder, 'seg.dcm'), Buffer.concat(seg!.parts));
    writeFileSync(join(folder, 'bits'), expected);
    expect(await dciodvfyErrors(join(folder, 'seg.dcm'))).toEqual([]);
    const { code, stdout, stderr } = await python('-c', [readBack, join(folder, 'seg.dcm'), join(folder, 'bits')]);
    expect([code, stderr, stdout.trim()]).toEqual([0, '', '500 480 TILED_SPARSE True']);
  }, 60_000);

  it('is read at the level whose pixels the model was made for, as one picture where that is no larger than a tile', async () => {
    const made = await read(withPixels(bundle, 1));
    expect(made.draft.stacks[0]!.grid).toMatchObject({ rows: 250, columns: 240 });
    expect(shown.map(({ width, height, part }) => ({ width, height, part }))).toEqual([{ width: 240, height: 250 }]);
  });

  it('says where its pixels are coarser than the model was made for', async () => {
    const made = await read(withPixels(bundle, 0.25));
    expect(made.draft.warnings.map((w) => w.code)).toContain('slide-coarser');
    // A tile of 256 pixels of a quarter micrometre is 128 of half a micrometre.
    expect(shown[0]).toMatchObject({ width: 128, height: 128 });
  });

  it('reads no more tiles than its route allows, and says so', async () => {
    const made = await read(bundle, { max: 2, overlap: 0, tissue: 0.05 });
    expect(shown).toHaveLength(2);
    expect(made.draft.warnings.map((w) => w.code)).toContain('tiles-capped');
  });

  it('is held where no tile holds enough tissue', async () => {
    await expect(read(bundle, { max: 256, overlap: 0, tissue: 1 })).rejects.toMatchObject({ code: 'unsuitable' });
  });
});

function answerOf(p: Picture): Answer {
  const bits = stained(p);
  const some = countBits(bits) > 0;
  return {
    stack: p.stack,
    plane: p.plane,
    task: 'report',
    prompt: 'as asked',
    text: some ? 'There is a <p>tumor nest</p> [SEG].' : 'No tumor nest is seen.',
    tokenIds: [1],
    stop: 'end',
    masks: some ? [{ width: p.width, height: p.height, bits, score: 0.9 }] : [],
    timingsMs: {},
  };
}

const readBack = `
import sys, highdicom, numpy as np
seg = highdicom.seg.segread(sys.argv[1])
matrix = seg.get_total_pixel_matrix(segment_numbers=[1])[..., 0] > 0
bits = np.unpackbits(np.fromfile(sys.argv[2], np.uint8), bitorder='little')[: matrix.size].reshape(matrix.shape) > 0
print(*matrix.shape, seg.DimensionOrganizationType, bool((matrix == bits).all()))
`;
