import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { parseChecked, PlumblineError, sha256, type BundleRef } from '../base/index.ts';
import { labelProblems } from './labels.ts';
import { graphProblems, manifestSchema, wantedGraphs, type Manifest } from './manifest.ts';

/** A model with its manifest, checked. */
export interface Bundle {
  /** Name of its folder: what routes and `--bundle` say. */
  readonly name: string;
  readonly dir: string;
  readonly manifest: Manifest;
  readonly ref: BundleRef;
}

/** What a folder of bundles holds; a bundle that cannot be used says why. Files are not hashed for this. */
export interface BundleListing {
  readonly name: string;
  readonly dir: string;
  readonly manifest?: Manifest;
  readonly problem?: PlumblineError;
}

/**
 * Read a bundle and check all of it: manifest against its schema, the graphs it states against the family's contract,
 * size and SHA-256 of every file. Nothing is run before that.
 * @param licences those that may be used, as manifests state them; any where absent
 * @throws PlumblineError bundle-unknown where there is no such folder or manifest · bundle-invalid with every problem ·
 * bundle-licence
 */
export async function loadBundle(dir: string, licences?: readonly string[]): Promise<Bundle> {
  const folder = resolve(dir);
  const { manifest, digest } = await readManifest(folder);
  refuseLicence(manifest, licences, folder);
  const problems = [...manifestProblems(manifest), ...(await fileProblems(folder, manifest))];
  if (problems.length > 0) throw invalid(folder, problems);
  const { name, version, licence, intended_use: intendedUse } = manifest;
  return { name: basename(folder), dir: folder, manifest, ref: { name, version, digest, licence, intendedUse } };
}

/** The bundles under `modelsDir`: every folder with a manifest, by name. An absent `modelsDir` holds none. */
export async function listBundles(modelsDir: string): Promise<BundleListing[]> {
  const entries = await readdir(modelsDir, { withFileTypes: true }).catch(absent);
  const folders = (entries ?? [])
    .filter((e) => !e.isFile())
    .map((e) => e.name)
    .sort();
  const found: BundleListing[] = [];
  for (const name of folders) {
    const dir = resolve(modelsDir, name);
    if (!(await stat(join(dir, 'manifest.json')).catch(absent))) continue;
    found.push(await listing(name, dir));
  }
  return found;
}

async function listing(name: string, dir: string): Promise<BundleListing> {
  try {
    const { manifest } = await readManifest(dir);
    const problems = manifestProblems(manifest);
    return problems.length === 0 ? { name, dir, manifest } : { name, dir, manifest, problem: invalid(dir, problems) };
  } catch (e) {
    if (e instanceof PlumblineError) return { name, dir, problem: e };
    throw e;
  }
}

async function readManifest(dir: string): Promise<{ manifest: Manifest; digest: string }> {
  const file = join(dir, 'manifest.json');
  const bytes = await readFile(file).catch(absent);
  if (!bytes)
    throw new PlumblineError('bundle-unknown', 'there is no bundle here: manifest.json is missing', { where: dir });
  refuseOther(bytes.toString('utf8'), file);
  return {
    manifest: parseChecked<Manifest>(manifestSchema, bytes.toString('utf8'), file, 'bundle-invalid'),
    digest: sha256(bytes),
  };
}

/** Another format or family would break the schema in a hundred places; say the one thing that matters. */
function refuseOther(text: string, file: string): void {
  let value: { format?: unknown; family?: unknown } | null;
  try {
    value = JSON.parse(text) as typeof value;
  } catch (cause) {
    throw new PlumblineError('bundle-invalid', `manifest.json is no JSON: ${(cause as Error).message}`, {
      where: file,
      cause,
    });
  }
  for (const [key, known] of [
    ['format', 1],
    ['family', 'grounded'],
  ] as const)
    if (value?.[key] !== known)
      throw new PlumblineError(
        'bundle-invalid',
        `${key}: expected ${JSON.stringify(known)}, found ${JSON.stringify(value?.[key]) ?? 'none'}`,
        {
          where: file,
          remedy: `This version reads bundles of format 1, family "grounded". Use a bundle made for it, or a newer Plumbline.`,
        },
      );
}

function manifestProblems(m: Manifest): string[] {
  const problems = [...wantedGraphs(m)].flatMap(([name, wanted]) => graphProblems(name, m.graphs[name]!, wanted));
  for (const file of ['tokenizer.json', ...Object.values(m.graphs).map((g) => g.file)])
    if (!(file in m.files)) problems.push(`${file} is needed, but has no entry under files`);
  for (const [key, task] of Object.entries(m.tasks)) {
    if (!task.prompt && !task.prompts) problems.push(`task ${key}: neither prompt nor prompts`);
    if (task.needs_box && !m.region_prompt) problems.push(`task ${key} needs a box, but region_prompt is missing`);
  }
  if (m.preprocess.vision.tiling.min > m.preprocess.vision.tiling.max)
    problems.push('preprocess.vision.tiling: min is greater than max');
  for (const [name, token] of Object.entries(m.special_tokens))
    if (token.id >= m.decoder.vocab_size)
      problems.push(`special token ${name}: id ${token.id} is not below vocab_size ${m.decoder.vocab_size}`);
  if (m.stop_ids.length + m.stop_texts.length === 0)
    problems.push('neither stop_ids nor stop_texts say where an answer ends');
  return [...problems, ...labelProblems(m)];
}

function refuseLicence({ licence }: Manifest, allowed: readonly string[] | undefined, where: string): void {
  if (allowed === undefined || allowed.includes(licence)) return;
  const some = allowed.length === 0 ? 'none' : allowed.join(', ');
  throw new PlumblineError('bundle-licence', `its licence is "${licence}"; inference.licences allows ${some}`, {
    where,
  });
}

async function fileProblems(dir: string, m: Manifest): Promise<string[]> {
  const problems: string[] = [];
  for (const [path, expected] of Object.entries(m.files)) {
    const problem = await fileProblem(dir, path, expected);
    if (problem) problems.push(`${path}: ${problem}`);
  }
  for (const path of await readdir(dir, { recursive: true })) {
    const name = path.split(sep).join('/');
    if (!(name in m.files) && /\.(onnx|ort|data|bin|so|dll|dylib|node)$/i.test(name))
      problems.push(`${name}: lies in the bundle, but has no entry under files; a graph could load it unchecked`);
  }
  return problems;
}

async function fileProblem(
  dir: string,
  path: string,
  expected: { readonly sha256: string; readonly bytes: number },
): Promise<string | undefined> {
  if (isAbsolute(path) || path.split(/[/\\]/).includes('..') || path.includes('\0')) return 'points outside the bundle';
  const real = await realpath(join(dir, path)).catch(absent);
  if (!real) return `expected ${expected.bytes} bytes, found no file`;
  if (!inside(await realpath(dir), real)) return 'is a link that points outside the bundle';
  const { size } = await stat(real);
  if (size !== expected.bytes) return `expected ${expected.bytes} bytes, found ${size}`;
  const found = await fileDigest(real);
  return found === expected.sha256 ? undefined : `expected sha256 ${expected.sha256}, found ${found}`;
}

function inside(dir: string, path: string): boolean {
  const way = relative(dir, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`);
}

/** SHA-256 (hex) of a file, however large. */
export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

function invalid(dir: string, problems: readonly string[]): PlumblineError {
  return new PlumblineError('bundle-invalid', problems.join('; '), { where: dir });
}

/** A file that is not there is an answer; anything else that goes wrong is not. */
function absent(e: NodeJS.ErrnoException): undefined {
  if (e.code === 'ENOENT' || e.code === 'ENOTDIR') return undefined;
  throw e;
}
