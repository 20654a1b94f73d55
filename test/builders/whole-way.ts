/** Files of the test data through the whole program, each as a study of its own: by `plumbline run` and by STOW-RS. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { python, root, sharedPath } from '../peers/index.ts';
import { partsOf, stow } from './multipart.ts';
import { plumbline, tempFolder, until, type ServedGateway } from './program.ts';

/** One file of the index, and its copy that is a study of its own. */
export interface WholeFile {
  /** Path below its folder of the test data. */
  readonly file: string;
  readonly studyUid: string;
  /** The copy. */
  readonly path: string;
  readonly use: string;
  readonly digest: string | undefined;
  readonly text: { readonly PatientName?: string | null; readonly note?: string } | undefined;
}

interface Indexed {
  readonly path: string;
  readonly use?: string;
  readonly decoded?: { readonly sha256?: string };
  readonly expected_text?: { readonly PatientName?: string | null; readonly note?: string };
}

/**
 * Copies of all files of a folder, with UIDs and a patient number of their own and everything else as it was.
 * @param options.draw each gets a picture that can be read
 * @throws Error where the copying program fails
 */
export async function wholeFiles(folder: string, options: { readonly draw: boolean }): Promise<WholeFile[]> {
  const index = JSON.parse(readFileSync(sharedPath('data/index.json'), 'utf8')) as { files: Indexed[] };
  const out = tempFolder('copies');
  const files = index.files
    .filter((f) => f.path.startsWith(folder) && f.path.endsWith('.dcm'))
    .map((f, n) => ({
      file: f.path.slice(folder.length),
      studyUid: `2.25.4242${String(n + 1).padStart(3, '0')}`,
      path: join(out, `${n + 1}.dcm`),
      from: sharedPath('data', f.path),
      use: f.use ?? '',
      digest: f.decoded?.sha256,
      text: f.expected_text,
    }));
  const list = join(out, 'list.json');
  writeFileSync(
    list,
    JSON.stringify(files.map((f, n) => ({ from: f.from, to: f.path, n: n + 1, draw: options.draw }))),
  );
  const copied = await python(join(root, 'test/peers/relabel.py'), [list]);
  if (copied.code !== 0) throw new Error(copied.stderr);
  return files;
}

/** What became of one file: read to its end, or held or refused with the code of the reason. */
export interface Outcome {
  readonly done: boolean;
  readonly code: string;
  /** Names of what was written for it. */
  readonly written: readonly string[];
  read(name: string): Promise<Uint8Array>;
}

const nothing = (code: string): Outcome => ({
  done: false,
  code,
  written: [],
  read: () => Promise.reject(new Error('nothing was written')),
});

interface RunLine {
  readonly studyUid?: string;
  readonly status?: string;
  readonly reason?: { readonly code: string };
  readonly refused?: readonly { readonly file: string; readonly code: string }[];
}

/** All of them in one run. @param args more of the command line. */
export async function byRun(files: readonly WholeFile[], args: readonly string[] = []): Promise<Map<string, Outcome>> {
  const [input, out] = [tempFolder('whole-in'), tempFolder('whole-out')];
  for (const f of files) writeFileSync(join(input, basename(f.path)), readFileSync(f.path));
  const ended = await plumbline(['run', input, '--out', out, '--json', ...args]);
  const lines = ended.stdout.split('\n').filter((l) => l !== '').map((l) => JSON.parse(l) as RunLine); // prettier-ignore
  return new Map(
    files.map((f) => {
      const refused = lines.flatMap((l) => l.refused ?? []).find((r) => basename(r.file) === basename(f.path));
      const line = lines.find((l) => l.studyUid === f.studyUid);
      if (refused) return [f.file, nothing(refused.code)];
      if (!line) return [f.file, nothing('passed over')];
      const dir = join(out, f.studyUid);
      const written = existsSync(dir) ? readdirSync(dir).toSorted() : [];
      const read = async (name: string): Promise<Uint8Array> => readFileSync(join(dir, name));
      return [f.file, { done: line.status === 'done', code: line.reason?.code ?? '', written, read }];
    }),
  );
}

interface StudyJson {
  readonly state: string;
  readonly holdCode?: string;
  readonly drafts: readonly {
    readonly key: string;
    readonly state: string;
    readonly files: readonly string[];
    readonly reason?: { readonly code: string };
  }[];
}

/** Each of them by STOW-RS alone into one gateway; then what became of it, once it has come to rest. */
export async function byGateway(gateway: ServedGateway, files: readonly WholeFile[]): Promise<Map<string, Outcome>> {
  const refused = new Map<string, string>();
  for (const f of files) {
    const answer = await stow(`${gateway.dicomweb}/studies`, [readFileSync(f.path)]);
    const text = await answer.text();
    const reason = /"00081197":\{"vr":"US","Value":\[(\d+)\]/.exec(text)?.[1];
    if (answer.status !== 200)
      refused.set(f.file, `${answer.status} ${Number(reason ?? 0).toString(16).toUpperCase().padStart(4, '0')}`); // prettier-ignore
  }
  const outcomes = new Map<string, Outcome>();
  for (const f of files) {
    const code = refused.get(f.file);
    outcomes.set(f.file, code === undefined ? await rest(gateway, f.studyUid) : nothing(code));
  }
  return outcomes;
}

/** The study once nothing of it moves any more. */
async function rest(gateway: ServedGateway, studyUid: string): Promise<Outcome> {
  const moving = ['waiting', 'ready', 'claimed'];
  const study = await until(async () => {
    const json = (await (await fetch(`${gateway.url}/api/studies/${studyUid}`)).json()) as StudyJson;
    if (json.state === 'held') return json;
    return json.drafts.length > 0 && json.drafts.every((d) => !moving.includes(d.state)) ? json : undefined;
  }, `study ${studyUid} to come to rest`, 240); // prettier-ignore
  const draft = study.drafts.at(0);
  if (study.state === 'held' || !draft) return nothing(study.holdCode ?? 'held');
  return {
    done: draft.state === 'drafted' || draft.state === 'delivered',
    code: draft.reason?.code ?? '',
    written: draft.files.toSorted(),
    read: async (name) =>
      new Uint8Array(await (await fetch(`${gateway.url}/drafts/${draft.key}/${name}`)).arrayBuffer()),
  };
}

/** The stored instance as WADO-RS gives it. */
export async function retrieved(gateway: ServedGateway, f: WholeFile): Promise<Uint8Array> {
  const accept = 'multipart/related; type="application/dicom"; transfer-syntax=*';
  const url = `${gateway.dicomweb}/studies/${f.studyUid}/series/${f.studyUid}.1/instances/${f.studyUid}.1.1`;
  const [part] = await partsOf(await fetch(url, { headers: { accept } }));
  return part!.body;
}
