import { Command } from 'commander';
import { existsSync, writeFileSync } from 'node:fs';
import { PlumblineError } from '../../base/index.ts';
import { defaultConfigFile } from '../common.ts';

/** `plumbline init`: a commented configuration to start from. */
export function initCommand(): Command {
  return new Command('init')
    .description('Write a commented plumbline.yaml to start from.')
    .option('--config <file>', 'where to write it', defaultConfigFile)
    .option('--force', 'overwrite an existing file')
    .addHelpText('after', '\nExample:\n  plumbline init && plumbline check && plumbline serve')
    .action((options: { config: string; force?: boolean }) => {
      if (existsSync(options.config) && !options.force) {
        throw new PlumblineError('usage', `${options.config} is already there`, {
          where: options.config,
          remedy: 'Name another file with --config, or overwrite it with --force.',
        });
      }
      writeFileSync(options.config, startingConfig);
      process.stdout.write(
        `Wrote ${options.config}. Next: edit it, then \`plumbline check\`, then \`plumbline serve\`.\n`,
      );
    });
}

export const startingConfig = `# Plumbline. Every key has a default (docs/configuration.md); an unknown key is refused with its line.
dataDir: ./plumbline-data

http:
  host: 127.0.0.1   # other hosts only behind a proxy that authenticates: trustedNetwork: true
  port: 8470

site:
  organization: My hospital
  idBase: https://hospital.example/plumbline   # base of FHIR identifier systems: a URL that is yours
  installationId: plumbline-1

gate:
  quietSeconds: 10   # a study is ready when nothing came for so long

# Where results go. Routes (mappings/routes.json) name these. Without any, results stay here and are
# shown at http://127.0.0.1:8470/ and by QIDO-RS and WADO-RS at http://127.0.0.1:8470/dicom-web
destinations: []
#  - name: pacs
#    kind: dicomweb
#    url: http://127.0.0.1:8042/dicom-web
#  - name: ehr
#    kind: fhir
#    url: http://127.0.0.1:8080/fhir
#    bearerFile: ./ehr-token
#  - name: ris
#    kind: hl7
#    url: mllp://127.0.0.1:2576

# Orders by HL7 v2: they give a study urgency and numbers, and hold it where they contradict the images.
hl7:
  listeners: []
#  - name: orders
#    port: 2575
`;
