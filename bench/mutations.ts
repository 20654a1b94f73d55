/**
 * Every defect that a faulty encoder could write, and who catches it: `node bench/mutations.ts`.
 *
 * 68 defects of SEG and 47 of SR, one change each of what our encoders wrote, given to dciodvfy, dcentvfy (with the
 * source images), dsrdump, highdicom and our own checks; 43 of FHIR Bundles, given to the HAPI validators of R4 and R5
 * and our own checks; 110 of ORU^R01, given to the parser of HAPI HL7v2 and our own checks. Written to conformance/mutations.md. Exit code 1 where ours lets one pass that is not harmless.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { missing, root } from '../test/peers/index.ts';
import { dicomRows, type DicomRow } from './mutations/dicom.ts';
import { fhirRows, type FhirRow } from './mutations/fhir.ts';
import { oruRows, type OruRow } from './mutations/oru.ts';

async function main(): Promise<void> {
  if (missing('dciodvfy', 'dcentvfy', 'dsrdump', 'python', 'hapi', 'hapiV2', 'java'))
    throw new Error('needs every peer');
  const dicom = await dicomRows();
  const fhir = await fhirRows();
  const oru = await oruRows();
  const passed = [
    ...dicom.filter((r) => r.ours.length === 0 && !r.defect.harmless).map((r) => `${r.defect.id} ${r.defect.what}`),
    ...fhir.filter((r) => r.ours.length === 0).map((r) => `${r.version} ${r.defect.id} ${r.defect.what}`),
    ...oru
      .filter((r) => r.ours.length === 0 && !r.defect.harmless)
      .map((r) => `${r.version} ${r.defect.id} ${r.defect.what}`),
  ];
  writeFileSync(join(root, 'conformance/mutations.md'), `${[...head(dicom, fhir, oru), ...dicomTables(dicom), ...fhirTable(fhir), ...oruTable(oru)].join('\n').trimEnd()}\n`); // prettier-ignore
  console.log(passed.length === 0 ? 'Every defect is caught.' : `Not caught:\n${passed.join('\n')}`);
  process.exitCode = passed.length === 0 ? 0 : 1;
}

function head(dicom: readonly DicomRow[], fhir: readonly FhirRow[], oru: readonly OruRow[]): string[] {
  const silent = dicom.filter((r) => !r.dciodvfy && !r.dcentvfy && !r.dsrdump).length;
  const unseen = fhir.filter((r) => !r.hapi).length;
  const taken = oru.filter((r) => !r.hapi).length;
  return `# Defects, and who catches them

Printed by \`node bench/mutations.ts\`. Each defect is one change of what the encoders wrote for one draft, made without any
check; everything else of the object is as it was, and without the change nobody objects. Of ${dicom.length} defects of SEG and SR
${silent} pass dciodvfy, dcentvfy and dsrdump together; of ${fhir.length} FHIR Bundles
(43 defects in the versions that can have them) ${unseen} pass the HAPI validator, which does not look behind
references; of ${oru.length} ORU^R01 (${new Set(oru.map((r) => r.defect.id)).size} defects in the versions that can have them) ${taken} pass the parser of HAPI HL7v2. What leaves Plumbline passes its own checks first ([docs/consistency.md](../docs/consistency.md)): the last column names those that
hold the delivery. The same defects are a test [test: test/unit/outputs/consistency-defects.test.ts › FHIR $version $id $what]
[test: test/unit/outputs/oru.test.ts › holds $version $id $what].

E: an error, or the object is refused. A dot: accepted. *harmless*: legal, and no reader loses anything.
`.split('\n');
}

function dicomTables(rows: readonly DicomRow[]): string[] {
  const table = (title: string, letter: string, dump: boolean): string[] => [
    `## ${title}`,
    '',
    `| | defect | dciodvfy | dcentvfy | ${dump ? 'dsrdump | ' : ''}highdicom | ours |`,
    `|---|---|---|---|---|---|${dump ? '---|' : ''}`,
    ...rows
      .filter((r) => r.defect.id.startsWith(letter))
      .map((r) => {
        const others = [r.dciodvfy, r.dcentvfy, ...(dump ? [r.dsrdump ?? false] : []), r.highdicom].map(mark);
        return `| ${[r.defect.id, r.defect.what, ...others, ours(r.ours, r.defect.harmless)].join(' | ')} |`;
      }),
    '',
  ];
  return [...table('DICOM Segmentation', 'S', false), ...table('Structured Report', 'R', true)];
}

function fhirTable(rows: readonly FhirRow[]): string[] {
  return [
    '## FHIR',
    '',
    '| | defect | version | HAPI | ours |',
    '|---|---|---|---|---|',
    ...rows.map((r) => `| ${r.defect.id} | ${r.defect.what} | ${r.version} | ${mark(r.hapi)} | ${ours(r.ours)} |`),
    '',
  ];
}

function oruTable(rows: readonly OruRow[]): string[] {
  return [
    '## ORU^R01',
    '',
    'HAPI: the default rules for data types, and that everything is there which the structure of the version requires, and nothing else.',
    '',
    '| | defect | version | HAPI | ours |',
    '|---|---|---|---|---|',
    ...rows.map((r) => `| ${r.defect.id} | ${r.defect.what} | ${r.version} | ${mark(r.hapi)} | ${ours(r.ours, r.defect.harmless)} |`), // prettier-ignore
    '',
  ];
}

function mark(caught: boolean): string {
  return caught ? 'E' : '.';
}

function ours(checks: readonly string[], harmless = false): string {
  return checks.join(' ') || (harmless ? 'harmless' : '**passes**');
}

await main();
