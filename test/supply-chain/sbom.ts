// `npm run sbom`: a CycloneDX bill of materials of what runs (no development packages), on standard output.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = resolve(import.meta.dirname, '../..');

export interface Bom {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly metadata: { readonly component: { readonly name: string; readonly version: string } };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

interface Component {
  readonly 'bom-ref': string;
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly properties: readonly { readonly name: string; readonly value: string }[];
}

/**
 * As npm makes it from the lockfile, but for two things: npm calls the program by the name of its folder, and its
 * `--omit dev` leaves out what runs where a development package needs it too, so all is asked for and sorted here.
 */
export function billOfMaterials(): Bom {
  const args = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'];
  const bom = JSON.parse(execFileSync('npm', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 })) as Bom;
  const { name } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly name: string };
  const components = bom.components.filter(
    (c) => !c.properties.some((p) => p.name === 'cdx:npm:package:development' && p.value === 'true'),
  );
  const there = new Set(components.map((c) => c['bom-ref']));
  const program = `${name}@${bom.metadata.component.version}`;
  const dependencies = bom.dependencies
    .filter(({ ref }) => ref === program || there.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((d) => there.has(d)) }));
  return {
    ...bom,
    metadata: { ...bom.metadata, component: { ...bom.metadata.component, name } },
    components,
    dependencies,
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  process.stdout.write(`${JSON.stringify(billOfMaterials(), null, 2)}\n`);
