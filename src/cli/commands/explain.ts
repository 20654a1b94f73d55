import { Command } from 'commander';
import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { isUid, PlumblineError, silentLog } from '../../base/index.ts';
import { openReading, openRooms, seriesOf } from '../../server/index.ts';
import { decideRoutes, type RoutedSeries } from '../../work/index.ts';
import { configOf } from '../common.ts';
import { scanFolder } from '../scan.ts';

/** `plumbline explain`: each rule, each condition, what it wanted and what it found. Reads and sends nothing. */
export function explainCommand(): Command {
  return new Command('explain')
    .description('Say for each rule of the routes why it matched the series of a study or not.')
    .argument('<study>', 'Study Instance UID in the store, or a DICOM file or folder')
    .option('--config <file>', 'configuration')
    .option('--json', 'JSON on standard output')
    .addHelpText(
      'after',
      '\nExamples:\n  plumbline explain ./study\n  plumbline explain 1.2.840.1 --config plumbline.yaml',
    )
    .action(async (study: string, options: { config?: string; json?: boolean }) => {
      const config = configOf(options.config, true);
      const reading = openReading(config);
      try {
        const series = existsSync(study) ? await fromDisk(study) : await fromStore(study, options.config);
        const result = decideRoutes(reading.routes, series);
        process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : explained(result));
      } finally {
        await reading.close();
      }
    });
}

async function fromDisk(path: string): Promise<RoutedSeries[]> {
  const { studies } = await scanFolder(statSync(path).isDirectory() ? path : dirname(path));
  const instances = [...studies.values()].flat().map((i) => ({ ref: i.ref, sender: '', summary: i.attributes }));
  return seriesOf({ instances: instances.map((i) => ({ ...i, origin: 'received', receivedAt: '' })) });
}

async function fromStore(studyUid: string, configFile: string | undefined): Promise<RoutedSeries[]> {
  if (!isUid(studyUid))
    throw new PlumblineError('usage', `${studyUid} is neither a file nor a folder nor a UID`, { where: studyUid });
  const rooms = await openRooms(configOf(configFile, true), silentLog);
  try {
    const instances = (await rooms.studies.instances(studyUid)).filter((i) => i.origin === 'received');
    if (instances.length === 0)
      throw new PlumblineError('not-found', `no study ${studyUid} in ${rooms.config.dataDir}`, { where: studyUid });
    return seriesOf({ instances });
  } finally {
    await rooms.stop();
  }
}

function explained({ decisions, explanations }: ReturnType<typeof decideRoutes>): string {
  const lines: string[] = [];
  for (const e of explanations) {
    lines.push(
      `${e.taken ? '✓ reads' : e.holds ? '· would match, but an earlier rule reads' : '✗ does not match'}  rule ${e.rule}, series ${e.seriesUid}`,
    );
    for (const c of e.conditions)
      lines.push(
        `    ${c.holds ? '✓' : '✗'} ${c.condition}: wanted ${c.wanted.join(' or ')}, is ${c.actual.map((a) => a || '(empty)').join(', ') || '(none)'}`,
      );
  }
  for (const d of decisions)
    lines.push(
      `→ ${d.bundle}/${d.task} reads ${d.series.length} series (rule ${d.rule}); results go to ${d.destinations.join(', ') || 'the gateway’s own store'}`,
    );
  if (decisions.length === 0) lines.push('→ no rule matches: the study would be held with no-route');
  return `${lines.join('\n')}\n`;
}
