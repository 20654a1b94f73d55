/**
 * A small valid draft with its bits and its sources' attributes, made by hand so that encoders can be tested without
 * the rooms before them. Nothing here uses src/findings but its types and the colour table.
 */
import {
  countBits,
  derivedUid,
  emptyBits,
  getBit,
  setBit,
  sha256,
  type Code,
  type DicomElement,
  type DicomJson,
  type Grid,
  type MaskPlane,
  type MaskSet,
  type Placement,
  type Plane,
  type Spacing,
  type Stack,
  type Vec3,
} from '../../src/base/index.ts';
import { dicomLab, findingColour } from '../../src/findings/colours.ts';
import type { Concept, Draft, DraftMask, Finding, Measurement, Sentence } from '../../src/findings/draft.ts';

export interface SampleOptions {
  /** `volume`: a CT series in the patient. `picture`: one radiograph without frame of reference. */
  readonly kind?: 'volume' | 'picture';
  readonly rows?: number;
  readonly columns?: number;
  /** Planes of the volume, at least 4. */
  readonly planes?: number;
  /** Row and column direction cosines of the volume; default axial. */
  readonly rowCosines?: Vec3;
  readonly columnCosines?: Vec3;
  /** Sideways shift from plane to plane along the column direction, mm (gantry tilt). */
  readonly tiltMm?: number;
  /** All planes in one enhanced multi-frame instance. */
  readonly multiFrame?: boolean;
  /** Default: physical for the volume, none for the picture. */
  readonly spacing?: 'physical' | 'none';
  /** `none`: only negative, ungrounded and plain sentences. */
  readonly masks?: 'all' | 'none';
  /** DICOM PN, components split by `=`. */
  readonly patientName?: string;
  readonly version?: number;
  readonly key?: string;
}

export interface Sample {
  readonly draft: Draft;
  readonly masks: MaskSet;
  readonly sources: ReadonlyMap<string, DicomJson>;
}

const rowMm = 0.8;
const columnMm = 0.6;
const depthMm = 2.5;
const root = '1.2.826.0.1.3680043.8.498.77';

const code = (value: string, scheme: string, meaning: string): Code => ({ value, scheme, meaning });
const abnormal = code('49755003', 'SCT', 'Morphologically Abnormal Structure');
const anatomical = code('91723000', 'SCT', 'Anatomical Structure');
const neoplasm = code('108369006', 'SCT', 'Neoplasm');
const cyst = code('367643001', 'SCT', 'Cyst');
const lesion = code('52988006', 'SCT', 'Lesion');
const liver = code('10200004', 'SCT', 'Liver');
const kidney = code('64033007', 'SCT', 'Kidney');
const lung = code('39607008', 'SCT', 'Lung');
const left = code('7771000', 'SCT', 'Left');
const right = code('24028007', 'SCT', 'Right');

/** One claim of the sample: what is said, and the box (planes, rows, columns; end exclusive) that shows it. */
interface Claim {
  readonly label: string;
  readonly concept: Omit<Concept, 'rgb' | 'lab'>;
  readonly organ?: true;
  readonly side?: 'left' | 'right';
  readonly presence: Finding['presence'];
  readonly box?: {
    readonly p: readonly [number, number];
    readonly r: readonly [number, number];
    readonly c: readonly [number, number];
  };
}
interface Line {
  readonly text: string;
  readonly kind: Sentence['kind'];
  readonly claims: readonly Claim[];
  readonly warnings?: Sentence['warnings'];
}

export function sampleDraft(options: SampleOptions = {}): Sample {
  const stack = options.kind === 'picture' ? pictureStack(options) : volumeStack(options);
  const all = options.kind === 'picture' ? pictureLines(stack.grid) : volumeLines(stack.grid);
  const lines = options.masks === 'none' ? all.filter((l) => l.kind !== 'linked') : all;
  const key = options.key ?? sha256(`sample ${options.kind ?? 'volume'}`);
  const { sentences, findings, drafted, masks } = assemble(lines, stack, key);
  const draft: Draft = {
    schema: 'plumbline.draft/1',
    version: options.version ?? 1,
    key,
    studyUid: `${root}.1`,
    task: 'report',
    prompt: 'Describe the findings and segment them.',
    createdAt: '2026-03-04T05:06:07.000Z',
    bundle: {
      name: 'plumbline-tiny',
      version: '0.1.0',
      digest: sha256('bundle'),
      licence: 'Apache-2.0',
      intendedUse: 'Demonstration and tests only. Not for clinical use.',
    },
    mappingDigest: sha256('mappings'),
    inputDigest: sha256('input'),
    stacks: [stack],
    sentences,
    findings,
    masks: drafted,
    coverage: {
      read: [{ stack: stack.id, planes: stack.planes.length, of: stack.planes.length }],
      notRead: [
        {
          seriesUid: `${root}.9`,
          instanceUid: `${root}.9.1`,
          code: 'localizer',
          reason: 'A localizer (Image Type value 3).',
        },
      ],
    },
    warnings: [{ code: 'window-assumed', message: 'No window in the images: full range was shown to the model.' }],
  };
  return { draft, masks, sources: sourcesOf(stack, options) };
}

// — what is said —

function volumeLines(grid: Grid): Line[] {
  const { rows: h, columns: w, planes: n } = grid;
  // Column 0 is the patient's right in the default orientation: a mask in the first columns lies right.
  const lesionBox = { p: [1, 3], r: [1, 4], c: [1, 6] } as const;
  const liverBox = { p: [0, n - 1], r: [0, (h / 2) | 0], c: [0, (w / 2 - 1) | 0] } as const;
  const cystBox = { p: [2, 4], r: [(h / 2) | 0, h - 2], c: [w - 5, w - 1] } as const;
  const stoneBox = { p: [n - 1, n], r: [h - 3, h - 1], c: [w - 4, w - 2] } as const;
  const renalCyst = { id: 'kidney_cyst', category: abnormal, type: cyst, region: kidney };
  const spots: Claim[] = [
    {
      label: 'renal cyst',
      concept: { ...renalCyst, laterality: left },
      side: 'left',
      presence: 'present',
      box: cystBox,
    },
    {
      label: 'kidney stone',
      concept: { id: 'kidney_stone', category: abnormal, type: lesion, region: kidney, laterality: left },
      side: 'left',
      presence: 'present',
      box: stoneBox,
    },
  ];
  return [
    { text: 'Abdominal CT slice.', kind: 'plain', claims: [] },
    {
      text: 'In the left upper part there is a small liver lesion.',
      kind: 'linked',
      claims: [
        {
          label: 'liver lesion',
          concept: { id: 'liver_tumor', category: abnormal, type: neoplasm, region: liver },
          side: 'right',
          presence: 'present',
          box: lesionBox,
        },
      ],
      warnings: [{ code: 'side-contradiction', message: 'Side: text says left, mask lies right', about: ['s2'] }],
    },
    {
      text: 'Here is the liver.',
      kind: 'linked',
      claims: [
        {
          label: 'liver',
          concept: { id: 'liver', category: anatomical, type: liver },
          organ: true,
          side: 'right',
          presence: 'present',
          box: liverBox,
        },
      ],
    },
    { text: 'On the left there are a renal cyst and a kidney stone.', kind: 'linked', claims: spots },
    {
      text: 'No lung nodule is seen.',
      kind: 'negative',
      claims: [
        {
          label: 'lung nodule',
          concept: { id: 'lung_nodule', category: abnormal, type: code('27925004', 'SCT', 'Nodule'), region: lung },
          presence: 'absent',
        },
      ],
    },
    {
      text: 'In the right lower part there is a small renal cyst.',
      kind: 'ungrounded',
      claims: [{ label: 'renal cyst', concept: renalCyst, presence: 'ungrounded' }],
    },
  ];
}

function pictureLines(grid: Grid): Line[] {
  const { rows: h, columns: w } = grid;
  const infiltrate: Omit<Concept, 'rgb' | 'lab'> = {
    id: 'consolidation',
    category: abnormal,
    type: lesion,
    region: lung,
  };
  const nodule = { id: 'lung_nodule', category: abnormal, type: code('27925004', 'SCT', 'Nodule'), region: lung };
  return [
    { text: 'Chest radiograph.', kind: 'plain', claims: [] },
    {
      text: 'In the right upper part there is a large consolidation.',
      kind: 'linked',
      claims: [
        {
          label: 'consolidation',
          concept: { ...infiltrate, laterality: right },
          side: 'right',
          presence: 'present',
          box: { p: [0, 1], r: [1, (h / 2) | 0], c: [1, (w / 2 - 1) | 0] },
        },
      ],
    },
    {
      text: 'In the right upper part there is a small lung nodule.',
      kind: 'linked',
      claims: [
        {
          label: 'lung nodule',
          concept: { ...nodule, laterality: right },
          side: 'right',
          presence: 'present',
          box: { p: [0, 1], r: [2, 5], c: [2, 5] },
        },
      ],
    },
    {
      text: 'No pleural effusion is seen.',
      kind: 'negative',
      claims: [
        {
          label: 'pleural effusion',
          concept: { id: 'pleural_effusion', category: abnormal, type: code('60046008', 'SCT', 'Pleural effusion') },
          presence: 'absent',
        },
      ],
    },
    {
      text: 'There is a small consolidation.',
      kind: 'ungrounded',
      claims: [{ label: 'consolidation', concept: infiltrate, presence: 'ungrounded' }],
    },
  ];
}

// — lines to sentences, findings and masks —

function assemble(lines: readonly Line[], stack: Stack, key: string) {
  const sentences: Sentence[] = [];
  const findings: Finding[] = [];
  const drafted: DraftMask[] = [];
  const masks = new Map<string, readonly MaskPlane[]>();
  const counts = new Map<string, number>();
  let lesions = 0;
  for (const line of lines) {
    const id = `s${sentences.length + 1}`;
    const spans: { start: number; end: number; finding: string }[] = [];
    for (const claim of line.claims) {
      const n = findings.length + 1;
      const nth = (counts.get(claim.label) ?? 0) + 1;
      counts.set(claim.label, nth);
      const rgb = claim.organ ? ([221, 130, 101] as const) : findingColour(lesions++);
      const start = line.text.indexOf(claim.label);
      spans.push({ start, end: start + claim.label.length, finding: `f${n}` });
      const mask = claim.box && boxMask(`m${drafted.length + 1}`, `f${n}`, drafted.length + 1, claim.box, stack);
      if (mask) {
        drafted.push(mask.drafted);
        masks.set(mask.drafted.id, mask.planes);
      }
      findings.push({
        id: `f${n}`,
        sentence: id,
        presence: claim.presence,
        label: claim.label,
        concept: { ...claim.concept, rgb, lab: dicomLab(rgb) },
        ...(claim.side && { side: claim.side }),
        ...(mask && { mask: mask.drafted.id }),
        trackingId: `${claim.label}-${nth}`,
        trackingUid: derivedUid(key, 'tracking', n),
        measurements: mask ? boxMeasurements(claim.box!, stack.grid) : [],
        ...(claim.presence === 'ungrounded' && {
          reason: { code: 'mask-empty', message: 'The model gave no mask for this phrase.', about: [id] },
        }),
      });
    }
    const keyPlane = drafted.find((m) => spans.some((s) => s.finding === m.finding))?.keyPlane ?? 0;
    sentences.push({
      id,
      text: line.text,
      kind: line.kind,
      findings: spans.map((s) => s.finding),
      spans,
      stack: stack.id,
      plane: keyPlane,
      warnings: line.warnings ?? [],
    });
  }
  return { sentences, findings, drafted, masks };
}

function boxMask(id: string, finding: string, segment: number, box: NonNullable<Claim['box']>, stack: Stack) {
  const { rows, columns } = stack.grid;
  const planes: MaskPlane[] = [];
  for (let plane = box.p[0]; plane < box.p[1]; plane++) {
    const bits = emptyBits(rows * columns);
    for (let r = box.r[0]; r < box.r[1]; r++) for (let c = box.c[0]; c < box.c[1]; c++) setBit(bits, r * columns + c);
    planes.push({ plane, bits });
  }
  const keyPlane = planes[(planes.length - 1) >> 1]!.plane;
  const drafted: DraftMask = {
    id,
    finding,
    stack: stack.id,
    segment,
    planes: planes.map((p) => p.plane),
    pixels: planes.reduce((sum, p) => sum + countBits(p.bits), 0),
    keyPlane,
    centroid: [(box.c[0] + box.c[1] - 1) / 2, (box.r[0] + box.r[1] - 1) / 2],
    digest: sha256(Buffer.concat(planes.map((p) => p.bits))),
    score: 0.5,
  };
  return { drafted, planes };
}

/** Of a box everything is known in closed form. */
function boxMeasurements(box: NonNullable<Claim['box']>, grid: Grid): Measurement[] {
  if (grid.spacing.kind === 'none') return [];
  const { rowMm: dr, columnMm: dc } = grid.spacing;
  const [p, r, c] = [box.p[1] - box.p[0], box.r[1] - box.r[0], box.c[1] - box.c[0]];
  const plane = box.p[0] + ((p - 1) >> 1);
  const [h, w] = [r * dr, c * dc];
  const long = Math.hypot(h, w);
  const six = (v: number) => Number(v.toPrecision(6));
  const mm = code('mm', 'UCUM', 'millimeter');
  const volume: Measurement[] = grid.depth
    ? [
        {
          kind: 'volume',
          code: code('118565006', 'SCT', 'Volume'),
          value: six(p * h * w * depthMm),
          unit: code('mm3', 'UCUM', 'cubic millimeter'),
        },
      ]
    : [];
  return [
    ...volume,
    {
      kind: 'area',
      code: code('42798000', 'SCT', 'Area'),
      value: six(h * w),
      unit: code('mm2', 'UCUM', 'square millimeter'),
      plane,
    },
    { kind: 'long-axis', code: code('103339001', 'SCT', 'Long axis'), value: six(long), unit: mm, plane },
    // The longest chord at right angles to a diagonal of a h x w box ends at a corner: short side x long axis / long side.
    {
      kind: 'short-axis',
      code: code('103340004', 'SCT', 'Short axis'),
      value: six((Math.min(h, w) * long) / Math.max(h, w)),
      unit: mm,
      plane,
    },
  ];
}

// — geometry —

function volumeStack(options: SampleOptions): Stack {
  const rows = options.rows ?? 20;
  const columns = options.columns ?? 24;
  const planes = options.planes ?? 6;
  const rowCosines = options.rowCosines ?? [1, 0, 0];
  const columnCosines = options.columnCosines ?? [0, 1, 0];
  const normal = cross(rowCosines, columnCosines);
  // The middle of the grid is the origin, so that left and right are the sign of x.
  const first = add(
    add([0, 0, 0], rowCosines, (-(columns - 1) / 2) * columnMm),
    columnCosines,
    (-(rows - 1) / 2) * rowMm,
  );
  const positions = Array.from({ length: planes }, (_, k) =>
    add(add(first, normal, (k - (planes - 1) / 2) * depthMm), columnCosines, k * (options.tiltMm ?? 0)),
  );
  const placement: Placement = {
    kind: 'patient',
    frameOfReferenceUid: `${root}.3`,
    rowCosines,
    columnCosines,
    normal,
    positions,
  };
  const spacing: Spacing =
    options.spacing === 'none'
      ? { kind: 'none', why: 'no Pixel Spacing' }
      : { kind: 'physical', rowMm, columnMm, source: 'PixelSpacing' };
  const multi = options.multiFrame === true;
  const list: Plane[] = Array.from({ length: planes }, (_, k) =>
    multi
      ? { instanceUid: `${root}.2.1`, sopClass: '1.2.840.10008.5.1.4.1.1.2.1', frame: k + 1 }
      : { instanceUid: `${root}.2.${k + 1}`, sopClass: '1.2.840.10008.5.1.4.1.1.2' },
  );
  return {
    id: 'k1',
    seriesUid: `${root}.2`,
    modality: 'CT',
    kind: 'volume',
    grid: {
      rows,
      columns,
      planes,
      placement,
      spacing,
      depth: {
        spacingMm: depthMm,
        regular: true,
        tilted: (options.tiltMm ?? 0) !== 0,
        thicknessMm: Array.from({ length: planes }, () => depthMm),
        missing: false,
      },
      sliceThicknessMm: depthMm,
    },
    planes: list,
  };
}

function pictureStack(options: SampleOptions): Stack {
  const spacing: Spacing =
    options.spacing === 'physical'
      ? { kind: 'physical', rowMm, columnMm, source: 'PixelSpacing, calibrated GEOMETRY' }
      : { kind: 'none', why: 'only Imager Pixel Spacing (at the detector)' };
  return {
    id: 'k1',
    seriesUid: `${root}.2`,
    modality: 'CR',
    kind: 'planes',
    grid: {
      rows: options.rows ?? 20,
      columns: options.columns ?? 24,
      planes: 1,
      placement: { kind: 'none', patientOrientation: ['L', 'F'] },
      spacing,
    },
    planes: [{ instanceUid: `${root}.2.1`, sopClass: '1.2.840.10008.5.1.4.1.1.1' }],
  };
}

function cross(a: Vec3, b: Vec3): Vec3 {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}
function add(a: Vec3, direction: Vec3, length: number): Vec3 {
  const at = (i: 0 | 1 | 2) => Number((a[i] + direction[i] * length).toFixed(6));
  return [at(0), at(1), at(2)];
}

// — attributes of the sources —

const el = (vr: string, ...Value: unknown[]): DicomElement => (Value.length ? { vr, Value } : { vr });

function sourcesOf(stack: Stack, options: SampleOptions): Map<string, DicomJson> {
  const uids = [...new Set(stack.planes.map((p) => p.instanceUid))];
  return new Map(uids.map((uid, i) => [uid, attributesOf(stack, uid, i, options)]));
}

function attributesOf(stack: Stack, instanceUid: string, index: number, options: SampleOptions): DicomJson {
  const { grid } = stack;
  const [alphabetic, ideographic, phonetic] = (options.patientName ?? 'Sample^Anna').split('=');
  const name = {
    Alphabetic: alphabetic,
    ...(ideographic && { Ideographic: ideographic }),
    ...(phonetic && { Phonetic: phonetic }),
  };
  const multi = stack.planes[0]!.frame !== undefined;
  return sorted({
    '00080005': el('CS', 'ISO_IR 192'),
    '00080008': el('CS', 'ORIGINAL', 'PRIMARY', ...(stack.modality === 'CT' ? [multi ? 'VOLUME' : 'AXIAL'] : [])),
    '00080016': el('UI', stack.planes[0]!.sopClass),
    '00080018': el('UI', instanceUid),
    '00080020': el('DA', '20260304'),
    '00080021': el('DA', '20260304'),
    '00080022': el('DA', '20260304'),
    '00080023': el('DA', '20260304'),
    '00080030': el('TM', '050000'),
    '00080031': el('TM', '050100'),
    '00080032': el('TM', '050110'),
    '00080033': el('TM', '050110'),
    '00080050': el('SH', 'A-77'),
    '00080060': el('CS', stack.modality),
    '00080070': el('LO', 'Sample Works'),
    '00080090': el('PN', { Alphabetic: 'Referrer^Rita' }),
    '00081030': el('LO', stack.modality === 'CT' ? 'CT abdomen' : 'Chest PA'),
    '0008103E': el('LO', 'Sample series'),
    '00081090': el('LO', 'Model 1'),
    '00100010': el('PN', name),
    '00100020': el('LO', 'PID-77'),
    '00100021': el('LO', 'HOSPITAL'),
    '00100030': el('DA', '19700102'),
    '00100040': el('CS', 'F'),
    '00180015': el('CS', stack.modality === 'CT' ? 'ABDOMEN' : 'CHEST'),
    '0020000D': el('UI', `${root}.1`),
    '0020000E': el('UI', stack.seriesUid),
    '00200010': el('SH', 'S77'),
    '00200011': el('IS', 3),
    '00200013': el('IS', index + 1),
    '00280002': el('US', 1),
    '00280004': el('CS', 'MONOCHROME2'),
    '00280010': el('US', grid.rows),
    '00280011': el('US', grid.columns),
    '00280100': el('US', 16),
    '00280101': el('US', 12),
    '00280102': el('US', 11),
    '00280103': el('US', 0),
    ...geometryOf(stack, index, multi),
  });
}

function geometryOf(stack: Stack, index: number, multi: boolean): { [tag: string]: DicomElement } {
  const { placement, spacing } = stack.grid;
  if (placement.kind !== 'patient') {
    const size: { [tag: string]: DicomElement } =
      spacing.kind === 'physical'
        ? { '00280030': el('DS', rowMm, columnMm) }
        : { '00181164': el('DS', rowMm, columnMm) };
    return { '00200020': el('CS', 'L', 'F'), '00185101': el('CS', 'PA'), ...size };
  }
  const shared = {
    '00200052': el('UI', placement.frameOfReferenceUid),
    '00201040': el('LO'),
  };
  const measures = {
    '00180050': el('DS', depthMm),
    ...(spacing.kind === 'physical' && { '00280030': el('DS', rowMm, columnMm) }),
  };
  const orientation = { '00200037': el('DS', ...placement.rowCosines, ...placement.columnCosines) };
  if (!multi) return { ...shared, ...measures, ...orientation, '00200032': el('DS', ...placement.positions[index]!) };
  return {
    ...shared,
    '00280008': el('IS', stack.planes.length),
    '52009229': el('SQ', { '00289110': el('SQ', measures), '00209116': el('SQ', orientation) }),
    '52009230': el('SQ', ...placement.positions.map((p) => ({ '00209113': el('SQ', { '00200032': el('DS', ...p) }) }))),
  };
}

function sorted(ds: DicomJson): DicomJson {
  return Object.fromEntries(Object.entries(ds).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Flags of one plane of a mask, for eyes: `#` set, `.` not. */
export function drawPlane(bits: Uint8Array, rows: number, columns: number): string {
  const line = (r: number) =>
    Array.from({ length: columns }, (_, c) => (getBit(bits, r * columns + c) ? '#' : '.')).join('');
  return Array.from({ length: rows }, (_, r) => line(r)).join('\n');
}
