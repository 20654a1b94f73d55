import { asPlumblineError } from '../../base/index.ts';
import { listBundles, providers, type Bundle, type BundleListing } from '../../inference/index.ts';
import { uncodedLabels, type Reading } from '../../server/index.ts';
import { exitCodes } from '../common.ts';
import { megabytes, say, sayJson, withReading, type ModelOptions } from './common.ts';

/** One bundle as `models ls` shows it. */
interface Row {
  readonly bundle: string;
  readonly name?: string;
  readonly version?: string;
  readonly bytes?: number;
  readonly digest?: string;
  readonly licence?: string;
  readonly modalities?: readonly string[];
  readonly tasks?: readonly string[];
  /** On which it would run; another than was asked for where that is not in this build. */
  readonly provider: string;
  readonly routes: readonly string[];
  readonly problems: readonly { readonly code: string; readonly message: string; readonly remedy?: string }[];
}

/** `plumbline models ls` */
export function listModels(options: ModelOptions): Promise<void> {
  return withReading(options, async (reading, { inference }) => {
    const provider = providers().includes(inference.provider) ? inference.provider : `cpu (no ${inference.provider} here)`;
    const rows: Row[] = [];
    for (const listed of await listBundles(reading.modelsDir)) rows.push(await rowOf(reading, listed, provider));
    if (rows.some((r) => r.problems.some((p) => p.code !== 'mapping-miss'))) process.exitCode = exitCodes.failed;
    if (options.json) return sayJson({ modelsDir: reading.modelsDir, bundles: rows });
    if (rows.length === 0) say(`no bundle under ${reading.modelsDir}`);
    for (const row of rows) show(row);
  });
}

async function rowOf(reading: Reading, { name, manifest }: BundleListing, provider: string): Promise<Row> {
  const routes = reading.routes.rules.filter((r) => r.then.bundle === name).map((r) => r.name);
  const known = manifest && {
    name: manifest.name,
    version: manifest.version,
    bytes: Object.values(manifest.files).reduce((sum, f) => sum + f.bytes, 0),
    licence: manifest.licence,
    modalities: (manifest.modalities ?? []).map((m) => m.key),
    tasks: Object.keys(manifest.tasks),
  };
  try {
    const bundle: Bundle = await reading.bundle(name);
    const problems = uncodedLabels(bundle, reading.mappings);
    return { bundle: name, ...known, digest: bundle.ref.digest, provider, routes, problems };
  } catch (thrown) {
    const { code, message, remedy } = asPlumblineError(thrown);
    return { bundle: name, ...known, provider, routes, problems: [{ code, message, remedy }] };
  }
}

function show(row: Row): void {
  const refused = row.problems.some((p) => p.code !== 'mapping-miss');
  const size = row.bytes === undefined ? '' : `, ${megabytes(row.bytes)}`;
  say(`${refused ? '✗' : '✓'} ${row.bundle}: ${row.name ?? 'no manifest that can be read'} ${row.version ?? ''}${size}`);
  if (row.digest) say(`    digest      ${row.digest}`);
  if (row.licence) say(`    licence     ${row.licence}`);
  if (row.modalities) say(`    modalities  ${row.modalities.join(' ') || 'not stated'}`);
  if (row.tasks) say(`    tasks       ${row.tasks.join(' ')}`);
  say(`    routes      ${row.routes.join(' ') || 'none'}`);
  if (!refused) say(`    provider    ${row.provider}`);
  for (const { code, message, remedy } of row.problems) say(`    ${code}: ${message}${remedy ? `. ${remedy}` : ''}`);
}
