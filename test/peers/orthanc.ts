import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { peers } from './index.ts';

const plugin = ['/usr/share/orthanc/plugins/libOrthancDicomWeb.so', '/usr/lib/orthanc/libOrthancDicomWeb.so'].find(
  (p) => existsSync(p),
);

/** True where Orthanc or its DICOMweb plugin is missing: for `describe.skipIf`. */
export const orthancMissing = peers.orthanc === undefined || plugin === undefined;

export interface Orthanc {
  /** REST root, e.g. http://127.0.0.1:1234 */
  readonly url: string;
  /** DICOMweb service root. */
  readonly dicomweb: string;
  readonly pid: number;
  /** GET of the REST API as JSON. */
  get<T>(path: string): Promise<T>;
  stop(): Promise<void>;
}

/** A free port of 127.0.0.1 (free when asked). */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

/** Start an Orthanc with an empty store of its own on loopback. @param settings merged over its configuration */
export async function startOrthanc(settings: Readonly<Record<string, unknown>> = {}): Promise<Orthanc> {
  const dir = mkdtempSync(join(tmpdir(), 'plumbline-orthanc-'));
  const [http, dicom] = [await freePort(), await freePort()];
  const config = {
    Name: 'peer',
    StorageDirectory: join(dir, 'store'),
    IndexDirectory: join(dir, 'store'),
    HttpPort: http,
    DicomPort: dicom,
    RemoteAccessAllowed: false,
    AuthenticationEnabled: false,
    Plugins: [plugin],
    DicomWeb: { Enable: true, Root: '/dicom-web/' },
    StableAge: 1,
    ...settings,
  };
  writeFileSync(join(dir, 'orthanc.json'), JSON.stringify(config));
  const child = spawn(peers.orthanc!, [join(dir, 'orthanc.json')], { stdio: 'ignore' });
  const url = `http://127.0.0.1:${http}`;
  await untilUp(`${url}/dicom-web/studies`, child);
  return {
    url,
    dicomweb: `${url}/dicom-web`,
    pid: child.pid!,
    get: async <T>(path: string) => (await (await fetch(`${url}${path}`)).json()) as T,
    stop: async () => {
      await stopProcess(child);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** End a process by its id and wait for it. */
export async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((done) => child.once('exit', done));
  child.kill('SIGTERM');
  const hard = setTimeout(() => child.kill('SIGKILL'), 5000);
  await gone;
  clearTimeout(hard);
}

async function untilUp(url: string, child: ChildProcess): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (child.exitCode !== null) throw new Error(`the peer ended with ${child.exitCode}`);
    const answer = await fetch(url).catch(() => undefined); // not listening yet
    await answer?.arrayBuffer();
    if (answer && answer.status < 500) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`${url} did not come up in 30 s`);
}
