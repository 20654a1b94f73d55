import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../../src/base/index.ts';
import { inspectPart10 } from '../../src/dicom/index.ts';
import { mappingsTo } from '../../test/builders/mappings.ts';
import { partsOf, stow } from '../../test/builders/multipart.ts';
import { serveChild, tempFolder, until, type ServedGateway } from '../../test/builders/program.ts';
import { sharedPath } from '../../test/peers/index.ts';
import { goodStudy } from './good.ts';
import type { Case, GatewayAnswer } from './judge.ts';

export interface Served {
  readonly answers: ReadonlyMap<string, GatewayAnswer>;
  /** What concerns no single file: a good study that was not read, a process that ended, parts left behind. */
  readonly faults: readonly string[];
  readonly peakMb: number;
}

/** Each file alone by STOW-RS into one gateway, each followed by a good study; then everything comes to rest. */
export async function byGateway(cases: readonly Case[]): Promise<Served> {
  const dataDir = tempFolder('hostile-data');
  const mappingsDir = mappingsTo([], { bundle: 'plumbline-tiny', task: 'report' });
  const config = { dataDir, mappingsDir, http: { port: 0 }, gate: { quietSeconds: 0.2 } };
  const gateway = await serveChild(JSON.stringify(config));
  try {
    const sent = new Map<string, { status: number; failure: string }>();
    for (const [i, { file }] of cases.entries()) {
      sent.set(file, await send(gateway, readFileSync(sharedPath('data/dicom-broken', file))));
      const good = await send(gateway, goodStudy(i).bytes);
      if (good.status !== 200) throw new Error(`after ${file} a good study is answered ${good.status}`);
    }
    const answers = new Map<string, GatewayAnswer>();
    for (const { file } of cases) answers.set(file, await restOf(gateway, dataDir, file, sent.get(file)!));
    const faults = await faultsOf(gateway, dataDir, cases);
    return { answers, faults, peakMb: peakOf(gateway) };
  } finally {
    await gateway.stop();
    for (const folder of [dataDir, mappingsDir]) rmSync(folder, { recursive: true, force: true });
  }
}

async function send(gateway: ServedGateway, bytes: Uint8Array): Promise<{ status: number; failure: string }> {
  const response = await stow(`${gateway.dicomweb}/studies`, [bytes]);
  const text = await response.text();
  const body = (text.startsWith('{') ? JSON.parse(text) : {}) as Record<string, { Value?: Record<string, { Value: number[] }>[] }>; // prettier-ignore
  const failed = body['00081198']?.Value?.[0] ?? body['0008119A']?.Value?.[0];
  const reason = failed?.['00081197']?.Value[0]?.toString(16).toUpperCase().padStart(4, '0') ?? '';
  return { status: response.status, failure: reason };
}

interface StudyJson {
  readonly state: string;
  readonly holdCode?: string;
  readonly drafts: readonly {
    readonly key: string;
    readonly state: string;
    readonly reason?: { readonly code: string };
  }[];
}

const atRest = ['drafted', 'delivered', 'held', 'failed', 'cancelled'];

/** The study once nothing moves in it any more; undefined where there is none. */
async function settled(gateway: ServedGateway, studyUid: string): Promise<StudyJson | undefined> {
  const url = `${gateway.url}/api/studies/${studyUid}`;
  if ((await fetch(url)).status === 404) return undefined;
  return until(async () => {
    const study = (await (await fetch(url)).json()) as StudyJson;
    if (study.state === 'held') return study;
    return study.drafts.length > 0 && study.drafts.every((d) => atRest.includes(d.state)) ? study : undefined;
  }, `study ${studyUid} to come to rest`, 180); // prettier-ignore
}

async function restOf(
  gateway: ServedGateway,
  dataDir: string,
  file: string,
  sent: { status: number; failure: string },
): Promise<GatewayAnswer> {
  const bytes = readFileSync(sharedPath('data/dicom-broken', file));
  const left = remains(dataDir, bytes);
  if (sent.status !== 200) return { ...sent, outcome: 'refused', code: '', left: left ?? 'nothing' };
  const { studyUid, seriesUid, instanceUid } = inspectPart10(bytes, { undecodable: 'mark' });
  const study = await settled(gateway, studyUid);
  if (!study) return { ...sent, outcome: 'refused', code: 'no study', left: left ?? 'nothing' };
  const served = await retrieve(gateway, `${studyUid}/series/${seriesUid}/instances/${instanceUid}`);
  const draft = study.drafts.at(0);
  const held = study.state === 'held' || draft?.state === 'held' || draft?.state === 'failed';
  return {
    ...sent,
    outcome: held ? 'held' : 'done',
    code: study.state === 'held' ? (study.holdCode ?? '') : (draft?.reason?.code ?? ''),
    left: `${left ?? 'nothing'}${served}`,
  };
}

/** The file where content has its address. */
function remains(dataDir: string, bytes: Uint8Array): string | undefined {
  const digest = sha256(bytes);
  const address = join(dataDir, 'blobs', digest.slice(0, 2), digest.slice(2, 4), digest);
  return existsSync(address) ? 'the file' : undefined;
}

/** What goes out again: nobody may get the 128 bytes before DICM that a sender filled. */
async function retrieve(gateway: ServedGateway, path: string): Promise<string> {
  const accept = 'multipart/related; type="application/dicom"; transfer-syntax=*';
  const response = await fetch(`${gateway.dicomweb}/studies/${path}`, { headers: { accept } });
  if (response.status !== 200) return `, not served (${response.status})`;
  const [part] = await partsOf(response);
  return part!.body.subarray(0, 128).every((b) => b === 0) ? '' : ', SERVED WITH ITS PREAMBLE';
}

async function faultsOf(gateway: ServedGateway, dataDir: string, cases: readonly Case[]): Promise<string[]> {
  const faults: string[] = [];
  for (const [i, { file }] of cases.entries()) {
    const good = await settled(gateway, goodStudy(i).studyUid);
    const state = good?.drafts[0]?.state;
    if (state !== 'drafted' && state !== 'delivered') faults.push(`the good study after ${file} is ${state ?? 'lost'}`);
  }
  if (gateway.child.exitCode !== null) faults.push(`the gateway ended with ${gateway.child.exitCode}`);
  const parts = readdirSync(join(dataDir, 'blobs'), { recursive: true, encoding: 'utf8' }).filter((f) =>
    f.endsWith('.part'),
  );
  if (parts.length > 0) faults.push(`${parts.length} half-written files are left`);
  return faults;
}

/** Largest resident size so far, MiB (Linux). */
function peakOf(gateway: ServedGateway): number {
  const status = readFileSync(`/proc/${gateway.child.pid}/status`, 'utf8');
  return Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
}
