/** 500 CT slices with discs that never overlap, one per segment, in every slice: a draft with its masks, and its label map. */
import { countBits, emptyBits, setBit, sha256, type DicomJson, type MaskPlane } from '../../src/base/index.ts';
import { dataset } from '../../src/dicom/index.ts';
import type { EncodingInput } from '../../src/outputs/index.ts';
import type { Draft, DraftMask, Finding } from '../../src/findings/index.ts';

export const size = 512;
export const planes = 500;
export const study = '1.2.826.0.1.3680043.8.498.78.1';
export const series = '1.2.826.0.1.3680043.8.498.78.2';
export const frameOfReference = '1.2.826.0.1.3680043.8.498.78.3';
export const ct = '1.2.840.10008.5.1.4.1.1.2';

/** @returns the label map too, `[planes, size, size]`: highdicom's fastest input */
export function study500(segments: number): { readonly input: EncodingInput; readonly labels: Uint8Array } {
  const labels = new Uint8Array(planes * size * size);
  const masks = new Map<string, MaskPlane[]>();
  const drafted: DraftMask[] = [];
  const findings: Finding[] = [];
  for (let n = 1; n <= segments; n++) {
    const own = Array.from({ length: planes }, (_, plane) => ({ plane, bits: disc(n, segments, plane, labels) }));
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

/** A disc that fills about the n-th cell of a raster of 5 x 4 cells, or of 10 x 6 where there are more segments. */
function disc(n: number, segments: number, plane: number, labels: Uint8Array): Uint8Array {
  const bits = emptyBits(size * size);
  const [across, down, least] = segments > 20 ? [10, 6, 20] : [5, 4, 40];
  const [w, h] = [Math.floor(size / across), Math.floor(size / down)];
  const [x, y] = [(w >> 1) + w * ((n - 1) % across), (h >> 1) + h * Math.floor((n - 1) / across)];
  const radius = least + 4 * Math.sin(plane / 20 + n);
  for (let r = y - least - 5; r <= y + least + 5; r++) {
    for (let c = x - least - 5; c <= x + least + 5; c++) {
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
