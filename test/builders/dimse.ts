/** Doors for C-STORE over a real store, and the DICOM programs of others at the other end. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseConfig, silentLog, type DimseListenerConfig, type Log } from '../../src/base/index.ts';
import { openDimseDoor, type DimseDoorOptions } from '../../src/doors/dimse/index.ts';
import { peers, python, runPeer, type Ran } from '../peers/index.ts';
import { freePort, stopProcess } from '../peers/orthanc.ts';
import { testStudies, type TestStudies } from './store.ts';

export interface TestDoor extends TestStudies {
  readonly port: number;
  /** Files that are neither at their address nor gone: what a refused object must not leave. */
  staged(): string[];
  /** SOP Instance UIDs of everything that was kept. */
  kept(): Promise<string[]>;
  close(): Promise<void>;
}

/** A listener of its own on a free port of this machine. @param listener keys of `dimse.listeners[]` */
export async function startDoor(
  listener: Readonly<Record<string, unknown>> = {},
  options: Partial<DimseDoorOptions> = {},
): Promise<TestDoor> {
  const store = await testStudies();
  const listeners = [listenerConfig({ port: 0, ...listener })];
  const door = await openDimseDoor({
    listeners,
    studies: store.studies,
    blobs: store.blobs,
    log: silentLog,
    ...options,
  });
  let closed: Promise<void> | undefined;
  return {
    ...store,
    port: door.addresses[0]!.port,
    staged: () =>
      readdirSync(join(store.dir, 'blobs'), { recursive: true, encoding: 'utf8' }).filter((n) => n.endsWith('.part')),
    kept: async () => {
      const studies = await store.studies.studies(1000, 0);
      const all = await Promise.all(studies.map((s) => store.studies.instances(s.studyUid)));
      return all.flat().map((i) => i.ref.instanceUid);
    },
    close: () =>
      (closed ??= (async () => {
        await door.close(0);
        await store.studies.stop();
        await store.remove();
      })()),
  };
}

export function listenerConfig(listener: Readonly<Record<string, unknown>>): DimseListenerConfig {
  return parseConfig(JSON.stringify({ dimse: { listeners: [listener] } }), 'test', '/').dimse.listeners[0]!;
}

/** A log that is remembered. */
export function rememberingLog(): { readonly log: Log; readonly lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const note = (event: string, fields = {}): void => void lines.push({ event, ...fields });
  return { lines, log: { info: note, warn: note, error: note } };
}

/** The bytes after group 2, by its group length (PS3.10 7.1), without our own reader. */
export function datasetBytes(file: Uint8Array): Buffer {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  return bytes.subarray(144 + bytes.readUInt32LE(140));
}

export function folder(name: string): string {
  return mkdtempSync(join(tmpdir(), `plumbline-${name}-`));
}

/** Write files into a folder of their own. @returns their paths */
export function writeFiles(files: readonly Uint8Array[]): string[] {
  const dir = folder('send');
  return files.map((bytes, i) => {
    const path = join(dir, `${String(i).padStart(4, '0')}.dcm`);
    writeFileSync(path, bytes);
    return path;
  });
}

// — DCMTK —

export function storescu(port: number, files: readonly string[], args: readonly string[] = []): Promise<Ran> {
  return runPeer(peers.storescu!, ['-v', '-aec', 'PLUMBLINE', ...args, '127.0.0.1', String(port), ...files]);
}

export function echoscu(port: number, args: readonly string[] = []): Promise<Ran> {
  return runPeer(peers.echoscu!, ['-v', '-aec', 'PLUMBLINE', ...args, '127.0.0.1', String(port)]);
}

export interface Scp {
  readonly port: number;
  readonly dir: string;
  /** What it has received, whole files by SOP Instance UID. */
  received(): ReadonlyMap<string, Buffer>;
  stop(): Promise<void>;
}

/** DCMTK's storescp, writing data sets as they come. */
export async function startStorescp(args: readonly string[] = []): Promise<Scp> {
  const [port, dir] = [await freePort(), folder('storescp')];
  const child = spawn(peers.storescp!, ['-od', dir, '+B', '+xa', '-dhl', ...args, String(port)], { stdio: 'ignore' });
  await untilOpen(port, child);
  return {
    port,
    dir,
    received: () =>
      new Map(readdirSync(dir).map((name) => [name.replace(/^[A-Z]+[a-z0-9]*\./, ''), readFileSync(join(dir, name))])),
    stop: async () => {
      await stopProcess(child);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function untilOpen(port: number, child: ChildProcess): Promise<void> {
  for (let i = 0; i < 100; i++) {
    if (child.exitCode !== null) throw new Error(`the peer ended with ${child.exitCode}`);
    const open = await new Promise<boolean>((done) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        done(true);
      });
      socket.on('error', () => done(false));
    });
    if (open) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`port ${port} did not open in 10 s`);
}

// — pynetdicom —

/** Send files over one association as the bytes that they hold. @returns a status in hex for each, or `rejected …` */
export async function pynetdicomStore(
  port: number,
  files: readonly string[],
  { called = 'PLUMBLINE', calling = 'PYNETDICOM' } = {},
): Promise<string[]> {
  const { stdout, stderr } = await python(storeScript, [String(port), called, calling, ...files]);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as string[];
}

export interface Sendable {
  readonly path: string;
  readonly transferSyntax: string;
  readonly hasStudy: boolean;
}

/**
 * Copies of files of others of which each has a SOP Instance UID of its own, the same in group 2 and in the data set.
 * Only the digits of that UID are changed, where two files share one; what cannot be changed so is left out.
 */
export async function sendable(paths: readonly string[]): Promise<Sendable[]> {
  const { stdout, stderr } = await python(sendableScript, [folder('sendable'), ...paths]);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as Sendable[];
}

const sendableScript = `
import json, os, sys
from pydicom import dcmread
out, *paths = sys.argv[1:]
seen, said = set(), []
for path in sorted(paths, key=lambda p: '.1.99' not in p):
    head = dcmread(path, stop_before_pixels=True)
    uid, bytes = head.file_meta.MediaStorageSOPInstanceUID, open(path, 'rb').read()
    if uid != head.get('SOPInstanceUID'): continue
    new, n = uid, 0
    while new in seen:
        n += 1
        new = uid[:-3] + '%03d' % (100 + n)
    if new != uid:
        if '.1.99' in path: continue
        bytes = bytes.replace(uid.encode(), new.encode())
    seen.add(new)
    name = os.path.join(out, '%03d.dcm' % len(said))
    open(name, 'wb').write(bytes)
    said.append({'path': name, 'transferSyntax': head.file_meta.TransferSyntaxUID, 'hasStudy': bool(head.get('StudyInstanceUID'))})
print(json.dumps(said))
`;

const storeScript = `
import json, sys
from pydicom import dcmread
from pynetdicom import AE, _config
_config.STORE_SEND_CHUNKED_DATASET = True
port, called, calling, *files = sys.argv[1:]
ae = AE(calling)
heads = [dcmread(f, stop_before_pixels=True, force=True) for f in files]
for pair in sorted({(h.file_meta.MediaStorageSOPClassUID, h.file_meta.TransferSyntaxUID) for h in heads}):
    ae.add_requested_context(pair[0], [pair[1]])
a = ae.associate('127.0.0.1', int(port), ae_title=called)
if not a.is_established:
    print(json.dumps(['rejected' if a.is_rejected else 'no association'] * len(files)))
    sys.exit()
said = []
for f in files:
    try:
        status = a.send_c_store(f)
        said.append('%04x %s' % (status.Status, status.get('ErrorComment', '')) if 'Status' in status else 'none')
    except ValueError as e:
        said.append('no context')
a.release()
print(json.dumps([s.strip() for s in said]))
`;

/**
 * Three SCPs of pynetdicom in one process: \`statuses\` answers with the status that the calling AE title names
 * (\`S0111\`), \`segOnly\` takes nothing but Segmentations, \`strict\` answers only to its own name and to nobody it knows.
 */
export async function startPynetdicom(): Promise<{
  readonly ports: { readonly statuses: number; readonly segOnly: number; readonly strict: number };
  stop(): Promise<void>;
}> {
  const ports = { statuses: await freePort(), segOnly: await freePort(), strict: await freePort() };
  const child = spawn(peers.python!, ['-c', scpScript, ...Object.values(ports).map(String)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await new Promise((done) => createInterface(child.stdout).once('line', done));
  return { ports, stop: () => stopProcess(child) };
}

const scpScript = `
import sys
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
SEG, SR = '1.2.840.10008.5.1.4.1.1.66.4', '1.2.840.10008.5.1.4.1.1.88.34'
def store(event):
    calling = event.assoc.requestor.ae_title
    d = Dataset(); d.Status = int(calling[1:], 16); d.ErrorComment = 'words of the peer'
    return d
def serve(port, classes, **settings):
    ae = AE('PYSCP')
    for c in classes + ['1.2.840.10008.1.1']: ae.add_supported_context(c, '1.2.840.10008.1.2.1' if c in (SEG, SR) else '1.2.840.10008.1.2')
    for k, v in settings.items(): setattr(ae, k, v)
    ae.start_server(('127.0.0.1', int(port)), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
serve(sys.argv[1], [SEG, SR])
serve(sys.argv[2], [SEG])
serve(sys.argv[3], [SEG, SR], require_called_aet=True, require_calling_aet=['SOMEBODY'])
print('up', flush=True)
sys.stdin.read()
`;

// — the wire —

/** A wire that breaks after so many bytes from the sender. */
export async function startCutter(to: number, bytes: number): Promise<{ port: number; close(): void }> {
  const server = createServer((client) => {
    const far = connect(to, '127.0.0.1');
    let left = bytes;
    const cut = (): void => void (client.destroy(), far.resetAndDestroy());
    client.on('data', (chunk) => {
      far.write(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) cut();
    });
    far.on('data', (chunk) => client.write(chunk));
    for (const socket of [client, far]) socket.on('error', cut).on('close', cut);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { port: (server.address() as { port: number }).port, close: () => void server.close() };
}

/** Send bytes as they are; what came back when the other side has closed, or after `ms`. */
export function rawExchange(
  port: number,
  bytes: Uint8Array,
  ms = 3000,
): Promise<{ readonly bytes: Buffer; readonly closed: boolean }> {
  return new Promise((done) => {
    const socket: Socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    const got: Buffer[] = [];
    const finish = (closed: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      done({ bytes: Buffer.concat(got), closed });
    };
    const timer = setTimeout(() => finish(false), ms);
    socket.on('data', (chunk) => got.push(chunk));
    socket.on('error', () => finish(true));
    socket.on('close', () => finish(true));
  });
}

// — certificates —

export interface Certificates {
  readonly ca: string;
  readonly server: { readonly cert: string; readonly key: string };
  readonly client: { readonly cert: string; readonly key: string };
}

/** An authority of our own, a certificate for 127.0.0.1 and one for a caller. */
export async function makeCertificates(): Promise<Certificates> {
  const dir = folder('tls');
  const at = (name: string): string => join(dir, name);
  const openssl = async (...args: string[]): Promise<void> => {
    const { code, stderr } = await runPeer(peers.openssl!, args);
    if (code !== 0) throw new Error(stderr);
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  await openssl(
    'req',
    '-x509',
    ...key,
    '-days',
    '2',
    '-subj',
    '/CN=test authority',
    '-keyout',
    at('ca.key'),
    '-out',
    at('ca.pem'),
  );
  writeFileSync(at('san'), 'subjectAltName=IP:127.0.0.1\n');
  for (const name of ['server', 'client']) {
    await openssl('req', ...key, '-subj', `/CN=${name}`, '-keyout', at(`${name}.key`), '-out', at(`${name}.csr`));
    await openssl(
      'x509',
      '-req',
      '-days',
      '2',
      '-in',
      at(`${name}.csr`),
      '-CA',
      at('ca.pem'),
      '-CAkey',
      at('ca.key'),
      '-CAcreateserial',
      '-extfile',
      at('san'),
      '-out',
      at(`${name}.pem`),
    );
  }
  const pair = (name: string) => ({ cert: at(`${name}.pem`), key: at(`${name}.key`) });
  return { ca: at('ca.pem'), server: pair('server'), client: pair('client') };
}
