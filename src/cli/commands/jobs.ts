import { Command } from 'commander';
import { isUid, PlumblineError, silentLog } from '../../base/index.ts';
import { openRooms, type Rooms } from '../../server/index.ts';
import type { Workitem } from '../../work/index.ts';
import { configOf, person } from '../common.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly reason?: string;
  readonly state?: string;
  readonly limit: number;
}

/** `plumbline jobs`: workitems, their states and their stories, from the store; works while the gateway runs. */
export function jobsCommand(): Command {
  const jobs = new Command('jobs').description('Workitems: list, show one with its whole story, release, cancel.');
  const common = (name: string, text: string): Command =>
    jobs
      .command(name)
      .description(text)
      .option('--config <file>', 'configuration')
      .option('--json', 'JSON on standard output')
      .exitOverride();

  common('list', 'newest first')
    .option('--state <state>', 'only these: waiting ready claimed drafted delivered held failed cancelled')
    .option('--limit <n>', 'at most so many', Number, 50)
    .action((o: Options) => withRooms(o, (rooms) => list(rooms, o)));
  common('show', 'one workitem: why it is where it is, and what happened')
    .argument('<id>', 'key, or the beginning of it')
    .action((id: string, o: Options) => withRooms(o, (rooms) => show(rooms, id, o)));
  common('release', 'let a held study, or a held, failed or cancelled workitem go on')
    .argument('<id>', 'Study Instance UID, or key of a workitem')
    .requiredOption('--reason <text>', 'kept in its story')
    .action((id: string, o: Options) => withRooms(o, (rooms) => release(rooms, id, o.reason!)));
  common('cancel', 'do not read it')
    .argument('<id>')
    .requiredOption('--reason <text>', 'kept in its story')
    .action((id: string, o: Options) =>
      withRooms(o, async (rooms) => rooms.work.cancel((await find(rooms, id)).key, o.reason!, person())),
    );
  jobs.addHelpText(
    'after',
    '\nExamples:\n  plumbline jobs list --state held\n  plumbline jobs show 3f2a\n  plumbline jobs release 3f2a --reason "image corrected"',
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

async function list({ work, studies }: Rooms, o: Options): Promise<void> {
  const items = await work.list({
    limit: o.limit,
    ...(o.state === undefined ? {} : { state: o.state as Workitem['state'] }),
  });
  const wanted = o.state === undefined || o.state === 'held';
  const held = wanted ? (await studies.studies(o.limit, 0)).filter((s) => s.state === 'held') : [];
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

/** A Study Instance UID names a held study, anything else a workitem. */
async function release(rooms: Rooms, id: string, reason: string): Promise<void> {
  if (isUid(id)) await rooms.studies.release(id, reason, person());
  else await rooms.work.retry((await find(rooms, id)).key, reason, person());
  process.stdout.write('Released.\n');
}

async function show(rooms: Rooms, id: string, o: Options): Promise<void> {
  const item = await find(rooms, id);
  const events = await rooms.work.timeline(item.key);
  const deliveries = await rooms.delivery.rows({ workitem: item.key });
  if (o.json) return void process.stdout.write(`${JSON.stringify({ ...item, events, deliveries })}\n`);
  const out = [
    `workitem   ${item.key}`,
    `study      ${item.studyUid}`,
    `route      ${item.route.rule} → ${item.route.bundle}/${item.route.task}`,
    `state      ${item.state}`,
    ...(item.code ? [`because    ${item.code}: ${item.message ?? ''}`, `remedy     ${item.remedy ?? ''}`] : []),
    '',
    ...events.map((e) => `${e.at}  ${e.event.padEnd(12)}  ${e.detail}`),
    ...deliveries.map(
      (d) =>
        `${new Date(d.updatedAt).toISOString()}  delivery      ${d.destination}: ${d.state}, ${d.attempts} tries${d.message ? `; ${d.message}` : ''}`,
    ),
  ];
  process.stdout.write(`${out.join('\n')}\n`);
}

async function find({ work }: Rooms, id: string): Promise<Workitem> {
  const exact = await work.get(id);
  if (exact) return exact;
  const found = id.length < 4 ? [] : (await work.list({ limit: 10_000 })).filter((i) => i.key.startsWith(id));
  if (found.length === 1) return found[0]!;
  throw new PlumblineError(
    'not-found',
    found.length === 0 ? `no workitem ${id}` : `${found.length} workitems begin with ${id}`,
    { where: id, remedy: '`plumbline jobs list` shows them; four characters or more of the key are enough.' },
  );
}
