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
interface Lockfile {
  readonly packages: Readonly<
    Record<string, { readonly version: string; readonly dev?: boolean; readonly devOptional?: boolean }>
  >;
}
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;

describe('the bill of materials', () => {
  const bom = billOfMaterials();

  it('is CycloneDX of this program and names each package that runs, with version and purl', () => {
    expect([bom.bomFormat, bom.specVersion]).toEqual(['CycloneDX', '1.5']);
    expect(bom.metadata.component).toMatchObject({ name: manifest.name, version: manifest.version });
    const purls = new Set(bom.components.map((c) => c.purl));
    const locked = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lockfile;
    // Compared with the lockfile: npm itself leaves out what development needs too.
    const runs = Object.entries(locked.packages).filter(([path, p]) => path !== '' && !p.dev && !p.devOptional);
    expect(runs.length).toBeGreaterThan(Object.keys(manifest.dependencies).length);
    const missing = runs
      .map(([path, { version }]) => `pkg:npm/${path.replace(/^.*node_modules\//, '').replace('@', '%40')}@${version}`)
      .filter((purl) => !purls.has(purl));
    expect(missing).toEqual([]);
    for (const component of bom.components)
      expect(component).toMatchObject({ type: 'library', version: expect.stringMatching(/^\d/) as string });
  });

  it('names no package that only develops or tests', () => {
    const direct = new Set(Object.keys(manifest.devDependencies));
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
