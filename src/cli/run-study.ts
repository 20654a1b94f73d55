import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  asPlumblineError,
  chunksOf,
  explainError,
  lengthOf,
  PlumblineError,
  sha256OfParts,
  type Config,
  type SourceInstance,
  type Region,
} from '../base/index.ts';
import { text } from '../dicom/index.ts';
import { makeSummary, type Summary, type SummaryPicture } from '../findings/index.ts';
import { foundText, type Reading } from '../server/index.ts';
import { contradict, inputDigestOf } from '../studies/index.ts';
import {
  decideRoutes,
  defaultPolicy,
  encodingFiles,
  inputInstances,
  readAndEncode,
  workitemKey,
  type PipelineResult,
  type RouteDecision,
  type RoutePolicy,
} from '../work/index.ts';
import type { Progress } from './progress.ts';
import { promptOptions, regionAmong } from './asked.ts';

export interface RunOptions {
  readonly out?: string;
  readonly imageFolder?: string;
  readonly modality?: string;
  readonly listTargets?: boolean;
  readonly bundle?: string;
  readonly task?: string;
  readonly prompt?: string;
  readonly target?: string;
  readonly question?: string;
  readonly slot?: readonly string[];
  readonly box?: string;
  readonly image?: string;
  readonly regionFrom?: string;
  readonly config?: string;
  readonly models?: string;
  readonly mappings?: string;
  readonly json?: boolean;
}

/** What all studies of one call share. */
export interface Run {
  readonly reading: Reading;
  readonly config: Config;
  readonly options: RunOptions;
  readonly progress: Progress;
  readonly out: string;
}

export interface StudyJob extends Run {
  readonly studyUid: string;
  readonly instances: readonly SourceInstance[];
  /** Where its results go. */
  readonly folder: string;
  /** What it is called to people: its UID, or the picture file. */
  readonly name: string;
  readonly policy?: Partial<RoutePolicy>;
  /** Of a picture file: what summary.json says of it, and what is written beside it. */
  readonly picture?: (result?: PipelineResult, folder?: string) => Promise<SummaryPicture>;
}

/** One study: all its drafts, or a summary with the reason. @returns whether all of it was done */
export async function readStudyFolder(job: StudyJob): Promise<boolean> {
  const { folder } = job;
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
  let decisions: RouteDecision[];
  try {
    decisions = decide(job, await regionAmong(job.options, job.instances));
  } catch (thrown) {
    return fail(job, folder, asPlumblineError(thrown));
  }
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
    const twice = decisions.filter((d) => d.rule === decision.rule).length > 1;
    const target = n === 0 ? folder : join(folder, twice ? `${decision.rule}-${decision.task}` : decision.rule);
    try {
      await readOne(job, decision, target);
    } catch (thrown) {
      done = (await fail(job, target, asPlumblineError(thrown))) && done;
    }
  }
  return done;
}

function decide({ reading, options, instances, policy }: StudyJob, region?: Region): RouteDecision[] {
  const { bundle, task = region && 'region' } = options;
  const series = new Map(
    instances.map((i) => [i.ref.seriesUid, { seriesUid: i.ref.seriesUid, sender: '', attributes: i.attributes }]),
  );
  const asked = { ...promptOptions(options), ...(region && { region }) };
  if (bundle !== undefined) {
    return [
      {
        rule: 'command-line',
        bundle,
        task: task ?? 'report',
        ...asked,
        destinations: [],
        series: [...series.keys()],
        policy: { ...defaultPolicy, ...policy },
      },
    ];
  }
  const all = decideRoutes(reading.routes, [...series.values()]).decisions;
  const on = region && instances.find((i) => i.ref.instanceUid === region.instanceUid)?.ref.seriesUid;
  const about = on === undefined ? all : all.filter((d) => d.series.includes(on));
  // A task that the command line names is asked for once, however many tasks the rule has.
  const once = (d: RouteDecision, i: number): boolean =>
    about.findIndex((o) => o.rule === d.rule && o.bundle === d.bundle) === i;
  const decisions = task === undefined ? about : about.filter(once);
  return decisions.map((d) => ({
    ...d,
    ...(task === undefined ? {} : { task }),
    ...asked,
    policy: { ...d.policy, ...policy },
  }));
}

async function readOne(job: StudyJob, route: RouteDecision, folder: string): Promise<void> {
  const { reading, progress, studyUid, name } = job;
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
    onProgress: (stage, at, of) => progress.show(`${name}: ${stage}${of > 1 ? ` ${at}/${of}` : ''}`),
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
    ...(job.picture && { picture: await job.picture(result, folder) }),
  });
  await writeSummary(folder, summary);
  progress.clear();
  if (job.options.json)
    process.stdout.write(
      `${JSON.stringify({ event: 'study', studyUid, status: 'done', folder, ...(job.picture && { sourceFile: name }) })}\n`,
    );
  else process.stdout.write(`${name}: ${foundText(result.draft)} → ${folder}\n`);
}

export async function fail(
  {
    options,
    progress,
    studyUid,
    name,
    picture,
  }: Pick<StudyJob, 'options' | 'progress' | 'studyUid' | 'name' | 'picture'>,
  folder: string,
  error: PlumblineError,
): Promise<false> {
  const { code, message, remedy, where } = error;
  const reason = { code, message, remedy, ...(where === undefined ? {} : { where }) };
  await mkdir(folder, { recursive: true });
  await writeSummary(
    folder,
    makeSummary({ status: 'failed', studyUid, reason, ...(picture && { picture: await picture() }) }),
  );
  progress.clear();
  if (options.json)
    process.stdout.write(
      `${JSON.stringify({ event: 'study', studyUid, status: 'failed', folder, reason, ...(picture && { sourceFile: name }) })}\n`,
    );
  else process.stdout.write(`${name}: failed: ${explainError(error)}\n`);
  if (error.class === 'bug' && error.cause instanceof Error) process.stderr.write(`${error.cause.stack ?? ''}\n`);
  return false;
}

function writeSummary(folder: string, summary: Summary): Promise<void> {
  return writeFile(join(folder, 'summary.json'), `${JSON.stringify(summary, null, 1)}\n`);
}

export interface Totals {
  readonly studies: number;
  readonly done: number;
  readonly failed: number;
  readonly refused: readonly { readonly file: string; readonly code: string; readonly message: string }[];
  readonly duplicates: number;
  readonly otherFiles: number;
}

export function report(options: RunOptions, totals: Totals): void {
  if (options.json) return void process.stdout.write(`${JSON.stringify({ event: 'end', ...totals })}\n`);
  const [things, others] =
    options.imageFolder === undefined ? ['studies', 'files without a DICOM instance'] : ['pictures', 'other files'];
  for (const r of totals.refused) process.stdout.write(`refused ${r.file}: ${r.code}: ${r.message}\n`);
  const passed = [
    totals.refused.length > 0 ? `${totals.refused.length} DICOM files refused` : '',
    totals.duplicates > 0 ? `${totals.duplicates} duplicates` : '',
    totals.otherFiles > 0 ? `${totals.otherFiles} ${others} passed over` : '',
  ].filter((p) => p !== '');
  process.stdout.write(
    `${totals.done} of ${totals.studies} ${things} done${passed.length > 0 ? `; ${passed.join(', ')}` : ''}.\n`,
  );
}
