import { Command } from 'commander';
import { resolve } from 'node:path';
import { backupStore, restoreStore, verifyStore } from '../../server/index.ts';
import { configOf, exitCodes } from '../common.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly copy?: boolean;
}

/** `plumbline backup DIR`: a copy of the store, also while the gateway works. */
export function backupCommand(): Command {
  return new Command('backup')
    .description('Copy the store into a folder, while the gateway works or not.')
    .argument('<folder>', 'empty or not there yet')
    .option('--config <file>', 'configuration')
    .option('--copy', 'copy blobs that could be linked: for a folder on the same volume that shall stand for itself')
    .option('--json', 'JSON on standard output')
    .addHelpText('after', '\nExample:\n  plumbline backup /backup/2026-01-05 --config plumbline.yaml')
    .action(async (folder: string, o: Options) => {
      const made = await backupStore(configOf(o.config, true).dataDir, resolve(folder), { link: o.copy !== true });
      if (o.json) return void process.stdout.write(`${JSON.stringify(made)}\n`);
      process.stdout.write(`Backed up: database of ${size(made.database.bytes)}, ${files(made.blobs)}.\n`);
    });
}

/** `plumbline restore DIR`: a backup into a data folder that is empty. */
export function restoreCommand(): Command {
  return new Command('restore')
    .description('Bring a backup into an empty data folder; every file is checked on the way.')
    .argument('<folder>', 'made by plumbline backup')
    .option('--config <file>', 'configuration; its dataDir must be empty or not there')
    .option('--json', 'JSON on standard output')
    .addHelpText('after', '\nExample:\n  plumbline restore /backup/2026-01-05 --config plumbline.yaml')
    .action(async (folder: string, o: Options) => {
      const { dataDir } = configOf(o.config, true);
      const made = await restoreStore(resolve(folder), dataDir);
      if (o.json) return void process.stdout.write(`${JSON.stringify(made)}\n`);
      process.stdout.write(
        `Restored the store of ${made.createdAt} (version ${made.version}): ${files(made.blobs)}.\n`,
      );
    });
}

/** `plumbline store verify`: every blob against its address, every reference present. */
export function storeCommand(): Command {
  const store = new Command('store').description('The store itself: verify.');
  store
    .command('verify', { isDefault: true })
    .description('read every blob that the database names, and compare it with its address')
    .option('--config <file>', 'configuration')
    .option('--json', 'JSON on standard output')
    .exitOverride()
    .action(async (o: Options) => {
      const found = await verifyStore(configOf(o.config, true).dataDir);
      if (found.problems.length > 0) process.exitCode = exitCodes.failed;
      if (o.json) return void process.stdout.write(`${JSON.stringify(found)}\n`);
      for (const p of found.problems) process.stdout.write(`✗ ${p.of}: ${p.message} (${p.digest})\n`);
      const good =
        found.problems.length === 0 ? 'all as they were written' : `${found.problems.length} missing or damaged`;
      process.stdout.write(`${found.blobs} blobs, ${size(found.bytes)}: ${good}.\n`);
    });
  return store;
}

function files(blobs: { readonly count: number; readonly bytes: number }): string {
  return `${blobs.count} blobs of ${size(blobs.bytes)}`;
}

/** In decimal units, as disks are sold. */
export function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return step === 0 ? `${bytes} B` : `${(bytes / 1000 ** step).toFixed(1)} ${units[step]!}`;
}
