import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { unpackBits, type DicomJson, type Stack } from '../../../src/base/index.ts';
import { inspectPart10 } from '../../../src/dicom/index.ts';
import { readStudy } from '../../../src/imaging/index.ts';
import { checkDicom, encodeSeg, encodeSr, type EncodingInput } from '../../../src/outputs/index.ts';
import { scratch, segmentedInput, writeObjects } from '../../builders/segmented.ts';
import { sourcesUnder } from '../../builders/series.ts';
import { dciodvfyErrors, missing, peers, python, runPeer, sharedPath } from '../../peers/index.ts';

/**
 * Highdicom reads each SEG twice: by source instance, and as a volume placed in the patient by the positions alone, whose
 * slices are matched to the source images by their own positions. Both must be the mask that was given.
 */
const script = `
import json, sys
import highdicom as hd, numpy as np, pydicom
report = {}
for case in json.load(open(sys.argv[1])):
    seg = hd.seg.segread(case['seg'])
    sources = [pydicom.dcmread(p, stop_before_pixels=True) for p in case['sources']]
    uids = [s.SOPInstanceUID for s in sources]
    rows, columns = sources[0].Rows, sources[0].Columns
    want = {}
    for segment in case['segments']:
        m = np.zeros((len(uids), rows, columns), bool)
        for plane in segment['planes']:
            bits = np.frombuffer(bytes.fromhex(plane['bits']), np.uint8)
            m[uids.index(plane['source'])] = np.unpackbits(bits, bitorder='little')[:rows * columns].reshape(rows, columns)
        want[segment['number']] = m
    numbers = sorted(want)
    got = seg.get_pixels_by_source_instance(uids, segment_numbers=numbers, assert_missing_frames_are_empty=True)
    wrong = sum(int((got[..., i] > 0).astype(bool).__ne__(want[n]).sum()) for i, n in enumerate(numbers))
    volume = seg.get_volume(segment_numbers=numbers)
    seen = 0; misplaced = 0
    for k in range(volume.array.shape[0]):
        corner = volume.affine @ np.array([k, 0, 0, 1.0])
        far = [np.abs(np.array(s.ImagePositionPatient, float) - corner[:3]).max() for s in sources]
        j = int(np.argmin(far))
        if far[j] > 1e-3: misplaced += 1; continue
        for i, n in enumerate(numbers):
            seen += int(volume.array[k, ..., i].astype(bool).sum())
            misplaced += int((volume.array[k, ..., i] > 0).__ne__(want[n][j]).sum())
    total = sum(int(m.sum()) for m in want.values())
    report[case['name']] = dict(total=total, wrong=wrong, misplaced=misplaced, seen=seen)
print(json.dumps(report))
`;

interface Made {
  readonly name: string;
  readonly input: EncodingInput;
  readonly sources: readonly string[];
  readonly files: readonly string[];
}

function make(folder: string, set: string, name: string): Made {
  const series = join(folder, set, name);
  const instances = sourcesUnder(series);
  const sources = new Map(instances.map((i): [string, DicomJson] => [i.ref.instanceUid, i.attributes]));
  const { stacks } = readStudy(instances, { burnedIn: 'hold' });
  const input = segmentedInput(stacks, sources, { seed: name.charCodeAt(0) * 64 + name.charCodeAt(1), most: 9 });
  const segs = encodeSeg(input);
  const sr = encodeSr(input, segs);
  expect(checkDicom(input, segs, sr)).toEqual([]);
  const paths = readdirSync(series).map((f) => join(series, f));
  return {
    name: `${set} ${name}`,
    input,
    sources: paths,
    files: writeObjects(folder, `${set}-${name}`, [...segs, sr]),
  };
}

function caseOf({ name, input, sources, files }: Made) {
  const stack: Stack = input.draft.stacks[0]!;
  const segments = input.draft.masks.map((mask) => ({
    number: mask.segment,
    planes: input.masks.get(mask.id)!.map((p) => ({
      source: stack.planes[p.plane]!.instanceUid,
      bits: Buffer.from(p.bits).toString('hex'),
    })),
  }));
  return { name, seg: files[0]!, sources, segments };
}

describe.skipIf(missing('python', 'shared', 'dciodvfy', 'dcentvfy'))('SEG in all axis orders', () => {
  const { folder, remove } = scratch();
  const made: Made[] = [];
  let report: Record<string, { total: number; wrong: number; misplaced: number; seen: number }> = {};

  beforeAll(async () => {
    const tool = sharedPath('data/make-orientations.py');
    for (const [set, more] of [
      ['axes', ['--shuffle']],
      ['oblique', ['--oblique', '--only', '3,17,30,44']],
    ] as const) {
      execFileSync('python3', [tool, join(folder, set), ...more]);
      const names = readdirSync(join(folder, set)).filter((n) => n !== 'expected.json');
      for (const name of names) made.push(make(folder, set, name));
    }
    const cases = join(folder, 'cases.json');
    writeFileSync(cases, JSON.stringify(made.map(caseOf)));
    const ran = await python(script, [cases]);
    expect(ran.stderr).toBe('');
    report = JSON.parse(ran.stdout) as typeof report;
  });
  afterAll(remove);

  it('gives highdicom the masks bit for bit, by source image and by position, for all 48 and 4 oblique series', () => {
    expect(Object.keys(report)).toHaveLength(52);
    for (const [name, r] of Object.entries(report)) {
      expect([name, r.wrong, r.misplaced, r.seen]).toEqual([name, 0, 0, r.total]);
      expect(r.total).toBeGreaterThan(0);
    }
  });

  it('breaks no rule of its object, and agrees with its sources about patient and study', async () => {
    for (const { files, sources } of made.filter((_, i) => i % 10 === 0)) {
      for (const file of files) expect([file, await dciodvfyErrors(file)]).toEqual([file, []]);
      const { stdout, stderr } = await runPeer(peers.dcentvfy!, [...files, ...sources]);
      // The tool counts Accession Number to the series in one IOD and to the study in the other; that is all it says.
      const lines = `${stdout}${stderr}`.split('\n').filter((l) => l && !l.includes('Different information entities'));
      expect(lines).toEqual([]);
    }
  });

  it('keeps the source grid: every bit of a decoded frame is the bit of the mask at the same row and column', () => {
    const { input, files } = made[0]!;
    const { pixel, attributes } = inspectPart10(readFileSync(files[0]!));
    const type = attributes['00620001']!.Value![0];
    const { rows, columns } = input.draft.stacks[0]!.grid;
    const first = input.masks.get('m1')![0]!;
    const wanted = unpackBits(first.bits, rows * columns);
    const file = readFileSync(files[0]!);
    const found = wanted.map((_, i) =>
      type === 'BINARY' ? (file[pixel!.offset + (i >> 3)]! >> (i & 7)) & 1 : file[pixel!.offset + i]! / 255,
    );
    expect(found).toEqual(wanted);
  });
});
