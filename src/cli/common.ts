import { userInfo } from 'node:os';
import { loadConfig, parseConfig, type Config } from '../base/index.ts';

export { home, version } from '../server/index.ts';

/** Exit codes of every command; documented in docs/cli.md. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, someFailed: 5 } as const;

export const defaultConfigFile = 'plumbline.yaml';

/** Who sits at the command line, as the system knows them; for stories and the audit. */
export function person(): string {
  return `operator ${userInfo().username}`;
}

/** The configuration of `--config`, or the defaults where no file was named and none lies here. */
export function configOf(file: string | undefined, optional: boolean): Config {
  if (file === undefined && optional) {
    try {
      return loadConfig(defaultConfigFile);
    } catch (e) {
      if ((e as { code?: string }).code !== 'config-missing') throw e;
      return parseConfig('', '(defaults)', process.cwd());
    }
  }
  return loadConfig(file ?? defaultConfigFile);
}
