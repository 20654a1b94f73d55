import { Command, CommanderError } from 'commander';
import { asPlumblineError, explainError, PlumblineError } from '../base/index.ts';
import { exitCodes, version } from './common.ts';
import { askCommand } from './commands/ask.ts';
import { auditCommand } from './commands/audit.ts';
import { backupCommand, restoreCommand, storeCommand } from './commands/backup.ts';
import { checkCommand } from './commands/check.ts';
import { deadLettersCommand } from './commands/dead-letters.ts';
import { demoCommand } from './commands/demo.ts';
import { explainCommand } from './commands/explain.ts';
import { initCommand } from './commands/init.ts';
import { jobsCommand } from './commands/jobs.ts';
import { modelsCommand } from './commands/models.ts';
import { ordersCommand } from './commands/orders.ts';
import { retentionCommand } from './commands/retention.ts';
import { runCommand } from './commands/run.ts';
import { sendCommand } from './commands/send.ts';
import { serveCommand } from './commands/serve.ts';
import { statusCommand } from './commands/status.ts';

const program = new Command('plumbline')
  .description(
    'Puts grounded imaging AI to work: DICOM in; text, masks, DICOM SEG, Structured Report and FHIR out, every sentence tied to its mask.',
  )
  .version(version)
  .exitOverride()
  .showHelpAfterError('(plumbline COMMAND --help shows examples)')
  .addHelpText(
    'after',
    `
Exit codes: 0 all done · 1 failed · 2 the command line is wrong · 5 some studies failed

Examples:
  plumbline demo                              see it work on synthetic studies
  plumbline run ./studies --out ./results     read a folder of DICOM, offline
  plumbline init && plumbline serve           make a configuration and start the gateway`,
  );

for (const make of [
  demoCommand,
  serveCommand,
  initCommand,
  checkCommand,
  runCommand,
  sendCommand,
  askCommand,
  statusCommand,
  jobsCommand,
  ordersCommand,
  deadLettersCommand,
  auditCommand,
  backupCommand,
  restoreCommand,
  storeCommand,
  retentionCommand,
  explainCommand,
  modelsCommand,
]) {
  program.addCommand(make().exitOverride());
}

try {
  await program.parseAsync();
} catch (thrown) {
  process.exitCode = failed(thrown);
}

function failed(thrown: unknown): number {
  // Commander has already said what is wrong, or printed the help that was asked for.
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  const error = asPlumblineError(thrown);
  process.stderr.write(`plumbline: ${explainError(error)}\n`);
  if (error.class === 'bug' && error.cause instanceof Error) process.stderr.write(`${error.cause.stack}\n`);
  return thrown instanceof PlumblineError && thrown.code === 'usage' ? exitCodes.usage : exitCodes.failed;
}
