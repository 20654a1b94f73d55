import { Command } from 'commander';
import { readFile, stat } from 'node:fs/promises';
import { PlumblineError } from '../../base/index.ts';
import { exitCodes } from '../common.ts';
import { createProgress } from '../progress.ts';
import { filesBelow } from '../scan.ts';
import { stow } from '../stow-client.ts';

/** `plumbline send`: files and folders to a DICOMweb server, in requests of some hundred files. */
export function sendCommand(): Command {
  return new Command('send')
    .description('Send DICOM files or folders to a DICOMweb server (STOW-RS).')
    .argument('<paths...>', 'files or folders; files that are no DICOM are passed over')
    .option('--to <url>', 'service root', 'http://127.0.0.1:8470/dicom-web')
    .option('--json', 'one JSON object on standard output')
    .addHelpText('after', '\nExample:\n  plumbline send ./study --to http://127.0.0.1:8470/dicom-web')
    .action(async (paths: string[], options: { to: string; json?: boolean }) => {
      const files = (await Promise.all(paths.map(expand))).flat();
      const progress = createProgress(!options.json);
      const total = { sent: 0, stored: 0, failed: [] as { instanceUid: string; reason: string }[], passedOver: 0 };
      for (let i = 0; i < files.length; i += 200) {
        const some = files.slice(i, i + 200);
        progress.show(`sending ${i + some.length} of ${files.length} files`);
        const answer = await stow(
          options.to,
          dicomOnly(some, () => total.passedOver++),
        );
        total.sent += some.length;
        total.stored += answer.stored.length;
        total.failed.push(...answer.failed);
      }
      progress.clear();
      if (options.json) process.stdout.write(`${JSON.stringify(total)}\n`);
      else
        process.stdout.write(
          `${total.stored} stored, ${total.failed.length} refused, ${total.passedOver} files passed over.\n${total.failed.map((f) => `  ${f.instanceUid || '(no UID)'}: ${f.reason}`).join('\n')}`,
        );
      if (total.failed.length > 0) process.exitCode = exitCodes.someFailed;
    });
}

async function expand(path: string): Promise<string[]> {
  try {
    return (await stat(path)).isDirectory() ? await filesBelow(path) : [path];
  } catch (cause) {
    if (cause instanceof PlumblineError) throw cause;
    throw new PlumblineError('usage', `cannot read ${path}`, { where: path, cause });
  }
}

async function* dicomOnly(files: readonly string[], passOver: () => void): AsyncGenerator<Uint8Array> {
  for (const file of files) {
    const bytes = new Uint8Array(await readFile(file));
    if (Buffer.from(bytes.subarray(128, 132)).toString('latin1') === 'DICM') yield bytes;
    else passOver();
  }
}
