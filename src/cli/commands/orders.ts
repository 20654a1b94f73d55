import { Command } from 'commander';
import { readAck } from '../../hl7/index.ts';
import type { Rooms } from '../../server/index.ts';
import type { RefusedMessage } from '../../studies/index.ts';
import { withRooms } from './jobs.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly limit: number;
}

/** `plumbline orders`: what order systems sent and was not taken; works while the gateway runs. */
export function ordersCommand(): Command {
  const orders = new Command('orders').description('HL7 v2 messages of order systems.');
  orders
    .command('refused')
    .description('messages that were answered AE or AR: when, from whom, control id, and why; newest first')
    .option('--config <file>', 'configuration')
    .option('--json', 'JSON on standard output')
    .option('--limit <n>', 'at most so many', Number, 50)
    .exitOverride()
    .action((o: Options) => withRooms(o, (rooms) => refused(rooms, o)));
  return orders;
}

async function refused({ studies }: Rooms, o: Options): Promise<void> {
  const found = (await studies.refusedMessages(o.limit)).map(told);
  if (o.json) return void process.stdout.write(`${JSON.stringify({ refused: found })}\n`);
  if (found.length === 0) process.stdout.write('No message was refused.\n');
  for (const m of found) {
    const why = [m.code, m.condition].filter(Boolean).join(' ');
    const cells = [m.at, m.sender, m.type || 'no type', m.controlId || 'no control id', `${why}: ${m.text}`];
    process.stdout.write(`${cells.map(shown).join('  ')}\n`);
  }
}

/** A sender may write anything there, and a terminal obeys some of it. */
function shown(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?').slice(0, 200);
}

/** The last answer says why; in front of it may stand that the message was accepted. */
function told({ answers, ...message }: RefusedMessage) {
  const answer = answers.at(-1);
  if (answer === undefined)
    return { ...message, controlId: '', code: 'no answer was asked for', condition: '', text: '' };
  return { ...message, ...readAck(Buffer.from(answer, 'latin1')) };
}
