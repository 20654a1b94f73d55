import { Command } from 'commander';
import { size } from './backup.ts';
import { withRooms } from './jobs.ts';

/** `plumbline retention`: what the policy would remove now. Removing is the running gateway's affair, once a day. */
export function retentionCommand(): Command {
  return new Command('retention')
    .description('Say what the retention policy would remove now; the running gateway applies it once a day.')
    .option('--dry-run', 'say only; always so')
    .option('--config <file>', 'configuration')
    .option('--json', 'JSON on standard output')
    .addHelpText('after', '\nExample:\n  plumbline retention --dry-run')
    .action((o: { config?: string; json?: boolean }) =>
      withRooms(o, async (rooms) => {
        const would = await rooms.retention({ dryRun: true });
        if (o.json) return void process.stdout.write(`${JSON.stringify(would)}\n`);
        const { retention } = rooms.config;
        const row = (days: number | undefined, what: string, found: string): string =>
          `${what.padEnd(22)}  ${days === undefined ? 'kept     ' : `${String(days).padStart(4)} days`}  ${days === undefined ? '' : found}`;
        const lines = [
          row(
            retention.receivedDays,
            'received instances',
            `${would.received.instances} of ${would.received.studies} studies, ${size(would.received.bytes)}`,
          ),
          row(
            retention.resultsDays,
            'results',
            `of ${would.results.studies} studies, ${would.results.objects} DICOM objects`,
          ),
          row(retention.deadLettersDays, 'dead letters', `${would.deadLetters}`),
          row(retention.messagesDays, 'HL7 messages', `${would.messages}`),
          row(
            1,
            'blobs without a row',
            would.blobs ? `${would.blobs.files}, ${size(would.blobs.bytes)}` : 'a backup is under way',
          ),
        ];
        process.stdout.write(`Would be removed now:\n${lines.map((l) => `  ${l.trimEnd()}`).join('\n')}\n`);
      }),
    );
}
