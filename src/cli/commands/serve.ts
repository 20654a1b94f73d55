import { Command } from 'commander';
import { createLog } from '../../base/index.ts';
import { serve } from '../../server/index.ts';
import { configOf, defaultConfigFile } from '../common.ts';

/** `plumbline serve`: the gateway, until a signal ends it. */
export function serveCommand(): Command {
  return new Command('serve')
    .description('Start the gateway: STOW-RS, study gate, reading, delivery, QIDO-RS, WADO-RS, pages.')
    .option('--config <file>', `configuration (default: ${defaultConfigFile}, else defaults)`)
    .option('--port <number>', 'listen here instead', Number)
    .addHelpText(
      'after',
      '\nExample:\n  plumbline serve --config plumbline.yaml\n\nEnds at SIGTERM or Ctrl+C after what is in work; a second signal ends it at once. Nothing is lost either way.',
    )
    .action(async (options: { config?: string; port?: number }) => {
      const config = configOf(options.config, true);
      const http = options.port === undefined ? config.http : { ...config.http, port: options.port };
      const gateway = await serve({ ...config, http }, createLog(config.log.level));
      process.stdout.write(
        `Plumbline listens at ${gateway.url}\n  pages     ${gateway.url}/\n  DICOMweb  ${gateway.dicomweb}\n`,
      );
      for (const d of gateway.dimse) process.stdout.write(`  DICOM     ${d.aeTitle} at ${d.host}:${d.port}\n`);
      await untilSignal();
      const second = untilSignal().then(() => process.exit(1));
      await Promise.race([gateway.stop(), second]);
    });
}

function untilSignal(): Promise<void> {
  return new Promise((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => done());
  });
}
