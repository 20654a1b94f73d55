import { afterAll, describe, expect, it } from 'vitest';
import type { DicomJson, Stack } from '../../../src/base/index.ts';
import { readStudy } from '../../../src/imaging/index.ts';
import { checkDicom, encodeSeg, encodeSr } from '../../../src/outputs/index.ts';
import { decodeByPydicom, expectedFrames, scratch, segmentedInput, writeObjects } from '../../builders/segmented.ts';
import { sourcesUnder } from '../../builders/series.ts';
import { dciodvfyErrors, missing, peers, runPeer, shared, sharedPath } from '../../peers/index.ts';

/** Real images of every kind that the encoders treat in their own way. */
const images = [
  'CT/tiny-24x38x3',
  'CT/ge-tilt-crop',
  'CT/enhanced-2f.dcm',
  'CT/tiny-24x38x3-legacy-mf.dcm',
  'MR/double-oblique',
  'MR/enhanced-10f.dcm',
  'MR/mixed-orientation',
  'PT/pet-168.dcm',
  'CR/mono1-10bit-j2k.dcm',
  'DX/dog-mono1-8bit.dcm',
  'MG/mammo-third-jpegll.dcm',
  'US/rgb.dcm',
  'US/palette-rle-2f.dcm',
  'NM/heart-13f.dcm',
  'XA/run-32f.dcm',
  'OP/fundus-colour.dcm',
  'OPT/oct-synthetic-8f.dcm',
  'ES/endoscopy-1.dcm',
  'XC/dermoscopy-1.dcm',
] as const;

function read(path: string): { readonly stacks: readonly Stack[]; readonly sources: ReadonlyMap<string, DicomJson> } {
  const instances = sourcesUnder(sharedPath('data/dicom', path));
  const { stacks } = readStudy(instances, { burnedIn: 'allow' });
  return { stacks, sources: new Map(instances.map((i) => [i.ref.instanceUid, i.attributes])) };
}

describe.skipIf(shared === undefined)('SEG and SR on real images', () => {
  const { folder, remove } = scratch();
  afterAll(remove);

  it.each(images)('agree with draft and sources: %s', async (path) => {
    const { stacks, sources } = read(path);
    expect(stacks.length).toBeGreaterThan(0);
    const input = segmentedInput(stacks, sources, { seed: path.length });
    const segs = encodeSeg(input);
    const sr = encodeSr(input, segs);
    expect(segs).toHaveLength(stacks.length);
    expect(checkDicom(input, segs, sr)).toEqual([]);
    const written = writeObjects(folder, path.replaceAll('/', '-'), [...segs, sr]);
    if (!missing('dciodvfy', 'dsrdump')) {
      for (const file of written) expect([file, await dciodvfyErrors(file)]).toEqual([file, []]);
      expect((await runPeer(peers.dsrdump!, [written.at(-1)!])).code).toBe(0);
    }
    if (missing('python')) return;
    const decoded = await decodeByPydicom(written.slice(0, -1));
    segs.forEach((seg, i) => {
      const stack = stacks.find((s) => s.id === seg.stack)!;
      const wanted = expectedFrames(input, stack);
      const found = decoded[written[i]!]!;
      // One all-zero frame may stand where the packing needs it.
      const extra = found.filter((f) => !wanted.some((w) => w.digest === f.digest && w.segment === f.segment));
      expect(extra.length).toBeLessThanOrEqual(1);
      expect(found.filter((f) => !extra.includes(f))).toEqual(wanted);
    });
  });
});
