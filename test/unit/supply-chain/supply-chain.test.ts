import { Ajv } from 'ajv';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { judge } from '../../supply-chain/audit.ts';
import { billOfMaterials } from '../../supply-chain/sbom.ts';
import { root } from '../../peers/index.ts';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;

describe('the bill of materials', () => {
  const bom = billOfMaterials();

  it('is CycloneDX of this program and names each package that runs, with version and purl', () => {
    expect([bom.bomFormat, bom.specVersion]).toEqual(['CycloneDX', '1.5']);
    expect(bom.metadata.component).toMatchObject({ name: manifest.name, version: manifest.version });
    const purls = new Set(bom.components.map((c) => c.purl));
    for (const [name, version] of Object.entries(manifest.dependencies)) {
      expect(purls, name).toContain(`pkg:npm/${name.replace('@', '%40')}@${version}`);
    }
  });

  it('follows the schema of CycloneDX 1.5, which refuses it with a part in another form', () => {
    const folder = join(root, 'node_modules/@cyclonedx/cyclonedx-library/res/schema');
    const schema = (name: string): object =>
      JSON.parse(readFileSync(join(folder, `${name}.SNAPSHOT.schema.json`), 'utf8')) as object;
    const ajv = new Ajv({ strict: false, validateFormats: false }).addSchema([schema('spdx'), schema('jsf-0.82')]);
    const follows = ajv.compile(schema('bom-1.5'));
    expect(follows(bom), JSON.stringify(follows.errors)).toBe(true);
    expect(follows({ ...bom, components: [{ name: 'no type' }] })).toBe(false);
  });

  it('names no package that only develops or tests', () => {
    const direct = new Set(Object.keys(manifest.devDependencies));
    // What runs may need one of them too, as ajv-formats and dcmjs do of others; these it never does.
    const names = bom.components.map((c) => c.name).filter((name) => direct.has(name));
    expect(names).toEqual([]);
  });

  it('pins each: the configuration of packages names one version, not a range', () => {
    const all = { ...manifest.dependencies, ...manifest.devDependencies };
    expect(Object.entries(all).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });
});

describe('the audit of packages', () => {
  const report = (severity: string): string =>
    JSON.stringify({ auditReportVersion: 2, vulnerabilities: { 'left-pad': { severity, range: '<1.3' } } });

  it.each(['high', 'critical'])('fails on a %s finding, and names it', (severity) => {
    expect(judge(report(severity))).toEqual({ kind: 'findings', text: `${severity}: left-pad <1.3` });
  });

  it.each(['low', 'moderate'])('names a %s finding without failing', (severity) => {
    expect(judge(report(severity))).toEqual({ kind: 'clean', text: `${severity}: left-pad <1.3` });
  });

  it('is clean only where the registry said so', () => {
    expect(judge('{"auditReportVersion":2,"vulnerabilities":{}}').kind).toBe('clean');
    for (const output of [
      '',
      'npm error',
      '{}',
      '{"message":"405 Method Not Allowed - POST https://r.example/x","statusCode":405}',
    ])
      expect(judge(output).kind, output).toBe('skipped');
    expect(judge('{"message":"405 Method Not Allowed - POST https://r.example/x"}').text).toBe(
      'not asked: 405 Method Not Allowed - POST the registry',
    );
  });
});
