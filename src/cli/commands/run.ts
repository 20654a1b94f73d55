import { Command } from 'commander';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PlumblineError, type Config } from '../../base/index.ts';
import { checkBundles, openReading } from '../../server/index.ts';
import { configOf, exitCodes } from '../common.ts';
import { runPictures } from '../pictures/run.ts';
import { listTargets } from '../pictures/targets.ts';
import { createProgress } from '../progress.ts';
import { readStudyFolder, report, type Run, type RunOptions } from '../run-study.ts';
import { scanFolder } from '../scan.ts';
import { askedOptions, checkAsked } from '../asked.ts';

/** `plumbline run`: a folder of DICOM or of picture files in, a folder of results out; no network, no store. */
export function runCommand(): Command {
  const command = new Command('run')
    .description(
      'Read a folder of DICOM offline: any number of studies, found recursively; files that are no DICOM are passed over.',
    )
    .argument('[input]', 'folder of DICOM')
    .option('--out <folder>', 'where results go, one folder per study')
    .option('--image-folder <folder>', 'read PNG and JPEG files in place of DICOM, each as a study of its own')
    .option(
      '--modality <name>',
      'what the pictures show: ct, mr, xray, us, path, endo, fundus, oct, derm, micro, pet, or a DICOM modality',
    )
    .option('--list-targets', 'say what can be segmented, and end')
    .option(
      '--bundle <name>',
      `read with this bundle instead of the routes’ (picture files: ${pictureBundle} where nothing else is said)`,
    )
    .option('--task <task>', 'ask this task of it (default: the routes’, else report)')
    .option('--prompt <text>', 'ask this instead of the task’s own prompt')
    .option('--target <text>', 'what to segment, for tasks whose prompt has a slot {target}')
    .option('--models <folder>', 'folder of bundles')
    .option('--mappings <folder>', 'folder with routes.json, codes.json, presence.json')
    .option('--config <file>', 'configuration')
    .option('--json', 'one JSON line per study and one at the end on standard output, no progress');
  return askedOptions(command)
    .addHelpText(
      'after',
      `
Writes OUT/<StudyInstanceUID>/: seg-<n>.dcm, sr-<n>.dcm, fhir-r4.json, fhir-r5.json, report.html, summary.json.
A study that cannot be done has a summary.json with the reason.
With --image-folder, OUT/<file without its ending>/ has the same files, and masks/<target>.png (0 or 255) of the
picture’s size; summary.json says the sourceFile.
Exit codes: 0 all done · 2 the command line is wrong · 5 some studies failed

Examples:
  plumbline run ./studies --out ./results
  plumbline run ./studies --out ./results --bundle plumbline-tiny --task segment --target "liver lesion"
  plumbline run ./study --out ./results --task vqa --prompt "Is there {a finding}?" --slot finding="renal cyst"
  plumbline run ./study --out ./results --task region --region-from ./results/1.2.3/seg-1.dcm#2
  plumbline run --image-folder ./pictures --modality derm --out ./results --task segment --target "skin lesion"
  plumbline run --list-targets --bundle plumbline-tiny --modality ct`,
    )
    .action(run);
}

async function run(input: string | undefined, given: RunOptions): Promise<void> {
  checkAsked(given);
  const config = withFolders(configOf(given.config, true), given);
  const progress = createProgress(!given.json);
  const reading = openReading(config);
  const options = withBundle(reading.modelsDir, given);
  try {
    // A bundle that would be refused is found before any file is read.
    await (options.bundle === undefined ? checkBundles(reading) : reading.bundle(options.bundle));
    if (options.listTargets) return await listTargets(reading, options);
    const run: Run = { reading, config, options, progress, out: outOf(input, options) };
    if (options.imageFolder !== undefined) return await runPictures(run, options.imageFolder);
    await runStudies(run, input!);
  } finally {
    await reading.close();
  }
}

/** `--out`, where the rest of the command line makes sense. @throws PlumblineError `usage` */
export function outOf(input: string | undefined, { out, imageFolder, modality }: RunOptions): string {
  const wrong = (message: string): PlumblineError => new PlumblineError('usage', message);
  if ((input === undefined) === (imageFolder === undefined))
    throw wrong('name a folder of DICOM, or one of pictures with --image-folder; one of them');
  if (out === undefined) throw wrong('--out is missing: the folder where results go');
  if (imageFolder !== undefined && modality === undefined)
    throw wrong('--image-folder needs --modality: a picture file does not say what it shows');
  if (imageFolder === undefined && modality !== undefined) throw wrong('--modality goes with --image-folder');
  return out;
}

async function runStudies(run: Run, input: string): Promise<void> {
  const totals = { studies: 0, done: 0, failed: 0 };
  const scan = await scanFolder(input, (n) => run.progress.show(`looking at file ${n}`));
  for (const [studyUid, instances] of scan.studies) {
    totals.studies++;
    const done = await readStudyFolder({
      ...run,
      studyUid,
      instances,
      folder: join(run.out, studyUid),
      name: studyUid,
    });
    if (done) totals.done++;
    else totals.failed++;
  }
  const { otherFiles, refused, duplicates } = scan;
  run.progress.clear();
  report(run.options, { ...totals, refused, duplicates, otherFiles });
  if (totals.failed > 0 || refused.length > 0) process.exitCode = exitCodes.someFailed;
}

/** The bundle that was trained on picture files like these, and knows their targets. */
const pictureBundle = 'plumbline-reference';

/** Picture files are read with it where neither the command line nor a configuration says how. */
function withBundle(modelsDir: string, options: RunOptions): RunOptions {
  const said = options.bundle ?? options.config ?? options.mappings;
  if (options.imageFolder === undefined || said !== undefined) return options;
  return existsSync(join(modelsDir, pictureBundle)) ? { ...options, bundle: pictureBundle } : options;
}

function withFolders(config: Config, { models, mappings }: RunOptions): Config {
  return {
    ...config,
    ...(models === undefined ? {} : { modelsDir: resolve(models) }),
    ...(mappings === undefined ? {} : { mappingsDir: resolve(mappings) }),
  };
}
