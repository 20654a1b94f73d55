import { Command } from 'commander';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  asPlumblineError,
  chunksOf,
  explainError,
  lengthOf,
  PlumblineError,
  sha256OfParts,
  type Config,
  type SourceInstance,
} from '../../base/index.ts';
import { text } from '../../dicom/index.ts';
import { makeSummary, type Summary } from '../../findings/index.ts';
import { foundText, openReading, type Reading } from '../../server/index.ts';
import { contradict, inputDigestOf } from '../../studies/index.ts';
import {
  decideRoutes,
  defaultPolicy,
  encodingFiles,
  inputInstances,
  readAndEncode,
  workitemKey,
  type RouteDecision,
} from '../../work/index.ts';
import { configOf, exitCodes } from '../common.ts';
import { createProgress, type Progress } from '../progress.ts';
import { scanFolder } from '../scan.ts';

interface Options {
  readonly out: string;
  readonly bundle?: string;
  readonly task?: string;
  readonly prompt?: string;
  readonly target?: string;
  readonly config?: string;
  readonly models?: string;
  readonly mappings?: string;
  readonly json?: boolean;
}

/** `plumbline run`: a folder of DICOM in, a folder of results out; no network, no store. */
export function runCommand(): Command {
  return new Command('run')
    .description(
      'Read a folder of DICOM offline: any number of studies, found recursively; files that are no DICOM are passed over.',
    )
    .argument('<input>', 'folder')
    .requiredOption('--out <folder>', 'where results go, one folder per study')
    .option('--bundle <name>', 'read with this bundle instead of the routes’')
    .option('--task <task>', 'ask this task of it (default: the routes’, else report)')
    .option('--prompt <text>', 'ask this instead of the task’s own prompt')
    .option('--target <text>', 'what to segment, for tasks whose prompt has a slot {target}')
    .option('--models <folder>', 'folder of bundles')
    .option('--mappings <folder>', 'folder with routes.json, codes.json, presence.json')
    .option('--config <file>', 'configuration')
    .option('--json', 'one JSON line per study and one at the end on standard output, no progress')
    .addHelpText(
      'after',
      `
Writes OUT/<StudyInstanceUID>/: seg-<n>.dcm, sr-<n>.dcm, fhir-r4.json, fhir-r5.json, report.html, summary.json.
A study that cannot be done has a summary.json with the reason.
Exit codes: 0 all done · 2 the command line is wrong · 5 some studies failed

Examples:
  plumbline run ./studies --out ./results
  plumbline run ./studies --out ./results --bundle plumbline-tiny --task segment --target "liver lesion"`,
    )
    .action(run);
}

async function run(input: string, options: Options): Promise<void> {
  const config = withFolders(configOf(options.config, true), options);
  const progress = createProgress(!options.json);
  const reading = openReading(config);
  const totals = { studies: 0, done: 0, failed: 0 };
  try {
    if (options.bundle) await reading.bundle(options.bundle); // a wrong name is found before any file is read
    const scan = await scanFolder(input, (n) => progress.show(`looking at file ${n}`));
    for (const [studyUid, instances] of scan.studies) {
      totals.studies++;
      const done = await readStudyFolder({ reading, config, options, progress, studyUid, instances });
      if (done) totals.done++;
      else totals.failed++;
    }
    const { otherFiles, refused, duplicates } = scan;
    progress.clear();
    report(options, { ...totals, refused, duplicates, otherFiles });
    if (totals.failed > 0 || refused.length > 0) process.exitCode = exitCodes.someFailed;
  } finally {
    await reading.close();
  }
}

function withFolders(config: Config, { models, mappings }: Options): Config {
  return {
    ...config,
    ...(models === undefined ? {} : { modelsDir: resolve(models) }),
    ...(mappings === undefined ? {} : { mappingsDir: resolve(mappings) }),
  };
}

interface StudyJob {
  readonly reading: Reading;
  readonly config: Config;
  readonly options: Options;
  readonly progress: Progress;
  readonly studyUid: string;
  readonly instances: readonly SourceInstance[];
}

/** One study: all its drafts, or a summary with the reason. @returns whether all of it was done */
async function readStudyFolder(job: StudyJob): Promise<boolean> {
  const folder = join(job.options.out, job.studyUid);
  const patients = job.instances.map(({ attributes }) => ({
    patientId: text(attributes, 'PatientID'),
    issuer: text(attributes, 'IssuerOfPatientID'),
    instances: 1,
  }));
  if (contradict(patients)) {
    const named = [...new Set(patients.map((p) => `"${p.patientId}"`))].join(', ');
    const message = `the study names different patients: ${named}`;
    return fail(job, folder, new PlumblineError('patient-contradiction', message, { where: job.studyUid }));
  }
  const decisions = decide(job);
  if (decisions.length === 0) {
    const modalities = [...new Set(job.instances.map((i) => text(i.attributes, 'Modality') || 'none'))].join(', ');
    const error = new PlumblineError(
      'no-route',
      `no rule of the routes file matches any series (modalities: ${modalities})`,
      { where: job.studyUid },
    );
    return fail(job, folder, error);
  }
  let done = true;
  for (const [n, decision] of decisions.entries()) {
    const target = n === 0 ? folder : join(folder, decision.rule);
    try {
      await readOne(job, decision, target);
    } catch (thrown) {
      done = (await fail(job, target, asPlumblineError(thrown))) && done;
    }
  }
  return done;
}

function decide({ reading, options, instances }: StudyJob): RouteDecision[] {
  const { bundle, task, prompt, target } = options;
  const series = new Map(
    instances.map((i) => [i.ref.seriesUid, { seriesUid: i.ref.seriesUid, sender: '', attributes: i.attributes }]),
  );
  const asked = { ...(prompt === undefined ? {} : { prompt }), ...(target === undefined ? {} : { slots: { target } }) };
  if (bundle !== undefined) {
    return [
      {
        rule: 'command-line',
        bundle,
        task: task ?? 'report',
        ...asked,
        destinations: [],
        series: [...series.keys()],
        policy: defaultPolicy,
      },
    ];
  }
  const { decisions } = decideRoutes(reading.routes, [...series.values()]);
  return decisions.map((d) => ({ ...d, ...(task === undefined ? {} : { task }), ...asked }));
}

async function readOne(job: StudyJob, route: RouteDecision, folder: string): Promise<void> {
  const { reading, progress, studyUid } = job;
  const instances = inputInstances(job.instances, route);
  const bundle = await reading.bundle(route.bundle);
  const inputDigest = inputDigestOf(instances);
  const first = instances[0]!.attributes;
  const snapshot = {
    studyUid,
    patientId: text(first, 'PatientID'),
    issuer: text(first, 'IssuerOfPatientID'),
    instances: [],
    inputDigest,
  };
  const result = await readAndEncode({
    instances,
    route,
    bundle,
    runtime: await reading.runtime(route.bundle),
    decoder: reading.decoder,
    mappings: reading.mappings,
    presence: reading.presence,
    site: reading.site,
    profile: job.config.encoding,
    createdAt: new Date().toISOString(),
    key: workitemKey({ snapshot, route, bundleDigest: bundle.ref.digest }, inputDigest),
    inputDigest,
    onProgress: (stage, at, of) => progress.show(`${studyUid}: ${stage}${of > 1 ? ` ${at}/${of}` : ''}`),
  });
  await mkdir(folder, { recursive: true });
  const files = encodingFiles(result.set);
  for (const f of files) await writeFile(join(folder, f.name), chunksOf(f.parts));
  const summary = makeSummary({
    status: 'done',
    draft: result.draft,
    files: files.map((f) => ({ name: f.name, bytes: lengthOf(f.parts), digest: sha256OfParts(f.parts) })),
    timingsMs: result.timingsMs,
    problems: result.problems,
  });
  await writeSummary(folder, summary);
  progress.clear();
  if (job.options.json)
    process.stdout.write(`${JSON.stringify({ event: 'study', studyUid, status: 'done', folder })}\n`);
  else process.stdout.write(`${studyUid}: ${foundText(result.draft)} → ${folder}\n`);
}

async function fail({ options, progress, studyUid }: StudyJob, folder: string, error: PlumblineError): Promise<false> {
  const { code, message, remedy, where } = error;
  const reason = { code, message, remedy, ...(where === undefined ? {} : { where }) };
  await mkdir(folder, { recursive: true });
  await writeSummary(folder, makeSummary({ status: 'failed', studyUid, reason }));
  progress.clear();
  if (options.json)
    process.stdout.write(`${JSON.stringify({ event: 'study', studyUid, status: 'failed', folder, reason })}\n`);
  else process.stdout.write(`${studyUid}: failed: ${explainError(error)}\n`);
  if (error.class === 'bug' && error.cause instanceof Error) process.stderr.write(`${error.cause.stack ?? ''}\n`);
  return false;
}

function writeSummary(folder: string, summary: Summary): Promise<void> {
  return writeFile(join(folder, 'summary.json'), `${JSON.stringify(summary, null, 1)}\n`);
}

interface Totals {
  readonly studies: number;
  readonly done: number;
  readonly failed: number;
  readonly refused: readonly { readonly file: string; readonly code: string; readonly message: string }[];
  readonly duplicates: number;
  readonly otherFiles: number;
}

function report(options: Options, totals: Totals): void {
  if (options.json) return void process.stdout.write(`${JSON.stringify({ event: 'end', ...totals })}\n`);
  for (const r of totals.refused) process.stdout.write(`refused ${r.file}: ${r.code}: ${r.message}\n`);
  const passed = [
    totals.refused.length > 0 ? `${totals.refused.length} DICOM files refused` : '',
    totals.duplicates > 0 ? `${totals.duplicates} duplicates` : '',
    totals.otherFiles > 0 ? `${totals.otherFiles} files without a DICOM instance passed over` : '',
  ].filter((p) => p !== '');
  process.stdout.write(
    `${totals.done} of ${totals.studies} studies done${passed.length > 0 ? `; ${passed.join(', ')}` : ''}.\n`,
  );
}
