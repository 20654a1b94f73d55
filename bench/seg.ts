/**
 * DICOM SEG of 500 CT slices of 512 x 512 with 1, 20 and 60 segments in every slice, beside highdicom.
 *
 * `npm run bench -- seg [turns, default 5]`: both sides have the same masks in memory (ours packed bits, highdicom a label
 * map, its fastest input) and write one BINARY Part 10 file, which nobody syncs; one warm-up each, then turns in
 * alternation, the medians and their ratio. The floors beside it: the same bytes copied in memory, and written as they are.
 * Memory is what the process holds at most while it encodes, beyond what it held before (the masks included).
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { peers } from '../test/peers/index.ts';
import { heading, median, seconds, table } from './report.ts';
import { ct, frameOfReference, planes, series, size, study, study500 } from './seg/study.ts';

const turns = Number(process.argv[2] ?? 5);
const counts = [1, 20, 60];

async function main(): Promise<void> {
  if (!peers.python) throw new Error('the Python peer is missing: run npm test once, it installs the peers');
  const folder = mkdtempSync(join(tmpdir(), 'bench-seg-'));
  try {
    const results: Compared[] = [];
    for (const segments of counts) results.push(await compare(segments, folder));
    heading('DICOM SEG beside highdicom', {
      size: `${planes} slices of ${size} x ${size}, every segment in every slice`,
      rounds: `${turns} after one warm-up, in alternation, medians (least to greatest)`,
      highdicom: results[0]!.version,
    });
    table(
      ['segments', 'Plumbline', 'highdicom', 'ratio', 'floor: copy', 'floor: write', 'MB, Plumbline', 'MB, highdicom'],
      results.map(({ segments, ours, theirs, copied, written }) => [
        segments,
        seconds(ours.map((t) => t.ms)),
        seconds(theirs.map((t) => t.ms)),
        (median(theirs.map((t) => t.ms)) / median(ours.map((t) => t.ms))).toFixed(1),
        seconds(copied.map((t) => t.ms)),
        seconds(written.map((t) => t.ms)),
        ...[ours, theirs].map(([t]) => (t!.bytes / 1e6).toFixed(1)),
      ]),
    );
    const mib = (turnsOf: readonly Turn[]) => (Math.max(...turnsOf.map((t) => t.memory)) / 2 ** 20).toFixed(0);
    table(
      ['segments', 'masks, MiB', 'Plumbline: MiB beyond the masks', 'highdicom: MiB beyond its label map'],
      results.map((r) => [r.segments, (r.masks / 2 ** 20).toFixed(0), mib(r.ours), mib(r.theirs)]),
    );
    const [first, , last] = results;
    const slope = (of: 'ours' | 'theirs') =>
      (Math.max(...last![of].map((t) => t.memory)) - Math.max(...first![of].map((t) => t.memory))) /
      (last!.masks - first!.masks);
    console.log(
      `Memory grows by ${slope('ours').toFixed(2)} bytes (highdicom ${slope('theirs').toFixed(2)}) a byte of masks.\n`,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Turn {
  readonly ms: number;
  readonly bytes: number;
  /** Most bytes resident beyond those at the start. */
  readonly memory: number;
}

interface Compared {
  readonly segments: number;
  readonly version: string;
  /** Bytes of all masks as bits. */
  readonly masks: number;
  readonly ours: readonly Turn[];
  readonly theirs: readonly Turn[];
  readonly copied: readonly Turn[];
  readonly written: readonly Turn[];
}

async function compare(segments: number, folder: string): Promise<Compared> {
  const labels = join(folder, 'labels');
  writeFileSync(labels, study500(segments).labels);
  const other = await start(peers.python!, ['-c', script, labels, String(segments), join(folder, 'theirs.dcm')]);
  const own = await start(process.execPath, [
    ...['--expose-gc', '--disable-warning=ExperimentalWarning'],
    ...[join(import.meta.dirname, 'seg', 'ours.ts'), String(segments), join(folder, 'ours.dcm')],
  ]);
  const taken = { ours: [] as Turn[], theirs: [] as Turn[], copied: [] as Turn[], written: [] as Turn[] };
  for (let turn = 0; turn <= turns; turn++) {
    const made = {
      ours: await own.take('encode'),
      theirs: await other.take('encode'),
      copied: await own.take('copy'),
      written: await own.take('write'),
    };
    if (turn > 0) for (const side of Object.keys(made) as (keyof typeof made)[]) taken[side].push(made[side]);
  }
  own.stop();
  other.stop();
  return { segments, version: other.said.replace(/^highdicom /, ''), masks: Number(own.said), ...taken };
}

// — a side, in one process that stays: a line says what it is, then a line answers each line it is sent —

interface Side {
  readonly said: string;
  take(what: string): Promise<Turn>;
  stop(): void;
}

async function start(program: string, args: readonly string[]): Promise<Side> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => String((await lines.next()).value ?? '');
  const said = await next();
  return {
    said,
    take: async (what) => {
      child.stdin.write(`${what}\n`);
      const [ms, bytes, memory] = (await next()).split(' ').map(Number);
      return { ms: ms!, bytes: bytes!, memory: memory! };
    },
    stop: () => child.stdin.end(),
  };
}

const script = `
import os, re, sys, time, warnings
import numpy as np, pydicom, highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
warnings.simplefilter('ignore')
labels = np.fromfile(sys.argv[1], np.uint8).reshape(${planes}, ${size}, ${size})
segments = int(sys.argv[2])
def image(k):
    d = Dataset()
    d.SOPClassUID = '${ct}'; d.SOPInstanceUID = '${series}.%d' % (k + 1); d.Modality = 'CT'
    d.StudyDate = '20260101'; d.StudyTime = '120000'; d.AccessionNumber = 'A1'; d.ReferringPhysicianName = ''
    d.PatientName = 'Bench^Anna'; d.PatientID = 'B1'; d.PatientBirthDate = '19700101'; d.PatientSex = 'F'
    d.SliceThickness = 1.25; d.StudyInstanceUID = '${study}'; d.SeriesInstanceUID = '${series}'; d.StudyID = '1'
    d.FrameOfReferenceUID = '${frameOfReference}'; d.ImagePositionPatient = [-179.2, -204.8, k * 1.25]
    d.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]; d.Rows = ${size}; d.Columns = ${size}; d.PixelSpacing = [0.8, 0.7]
    d.InstanceNumber = k + 1; d.SeriesNumber = 1; d.PositionReferenceIndicator = None
    return d
sources = [image(k) for k in range(${planes})]
algorithm = hd.AlgorithmIdentificationSequence(name='bench', version='1', family=codes.DCM.ArtificialIntelligence)
def encode():
    descriptions = [hd.seg.SegmentDescription(n, 'lesion %d' % n, codes.SCT.MorphologicallyAbnormalStructure, codes.SCT.Lesion, 'AUTOMATIC', algorithm, tracking_id='lesion-%d' % n, tracking_uid='${study}.9.%d' % n) for n in range(1, segments + 1)]
    seg = hd.seg.Segmentation(sources, labels, 'BINARY', descriptions, hd.UID(), 1, hd.UID(), 1, 'Bench', 'bench', '1', '1')
    seg.save_as(sys.argv[3])
def memory(name): return 1024 * int(re.search(name + r':\\s+(\\d+)', open('/proc/self/status').read()).group(1))
print('highdicom', hd.__version__, 'pydicom', pydicom.__version__, 'Python', sys.version.split()[0], flush=True)
for line in sys.stdin:
    rss = memory('VmRSS'); open('/proc/self/clear_refs', 'w').write('5')
    start = time.perf_counter(); encode(); ms = 1000 * (time.perf_counter() - start)
    print(ms, os.path.getsize(sys.argv[3]), memory('VmHWM') - rss, flush=True)
`;

await main();
