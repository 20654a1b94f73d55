import { Command } from 'commander';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { createLog, parseConfig, PlumblineError, type Config } from '../../base/index.ts';
import type { Draft, Finding, Measurement } from '../../findings/index.ts';
import { serve, type Gateway } from '../../server/index.ts';
import type { Workitem } from '../../work/index.ts';
import { exitCodes } from '../common.ts';
import { demoStudies, type DemoStudy } from '../demo/studies.ts';
import { createProgress } from '../progress.ts';
import { stow } from '../stow-client.ts';

interface Options {
  readonly dir: string;
  readonly port: number;
  readonly exit?: boolean;
  readonly images?: string;
}

/** `plumbline demo`: the whole way on synthetic studies, in plain words. */
export function demoCommand(): Command {
  return new Command('demo')
    .description(
      'See it work: make synthetic studies, start a gateway, send them, and say what was found and where it lies.',
    )
    .option(
      '--dir <folder>',
      'where the demo keeps its store and copies its results (made anew each time)',
      'demo-data',
    )
    .option('--port <number>', 'listen here; a free port where it is taken', Number, 8470)
    .option('--exit', 'end when all is read, instead of staying up for a look')
    .option('--images <folder>', 'only write the four studies there, as DICOM files to send by hand')
    .addHelpText(
      'after',
      '\nExamples:\n  npm run demo\n  plumbline demo --exit\n  plumbline demo --images demo-studies',
    )
    .action(async (options: Options) => {
      if (options.images !== undefined) return writeImages(options.images);
      const dir = freshFolder(options.dir);
      const gateway = await start(dir, options.port);
      await startModels(gateway);
      say('Plumbline demo: four synthetic studies go in by STOW-RS; a small demonstration model reads them.');
      say('The pictures are drawn by code and the model knows nothing of real images: not for clinical use.\n');
      let failed = 0;
      try {
        for (const study of demoStudies()) if (!(await show(gateway, study, dir))) failed++;
        say(`All results lie in ${dir}.`);
        if (!options.exit) await stayUp(gateway);
      } finally {
        await gateway.stop();
      }
      if (failed > 0) process.exitCode = exitCodes.someFailed;
    });
}

/** One folder a study, named by its modality; the same names and bytes each time. */
function writeImages(folder: string): void {
  for (const { kind, title, files } of demoStudies()) {
    const dir = join(folder, kind);
    mkdirSync(dir, { recursive: true });
    for (const [i, bytes] of files.entries()) writeFileSync(join(dir, `${i + 1}.dcm`), bytes);
    say(`${dir}: ${title}`);
  }
}

const mark = '.plumbline-demo';

/** An empty folder that is ours: one without our mark is never emptied. */
function freshFolder(folder: string): string {
  const dir = resolve(folder);
  if (existsSync(dir)) {
    if (!existsSync(join(dir, mark)))
      throw new PlumblineError('usage', `${dir} is there and no folder of a demo`, {
        where: dir,
        remedy: 'Name another with --dir.',
      });
    rmSync(dir, { recursive: true });
  }
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, mark), '');
  return dir;
}

async function start(dir: string, port: number): Promise<Gateway> {
  const config = demoConfig(dir, port);
  try {
    return await serve(config, createLog('warn'));
  } catch (e) {
    if ((e as { code?: string }).code !== 'address-in-use') throw e;
    return serve({ ...config, http: { ...config.http, port: 0 } }, createLog('warn'));
  }
}

/** The model's process opens its graphs while the studies are being drawn. */
async function startModels({ rooms: { reading } }: Gateway): Promise<void> {
  for (const name of new Set(reading.routes.rules.map((r) => r.then.bundle))) {
    await reading.bundle(name);
    // What goes wrong here is met again, and told, by the work that asks for the same runtime.
    reading.runtime(name).catch(() => {});
  }
  // A few turns of the loop bring the process to life; drawing, which holds the loop, comes after them.
  await setTimeout(20);
}

/** A short quiet time, since all images of a demo study come in one request. */
function demoConfig(dir: string, port: number): Config {
  const text = `{dataDir: store, http: {port: ${port}}, gate: {quietSeconds: 0.3}, site: {organization: Plumbline demo}}`;
  return parseConfig(text, '(demo)', dir);
}

/** Send one study and tell its story. @returns whether it was read */
async function show(gateway: Gateway, study: DemoStudy, dir: string): Promise<boolean> {
  const began = performance.now();
  const progress = createProgress(true);
  const answer = await stow(gateway.dicomweb, study.files, study.files.length);
  say(`${study.title}: ${answer.stored.length} of ${study.files.length} images stored (HTTP ${answer.status})`);
  progress.show('  reading …');
  const items = await settled(gateway, study.studyUid);
  progress.clear();
  let read = items.length > 0;
  for (const item of items) {
    if (item.outputs.encodings) await tell(gateway, item, dir, performance.now() - began);
    else {
      read = false;
      say(`  ${item.state}: ${item.code ?? ''}: ${item.message ?? ''}. ${item.remedy ?? ''}`);
    }
  }
  if (items.length === 0) say('  the study was not read: see the page');
  say(`  page    ${gateway.url}/studies/${study.studyUid}\n`);
  return read;
}

/** Workitems of the study once none of them moves any more. */
async function settled({ rooms }: Gateway, studyUid: string): Promise<Workitem[]> {
  const moving = new Set(['waiting', 'ready', 'claimed', 'drafted']);
  for (const until = Date.now() + 120_000; Date.now() < until;) {
    const items = await rooms.work.list({ studyUid });
    if (items.length > 0 && items.every((i) => !moving.has(i.state))) return items;
    if ((await rooms.studies.study(studyUid))?.state === 'held') return items;
    await setTimeout(50);
  }
  throw new PlumblineError('internal', 'the study was not read within two minutes', { where: studyUid });
}

async function tell({ rooms, url }: Gateway, item: Workitem, dir: string, ms: number): Promise<void> {
  const draft = JSON.parse(new TextDecoder().decode((await rooms.work.draft(item.key)).draft)) as Draft;
  for (const sentence of draft.sentences) {
    if (sentence.kind === 'plain') continue;
    const label = { linked: 'found', negative: 'absent', ungrounded: 'no mask' }[sentence.kind];
    say(`  ${label.padEnd(8)}${sentence.text}`);
    for (const f of draft.findings.filter((f) => f.sentence === sentence.id && f.mask))
      say(`          ${where(draft, f)}`);
    for (const w of sentence.warnings) say(`          warning: ${w.message}`);
  }
  const folder = join(dir, item.route.rule, draft.studyUid);
  mkdirSync(folder, { recursive: true });
  const { files } = await rooms.work.encodings(item.key);
  for (const f of files) writeFileSync(join(folder, f.name), await rooms.blobs.read(f.digest));
  say(`  read in ${(ms / 1000).toFixed(1)} s`);
  say(`  report  ${url}/drafts/${item.key}/report.html`);
  say(`  files   ${folder}: ${files.map((f) => f.name).join(', ')}`);
}

/** `mask of 412 pixels on images 4–9: volume 1.2 mL, long axis 21 mm`. */
function where(draft: Draft, finding: Finding): string {
  const mask = draft.masks.find((m) => m.id === finding.mask);
  if (!mask) return '';
  const planes = mask.planes.map((p) => p + 1);
  const images = planes.length === 1 ? `image ${planes[0]}` : `images ${planes[0]}–${planes.at(-1)}`;
  const sizes = finding.measurements.map((m) => `${m.kind.replace('-', ' ')} ${sizeOf(m)}`).join(', ');
  return `mask of ${mask.pixels} pixels on ${images}${sizes ? `: ${sizes}` : ' (no physical size known)'}`;
}

function sizeOf({ value, unit }: Measurement): string {
  return `${Number(value.toPrecision(3))} ${unit.value}`;
}

async function stayUp(gateway: Gateway): Promise<void> {
  say(
    `\nThe gateway stays up for a look: ${gateway.url}/   (DICOMweb for a viewer: ${gateway.dicomweb})\nEnd it with Ctrl+C.`,
  );
  await new Promise<void>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => done());
  });
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
