import { readFileSync, rmSync } from 'node:fs';
import { mappingsTo } from '../builders/mappings.ts';
import { plumbline, serveChild, tempFolder, type Ended, type ServedGateway } from '../builders/program.ts';
import { freePort } from '../peers/orthanc.ts';

/** A hospital's gateway with fixed ports, so that senders find it again after it was killed. */
export interface Site {
  readonly dataDir: string;
  readonly url: string;
  readonly dicomweb: string;
  readonly dimsePort: number;
  readonly hl7Port: number;
  /** Starts that came up, and SIGKILLs. */
  readonly counts: { starts: number; kills: number };
  /** @param more of the environment, for this life alone */
  start(more?: NodeJS.ProcessEnv): Promise<ServedGateway>;
  /** Run `plumbline ARGS` with the configuration of the gateway that runs. */
  command(args: readonly string[]): Promise<Ended>;
  /** SIGKILL, and wait for its end. */
  kill(): Promise<void>;
  /** SIGTERM, and wait for its end. */
  stop(): Promise<void>;
  pid(): number;
  /** Resident size of the gateway's own process, MiB (Linux). */
  rssMb(): number;
  /** Everything that it has logged, over all its lives. */
  log(): string;
  remove(): void;
}

export interface SiteOptions {
  readonly destinations: readonly Readonly<Record<string, unknown>>[];
  /** More of its two listeners. */
  readonly listener?: { readonly dimse?: object; readonly hl7?: object };
  /** More of the configuration, or other. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** For the gateway's process. */
  readonly env?: NodeJS.ProcessEnv;
  readonly dataDir?: string;
}

export async function makeSite({
  destinations,
  listener = {},
  config = {},
  env = {},
  dataDir,
}: SiteOptions): Promise<Site> {
  const dir = dataDir ?? tempFolder('soak');
  const mappingsDir = mappingsTo(destinations.map((d) => String(d['name'])));
  const [http, dimse, hl7] = [await freePort(), await freePort(), await freePort()];
  const text = JSON.stringify({
    dataDir: dir,
    mappingsDir,
    http: { port: http },
    dimse: { listeners: [{ port: dimse, maxAssociations: 64, ...listener.dimse }] },
    hl7: { listeners: [{ name: 'orders', port: hl7, ...listener.hl7 }] },
    // Longer than a sender that was cut needs to come again, also where the machine is busy.
    gate: { quietSeconds: 4 },
    delivery: { firstPauseSeconds: 0.1, maxPauseSeconds: 0.5 },
    log: { level: 'warn' },
    destinations,
    ...config,
  });
  const counts = { starts: 0, kills: 0 };
  let gateway: ServedGateway | undefined;
  let before = '';
  const end = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
    const ending = gateway;
    if (!ending) return;
    gateway = undefined;
    ending.child.kill(signal);
    await ending.ended;
    before += ending.log();
  };
  return {
    dataDir: dir,
    url: `http://127.0.0.1:${http}`,
    dicomweb: `http://127.0.0.1:${http}/dicom-web`,
    dimsePort: dimse,
    hl7Port: hl7,
    counts,
    start: async (more = {}) => {
      gateway = await serveChild(text, { ...env, ...more });
      counts.starts++;
      return gateway;
    },
    command: (args) => plumbline([...args, '--config', gateway!.configFile], env),
    kill: async () => {
      counts.kills++;
      await end('SIGKILL');
    },
    stop: () => end('SIGTERM'),
    pid: () => gateway?.child.pid ?? 0,
    rssMb: () => residentMb(gateway?.child.pid),
    log: () => before + (gateway?.log() ?? ''),
    remove: () => {
      for (const folder of [...(dataDir === undefined ? [dir] : []), mappingsDir])
        rmSync(folder, { recursive: true, force: true });
    },
  };
}

function residentMb(pid: number | undefined): number {
  if (pid === undefined) return 0;
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0; // it has just ended
  }
}
