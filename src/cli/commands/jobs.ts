import { Command } from 'commander';
import { catalogue, isUid, PlumblineError, silentLog, type CatalogueEntry } from '../../base/index.ts';
import { openRooms, storyOf, type Rooms, type Story } from '../../server/index.ts';
import type { Workitem } from '../../work/index.ts';
import { configOf, person } from '../common.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly reason?: string;
  readonly state?: string;
  readonly study?: string;
  readonly code?: string;
  readonly since?: string;
  readonly limit: number;
}

/** `plumbline jobs`: workitems, their states and their stories, from the store; works while the gateway runs. */
export function jobsCommand(): Command {
  const jobs = new Command('jobs').description(
    'Studies and workitems: list, show one with its whole story, release, retry, cancel.',
  );
  const common = (name: string, text: string): Command =>
    jobs
      .command(name)
      .description(text)
      .option('--config <file>', 'configuration')
      .option('--json', 'JSON on standard output')
      .exitOverride();

  common('list', 'newest first')
    .option('--state <state>', 'only these: waiting ready claimed drafted delivered held failed cancelled')
    .option('--study <id>', 'only of this study: its UID, or its id in the log')
    .option('--code <code>', 'only with this reason, e.g. burned-in')
    .option('--since <time>', 'only those made since, e.g. 2026-01-05 or 2026-01-05T10:00Z')
    .option('--limit <n>', 'at most so many', Number, 50)
    .action((o: Options) => withRooms(o, (rooms) => list(rooms, o)));
  common('show', 'a study or a workitem: why it is where it is, and everything that happened')
    .argument('<id>', 'key of a workitem or its beginning, Study Instance UID, or the study’s id in the log (s-…)')
    .action((id: string, o: Options) => withRooms(o, (rooms) => show(rooms, id, o)));
  common('release', 'let a held study, or a held, failed or cancelled workitem go on')
    .argument('<id>', 'Study Instance UID, or key of a workitem')
    .requiredOption('--reason <text>', 'kept in its story')
    .action((id: string, o: Options) => withRooms(o, (rooms) => release(rooms, id, o.reason!)));
  common('retry', 'give a held, failed or cancelled workitem another life; stages that ended well are not done again')
    .argument('<id>', 'key, or the beginning of it')
    .requiredOption('--reason <text>', 'kept in its story')
    .action((id: string, o: Options) => withRooms(o, (rooms) => retry(rooms, id, o.reason!)));
  common('cancel', 'do not read it')
    .argument('<id>', 'key, or the beginning of it')
    .requiredOption('--reason <text>', 'kept in its story')
    .action((id: string, o: Options) =>
      withRooms(o, async (rooms) => rooms.work.cancel((await find(rooms, id)).key, o.reason!, person())),
    );
  jobs.addHelpText(
    'after',
    '\nExamples:\n  plumbline jobs list --state held\n  plumbline jobs show 3f2a\n  plumbline jobs list --code burned-in --since 2026-01-05\n  plumbline jobs show s-0123456789ab\n  plumbline jobs release 3f2a --reason "image corrected"',
  );
  return jobs;
}

/** Open the store without starting anything, and close it again. */
export async function withRooms(
  options: { readonly config?: string },
  work: (rooms: Rooms) => Promise<void>,
): Promise<void> {
  const rooms = await openRooms(configOf(options.config, true), silentLog);
  try {
    await work(rooms);
  } finally {
    await rooms.stop();
  }
}

async function list(rooms: Rooms, o: Options): Promise<void> {
  const { work, studies } = rooms;
  const study = o.study === undefined ? undefined : await studyUidOf(rooms, o.study);
  const items = await work.list({
    limit: o.limit,
    ...(o.state === undefined ? {} : { state: o.state as Workitem['state'] }),
    ...(study === undefined ? {} : { studyUid: study }),
    ...(o.code === undefined ? {} : { code: o.code }),
    ...(o.since === undefined ? {} : { since: timeOf(o.since) }),
  });
  const wanted = o.state === undefined || o.state === 'held';
  const held = (wanted ? await studies.studies(o.limit, 0) : []).filter(
    (s) =>
      s.state === 'held' &&
      (study === undefined || s.studyUid === study) &&
      (o.code === undefined || s.holdCode === o.code) &&
      (o.since === undefined || Date.parse(s.firstAt) >= timeOf(o.since)),
  );
  if (o.json) return void process.stdout.write(`${JSON.stringify({ workitems: items, heldStudies: held })}\n`);
  if (items.length === 0 && held.length === 0) process.stdout.write('No workitems.\n');
  for (const s of held) {
    process.stdout.write(
      `study         held       ${s.lastAt}  ${s.studyUid}  ${s.holdCode ?? ''}: ${s.holdMessage ?? ''}\n`,
    );
  }
  for (const i of items) {
    const why = i.code ? `  ${i.code}` : '';
    process.stdout.write(
      `${i.key.slice(0, 12)}  ${i.state.padEnd(9)}  ${i.updatedAt}  ${i.studyUid}  ${i.route.bundle}/${i.route.task}${why}\n`,
    );
  }
}

/** @throws PlumblineError usage */
function timeOf(text: string): number {
  const at = Date.parse(text);
  if (!Number.isNaN(at)) return at;
  throw new PlumblineError('usage', `"${text}" is no time`, { remedy: 'Write it as 2026-01-05 or 2026-01-05T10:00Z.' });
}

const isStudy = (id: string): boolean => isUid(id) || /^s-[0-9a-f]{12}$/.test(id);

/** The study of a UID, or of an id that the log shows. @throws PlumblineError not-found */
async function studyUidOf({ studies }: Rooms, id: string): Promise<string> {
  const uid = isUid(id) ? id : await studies.uidOf(id);
  if (uid !== undefined) return uid;
  throw new PlumblineError('not-found', `no study ${id}`, { where: id });
}

/** A UID or an id of the log names a held study, anything else a workitem. */
async function release(rooms: Rooms, id: string, reason: string): Promise<void> {
  if (isStudy(id)) await rooms.studies.release(await studyUidOf(rooms, id), reason, person());
  else await rooms.work.retry((await find(rooms, id)).key, reason, person());
  process.stdout.write('Released.\n');
}

async function retry({ work, ...rooms }: Rooms, id: string, reason: string): Promise<void> {
  const { key } = await find({ work, ...rooms }, id);
  await work.retry(key, reason, person());
  process.stdout.write('It will be tried again.\n');
}

async function show(rooms: Rooms, id: string, o: Options): Promise<void> {
  const studyUid = isStudy(id) ? await studyUidOf(rooms, id) : (await find(rooms, id)).studyUid;
  const story = await storyOf(rooms, studyUid);
  if (!story) throw new PlumblineError('not-found', `no study ${id}`, { where: id });
  process.stdout.write(o.json ? `${JSON.stringify(story)}\n` : `${tell(story).join('\n')}\n`);
}

const urgency = ['STAT', 'high', 'medium', 'low'];

/** The story in lines: what it is, why it is where it is and what to do, then everything in order of time. */
function tell({ id, study, orders, workitems, timeline }: Story): string[] {
  const because = (code: string | undefined, message: string | undefined, remedy: string | undefined): string[] =>
    code === undefined ? [] : [`because    ${code}: ${message ?? ''}`, ...(remedy ? [`remedy     ${remedy}`] : [])];
  const remedies: Readonly<Record<string, CatalogueEntry>> = catalogue;
  return [
    `study      ${study.studyUid}`,
    `in logs    ${id}`,
    `state      ${study.state}, ${study.received} instances received, ${study.own} written`,
    ...because(study.holdCode, study.holdMessage, remedies[study.holdCode ?? '']?.remedy),
    ...orders.map(
      (o) =>
        `order      ${[o.placer, o.filler].filter((n) => n !== '').join(' / ')}, accession ${o.accession || 'none'}, ${urgency[o.priority]!}, ${o.state}, from ${o.sender}`,
    ),
    ...workitems.flatMap((w) => [
      '',
      `workitem   ${w.key}`,
      `route      ${w.route.rule} → ${w.route.bundle}/${w.route.task}`,
      `state      ${w.state}, ${w.priority}`,
      ...because(w.code, w.message, w.remedy),
      ...w.deliveries.flatMap((d) => [
        `delivery   ${d.id} to ${d.destination}: ${d.state}, ${d.attempts} ${d.attempts === 1 ? 'try' : 'tries'}`,
        ...(d.state === 'held' || d.state === 'dead'
          ? because(d.code ?? undefined, d.message ?? undefined, remedies[d.code ?? '']?.remedy)
          : []),
      ]),
    ]),
    '',
    ...timeline.map(({ at, room, event, text }, i) => {
      const since = i === 0 ? 0 : Date.parse(at) - Date.parse(timeline[i - 1]!.at);
      return `${at}  ${elapsed(since).padStart(8)}  ${room.padEnd(8)}  ${event.padEnd(12)}  ${text}`.trimEnd();
    }),
  ];
}

/** Since the line before; nothing where it is less than a tenth of a second. */
function elapsed(ms: number): string {
  if (ms < 100) return '';
  if (ms < 60_000) return `+${(ms / 1000).toFixed(1)} s`;
  if (ms < 7_200_000) return `+${Math.round(ms / 60_000)} min`;
  return ms < 172_800_000 ? `+${Math.round(ms / 3_600_000)} h` : `+${Math.round(ms / 86_400_000)} days`;
}

async function find({ work }: Rooms, id: string): Promise<Workitem> {
  const exact = await work.get(id);
  if (exact) return exact;
  const found = /^[0-9a-f]{4,64}$/.test(id) ? await work.list({ key: id, limit: 100 }) : [];
  if (found.length === 1) return found[0]!;
  throw new PlumblineError(
    'not-found',
    found.length === 0 ? `no workitem ${id}` : `${found.length} workitems begin with ${id}`,
    { where: id, remedy: '`plumbline jobs list` shows them; four characters or more of the key are enough.' },
  );
}
