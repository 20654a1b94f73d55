import { Command } from 'commander';
import type { DeliveryRow } from '../../delivery/index.ts';
import type { Rooms } from '../../server/index.ts';
import { person } from '../common.ts';
import { withRooms } from './jobs.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly reason?: string;
  readonly destination?: string;
}

/** `plumbline dead-letters`: deliveries that no time will cure, with the peer's words. */
export function deadLettersCommand(): Command {
  const command = new Command('dead-letters').description('Deliveries that need a person: list, try again.');
  command
    .command('list', { isDefault: true })
    .description('dead and held deliveries')
    .option('--config <file>', 'configuration')
    .option('--json', 'JSON on standard output')
    .exitOverride()
    .action((o: Options) => withRooms(o, (rooms) => list(rooms, o)));
  command
    .command('retry')
    .description('give one, or all of a destination, another life')
    .argument('[id]', 'number of the delivery')
    .option('--destination <name>', 'all dead and held deliveries of this destination')
    .requiredOption('--reason <text>', 'kept with it')
    .option('--config <file>', 'configuration')
    .exitOverride()
    .action((id: string | undefined, o: Options) => withRooms(o, (rooms) => retry(rooms, id, o)));
  command.addHelpText(
    'after',
    '\nExamples:\n  plumbline dead-letters\n  plumbline dead-letters retry 12 --reason "patient registered"\n  plumbline dead-letters retry --destination pacs --reason "disk replaced"',
  );
  return command;
}

async function needPerson({ delivery }: Rooms): Promise<DeliveryRow[]> {
  return [...(await delivery.rows({ state: 'dead' })), ...(await delivery.rows({ state: 'held' }))].sort(
    (a, b) => a.id - b.id,
  );
}

async function list(rooms: Rooms, o: Options): Promise<void> {
  const rows = await needPerson(rooms);
  if (o.json) return void process.stdout.write(`${JSON.stringify(rows)}\n`);
  if (rows.length === 0) process.stdout.write('No delivery needs a person.\n');
  for (const r of rows)
    process.stdout.write(
      `${String(r.id).padStart(5)}  ${r.state}  ${r.destination}  ${r.study}  ${r.code ?? ''}: ${r.message ?? ''}\n`,
    );
}

async function retry(rooms: Rooms, id: string | undefined, o: Options): Promise<void> {
  const ids =
    id === undefined
      ? (await needPerson(rooms)).filter((r) => r.destination === o.destination).map((r) => r.id)
      : [Number(id)];
  for (const one of ids) {
    await rooms.delivery.retry(one, o.reason!);
    const about = { kind: 'procedure', action: 'U', outcome: 0, door: 'cli', from: '' } as const;
    rooms.audit.note({ ...about, who: person(), detail: `delivery ${one} tried again` });
  }
  process.stdout.write(`${ids.length} ${ids.length === 1 ? 'delivery' : 'deliveries'} will be tried again.\n`);
}
