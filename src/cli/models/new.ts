import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { PlumblineError } from '../../base/index.ts';
import { filesOf, loadBundle, skeletonOf, unsaidOf, withFacts, type Draftlike } from '../../inference/index.ts';
import { home } from '../common.ts';
import { modelConfig, say, sayJson, type ModelOptions } from './common.ts';

interface NewOptions extends ModelOptions {
  readonly graphs?: string;
  readonly facts?: string;
  readonly update?: boolean;
}

/** `plumbline models new NAME` */
export async function newModel(name: string, options: NewOptions): Promise<void> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name))
    throw usage(`"${name}" is no name for a bundle: letters, digits, dots and hyphens`);
  const dir = join(modelConfig(options).modelsDir ?? resolve(home, 'models'), name);
  const before = options.update ? manifestThere(dir) : await begin(dir, name, options.graphs);
  const facts = options.facts === undefined ? {} : readJson(options.facts);
  for (const key of ['files', 'graphs'])
    if (key in facts) throw usage(`${key} stand in no file of facts: they are read from the files themselves`);
  const manifest = { ...withFacts(before, facts), files: await filesOf(dir) };
  await writeFile(join(dir, 'manifest.json'), `${JSON.stringify(manifest, null, 1)}\n`);
  const unsaid = unsaidOf(manifest);
  const loaded = unsaid.length === 0 ? (await loadBundle(dir)).ref : undefined;
  if (options.json) return sayJson({ folder: dir, unsaid, ...(loaded && { digest: loaded.digest }) });
  say(`${dir}: ${Object.keys(manifest.files).length} files in manifest.json`);
  if (loaded) return say(`Nothing is missing. Digest ${loaded.digest}\nNext: plumbline models verify ${name}`);
  say(`To be filled in, by --update --facts FILE or in manifest.json:`);
  for (const { path, means } of unsaid) say(`  ${path}: ${means}`);
}

/** Copies graphs, what lies beside them, and the tokenizer into a new folder. */
async function begin(dir: string, name: string, graphs: string | undefined): Promise<Draftlike> {
  if (graphs === undefined) throw usage('--graphs is missing: the folder with the ONNX graphs and tokenizer.json');
  if (existsSync(join(dir, 'manifest.json')))
    throw usage(`${dir} is there already; --update changes it, another name makes another`);
  const manifest = await skeletonOf(graphs, name);
  await mkdir(dir, { recursive: true });
  for (const file of await readdir(graphs))
    if (/\.(onnx|data)$/.test(file) || file === 'tokenizer.json') await cp(join(graphs, file), join(dir, file));
  return manifest;
}

function manifestThere(dir: string): Draftlike {
  const file = join(dir, 'manifest.json');
  if (!existsSync(file))
    throw new PlumblineError('bundle-unknown', 'there is no bundle here: manifest.json is missing', { where: dir });
  return readJson(file);
}

function readJson(file: string): Draftlike {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as Draftlike;
  } catch (cause) {
    throw new PlumblineError('usage', `${file} cannot be read as JSON: ${(cause as Error).message}`, { where: file, cause });
  }
  throw usage(`${file} holds no JSON object`);
}

function usage(message: string): PlumblineError {
  return new PlumblineError('usage', message);
}
