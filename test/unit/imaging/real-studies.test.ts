import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Stack } from '../../../src/base/index.ts';
import { createDecoder, loadPictures, readStudy, suitability, type Decoder } from '../../../src/imaging/index.ts';
import { byInstance, filesUnder, sourcesUnder } from '../../builders/series.ts';
import { missing, sharedPath } from '../../peers/index.ts';

/** `volume 160x160x28`, and what is special about it. */
function said({ kind, grid }: Stack): string {
  const { columns, rows, planes, placement, spacing, depth } = grid;
  const size = spacing.kind === 'physical' ? (spacing.within ? 'region' : 'mm') : 'no mm';
  const flags = depth
    ? Object.entries({ missing: depth.missing, irregular: !depth.regular, tilted: depth.tilted })
    : [];
  return [
    `${kind} ${columns}x${rows}x${planes}`,
    placement.kind,
    size,
    ...flags.filter(([, on]) => on).map(([name]) => name),
  ].join(' ');
}

/** What data/INDEX.md asks of each series or file: its stacks, then the codes of what is passed over. */
const outcomes: Readonly<Record<string, readonly string[]>> = {
  'CT/same-position': ['geometry', 'geometry'],
  'CT/missing-slice': ['volume 512x512x4 patient mm missing irregular'],
  'CT/ge-tilt': ['planes 512x512x1 patient mm'],
  'CT/localizer': ['localizer'],
  'CT/dose-screen': ['dose-page'],
  'CT/tiny-24x38x3': ['volume 24x38x3 patient mm'],
  'CT/tiny-24x38x3-legacy-mf.dcm': ['volume 24x38x3 patient mm'],
  'CT/enhanced-2f.dcm': ['volume 512x512x2 patient mm'],
  'CT/CT_small.dcm': ['planes 128x128x1 patient mm'],
  'CT/j2k-pixelrep-mismatch.dcm': ['planes 512x512x1 patient mm'],
  'CT/ge-tilt-crop': ['volume 160x160x28 patient mm irregular tilted'],
  'CT/philips-head-crop': ['volume 160x160x28 patient mm'],
  'CT/body-j2k-repaired': ['volume 512x512x10 patient mm'],
  'MR/sagittal': ['volume 256x256x4 patient mm'],
  'MR/coronal-oblique': ['volume 240x240x4 patient mm'],
  'MR/double-oblique': ['volume 64x64x4 patient mm'],
  'MR/mixed-orientation': ['volume 288x288x2 patient mm', 'volume 288x288x2 patient mm'],
  'MR/ge-time-series': Array<string>(8).fill('geometry'),
  'MR/rgb-colour-map': ['volume 52x77x4 patient mm'],
  'MR/enhanced-philips-8f.dcm': ['volume 256x256x8 patient mm'],
  'MR/enhanced-10f.dcm': ['planes 64x64x10 none no mm'],
  'MR/mosaic.dcm': ['mosaic'],
  'MR/jpegll-sagittal': ['volume 128x128x8 patient mm'],
  'MR/prone-HFP': ['volume 256x256x2 patient mm'],
  'MR/enhanced-xa10-6f.dcm': ['volume 64x64x6 patient mm'],
  'CR/mono1-10bit-j2k.dcm': ['planes 1760x1760x1 none no mm'],
  'DX/dog-mono1-8bit.dcm': ['planes 211x169x1 none no mm'],
  'DX/mono1-12bit-quarter.dcm': ['planes 500x532x1 none no mm'],
  'MG/mammo-third-jpegll.dcm': ['planes 798x1021x1 none mm'],
  'US/rgb.dcm': ['planes 320x240x1 none no mm'],
  'US/palette.dcm': ['planes 800x350x1 none no mm'],
  'US/multiframe-jpeg-30f.dcm': ['planes 320x240x30 none no mm'],
  'US/j2k-ybr-rct.dcm': ['planes 640x480x1 none no mm'],
  'US/palette-rle-2f.dcm': ['planes 800x600x2 none region'],
  'US/echo-palette-rle-10f.dcm': ['planes 600x430x10 none no mm'],
  'US/retired-class-pixel.dcm': ['planes 256x120x1 none no mm'],
  'NM/heart-13f.dcm': ['planes 64x64x13 none mm'],
  'PT/pet-168.dcm': ['planes 168x168x1 patient mm'],
  'OP/fundus-grey.dcm': ['planes 1536x1536x1 none no mm'],
  'OP/fundus-colour.dcm': ['planes 512x512x1 none no mm'],
  'OPT/oct-synthetic-8f.dcm': ['volume 192x128x8 patient mm'],
  'SM/ihc': ['planes 480x500x1 slide mm', 'pyramid-level', 'slide-label'],
  'SM/sm-rgb.dcm': ['planes 50x50x1 slide mm'],
  'SM/sm-dots.dcm': ['planes 50x50x1 slide mm'],
  'SM/sm-jpegls.dcm': ['planes 50x50x1 slide mm'],
  'SM/sm-grey16.dcm': ['planes 50x50x1 slide mm'],
  'XA/run-32f.dcm': ['planes 512x512x32 none no mm'],
  'ES/endoscopy-1.dcm': ['planes 505x360x1 none no mm'],
  'ES/endoscopy-2-native.dcm': ['planes 320x320x1 none no mm'],
  'XC/dermoscopy-1.dcm': ['planes 720x479x1 none no mm'],
  'XC/dermoscopy-2-dms.dcm': ['planes 720x482x1 none no mm'],
  'SC/overlay.dcm': ['planes 512x512x1 none no mm'],
  'SC/modality-lut.dcm': ['planes 512x512x1 none no mm'],
  'SC/rgb-3x3-odd.dcm': ['planes 3x3x1 none no mm'],
  'SC/rgb-16bit.dcm': ['planes 100x100x1 none no mm'],
  'SC/ybr422-native.dcm': ['planes 100x100x1 none no mm'],
  'ANN/sm-annotations.dcm': ['annotation'],
  'DOC/report-pdf.dcm': ['encapsulated-document'],
  'ECG/ecg-deflated.dcm': ['waveform'],
  'KO/of-interest.dcm': ['key-object'],
  'KO/rejected-for-quality.dcm': ['key-object'],
  'PMAP/float.dcm': ['parametric-map'],
  'PR/gsps-luts.dcm': ['presentation-state'],
  'RT/rtdose.dcm': ['radiotherapy'],
  'RWV/rwvm.dcm': ['not-an-image'],
  'SR/tid1500-qiicr.dcm': ['structured-report'],
  'SR/basic-text.dcm': ['structured-report'],
  'SEG/ct-binary.dcm': ['segmentation'],
  'SEG/sm-labelmap.dcm': ['segmentation'],
  // Refused before they come here: no UIDs, an over-long UID, a directory; and the rest of the derived objects.
  'CT/body-j2k': [],
  'MR/enhanced-j2k-multifragment.dcm': [],
  'DICOMDIR/DICOMDIR': [],
  'RT/rtstruct-no-meta.dcm': [],
  ...Object.fromEntries(
    ['SR/tid1500-comprehensive3d.dcm', 'SR/enhanced-sr.dcm', 'SR/comprehensive-test.dcm'].map((f) => [
      f,
      ['structured-report'],
    ]),
  ),
  ...Object.fromEntries(
    ['ct-binary-overlap', 'ct-fractional', 'cr-binary', 'sm-dots-sparse', 'dcmqi-24x38x3', 'dcmqi-labelmap', 'dcmqi-partial-overlaps', 'liver-3f', 'liver-3f-510'] // prettier-ignore
      .map((f) => [`SEG/${f}.dcm`, ['segmentation']]),
  ),
};

describe.skipIf(missing('shared'))('every series of the shared data', () => {
  const folder = sharedPath('data/dicom');
  const present = missing('shared')
    ? []
    : readdirSync(folder).filter((m) => m !== 'transfer-syntax').flatMap((m) => readdirSync(join(folder, m)).map((s) => `${m}/${s}`)); // prettier-ignore

  test('has an outcome here', () => expect([...present].sort()).toEqual(Object.keys(outcomes).sort()));

  test.each(present)('%s', (name) => {
    const { stacks, passedOver } = readStudy(sourcesUnder(join(folder, name)), { burnedIn: 'hold' });
    expect([...stacks.map(said).sort(), ...passedOver.map((p) => p.code).sort()]).toEqual(outcomes[name]);
  });

  test('a rejection note takes its images out of their series', () => {
    const sources = [
      ...sourcesUnder(join(folder, 'CT/tiny-24x38x3')),
      ...sourcesUnder(join(folder, 'KO/rejected-for-quality.dcm')),
    ];
    const { stacks, passedOver } = readStudy(sources, { burnedIn: 'hold' });
    expect(stacks.map(said)).toEqual(['planes 24x38x1 patient mm']);
    expect(passedOver.map((p) => p.code).sort()).toEqual(['key-object', 'rejected', 'rejected']);
  });
});

interface IndexEntry {
  readonly path: string;
  readonly rows?: number;
  readonly pixels?: string;
}

/**
 * Shown in their own window these are truly one tone: all values are zero, or below the window of a brain (a plastic phantom);
 * the last has nine pixels.
 */
const unsuitable: readonly string[] = [
  'CT/tiny-24x38x3/001.dcm',
  'CT/tiny-24x38x3/003.dcm',
  'CT/tiny-24x38x3-legacy-mf.dcm',
  'CT/philips-head-crop/021.dcm',
  'CT/philips-head-crop/022.dcm',
  'CT/philips-head-crop/028.dcm',
  'SC/rgb-3x3-odd.dcm',
];

describe.skipIf(missing('shared'))('what may be given to a model', () => {
  let decoder: Decoder;
  beforeAll(() => {
    decoder = createDecoder({ seconds: 20, maxPixels: 1 << 26 });
  });
  afterAll(() => decoder.close());

  const folder = sharedPath('data/dicom');
  const index = missing('shared')
    ? []
    : (JSON.parse(readFileSync(sharedPath('data/index.json'), 'utf8')) as { files: IndexEntry[] }).files;
  const noise = new Set(index.filter((f) => f.pixels?.startsWith('noise')).map((f) => relative('dicom', f.path)));
  const images = missing('shared')
    ? []
    : filesUnder(folder).map((f) => relative(folder, f)).filter((f) => !f.startsWith('transfer-syntax')); // prettier-ignore

  async function firstPicture(name: string): Promise<string | undefined> {
    const sources = sourcesUnder(join(folder, name));
    const [stack] = readStudy(sources, { burnedIn: 'allow' }).stacks;
    if (!stack) return undefined;
    for await (const picture of loadPictures(stack, byInstance(sources), decoder, [0]))
      return suitability(picture)?.code ?? 'suitable';
    return undefined;
  }

  test('is every real picture that is not one tone, and no picture of noise', async () => {
    const codes = new Map<string, string>();
    for (const name of images) {
      const code = await firstPicture(name);
      if (code) codes.set(name, code);
    }
    const refused = [...codes].filter(([, code]) => code !== 'suitable').map(([name]) => name);
    const noisy = [...codes.keys()].filter((name) => noise.has(name));
    expect(noisy.length).toBeGreaterThan(20);
    expect(refused.sort()).toEqual([...unsuitable, ...noisy].sort());
    expect(codes.size - refused.length).toBeGreaterThan(80);
  }, 60_000);
});
