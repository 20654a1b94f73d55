import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DicomJson, Stack } from '../../../src/base/index.ts';
import { readStudy } from '../../../src/imaging/index.ts';
import { checkDicom, encodeSeg, encodeSr } from '../../../src/outputs/index.ts';
import {
  decodeByPydicom,
  type DecodedSegFrame,
  expectedFrames,
  scratch,
  segmentedInput,
  writeObjects,
} from '../../builders/segmented.ts';
import { sourcesUnder } from '../../builders/series.ts';
import { dciodvfyErrors, missing, peers, python, runPeer, shared, sharedPath } from '../../peers/index.ts';

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

const noPeers = missing('dciodvfy', 'dsrdump', 'python');

describe.skipIf(shared === undefined)('SEG and SR on real images', () => {
  const { folder, remove } = scratch();
  const made = new Map<string, ReturnType<typeof encode>>();
  let decoded: Record<string, DecodedSegFrame[]> = {};
  const encode = (path: string) => {
    const { stacks, sources } = read(path);
    const input = segmentedInput(stacks, sources, { seed: path.length });
    const segs = encodeSeg(input);
    const sr = encodeSr(input, segs);
    return { input, segs, sr, files: writeObjects(folder, path.replaceAll('/', '-'), [...segs, sr]) };
  };
  beforeAll(async () => {
    for (const path of images) made.set(path, encode(path));
    const segFiles = [...made.values()].flatMap((m) => m.files.slice(0, -1));
    if (!noPeers) decoded = await decodeByPydicom(segFiles);
  });
  afterAll(remove);

  it.each(images)('agree with draft and sources: %s', (path) => {
    const { input, segs, sr } = made.get(path)!;
    expect(segs.length).toBeGreaterThan(0);
    expect(segs).toHaveLength(input.draft.stacks.length);
    expect(checkDicom(input, segs, sr)).toEqual([]);
  });

  it.skipIf(noPeers).each(images)('break no rule of their objects: %s', async (path) => {
    const { files } = made.get(path)!;
    for (const file of files) expect([file, await dciodvfyErrors(file)]).toEqual([file, []]);
    expect((await runPeer(peers.dsrdump!, [files.at(-1)!])).code).toBe(0);
  });

  it.skipIf(noPeers).each(images)('give pydicom the pixels of the masks: %s', (path) => {
    const { input, segs, files } = made.get(path)!;
    segs.forEach((seg, i) => {
      const wanted = expectedFrames(
        input,
        input.draft.stacks.find((s) => s.id === seg.stack)!,
      );
      const found = decoded[files[i]!]!;
      // One all-zero frame may stand where the packing needs it.
      const extra = found.filter((f) => !wanted.some((w) => w.digest === f.digest && w.segment === f.segment));
      expect(extra.length).toBeLessThanOrEqual(1);
      expect(found.filter((f) => !extra.includes(f))).toEqual(wanted);
    });
  });
});

/** Highdicom puts the tiles of each segment together to the total pixel matrix. */
const matrices = `
import hashlib, json, sys
import highdicom as hd, numpy as np
seg = hd.seg.segread(sys.argv[1])
out = {}
for n in seg.segment_numbers:
    m = seg.get_total_pixel_matrix(segment_numbers=[n], combine_segments=False)[:, :, 0] > 0
    out[str(n)] = hashlib.sha256(np.packbits(m.ravel(), bitorder='little').tobytes()).hexdigest()
print(json.dumps(out))
`;

describe.skipIf(shared === undefined)('SEG on whole slides', () => {
  const { folder, remove } = scratch();
  afterAll(remove);

  it.each(['SM/sm-rgb.dcm', 'SM/ihc/l1.dcm'])('has the tiles with mask and no other: %s', async (path) => {
    const { stacks, sources } = read(path);
    const input = segmentedInput(stacks, sources, { seed: 5 });
    const segs = encodeSeg(input);
    const sr = encodeSr(input, segs);
    expect(segs).toHaveLength(1);
    expect(checkDicom(input, segs, sr)).toEqual([]);
    if (noPeers) return;
    const files = writeObjects(folder, path.replaceAll('/', '-'), [...segs, sr]);
    for (const file of files) expect([file, await dciodvfyErrors(file)]).toEqual([file, []]);
    const ran = await python(matrices, [files[0]!]);
    expect(ran.stderr).not.toContain('Error');
    const wanted = Object.fromEntries(input.draft.masks.map((m) => [String(m.segment), m.digest]));
    expect(JSON.parse(ran.stdout)).toEqual(wanted);
  });
});
