import { Command } from 'commander';
import { access, constants, mkdir, statfs } from 'node:fs/promises';
import { createGuard, guardOutbound } from '../../access/index.ts';
import { asPlumblineError, explainError, silentLog, type Config } from '../../base/index.ts';
import { makeDestination } from '../../delivery/index.ts';
import { fileTls } from '../../dimse/index.ts';
import { listBundles } from '../../inference/index.ts';
import { checkBundle, openReading, type Reading } from '../../server/index.ts';
import { configOf, defaultConfigFile, exitCodes } from '../common.ts';

type Say = (ok: boolean, what: string, words: string) => void;

/** `plumbline check`: what a site lacks, asked of each part in turn. Stores and sends nothing. */
export function checkCommand(): Command {
  return new Command('check')
    .description('Say what a site lacks: configuration, routes, bundles, disk, destinations.')
    .option('--config <file>', `configuration (default: ${defaultConfigFile}, else defaults)`)
    .addHelpText('after', '\nExample:\n  plumbline check --config plumbline.yaml')
    .action(async (options: { config?: string }) => {
      let bad = 0;
      const say: Say = (ok, what, words) => {
        if (!ok) bad++;
        process.stdout.write(`${ok ? '✓' : '✗'} ${what}: ${words}\n`);
      };
      const config = configOf(options.config, true);
      say(true, 'configuration', options.config ?? defaultConfigFile);
      const named = !config.site.idBase.includes('.invalid');
      say(
        named,
        'site',
        named ? config.site.organization : 'site.idBase is not set: identifiers in FHIR would not be yours',
      );
      guardOutbound(config.outbound);
      await checkDisk(config, say);
      await checkAccess(config, say);
      await checkReading(config, say);
      await checkDestinations(config, say);
      process.stdout.write(
        bad === 0 ? 'Everything is there.\n' : `${bad} ${bad === 1 ? 'thing needs' : 'things need'} a look.\n`,
      );
      if (bad > 0) process.exitCode = exitCodes.failed;
    });
}

/** Run one question; what it throws is the answer no. */
async function ask(say: Say, what: string, question: () => Promise<string>): Promise<void> {
  try {
    say(true, what, await question());
  } catch (thrown) {
    say(false, what, explainError(asPlumblineError(thrown)));
  }
}

async function checkDisk(config: Config, say: Say): Promise<void> {
  await mkdir(config.dataDir, { recursive: true });
  await access(config.dataDir, constants.W_OK);
  const { bavail, bsize } = await statfs(config.dataDir);
  const free = bavail * bsize;
  say(free > config.store.reserveBytes, 'disk', `${Math.round(free / 1e9)} GB free in ${config.dataDir}`);
}

async function checkAccess({ access, http }: Config, say: Say): Promise<void> {
  await ask(say, 'access', () => createGuard({ access, rules: [], log: silentLog }).check());
  const { tls } = http;
  if (!tls) return;
  await ask(say, 'TLS', () => {
    fileTls(tls);
    return Promise.resolve('certificate and key fit together');
  });
}

async function checkReading(config: Config, say: Say): Promise<void> {
  let reading: Reading;
  try {
    reading = openReading(config);
  } catch (thrown) {
    return say(false, 'routes and mappings', explainError(asPlumblineError(thrown)));
  }
  say(true, 'routes', `${reading.routes.rules.length} ${reading.routes.rules.length === 1 ? 'rule' : 'rules'}`);
  for (const b of await listBundles(reading.modelsDir))
    if (b.problem) say(false, `bundle ${b.name}`, explainError(b.problem));
  const names = new Set(reading.routes.rules.map((r) => r.then.bundle));
  for (const name of names) {
    await ask(say, `bundle ${name}`, async () => {
      const uncoded = await checkBundle(reading, name);
      const { ref } = await reading.bundle(name);
      const runtime = await reading.runtime(name);
      const notes = [...runtime.notices, ...uncoded].map((n) => `; ${n.code}: ${n.message}`).join('');
      return `${ref.name} ${ref.version}, all files as signed, runs on ${runtime.provider}${notes}`;
    });
  }
  await reading.close();
}

async function checkDestinations(config: Config, say: Say): Promise<void> {
  if (config.destinations.length === 0) say(true, 'destinations', 'none: results stay in the gateway’s own store');
  for (const d of config.destinations)
    await ask(say, `destination ${d.name}`, () => makeDestination(d).check(AbortSignal.timeout(10_000)));
}
