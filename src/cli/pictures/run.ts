import { join } from 'node:path';
import { asPlumblineError, derivedUid, PlumblineError, type SourceInstance } from '../../base/index.ts';
import { sameTarget, type SummaryPicture } from '../../findings/index.ts';
import { decideRoutes, type PipelineResult, type RoutePolicy } from '../../work/index.ts';
import { fail, readStudyFolder, report, type Run } from '../run-study.ts';
import { exitCodes } from '../common.ts';
import { findPictures, type PictureFile } from './find.ts';
import { writeMasks } from './masks.ts';
import { modalityOf } from './modality.ts';
import { readPicture } from './read.ts';
import { targetOf } from './targets.ts';

/** A picture file has no plane and no windows: it is read as it is. */
const policy: Partial<RoutePolicy> = { captures: 'read' };

/** `plumbline run --image-folder`: each picture a study of its own; what cannot be read is named and the others go on. */
export async function runPictures(run: Run, folder: string): Promise<void> {
  const { reading, config, options, progress } = run;
  const named = options.bundle === undefined ? undefined : (await reading.bundle(options.bundle)).manifest;
  const modality = modalityOf(options.modality!, named);
  const asking = await question(run, modality);
  const { pictures, otherFiles } = await findPictures(folder);
  const totals = { studies: pictures.length, done: 0, failed: 0 };
  for (const [n, file] of pictures.entries()) {
    progress.show(`picture ${n + 1} of ${pictures.length}: ${file.source}`);
    const target = join(run.out, file.name);
    const job = { ...run, ...asking, name: file.source, picture: describe(run, file, asking, modality) };
    let instance: SourceInstance;
    try {
      instance = await readPicture(file, modality, reading.decoder, config.imaging.maxPixels);
    } catch (thrown) {
      await fail(
        { ...job, studyUid: derivedUid('image-file', file.source, 'unread') },
        target,
        asPlumblineError(thrown),
      );
      totals.failed++;
      continue;
    }
    const { studyUid } = instance.ref;
    const done = await readStudyFolder({ ...job, policy, studyUid, instances: [instance], folder: target });
    if (done) totals.done++;
    else totals.failed++;
  }
  progress.clear();
  report(options, { ...totals, refused: [], duplicates: 0, otherFiles });
  if (totals.failed > 0) process.exitCode = exitCodes.someFailed;
}

/** What is asked of every picture. */
interface Asking {
  readonly options: Run['options'];
  /** What was asked for, in the words of the command line and in the bundle's. */
  readonly target?: { readonly asked: string; readonly label: string };
}

/** A target in the bundle's own words, for the task that takes one. @throws PlumblineError target-unknown, no-route */
async function question({ reading, options }: Run, modality: string): Promise<Asking> {
  if (options.target === undefined) return { options };
  const bundle = await reading.bundle(options.bundle ?? bundleFor(reading.routes, modality));
  const label = targetOf(reading, bundle, options.target, modality);
  return {
    options: { ...options, task: options.task ?? 'segment', target: label },
    target: { asked: options.target, label },
  };
}

/** The bundle of the rule that takes such a picture. */
function bundleFor(routes: Run['reading']['routes'], modality: string): string {
  const attributes = { '00080060': { vr: 'CS', Value: [modality] } };
  const { decisions } = decideRoutes(routes, [{ seriesUid: '2.25.1', sender: '', attributes }]);
  if (!decisions[0])
    throw new PlumblineError('no-route', `no rule of the routes file reads ${modality}; name a bundle with --bundle`);
  return decisions[0].bundle;
}

/** What summary.json says of the picture file; with a result, its masks are written beside it. */
function describe({ reading, options }: Run, { source }: PictureFile, { target }: Asking, modality: string) {
  return async (result?: PipelineResult, folder?: string): Promise<SummaryPicture> => {
    if (!result || folder === undefined) return { sourceFile: source };
    const nameOf = (label: string): string =>
      target && sameTarget(reading.targets, label, target.label, modality) ? target.asked : label;
    const asked = target && options.target !== undefined ? [target.asked] : [];
    return { sourceFile: source, masks: await writeMasks(result.draft, result.masks, folder, asked, nameOf) };
  };
}
