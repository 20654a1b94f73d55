import { Command, Option } from 'commander';
import { auditToFhir, listAudit, recordAudit, verifyAudit, type AuditRow, type ChainHead } from '../../audit/index.ts';
import { PlumblineError } from '../../base/index.ts';
import type { Rooms } from '../../server/index.ts';
import { person } from '../common.ts';
import { withRooms } from './jobs.ts';

interface Options {
  readonly config?: string;
  readonly since?: string;
  readonly study?: string;
  readonly format: 'jsonl' | 'fhir';
  readonly head?: string;
}

/** `plumbline audit`: who did what with data of patients; works while the gateway runs. */
export function auditCommand(): Command {
  const audit = new Command('audit').description('Audit events: print them, verify that none was changed.');
  audit
    .command('list', { isDefault: true })
    .description('one JSON object a line, oldest first')
    .option('--since <time>', 'not before this (ISO 8601)')
    .option('--study <uid>', 'of one study')
    .addOption(new Option('--format <format>', 'fhir: FHIR R4 AuditEvent').choices(['jsonl', 'fhir']).default('jsonl'))
    .option('--config <file>', 'configuration')
    .exitOverride()
    .action((o: Options) => withRooms(o, (rooms) => list(rooms, o)));
  audit
    .command('verify')
    .description('go through the whole chain; prints its head, which is worth keeping elsewhere')
    .option('--head <number:digest>', 'a head that was printed before: the chain must still go through it')
    .option('--config <file>', 'configuration')
    .exitOverride()
    .action((o: Options) => withRooms(o, (rooms) => verify(rooms, o)));
  audit.addHelpText(
    'after',
    '\nExamples:\n  plumbline audit --since 2026-01-31 --study 1.2.840.1\n  plumbline audit --format fhir\n  plumbline audit verify --head 1042:9f2c…',
  );
  return audit;
}

/** Reading the audit is an event of its own (PS3.15 A.5.3.2). */
async function list({ db, config }: Rooms, o: Options): Promise<void> {
  const { installationId, organization } = config.site;
  const print = (row: AuditRow): unknown =>
    o.format === 'fhir' ? auditToFhir(row, { installationId, organization }) : row;
  const filter = {
    ...(o.since !== undefined && { since: timeOf(o.since) }),
    ...(o.study !== undefined && { study: o.study }),
  };
  for (let after = 0; ;) {
    const rows = await listAudit(db, { ...filter, after, limit: 1000 });
    for (const row of rows) process.stdout.write(`${JSON.stringify(print(row))}\n`);
    if (rows.length < 1000) break;
    after = rows.at(-1)!.number;
  }
  const about = { kind: 'log-used', action: 'R', outcome: 0, door: 'cli', from: '' } as const;
  await db.transaction((tx) =>
    recordAudit(tx, Date.now(), [{ ...about, who: person(), ...(o.study && { study: o.study }) }]),
  );
}

async function verify({ db }: Rooms, o: Options): Promise<void> {
  const { number, digest } = await verifyAudit(db, o.head === undefined ? [] : [headOf(o.head)]);
  process.stdout.write(`${number} audit events, each as it was written. Head: ${number}:${digest}\n`);
}

function timeOf(text: string): number {
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw new PlumblineError('usage', `--since ${text} is no time`);
  return time;
}

function headOf(text: string): ChainHead {
  const found = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text);
  if (!found) throw new PlumblineError('usage', '--head is no number:digest');
  return { number: Number(found[1]), digest: found[2]! };
}
