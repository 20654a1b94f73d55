import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog, type Log, type DicomElement, type DicomJson, type InstanceRef } from '../../src/base/index.ts';
import { openBlobs, openDatabase, type Blobs, type FileBlobs, type SqliteDatabase } from '../../src/store/index.ts';
import {
  openStudies,
  type Admission,
  type Studies,
  type StudyGate,
  type StudySnapshot,
} from '../../src/studies/index.ts';

export interface TestStore {
  readonly dir: string;
  readonly db: SqliteDatabase;
  readonly blobs: FileBlobs;
  /** Close and remove. */
  remove(): Promise<void>;
}

/** A store in a folder of its own. */
export async function testStore(): Promise<TestStore> {
  const dir = mkdtempSync(join(tmpdir(), 'plumbline-store-'));
  const { db, blobs } = await openStore(dir);
  const remove = async (): Promise<void> => {
    await blobs.close();
    await db.close();
    rmSync(dir, { recursive: true, force: true });
  };
  return { dir, db, blobs, remove };
}

export async function openStore(dir: string): Promise<{ db: SqliteDatabase; blobs: FileBlobs }> {
  return {
    db: await openDatabase(join(dir, 'plumbline.db')),
    blobs: await openBlobs(join(dir, 'blobs'), { reserveBytes: 0 }),
  };
}

/** A clock that stands until it is moved. */
export function testClock(start = Date.UTC(2026, 0, 1)): { now: () => number; advance: (ms: number) => void } {
  let at = start;
  return { now: () => at, advance: (ms) => void (at += ms) };
}

export interface TestStudies extends TestStore {
  readonly clock: ReturnType<typeof testClock>;
  readonly studies: Studies & StudyGate;
  /** What the gate handed over. */
  readonly handed: StudySnapshot[];
}

export const quietMs = 10_000;
export const deadlineMs = 60_000;

/** Studies on a store of their own, with a clock that stands still. */
export async function testStudies(
  onReady?: (snapshot: StudySnapshot) => Promise<void>,
  log: Log = silentLog,
): Promise<TestStudies> {
  const store = await testStore();
  const clock = testClock();
  const handed: StudySnapshot[] = [];
  const studies = await openStudies({
    ...store,
    clock,
    log,
    gate: { quietMs, deadlineMs },
    onReady: async (snapshot) => {
      await onReady?.(snapshot);
      handed.push(snapshot);
    },
  });
  return { ...store, clock, studies, handed };
}

export interface InstanceSketch {
  readonly study?: string;
  readonly series?: string;
  readonly instance: string;
  readonly sopClass?: string;
  readonly patientId?: string;
  readonly issuer?: string;
  readonly modality?: string;
  /** Stands for the data set; another content is another object. */
  readonly content?: string;
  /** Before the data set: another head, the same data. */
  readonly head?: string;
  readonly attributes?: DicomJson;
}

/** UIDs of tests: `uid('1', '2')` is 2.25.1.2. */
export const uid = (...parts: string[]): string => ['2.25', ...parts].join('.');
export const ctImage = '1.2.840.10008.5.1.4.1.1.2';
export const basicTextSr = '1.2.840.10008.5.1.4.1.1.88.11';

/** An instance as a door hands it over; its bytes are no real file, the room never looks at them. */
export async function admission(blobs: Blobs, sketch: InstanceSketch): Promise<Admission> {
  const data = `${sketch.instance} ${sketch.content ?? 'data'}`;
  const bytes = new TextEncoder().encode(`${sketch.head ?? 'head'}|${data}`);
  const blob = await blobs.stage();
  await blob.write(bytes);
  const { digest } = await blob.finish();
  const ref: InstanceRef = {
    studyUid: sketch.study ?? uid('1'),
    seriesUid: sketch.series ?? uid('1', '1'),
    instanceUid: sketch.instance,
    sopClass: sketch.sopClass ?? ctImage,
    transferSyntax: '1.2.840.10008.1.2.1',
    digest,
    dataDigest: createHash('sha256').update(data).digest('hex'),
    bytes: bytes.length,
  };
  return { ref, attributes: attributesOf(ref, sketch), blob };
}

function attributesOf(ref: InstanceRef, sketch: InstanceSketch): DicomJson {
  const one = (vr: string, value: string | undefined): DicomElement => ({ vr, ...(value ? { Value: [value] } : {}) });
  return {
    '00080016': one('UI', ref.sopClass),
    '00080018': one('UI', ref.instanceUid),
    '00080060': one('CS', sketch.modality ?? 'CT'),
    '00100020': one('LO', sketch.patientId ?? 'P1'),
    ...(sketch.issuer ? { '00100021': one('LO', sketch.issuer) } : {}),
    '0020000D': one('UI', ref.studyUid),
    '0020000E': one('UI', ref.seriesUid),
    ...sketch.attributes,
  };
}

export function admissions(blobs: Blobs, sketches: readonly InstanceSketch[]): Promise<Admission[]> {
  return Promise.all(sketches.map((s) => admission(blobs, s)));
}

/** `n` slices of one series. */
export function slices(n: number, sketch: Omit<InstanceSketch, 'instance'> = {}, from = 0): InstanceSketch[] {
  const series = sketch.series ?? `${sketch.study ?? uid('1')}.1`;
  return Array.from({ length: n }, (_, i) => ({ ...sketch, series, instance: `${series}.${from + i + 1}` }));
}

export const fromStow = { door: 'stow', sender: '10.0.0.1' } as const;
