/**
 * DICOM SEG of 500 CT slices of 512 x 512 with 1 and with 20 segments in every slice, beside highdicom.
 *
 * `npm run bench -- seg`: both sides get the same masks in memory (ours packed bits, highdicom a label map, its fastest
 * input) and give the bytes of one BINARY Part 10 file in memory; one warm-up each, then five turns in alternation, the
 * medians and their ratio are printed.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { countBits, emptyBits, setBit, sha256, type DicomJson, type MaskPlane } from '../src/base/index.ts';
import { dataset } from '../src/dicom/index.ts';
import { encodeSeg, type EncodingInput } from '../src/outputs/index.ts';
import type { Draft, DraftMask, Finding } from '../src/findings/index.ts';
import { peers } from '../test/peers/index.ts';
import { heading, median, seconds, table } from './report.ts';

const size = 512;
const planes = 500;
const study = '1.2.826.0.1.3680043.8.498.78.1';
const series = '1.2.826.0.1.3680043.8.498.78.2';
const frameOfReference = '1.2.826.0.1.3680043.8.498.78.3';
const ct = '1.2.840.10008.5.1.4.1.1.2';
const turns = 5;

async function main(): Promise<void> {
  if (!peers.python) throw new Error('the Python peer is missing: run npm test once, it installs the peers');
  const folder = mkdtempSync(join(tmpdir(), 'bench-seg-'));
  try {
    const results: Compared[] = [];
    for (const segments of [1, 20]) results.push(await compare(segments, folder));
    heading('DICOM SEG beside highdicom', {
      size: `${planes} slices of ${size} x ${size}, every segment in every slice`,
      rounds: `${turns} after one warm-up, in alternation, medians (least to greatest)`,
      highdicom: results[0]!.version,
    });
    table(
      ['segments', 'Plumbline', 'highdicom', 'ratio', 'MB, Plumbline', 'MB, highdicom'],
      results.map((r) => [
        r.segments,
        seconds(r.ours),
        seconds(r.theirs),
        (median(r.theirs) / median(r.ours)).toFixed(1),
        ...r.bytes.map((b) => (b / 1e6).toFixed(1)),
      ]),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Compared {
  readonly segments: number;
  readonly version: string;
  readonly ours: readonly number[];
  readonly theirs: readonly number[];
  /** Of one file: ours, theirs. */
  readonly bytes: readonly [number, number];
}

async function compare(segments: number, folder: string): Promise<Compared> {
  const { input, labels } = study500(segments);
  const file = join(folder, 'labels');
  writeFileSync(file, labels);
  const other = await startHighdicom(file, segments);
  const ours: number[] = [];
  const theirs: number[] = [];
  let sizes: [number, number] = [0, 0];
  for (let turn = 0; turn <= turns; turn++) {
    const start = performance.now();
    const { bytes } = encodeSeg(input)[0]!;
    const mine = performance.now() - start;
    const their = await other.encode();
    sizes = [bytes.length, their.bytes];
    if (turn === 0) continue;
    ours.push(mine);
    theirs.push(their.ms);
  }
  other.stop();
  return { segments, version: other.version.replace(/^highdicom /, ''), ours, theirs, bytes: sizes };
}

// — the masks: discs that never overlap, one per segment, in every slice —

function study500(segments: number): { readonly input: EncodingInput; readonly labels: Uint8Array } {
  const labels = new Uint8Array(planes * size * size);
  const masks = new Map<string, MaskPlane[]>();
  const drafted: DraftMask[] = [];
  const findings: Finding[] = [];
  for (let n = 1; n <= segments; n++) {
    const own = Array.from({ length: planes }, (_, plane) => ({ plane, bits: disc(n, plane, labels) }));
    masks.set(`m${n}`, own);
    findings.push(finding(n));
    drafted.push({
      id: `m${n}`,
      finding: `f${n}`,
      stack: 'k1',
      segment: n,
      planes: own.map((p) => p.plane),
      pixels: own.reduce((sum, p) => sum + countBits(p.bits), 0),
      keyPlane: 250,
      centroid: [0, 0],
      digest: '',
    });
  }
  const code = (value: string, meaning: string) => ({ value, scheme: 'SCT', meaning });
  const site = { idBase: 'https://bench.example', installationId: 'bench', organization: 'Bench', gatewayVersion: '0' };
  const absent = { sr: code('272519000', 'Absent'), fhir: code('2667000', 'Absent') };
  const present = { sr: code('52101004', 'Present'), fhir: code('52101004', 'Present') };
  const draft = draftOf(drafted, findings);
  const sources = new Map(draft.stacks[0]!.planes.map((p, i) => [p.instanceUid, source(p.instanceUid, i)]));
  return { labels, input: { draft, masks, sources, site, presence: { present, absent }, profile: {} } };
}

/** A disc of radius 36 to 44 in the n-th cell of a 5 x 4 raster. */
function disc(n: number, plane: number, labels: Uint8Array): Uint8Array {
  const bits = emptyBits(size * size);
  const [x, y] = [51 + 102 * ((n - 1) % 5), 64 + 128 * Math.floor((n - 1) / 5)];
  const radius = 40 + 4 * Math.sin(plane / 20 + n);
  for (let r = y - 45; r <= y + 45; r++) {
    for (let c = x - 45; c <= x + 45; c++) {
      if (Math.hypot(r - y, c - x) > radius) continue;
      setBit(bits, r * size + c);
      labels[plane * size * size + r * size + c] = n;
    }
  }
  return bits;
}

function finding(n: number): Finding {
  return {
    id: `f${n}`,
    sentence: 's1',
    presence: 'present',
    label: `lesion ${n}`,
    concept: {
      id: 'lesion',
      category: { value: '49755003', scheme: 'SCT', meaning: 'Morphologically Abnormal Structure' },
      type: { value: '52988006', scheme: 'SCT', meaning: 'Lesion' },
      rgb: [255, 0, 0],
      lab: [34885, 53485, 50171],
    },
    mask: `m${n}`,
    trackingId: `lesion-${n}`,
    trackingUid: `1.2.826.0.1.3680043.8.498.78.9.${n}`,
    measurements: [],
  };
}

function draftOf(masks: readonly DraftMask[], findings: readonly Finding[]): Draft {
  return {
    schema: 'plumbline.draft/1',
    version: 1,
    key: sha256('bench'),
    studyUid: study,
    task: 'bench',
    prompt: '',
    createdAt: '2026-01-01T00:00:00.000Z',
    bundle: { name: 'bench', version: '1', digest: sha256('b'), licence: 'none', intendedUse: 'none' },
    mappingDigest: sha256('m'),
    inputDigest: sha256('i'),
    stacks: [
      {
        id: 'k1',
        seriesUid: series,
        modality: 'CT',
        kind: 'volume',
        grid: {
          rows: size,
          columns: size,
          planes,
          spacing: { kind: 'physical', rowMm: 0.8, columnMm: 0.7, source: 'PixelSpacing' },
          depth: {
            spacingMm: 1.25,
            regular: true,
            tilted: false,
            missing: false,
            thicknessMm: Array.from({ length: planes }, () => 1.25),
          },
          sliceThicknessMm: 1.25,
          placement: {
            kind: 'patient',
            frameOfReferenceUid: frameOfReference,
            rowCosines: [1, 0, 0],
            columnCosines: [0, 1, 0],
            normal: [0, 0, 1],
            positions: Array.from({ length: planes }, (_, k) => [-179.2, -204.8, k * 1.25] as const),
          },
        },
        planes: Array.from({ length: planes }, (_, k) => ({ instanceUid: `${series}.${k + 1}`, sopClass: ct })),
      },
    ],
    sentences: [
      { id: 's1', text: 'Lesions.', kind: 'linked', findings: findings.map((f) => f.id), spans: [], warnings: [] },
    ],
    findings,
    masks,
    coverage: { read: [], notRead: [] },
    warnings: [],
  };
}

function source(instanceUid: string, k: number): DicomJson {
  return dataset({
    SOPClassUID: ct,
    SOPInstanceUID: instanceUid,
    StudyDate: '20260101',
    StudyTime: '120000',
    AccessionNumber: 'A1',
    Modality: 'CT',
    ReferringPhysicianName: '',
    PatientName: 'Bench^Anna',
    PatientID: 'B1',
    PatientBirthDate: '19700101',
    PatientSex: 'F',
    SliceThickness: 1.25,
    StudyInstanceUID: study,
    SeriesInstanceUID: series,
    StudyID: '1',
    FrameOfReferenceUID: frameOfReference,
    ImagePositionPatient: [-179.2, -204.8, k * 1.25],
    ImageOrientationPatient: [1, 0, 0, 0, 1, 0],
    Rows: size,
    Columns: size,
    PixelSpacing: [0.8, 0.7],
  });
}

// — highdicom, in one process that stays —

interface Encoder {
  readonly version: string;
  encode(): Promise<{ readonly ms: number; readonly bytes: number }>;
  stop(): void;
}

async function startHighdicom(labels: string, segments: number): Promise<Encoder> {
  const child = spawn(peers.python!, ['-c', script, labels, String(segments)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => String((await lines.next()).value ?? '');
  const version = await next();
  return {
    version,
    encode: async () => {
      child.stdin.write('go\n');
      const [ms, bytes] = (await next()).split(' ').map(Number);
      return { ms: ms!, bytes: bytes! };
    },
    stop: () => child.stdin.end(),
  };
}

const script = `
import io, sys, time, warnings
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
    out = io.BytesIO(); seg.save_as(out); return len(out.getvalue())
print('highdicom', hd.__version__, 'pydicom', pydicom.__version__, 'Python', sys.version.split()[0], flush=True)
for line in sys.stdin:
    start = time.perf_counter(); n = encode(); print(1000 * (time.perf_counter() - start), n, flush=True)
`;

await main();
