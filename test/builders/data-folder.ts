/**
 * A data folder as a release left it: one file with everything in it, for tests that open it with a later version.
 * `node test/builders/data-folder.ts FILE` makes one with the version at hand; it is done once for a release, and never again.
 */
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { parseConfig, sha256, silentLog, type Config } from '../../src/base/index.ts';
import { inspectPart10 } from '../../src/dicom/index.ts';
import { takeMessage } from '../../src/doors/hl7/index.ts';
import { openRooms, serve, type Gateway, type Rooms } from '../../src/server/index.ts';
import { makeImage } from './dicom.ts';
import { doorDefaults, orm } from './hl7.ts';
import { mappingsTo } from './mappings.ts';
import { tempFolder, until } from './program.ts';

/** Patient of all these studies, who is nobody. */
export const somebody = {
  PatientName: 'UPGRADE^TEST',
  PatientID: 'UP-1',
  IssuerOfPatientID: 'PLUMBLINE-TEST',
} as const;

/** Everything below `dataDir` as one file. */
export function packFolder(dataDir: string): Uint8Array {
  const files = globSync('**/*', { cwd: dataDir, withFileTypes: true }).filter((f) => f.isFile());
  const entries = files.map((f) => join(f.parentPath, f.name)).sort();
  const packed = entries.map((path) => [path.slice(dataDir.length + 1), readFileSync(path).toString('latin1')]);
  // The same pictures stand in several files: a wide window sees that.
  return brotliCompressSync(JSON.stringify(Object.fromEntries(packed)), {
    params: { [constants.BROTLI_PARAM_LGWIN]: 24 },
  });
}

/** @returns a new folder that holds what was packed */
export function unpackFolder(file: string): string {
  const packed = JSON.parse(brotliDecompressSync(readFileSync(file)).toString()) as Record<string, string>;
  const dataDir = tempFolder('old');
  for (const [path, content] of Object.entries(packed)) {
    mkdirSync(dirname(join(dataDir, path)), { recursive: true });
    writeFileSync(join(dataDir, path), Buffer.from(content, 'latin1'));
  }
  return dataDir;
}

/** A gateway that stores what it is sent and reads nothing: a PACS for tests. */
export function servePacs(dataDir = tempFolder('pacs')): Promise<Gateway> {
  return serve(parseConfig(JSON.stringify({ dataDir, http: { port: 0 } }), 'pacs.yaml', '/'), silentLog);
}

/** @param pacs where results go, e.g. `http://127.0.0.1:8042/dicom-web` */
export function siteConfig(dataDir: string, pacs: string, more: object = {}): Config {
  const config = {
    dataDir,
    mappingsDir: mappingsTo(['pacs']),
    http: { port: 0 },
    gate: { quietSeconds: 0 },
    delivery: { firstPauseSeconds: 0.05, maxPauseSeconds: 0.1 },
    destinations: [{ name: 'pacs', kind: 'dicomweb', url: pacs }],
    ...more,
  };
  return parseConfig(JSON.stringify(config), 'plumbline.yaml', '/');
}

/** A bright disc in a grey square: small, and something to see. */
export function smallImage(study: string, attributes: object = {}): Uint8Array {
  const inside = (x: number, y: number): boolean => (x - 20) ** 2 + (y - 28) ** 2 < 120;
  return makeImage({
    study,
    modality: 'CT',
    rows: 48,
    columns: 48,
    bitsStored: 12,
    pixel: (x, y) => (inside(x, y) ? 1250 : 1000 + ((x * 7 + y * 13) % 40)),
    attributes: { ...somebody, AccessionNumber: `U-${study}`, ...attributes },
  });
}

export const studyUidOf = (study: string): string => inspectPart10(smallImage(study)).studyUid;

/** Keep one file as a door does. */
export async function admitFile({ blobs, studies }: Rooms, bytes: Uint8Array): Promise<void> {
  const { studyUid, seriesUid, instanceUid, sopClass, transferSyntax, dataDigest, attributes } = inspectPart10(bytes);
  const blob = await blobs.stage();
  await blob.write(bytes);
  const { digest } = await blob.finish();
  const ref = { studyUid, seriesUid, instanceUid, sopClass, transferSyntax, digest, dataDigest, bytes: bytes.length };
  await studies.admit([{ ref, attributes, blob }], { door: 'stow', sender: '127.0.0.1' });
}

/** Open, do, close; with `run` gate, workers and lanes move meanwhile. */
export async function withRooms<T>(config: Config, run: boolean, work: (rooms: Rooms) => Promise<T>): Promise<T> {
  const rooms = await openRooms(config, silentLog);
  if (run) rooms.start();
  try {
    return await work(rooms);
  } finally {
    await rooms.stop();
  }
}

/** Until the study's only workitem is in the state. */
export async function reach({ work }: Rooms, study: string, state: string): Promise<void> {
  await until(
    async () => ((await work.list({ studyUid: studyUidOf(study) }))[0]?.state === state ? true : undefined),
    `${study} to be ${state}`,
  );
}

/**
 * One study in each state that an upgrade may meet: `delivered`, `sending` (its PACS is away), `dead`, `contradiction`
 * (held at the gate), `held` by hand, `ready` and `arriving`; and an order whose study has not come.
 */
async function makeFolder(dataDir: string): Promise<void> {
  const pacs = await servePacs();
  const nowhere = 'http://127.0.0.1:9/dicom-web';
  await withRooms(siteConfig(dataDir, pacs.dicomweb), true, async (rooms) => {
    await admitFile(rooms, smallImage('delivered'));
    await reach(rooms, 'delivered', 'delivered');
  });
  await pacs.stop();
  const impatient = { delivery: { firstPauseSeconds: 0.05, maxPauseSeconds: 0.1, giveUpAfterHours: 1e-9 } };
  await withRooms(siteConfig(dataDir, nowhere, impatient), true, async (rooms) => {
    await admitFile(rooms, smallImage('dead'));
    await until(
      async () => ((await rooms.delivery.rows({ state: 'dead' })).length > 0 ? true : undefined),
      'a dead letter',
    );
  });
  await withRooms(siteConfig(dataDir, nowhere), true, async (rooms) => {
    await admitFile(rooms, smallImage('sending'));
    await reach(rooms, 'sending', 'drafted');
  });
  await withRooms(siteConfig(dataDir, nowhere), false, async (rooms) => {
    await admitFile(rooms, smallImage('contradiction'));
    await admitFile(rooms, makeOther('contradiction'));
    for (const study of ['held', 'ready']) await admitFile(rooms, smallImage(study));
    await rooms.studies.tick();
    const [held] = await rooms.work.list({ studyUid: studyUidOf('held') });
    await rooms.work.hold(held!.key, 'a person wants to look first', 'operator');
  });
  await withRooms(siteConfig(dataDir, nowhere, { gate: { quietSeconds: 2 } }), false, async (rooms) => {
    await admitFile(rooms, smallImage('arriving'));
    const order = orm({ id: 'UPGRADE-1', accession: 'U-arriving', patient: 'UP-1^^^PLUMBLINE-TEST', priority: 'S' });
    await takeMessage(Buffer.from(order), { ...doorDefaults, studies: rooms.studies, now: () => new Date() });
    const early = orm({
      id: 'UPGRADE-2',
      accession: 'U-later',
      placer: 'PL2',
      filler: 'FI2',
      patient: 'UP-1^^^PLUMBLINE-TEST',
    });
    await takeMessage(Buffer.from(early), { ...doorDefaults, studies: rooms.studies, now: () => new Date() });
  });
}

/** Another image of the study, of another patient. */
function makeOther(study: string): Uint8Array {
  return makeImage({ study, instance: 2, rows: 48, columns: 48, attributes: { ...somebody, PatientID: 'UP-2' } });
}

if (import.meta.main) {
  const file = process.argv[2]!;
  const dataDir = tempFolder('new');
  await makeFolder(dataDir);
  const packed = packFolder(dataDir);
  writeFileSync(file, packed);
  rmSync(dataDir, { recursive: true, force: true });
  process.stdout.write(`${file}: ${packed.length} bytes, SHA-256 ${sha256(packed)}\n`);
  process.exit(0);
}
