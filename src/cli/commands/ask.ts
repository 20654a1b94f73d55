import { Command } from 'commander';
import { isUid, PlumblineError } from '../../base/index.ts';
import { askStudy } from '../../server/index.ts';
import type { Priority } from '../../work/index.ts';
import { askedOptions, boxOption, fromOption, promptOptions, type AskedOptions } from '../asked.ts';
import { person } from '../common.ts';
import { withRooms } from './jobs.ts';

interface Options extends AskedOptions {
  readonly task: string;
  readonly bundle?: string;
  readonly question?: string;
  readonly destination?: readonly string[];
  readonly priority?: Priority;
  readonly config?: string;
  readonly json?: boolean;
}

/** `plumbline ask`: a question about a study in the store, as a workitem that the running gateway takes up. */
export function askCommand(): Command {
  const command = new Command('ask')
    .description('Ask a question about a study in the store; the running gateway answers it, its result stays there.')
    .argument('<study>', 'Study Instance UID, or the study’s id in the log')
    .requiredOption('--task <task>', 'a task of the bundle: segment, recognise, region, vqa, report …')
    .option('--bundle <name>', 'the bundle to ask (default: the one that the routes name)')
    .option('--prompt <text>', 'ask this instead of the task’s own prompt')
    .option('--target <text>', 'value of the slot {target}')
    .option('--destination <name...>', 'send the result there too')
    .option('--priority <priority>', 'stat, high, medium or low (default: that of the study’s orders)')
    .option('--config <file>', 'configuration')
    .option('--json', 'JSON on standard output');
  return askedOptions(command)
    .addHelpText(
      'after',
      `
The same question about the same images is the same workitem. --image and --region-from name objects of the study by their SOP Instance UID.

Examples:
  plumbline ask 1.2.840.1 --task vqa --question "Is there a renal cyst?"
  plumbline ask 1.2.840.1 --task segment --slot target=liver --slot target="renal cyst"
  plumbline ask 1.2.840.1 --task region --box 120,80,64,64 --image 1.2.840.1.1.7
  plumbline ask 1.2.840.1 --task region --region-from 2.25.4711#2`,
    )
    .action(ask);
}

async function ask(study: string, options: Options): Promise<void> {
  const { task, bundle, destination, priority } = options;
  const { prompt, slots } = promptOptions(options);
  const box = boxOption(options);
  const from = fromOption(options);
  const region = box ?? (from && { from: from.object, item: from.item });
  await withRooms(options, async (rooms) => {
    const studyUid = isUid(study) ? study : await rooms.studies.uidOf(study);
    if (studyUid === undefined) throw new PlumblineError('not-found', `no study ${study}`, { where: study });
    const asked = await askStudy(rooms, studyUid, {
      task,
      ...(bundle === undefined ? {} : { bundle }),
      ...(prompt === undefined ? {} : { question: prompt }),
      ...(slots === undefined ? {} : { slots: mutable(slots) }),
      ...(region ? { region } : {}),
      ...(destination === undefined ? {} : { destinations: [...destination] }),
      ...(priority === undefined ? {} : { priority }),
    });
    rooms.audit.note({
      kind: 'procedure',
      action: 'C',
      outcome: 0,
      door: 'cli',
      from: '',
      who: person(),
      study: studyUid,
      detail: `asked: workitem ${asked.key}`,
    });
    if (options.json)
      return void process.stdout.write(
        `${JSON.stringify({ study: studyUid, workitem: asked.key, outcome: asked.outcome })}\n`,
      );
    const words = asked.outcome === 'created' ? 'Asked' : 'Asked before';
    process.stdout.write(
      `${words}: workitem ${asked.key.slice(0, 12)}. \`plumbline jobs show ${asked.key.slice(0, 12)}\` says how it goes.\n`,
    );
  });
}

function mutable(slots: NonNullable<ReturnType<typeof promptOptions>['slots']>): Record<string, string | string[]> {
  return Object.fromEntries(Object.entries(slots).map(([k, v]) => [k, typeof v === 'string' ? v : [...v]]));
}
